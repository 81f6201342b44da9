//! `lrn-jit image`: every kind of picture in and out, against the formula in f64, and what is refused.
#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::Path;

use common::rng::Rng;
use common::tool::{Folder, Outcome, command, outcome};
use png::{BitDepth, ColorType, Transformations};

/// A picture as a PNG file holds it.
#[derive(Debug, Clone, PartialEq)]
struct Png {
    size: [usize; 2],
    kind: (ColorType, BitDepth),
    bytes: Vec<u8>,
}

impl Png {
    fn new(size: [usize; 2], kind: (ColorType, BitDepth), bytes: Vec<u8>) -> Self {
        Self { size, kind, bytes }
    }

    fn file(&self) -> Vec<u8> {
        self.file_with(|_| {})
    }

    fn file_with(&self, more: impl FnOnce(&mut png::Info<'_>)) -> Vec<u8> {
        let mut info = png::Info::with_size(self.size[0] as u32, self.size[1] as u32);
        (info.color_type, info.bit_depth) = self.kind;
        more(&mut info);
        let mut file = Vec::new();
        let mut writer = png::Encoder::with_info(&mut file, info).unwrap().write_header().unwrap();
        writer.write_image_data(&self.bytes).unwrap();
        writer.finish().unwrap();
        file
    }

    /// Reads a file, and what is in it besides pixels.
    fn read(path: &Path) -> (Self, png::Info<'static>) {
        let mut decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap()));
        decoder.set_transformations(Transformations::IDENTITY);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        let size = [frame.width as usize, frame.height as usize];
        (Self::new(size, (frame.color_type, frame.bit_depth), bytes), reader.info().clone())
    }

    /// The samples from 0 to 1.
    fn samples(&self) -> Vec<f64> {
        match self.kind.1 {
            BitDepth::Sixteen => self.pairs().map(|sample| f64::from(sample) / 65535.0).collect(),
            _ => self.bytes.iter().map(|&sample| f64::from(sample) / 255.0).collect(),
        }
    }

    fn pairs(&self) -> impl Iterator<Item = u16> {
        self.bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
    }
}

const KINDS: [(ColorType, usize); 4] =
    [(ColorType::Grayscale, 1), (ColorType::GrayscaleAlpha, 2), (ColorType::Rgb, 3), (ColorType::Rgba, 4)];

/// Hills in light and shadow, with some noise; opacity is noise alone.
fn picture(size: [usize; 2], color: ColorType, depth: BitDepth, seed: u64) -> Png {
    let channels = KINDS.iter().find(|kind| kind.0 == color).unwrap().1;
    let mut rng = Rng::new(seed);
    let mut bytes = Vec::new();
    for i in 0..size[0] * size[1] * channels {
        let (x, y, channel) = (i / channels % size[0], i / channels / size[0], i % channels);
        let noise = (rng.next() % 1000) as f64 / 1000.0;
        let hill = 0.5 + 0.45 * (x as f64 * 0.31 + channel as f64 * 0.5).sin() * (y as f64 * 0.23).cos();
        let opacity = channels % 2 == 0 && channel + 1 == channels;
        let value = if opacity { noise } else { (hill * 0.9 + 0.1 * noise).powi(2) };
        match depth {
            BitDepth::Sixteen => bytes.extend(((value * 65535.0) as u16).to_be_bytes()),
            _ => bytes.push((value * 255.0) as u8),
        }
    }
    Png::new(size, (color, depth), bytes)
}

fn image(input: &Path, output: &Path, options: &str) -> Outcome {
    let mut command = command(["image"]);
    command.arg(input).arg(output).args(options.split_whitespace());
    outcome(command)
}

/// What comes out of a file.
#[track_caller]
fn through(folder: &Folder, file: &[u8], options: &str) -> Png {
    let input = folder.write("in", file);
    image(&input, &folder.path("out.png"), options).succeeds();
    Png::read(&folder.path("out.png")).0
}

