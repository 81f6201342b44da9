//! PNG and JPEG files as [`Picture`]s: told apart by their first bytes, not by their names.
//!
//! The header is read first, and what it claims refused before anything is allocated for it. A file that is cut off is refused,
//! although both decoders could give what there is of it. (A JPEG file that ends early but in due form cannot be told from a whole one:
//! what its decoder does not find is grey.)

use std::io::{Cursor, Read as _};
use std::path::Path;

use png::{ColorType, Transformations};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::exif;
use super::picture::{MOST_PIXELS, Picture, Tags};
use crate::failure::Failure;
use crate::output;

/// The most bytes that a PNG decoder may take for what is not pixels: profiles, texts.
const CHUNKS: usize = 64 << 20;

/// Bytes that tell formats apart.
const LONGEST_MAGIC: u64 = 16;

/// Reads a picture; also the name of its format.
pub fn read(path: &Path) -> Result<(Picture, &'static str), Failure> {
    let name = path.display();
    let cannot = |error| Failure::input(format_args!("cannot read {name}: {error}"));
    let mut file = output::open(path)?;
    let mut bytes = Vec::new();
    (&mut file).take(LONGEST_MAGIC).read_to_end(&mut bytes).map_err(cannot)?;
    let (decode, format): (fn(&[u8]) -> _, _) = match &bytes[..] {
        [0x89, b'P', b'N', b'G', ..] => (png, "PNG"),
        [0xff, 0xd8, ..] => (jpeg, "JPEG"),
        _ => {
            let what = known(&bytes).map(|format| format!("a {format} file; ")).unwrap_or_default();
            return Err(Failure::input(format_args!("cannot read {name}: {what}pictures are read from PNG and JPEG")));
        }
    };
    file.read_to_end(&mut bytes).map_err(cannot)?;
    let picture =
        decode(&bytes).map_err(|why| Failure::input(format_args!("cannot read {name} as a {format} file: {why}")))?;
    Ok((picture, format))
}

/// The names of formats that are not read.
fn known(bytes: &[u8]) -> Option<&'static str> {
    let formats: [(usize, &[u8], &str); 10] = [
        (0, b"GIF8", "GIF"),
        (8, b"WEBP", "WebP"),
        (0, b"BM", "BMP"),
        (0, b"II*\0", "TIFF"),
        (0, b"MM\0*", "TIFF"),
        (4, b"ftypavif", "AVIF"),
        (4, b"ftyphei", "HEIF"),
        (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
        (0, b"\xff\x0a", "JPEG XL"),
        (0, b"%PDF", "PDF"),
    ];
    formats.into_iter().find(|(at, magic, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic))).map(|f| f.2)
}

/// Refuses sizes that are not worked on.
fn check(width: usize, height: usize) -> Result<(), String> {
    match width.checked_mul(height) {
        Some(0) => Err(format!("it is {width}×{height}: there are no pixels")),
        Some(pixels) if pixels <= MOST_PIXELS => Ok(()),
        _ => Err(format!("it says to be {width}×{height}, more than {} million pixels", MOST_PIXELS / 1_000_000)),
    }
}

/// Room for samples, if there is that much memory.
fn room(length: Option<usize>) -> Result<Vec<u8>, String> {
    let length = length.ok_or("it is too large")?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| format!("there is no memory for its {length} bytes"))?;
    bytes.resize(length, 0);
    Ok(bytes)
}

fn png(file: &[u8]) -> Result<Picture, String> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(file), png::Limits { bytes: CHUNKS });
    // Palettes, 1, 2 and 4 bits and transparent colours as samples of their own.
    decoder.set_transformations(Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    let said = |error: png::DecodingError| match error {
        png::DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it is cut off".into()
        }
        error => error.to_string(),
    };
    let header = decoder.read_header_info().map_err(said)?;
    let (width, height) = (header.width as usize, header.height as usize);
    check(width, height)?;
    let mut reader = decoder.read_info().map_err(said)?;
    let mut bytes = room(reader.output_buffer_size())?;
    let frame = reader.next_frame(&mut bytes).map_err(said)?;
    bytes.truncate(frame.buffer_size());
    // Its end may be missing even where all pixels are there.
    reader.finish().map_err(said)?;
    let info = reader.info();
    let tags = Tags {
        icc_profile: info.icc_profile.as_ref().map(|profile| profile.to_vec()),
        srgb: info.srgb,
        gamma: info.gama_chunk,
        chromaticities: info.chrm_chunk,
        pixel_dims: info.pixel_dims,
    };
    let orientation = info.exif_metadata.as_ref().map_or(1, |exif| exif::orientation(exif));
    let colour = matches!(frame.color_type, ColorType::Rgb | ColorType::Rgba);
    let alpha = matches!(frame.color_type, ColorType::GrayscaleAlpha | ColorType::Rgba);
    let deep = frame.bit_depth == png::BitDepth::Sixteen;
    if (frame.width as usize, frame.height as usize) != (width, height) {
        return Err("its first frame has another size than the file".into());
    }
    Ok(exif::upright(Picture { width, height, colour, alpha, deep, bytes, tags }, orientation))
}

fn jpeg(file: &[u8]) -> Result<Picture, String> {
    // Strict: what is missing is an error, not grey.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(file), options);
    let said = |error: zune_jpeg::errors::DecodeErrors| format!("{error:?}");
    decoder.decode_headers().map_err(said)?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    check(width, height)?;
    let colour = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => false,
        Some(ColorSpace::YCbCr | ColorSpace::RGB) => true,
        Some(ColorSpace::CMYK | ColorSpace::YCCK) => return Err("its colours are inks (CMYK), not light".into()),
        _ => return Err("its colours are neither grey nor RGB".into()),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(if colour { ColorSpace::RGB } else { ColorSpace::Luma }));
    let mut bytes = room(decoder.output_buffer_size())?;
    decoder.decode_into(&mut bytes).map_err(said)?;
    let tags = Tags { icc_profile: decoder.icc_profile(), ..Tags::default() };
    let orientation = decoder.exif().map_or(1, |exif| exif::orientation(exif));
    let picture = Picture { width, height, colour, alpha: false, deep: false, bytes, tags };
    if picture.bytes.len() != height * picture.row_bytes() {
        return Err("its pixels are not as many as it says".into());
    }
    Ok(exif::upright(picture, orientation))
}
