//! What `lrn-jit image` refuses: one line, exit code 2, no output file; and whatever is done to a file, no panic.
#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::Path;

use common::rng::Rng;
use common::tool::{Folder, Outcome, command, outcome};

fn image(input: &Path, output: &Path, options: &str) -> Outcome {
    let mut command = command(["image"]);
    command.arg(input).arg(output).args(options.split_whitespace());
    outcome(command)
}

/// A PNG file of 24×18 pixels, RGB.
fn png() -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 24, 18);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    let bytes: Vec<u8> = (0..24 * 18 * 3).map(|i| (i * i % 253) as u8).collect();
    writer.write_image_data(&bytes).unwrap();
    writer.finish().unwrap();
    file
}

/// The same with another size in its header.
fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    let mut file = png();
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc(&file[12..29]).to_be_bytes();
    file[29..33].copy_from_slice(&sum);
    file
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

fn jpeg(name: &str) -> Vec<u8> {
    fs::read(common::golden::path(format!("data/image/{name}"))).unwrap()
}

/// A JPEG file with another size in its frame.
fn jpeg_that_claims(width: u16, height: u16) -> Vec<u8> {
    let mut file = jpeg("grey.jpg");
    let frame = file.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    file[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    file[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    file
}

#[test]
fn files_that_are_no_pictures() {
    let folder = Folder::new("image-files");
    let refused = |name: &str, bytes: &[u8], words: &[&str]| {
        let input = folder.write(name, bytes);
        image(&input, &folder.path("out.png"), "").is_refused(&[words, &["cannot read", name]].concat());
        assert!(!folder.path("out.png").exists());
        fs::remove_file(input).unwrap();
        assert_eq!(folder.names(), [""; 0]);
    };
    refused("empty", b"", &["PNG and JPEG"]);
    refused("text.png", b"not a picture", &["PNG and JPEG"]);
    refused("a.gif", b"GIF89a\x01\0\x01\0\0\0\0;", &["a GIF file", "PNG and JPEG"]);
    refused("a.webp", b"RIFF\x1a\0\0\0WEBPVP8L", &["a WebP file", "PNG and JPEG"]);
    refused("a.tiff", b"II*\0\x08\0\0\0", &["a TIFF file"]);
    refused("cmyk.jpg", &jpeg("cmyk.jpg"), &["JPEG", "CMYK"]);
    for (width, height) in [(60000, 60000), (u32::MAX >> 1, 1 << 30), (1 << 28, 1)] {
        refused("huge.png", &png_that_claims(width, height), &["PNG", &format!("{width}×{height}"), "134 million"]);
    }
    refused("zero.png", &png_that_claims(0, 18), &["PNG"]);
    refused("zero.png", &png_that_claims(24, 0), &["PNG"]);
    refused("larger.png", &png_that_claims(24, 4000), &["PNG"]);
    refused("huge.jpg", &jpeg_that_claims(60000, 60000), &["JPEG", "60000×60000", "134 million"]);
    refused("zero.jpg", &jpeg_that_claims(0, 8), &["JPEG"]);
    let (png, grey, progressive) = (png(), jpeg("grey.jpg"), jpeg("progressive.jpg"));
    for length in [8, 20, 33, 40, 200, png.len() - 30, png.len() - 12, png.len() - 1] {
        refused("cut.png", &png[..length], &["PNG"]);
    }
    for length in [2, 3, 20, 150, grey.len() - 20] {
        refused("cut.jpg", &grey[..length], &["JPEG"]);
    }
    for length in [2, 20, 150, progressive.len() - 100] {
        refused("cut.jpg", &progressive[..length], &["JPEG"]);
    }
}

#[test]
fn paths_and_options() {
    let folder = Folder::new("image-paths");
    let input = folder.write("in.png", &png());
    let refused = |input: &Path, output: &Path, options: &str, words: &[&str]| {
        image(input, output, options).is_refused(words);
        assert_eq!(folder.names(), ["in.png"]);
    };
    let out = folder.path("out.png");
    refused(&folder.path("none.png"), &out, "", &["none.png", "No such file"]);
    refused(&folder.path("."), &out, "", &["it is a directory"]);
    refused(&input, &folder.path("out.jpg"), "", &["out.jpg", "must end in .png"]);
    refused(&input, &folder.path("out"), "", &["must end in .png"]);
    refused(&input, &folder.path("none/out.png"), "", &["cannot write", "no directory"]);
    if cfg!(target_os = "linux") {
        refused(Path::new("/dev/null"), &out, "", &["not a regular file"]);
        refused(&input, Path::new("/proc/out.png"), "", &["cannot write /proc/out.png"]);
    }
    for (options, words) in [
        ("--size 0", &["size", "at least 1"][..]),
        ("--size 19", &["a window of 19", "24×18"]),
        ("--size 18446744073709551615", &["window", "24×18"]),
        ("--size 18446744073709551615 --across", &["size must be at most"]),
        ("--alpha nan", &["alpha", "finite"]),
        ("--beta inf", &["beta", "finite"]),
        ("--k=-inf", &["k must be", "finite"]),
        ("--tone 0", &["tone", "above 0"]),
        ("--tone=-1", &["tone", "above 0"]),
        ("--tone nan", &["tone", "NaN"]),
        ("--tone 1 --across", &["--tone", "--across", "lrn-jit image --help"]),
        ("--across --alpha 0 --k 0", &["white"]),
        ("--across --alpha=-100", &["white"]),
        ("--size five", &["--size", "lrn-jit image --help"]),
    ] {
        refused(&input, &out, options, words);
    }
    // Strange, but no errors.
    for options in ["--k 0", "--k=-1", "--alpha=-1e30", "--beta=-5", "--beta 60 --k 1e-9", "--tone 1e-9", "--tone 1e9"]
    {
        image(&input, &out, options).succeeds();
    }
}

/// A write that fails leaves what was there.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let folder = Folder::new("image-full");
    let (input, output) = (folder.write("in.png", &png()), folder.write("out.png", b"old"));
    for bytes in [0, 100, 1000] {
        let mut command = command(["image"]);
        command.arg(&input).arg(&output);
        common::tool::limit(&mut command, libc::RLIMIT_FSIZE, bytes);
        outcome(command).is_refused(&["cannot write", "out.png", "File too large"]);
        assert_eq!(fs::read(&output).unwrap(), b"old");
        assert_eq!(folder.names(), ["in.png", "out.png"]);
    }
}

/// Bytes changed at random: a picture comes out, or one line.
#[test]
fn corrupted_files() {
    let folder = Folder::new("image-corrupt");
    let mut rng = Rng::new(17);
    let mut refused = 0;
    for file in [png(), jpeg("grey.jpg"), jpeg("progressive.jpg"), jpeg("turned.jpg")] {
        for _ in 0..40 {
            let mut file = file.clone();
            for _ in 0..1 + rng.next() % 4 {
                let at = (rng.next() as usize) % file.len();
                file[at] = rng.next() as u8;
            }
            let input = folder.write("in", &file);
            let outcome = image(&input, &folder.path("out.png"), "");
            if outcome.code != Some(0) {
                outcome.is_refused(&["in"]);
                refused += 1;
            }
        }
    }
    assert!(refused > 40, "{refused}");
}