/// Options with which nothing is added: what comes out is what was read.
const IDENTITY: &str = "--tone 1 --alpha 0 --k 1e30";

/// Where a mirrored axis of extent `n` reads.
fn mirrored(i: isize, n: usize) -> usize {
    let n = n as isize;
    let i = ((i % (2 * n)) + 2 * n) % (2 * n);
    i.min(2 * n - 1 - i) as usize
}

/// The mean over a box of mirrored rows and columns, from `before` to `after` its element: sums, as they are written.
fn boxed(plane: &[f64], [width, height]: [usize; 2], before: isize, after: isize) -> Vec<f64> {
    let at = |x: isize, y: isize| plane[mirrored(y, height) * width + mirrored(x, width)];
    let mean = |x: isize, y: isize| {
        let rows = (y - before..=y + after).map(|y| (x - before..=x + after).map(|x| at(x, y)).sum::<f64>());
        rows.sum::<f64>() / ((before + after + 1) * (before + after + 1)) as f64
    };
    (0..plane.len()).map(|i| mean((i % width) as isize, (i / width) as isize)).collect()
}

/// The formula over space in f64.
fn expected(picture: &Png, size: usize, [alpha, beta, k, tone]: [f64; 4]) -> Vec<f64> {
    let channels = KINDS.iter().find(|kind| kind.0 == picture.kind.0).unwrap().1;
    let samples = picture.samples();
    let luma = |pixel: &[f64]| match channels {
        1 | 2 => pixel[0],
        _ => 0.2126 * pixel[0] + 0.7152 * pixel[1] + 0.0722 * pixel[2],
    };
    let curve = |v: f64| if v <= 0.5 { 0.5 * (2.0 * v).powf(tone) } else { 1.0 - 0.5 * (2.0 - 2.0 * v).powf(tone) };
    let u: Vec<f64> = samples.chunks(channels).map(|pixel| curve(luma(pixel))).collect();
    let half = (size as f64 / 8f64.sqrt()) as isize;
    let mean = boxed(&boxed(&u, picture.size, half, half), picture.size, half, half);
    let d: Vec<f64> = u.iter().zip(&mean).map(|(u, mean)| u - mean).collect();
    let squares: Vec<f64> = d.iter().map(|d| d * d).collect();
    let energy = boxed(&squares, picture.size, (size / 2) as isize, ((size - 1) / 2) as isize);
    let mut out = samples.clone();
    for (i, pixel) in out.chunks_mut(channels).enumerate() {
        let (from, to) = (luma(pixel), (u[i] + d[i] * (k + alpha * energy[i]).powf(-beta)).clamp(0.0, 1.0));
        if channels < 3 {
            pixel[0] = to;
            continue;
        }
        let mut factor = (to + 1.0 / 32.0) / (from + 1.0 / 32.0);
        for value in &pixel[..3] {
            let room = if *value > from { 1.0 - to } else { to };
            factor = factor.min(room / (value - from).abs());
        }
        pixel[..3].iter_mut().for_each(|value| *value = to + factor * (*value - from));
    }
    out
}

#[track_caller]
fn close(picture: &Png, expected: &[f64]) {
    // Rounding to a sample, and what f32 may be off before it.
    let step = if picture.kind.1 == BitDepth::Sixteen { 2.0 / 65535.0 } else { 0.51 / 255.0 };
    assert_eq!(picture.samples().len(), expected.len());
    for (i, (got, expected)) in picture.samples().iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= step, "sample {i}: {got}, expected {expected}");
    }
}

