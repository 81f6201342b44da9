//! [`Picture`]s as PNG files.

use std::borrow::Cow;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use png::{BitDepth, ColorType};

use super::picture::Picture;
use crate::failure::Failure;
use crate::output::{self, Output};
use crate::progress::Progress;

/// Writes a picture, into a file that is not in its place yet.
pub fn write(picture: &Picture, output: &mut Output, path: &Path, progress: &mut Progress) -> Result<(), Failure> {
    let cannot = |error: png::EncodingError| match error {
        png::EncodingError::IoError(error) => output::cannot(path, &error),
        error => output::cannot(path, &error),
    };
    let too_wide = |_| Failure::input(format_args!("cannot write {}: the picture is too wide", path.display()));
    let mut info = png::Info::with_size(
        u32::try_from(picture.width).map_err(too_wide)?,
        u32::try_from(picture.height).map_err(too_wide)?,
    );
    info.bit_depth = if picture.deep { BitDepth::Sixteen } else { BitDepth::Eight };
    info.color_type = match (picture.colour, picture.alpha) {
        (false, false) => ColorType::Grayscale,
        (false, true) => ColorType::GrayscaleAlpha,
        (true, false) => ColorType::Rgb,
        (true, true) => ColorType::Rgba,
    };
    let tags = &picture.tags;
    info.icc_profile = tags.icc_profile.as_deref().map(Cow::Borrowed);
    info.srgb = tags.srgb;
    info.source_gamma = tags.gamma;
    info.source_chromaticities = tags.chromaticities;
    info.pixel_dims = tags.pixel_dims;
    let mut file = BufWriter::new(output.file());
    let mut encoder = png::Encoder::with_info(&mut file, info).map_err(cannot)?;
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(cannot)?;
    let mut stream = writer.stream_writer().map_err(cannot)?;
    for row in picture.bytes.chunks_exact(picture.row_bytes()) {
        stream.write_all(row).map_err(|error| output::cannot(path, &error))?;
        progress.advance(row.len());
    }
    stream.finish().map_err(cannot)?;
    writer.finish().map_err(cannot)?;
    file.flush().map_err(|error| output::cannot(path, &error))
}

/// Columns between the two halves of a comparison.
pub fn gap(width: usize) -> usize {
    (width / 64).max(2)
}

/// Both pictures, side by side, with a white gap (where there is alpha, a transparent one).
pub fn beside(before: &Picture, after: &Picture) -> Picture {
    let row = before.row_bytes();
    let mut between = vec![u8::MAX; gap(before.width) * before.pixel_bytes()];
    if before.alpha {
        between.fill(0);
    }
    let mut bytes = Vec::with_capacity(before.height * (2 * row + between.len()));
    for (before, after) in before.bytes.chunks_exact(row).zip(after.bytes.chunks_exact(row)) {
        [before, &between, after].into_iter().for_each(|piece| bytes.extend_from_slice(piece));
    }
    Picture { width: 2 * before.width + gap(before.width), bytes, ..after.clone() }
}