#[test]
fn over_space_as_the_formula_says() {
    let folder = Folder::new("image-formula");
    let usual = [100.0, 1.0, 0.7, 0.6];
    for (color, _) in KINDS {
        for depth in [BitDepth::Eight, BitDepth::Sixteen] {
            let picture = picture([40, 27], color, depth, 7);
            close(&through(&folder, &picture.file(), "--size 9"), &expected(&picture, 9, usual));
        }
    }
    let picture = picture([33, 40], ColorType::Rgb, BitDepth::Sixteen, 8);
    for (options, size, parameters) in [
        ("", 5, usual),
        ("--size 1", 1, usual),
        ("--size 2", 2, usual),
        ("--size 8 --beta 0.5 --k 0.2", 8, [100.0, 0.5, 0.2, 0.6]),
        ("--size 33 --alpha 20", 33, [20.0, 1.0, 0.7, 0.6]),
        ("--size 15 --tone 1 --k .1", 15, [100.0, 1.0, 0.1, 1.0]),
        ("--size 15 --tone 1.5 --beta 0.75", 15, [100.0, 0.75, 0.7, 1.5]),
    ] {
        close(&through(&folder, &picture.file(), options), &expected(&picture, size, parameters));
    }
}

/// Larger than what is worked on at a time: no seams.
#[test]
fn in_pieces() {
    let folder = Folder::new("image-pieces");
    let picture = picture([30, 1300], ColorType::Grayscale, BitDepth::Sixteen, 9);
    close(&through(&folder, &picture.file(), "--size 7"), &expected(&picture, 7, [100.0, 1.0, 0.7, 0.6]));
    let wide = self::picture([2100, 20], ColorType::Rgb, BitDepth::Eight, 9);
    close(&through(&folder, &wide.file(), "--size 7"), &expected(&wide, 7, [100.0, 1.0, 0.7, 0.6]));
}

#[test]
fn across_the_channels() {
    let folder = Folder::new("image-across");
    let formula = |pixel: &[f64]| {
        let factor = |sum: f64| (2.0 + 5.0 / 5.0 * sum).powf(-0.5);
        let scaled = |value: &f64| value * factor(pixel.iter().map(|value| value * value).sum()) / factor(3.0);
        let values: Vec<f64> = pixel.iter().map(scaled).collect();
        let most = values.iter().copied().fold(1.0, f64::max);
        values.into_iter().map(move |value| value / most).collect::<Vec<_>>()
    };
    for depth in [BitDepth::Eight, BitDepth::Sixteen] {
        let picture = picture([50, 30], ColorType::Rgb, depth, 3);
        let expected: Vec<f64> = picture.samples().chunks(3).flat_map(formula).collect();
        close(&through(&folder, &picture.file(), "--across"), &expected);
        // Grey is three equal colours.
        let grey = self::picture([50, 30], ColorType::Grayscale, depth, 3);
        let expected: Vec<f64> = grey.samples().iter().map(|&value| formula(&[value; 3])[0]).collect();
        close(&through(&folder, &grey.file(), "--across"), &expected);
    }
}

#[test]
fn opacity_and_nothing_else_stays_bit_for_bit() {
    let folder = Folder::new("image-alpha");
    for (color, channels) in KINDS {
        for (depth, bytes) in [(BitDepth::Eight, 1), (BitDepth::Sixteen, 2)] {
            let picture = picture([37, 29], color, depth, 5);
            assert_eq!(through(&folder, &picture.file(), IDENTITY), picture, "{color:?} {depth:?}");
            for options in ["", "--across"] {
                let out = through(&folder, &picture.file(), options);
                assert_eq!((out.size, out.kind), (picture.size, picture.kind));
                assert_ne!(out, picture);
                if channels % 2 == 0 {
                    let opacity = |picture: &Png| -> Vec<u8> {
                        let pixels = picture.bytes.chunks(channels * bytes);
                        pixels.flat_map(|pixel| &pixel[(channels - 1) * bytes..]).copied().collect()
                    };
                    assert_eq!(opacity(&out), opacity(&picture), "{color:?} {depth:?}");
                }
            }
        }
    }
}

#[test]
fn palettes_and_few_bits_are_expanded() {
    let folder = Folder::new("image-expanded");
    for (depth, bits) in [(BitDepth::One, 1), (BitDepth::Two, 2), (BitDepth::Four, 4), (BitDepth::Eight, 8)] {
        let values: Vec<u8> = (0..16u8).map(|i| i.wrapping_mul(37) & ((1u16 << bits) - 1) as u8).collect();
        let packed: Vec<u8> = values
            .chunks(8 / bits)
            .map(|few| few.iter().fold(0, |byte, v| (u16::from(byte) << bits) as u8 | v))
            .collect();
        let palette: Vec<u8> = (0..3 << bits).map(|i| (i * 61 % 251) as u8).collect();
        let indexed = Png::new([8, 2], (ColorType::Indexed, depth), packed.clone());
        let file = indexed.file_with(|info| info.palette = Some(palette.clone().into()));
        let colours = values.iter().flat_map(|&i| palette[3 * usize::from(i)..][..3].to_vec()).collect();
        assert_eq!(through(&folder, &file, IDENTITY), Png::new([8, 2], (ColorType::Rgb, BitDepth::Eight), colours));
        let file = indexed.file_with(|info| {
            info.palette = Some(palette.clone().into());
            info.trns = Some(vec![9].into());
        });
        assert_eq!(through(&folder, &file, "").kind.0, ColorType::Rgba);
        let grey = Png::new([8, 2], (ColorType::Grayscale, depth), packed);
        let full = values.iter().map(|&value| (u32::from(value) * 255 / ((1 << bits) - 1)) as u8).collect();
        let full = Png::new([8, 2], (ColorType::Grayscale, BitDepth::Eight), full);
        assert_eq!(through(&folder, &grey.file(), IDENTITY), full);
    }
}

#[test]
fn constant_pictures_stay_constant() {
    let folder = Folder::new("image-constant");
    for value in [0u8, 1, 20, 127, 128, 200, 255] {
        for (color, channels) in KINDS {
            let picture = Png::new([40, 30], (color, BitDepth::Eight), vec![value; 40 * 30 * channels]);
            for options in ["--tone 1", "", "--k 0.001", "--k 0", "--across", "--size 30 --beta 0.5"] {
                let out = through(&folder, &picture.file(), options);
                let pixel = out.bytes[..channels].to_vec();
                assert!(out.bytes.chunks(channels).all(|other| other == pixel), "{value} {color:?} {options}");
                if options == "--tone 1" || value == 0 || value == 255 {
                    assert_eq!(out, picture, "{options}");
                }
            }
        }
    }
}

#[test]
fn eight_and_sixteen_bits_agree() {
    let folder = Folder::new("image-depths");
    for options in ["", "--across", "--size 3 --beta 0.5"] {
        let eight = picture([64, 48], ColorType::Rgba, BitDepth::Eight, 11);
        let bytes = eight.bytes.iter().flat_map(|&byte| [byte, byte]).collect();
        let sixteen = Png::new(eight.size, (ColorType::Rgba, BitDepth::Sixteen), bytes);
        let (eight, sixteen) = (through(&folder, &eight.file(), options), through(&folder, &sixteen.file(), options));
        for (&eight, sixteen) in eight.bytes.iter().zip(sixteen.pairs()) {
            assert!((f64::from(sixteen) / 257.0 - f64::from(eight)).abs() < 0.51, "{eight} {sixteen}");
        }
    }
}

/// The pictures of tests/data/image: 16×8, a ramp to the right, lighter at the top.
#[test]
fn jpeg() {
    let folder = Folder::new("image-jpeg");
    let file = |name: &str| fs::read(common::golden::path(format!("data/image/{name}"))).unwrap();
    let ramp = |x: usize, y: usize| 40.0 + 8.0 * x as f64 + 6.0 * (7 - y) as f64;
    let near = |got: u8, expected: f64| assert!((f64::from(got) - expected).abs() < 12.0, "{got} {expected}");
    let grey = through(&folder, &file("grey.jpg"), IDENTITY);
    assert_eq!((grey.size, grey.kind), ([16, 8], (ColorType::Grayscale, BitDepth::Eight)));
    grey.bytes.iter().enumerate().for_each(|(i, &got)| near(got, ramp(i % 16, i / 16)));
    let colour = through(&folder, &file("progressive.jpg"), IDENTITY);
    assert_eq!((colour.size, colour.kind), ([16, 8], (ColorType::Rgb, BitDepth::Eight)));
    // Held a quarter to the left: what lies at the left of the file is on top.
    let turned = through(&folder, &file("turned.jpg"), IDENTITY);
    assert_eq!((turned.size, turned.kind), ([8, 16], (ColorType::Rgb, BitDepth::Eight)));
    for (i, pixel) in turned.bytes.chunks(3).enumerate() {
        let value = ramp(i / 8, 7 - i % 8);
        near(pixel[0], value);
        near(pixel[1], 255.0 - value);
    }
}

#[test]
fn what_colours_mean_is_kept() {
    let folder = Folder::new("image-tags");
    let picture = picture([20, 20], ColorType::Rgb, BitDepth::Eight, 1);
    let profile = vec![7; 300];
    folder.write(
        "in.png",
        &picture.file_with(|info| {
            info.icc_profile = Some(profile.clone().into());
            info.pixel_dims = Some(png::PixelDimensions { xppu: 3000, yppu: 3000, unit: png::Unit::Meter });
        }),
    );
    image(&folder.path("in.png"), &folder.path("out.png"), "").succeeds();
    let info = Png::read(&folder.path("out.png")).1;
    assert_eq!(info.icc_profile.as_deref(), Some(&profile[..]));
    assert_eq!(info.pixel_dims.map(|dims| dims.xppu), Some(3000));
    folder.write("in.png", &picture.file_with(|info| info.source_gamma = Some(png::ScaledFloat::new(0.5))));
    image(&folder.path("in.png"), &folder.path("out.png"), "").succeeds();
    let info = Png::read(&folder.path("out.png")).1;
    assert_eq!(info.gama_chunk, Some(png::ScaledFloat::new(0.5)));
}

#[test]
fn compare_puts_both_side_by_side() {
    let folder = Folder::new("image-compare");
    for (color, channels) in KINDS {
        let picture = picture([70, 20], color, BitDepth::Eight, 2);
        let after = through(&folder, &picture.file(), "--size 5");
        let both = through(&folder, &picture.file(), "--size 5 --compare");
        assert_eq!((both.size, both.kind), ([70 + 2 + 70, 20], picture.kind));
        let (row, gap) = (70 * channels, 2 * channels);
        for (y, line) in both.bytes.chunks(2 * row + gap).enumerate() {
            assert_eq!(&line[..row], &picture.bytes[y * row..][..row]);
            let between = if channels % 2 == 0 { 0 } else { 255 };
            assert!(line[row..row + gap].iter().all(|&byte| byte == between));
            assert_eq!(&line[row + gap..], &after.bytes[y * row..][..row]);
        }
    }
}

#[test]
fn the_report_and_a_file_that_is_its_own_output() {
    let folder = Folder::new("image-report");
    let picture = picture([64, 48], ColorType::Rgba, BitDepth::Sixteen, 4);
    let file = folder.write("a.png", &picture.file());
    let other = folder.path("b.PNG");
    image(&file, &other, "").succeeds();
    let outcome = image(&file, &file, "");
    outcome.succeeds();
    for word in [
        "PNG, 64×48, 16-bit colour with alpha",
        "7, alpha=100.0, beta=1.0, k=0.7",
        "tone 0.6",
        "backend ",
        " ms",
        "a.png",
    ] {
        assert!(outcome.out.contains(word), "{word:?} is missing:\n{}", outcome.out);
    }
    assert_eq!(fs::read(&file).unwrap(), fs::read(&other).unwrap());
    assert_eq!(folder.names(), ["a.png", "b.PNG"]);
    image(&file, &other, "--backend generic").is_refused(&["--backend", "lrn-jit image --help"]);
}
