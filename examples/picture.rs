//! Draws what the normalization does: a few channels of a photograph behind convolution filters, before and after.
//!
//!     cargo run --release --example picture docs/channels.png
//!
//! Each column is a channel. First what goes in, then what comes out, each on a scale of its own; then how much of each value
//! is left: little (dark) where neighbouring channels are strong at the same place. The data: tests/data/README.md.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;

use lrn_jit::LocalResponseNorm;
use ndarray::{Array4, ArrayView2};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// Channels that are shown: filters of several directions and colours.
const CHANNELS: [usize; 6] = [3, 17, 29, 44, 61, 85];
/// Pixels of the picture for one of a channel.
const ZOOM: usize = 6;
const SIDE: usize = 27 * ZOOM;
const GAP: usize = 12;
const LEFT: usize = 24;
const TOP: usize = 88;
/// Height of a row's heading.
const HEADING: usize = 32;
const RIGHT: usize = 108;
const PAPER: [u8; 3] = [255; 3];
const INK: [u8; 3] = [34; 3];
const PALE: [u8; 3] = [110; 3];

/// From dark to bright as evenly as the eye sees it, for the colour-blind as well (matplotlib's magma, nine of its colours).
const COLOURS: [[u8; 3]; 9] = [
    [0, 0, 4],
    [28, 16, 68],
    [79, 18, 123],
    [129, 37, 129],
    [181, 54, 122],
    [229, 80, 100],
    [251, 135, 97],
    [254, 194, 135],
    [252, 253, 191],
];

fn colour(share: f32) -> [u8; 3] {
    let place = share.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f32;
    let index = (place as usize).min(COLOURS.len() - 2);
    let (low, high, part) = (COLOURS[index], COLOURS[index + 1], place - index as f32);
    std::array::from_fn(|i| (f32::from(low[i]) * (1.0 - part) + f32::from(high[i]) * part).round() as u8)
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![PAPER; width * height] }
    }

    fn text(&mut self, mut x: usize, y: usize, text: &str, (weight, size): (FontWeight, RasterHeight), ink: [u8; 3]) {
        for letter in text.chars() {
            if let Some(raster) = get_raster(letter, weight, size) {
                for (row, values) in raster.rows().enumerate() {
                    for (column, &value) in values.iter().enumerate() {
                        let part = u16::from(value);
                        let mixed =
                            |i: usize| ((u16::from(PAPER[i]) * (255 - part) + u16::from(ink[i]) * part) / 255) as u8;
                        self.pixels[(y + row) * self.width + x + column] = std::array::from_fn(mixed);
                    }
                }
            }
            x += get_raster_width(weight, size);
        }
    }

    fn channel(&mut self, x: usize, y: usize, values: ArrayView2<f32>, share: impl Fn(f32) -> f32) {
        for row in 0..SIDE {
            for column in 0..SIDE {
                let value = values[[row / ZOOM, column / ZOOM]];
                self.pixels[(y + row) * self.width + x + column] =
                    if value.is_nan() { [225; 3] } else { colour(share(value)) };
            }
        }
    }

    /// The colours from 0 (below) to the largest value, labelled.
    fn scale(&mut self, x: usize, y: usize, largest: &str) {
        for row in 0..SIDE {
            let colour = colour(1.0 - row as f32 / (SIDE - 1) as f32);
            self.pixels[(y + row) * self.width + x..][..14].fill(colour);
        }
        let small = (FontWeight::Regular, RasterHeight::Size16);
        self.text(x + 20, y, largest, small, PALE);
        self.text(x + 20, y + SIDE - 16, "0", small, PALE);
    }

    fn save(&self, path: &str) -> Result<(), Box<dyn Error>> {
        let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        encoder.write_header()?.write_image_data(self.pixels.as_flattened())?;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("which file? cargo run --release --example picture docs/channels.png")?;
    let x: Array4<f32> = ndarray_npy::read_npy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/conv1.npy"))?;
    let shape = x.shape().to_vec();
    let lrn = LocalResponseNorm::new(5)?;
    let y = lrn.forward(x.as_slice().ok_or("a standard layout is a slice")?, &shape)?;
    let y = Array4::from_shape_vec((shape[0], shape[1], shape[2], shape[3]), y)?;
    // Nothing is left of nothing, nor lost: no ratio where x is 0.
    let ratio = ndarray::Zip::from(&x).and(&y).map_collect(|x, y| y / x);

    let width = LEFT + CHANNELS.len() * (SIDE + GAP) + RIGHT;
    let mut canvas = Canvas::new(width, TOP + 3 * (HEADING + SIDE + GAP) + GAP);
    let (bold, small) = ((FontWeight::Bold, RasterHeight::Size20), (FontWeight::Regular, RasterHeight::Size16));
    canvas.text(LEFT, 16, "Local Response Normalization of a photograph behind 96 filters", bold, INK);
    canvas.text(LEFT, 46, &lrn.to_string(), small, PALE);
    for (column, channel) in CHANNELS.iter().enumerate() {
        canvas.text(LEFT + column * (SIDE + GAP), 70, &format!("channel {channel}"), small, INK);
    }
    let largest = |values: &Array4<f32>| {
        let shown = CHANNELS.iter().flat_map(|&channel| values.slice(ndarray::s![0, channel, .., ..]).to_owned());
        shown.fold(0.0f32, f32::max)
    };
    for (row, (what, values, most)) in [
        (format!("before: 0 to {:.0} (brightness: its square root)", largest(&x)), &x, largest(&x)),
        (format!("after: 0 to {:.0}", largest(&y)), &y, largest(&y)),
        ("what is left: after / before (grey: 0 / 0)".to_string(), &ratio, 1.0),
    ]
    .into_iter()
    .enumerate()
    {
        let top = TOP + row * (HEADING + SIDE + GAP);
        canvas.text(LEFT, top + 8, &what, small, INK);
        let top = top + HEADING;
        for (column, &channel) in CHANNELS.iter().enumerate() {
            let values = values.slice(ndarray::s![0, channel, .., ..]);
            // The square root of values, for the weak ones to be seen.
            let share = |value: f32| if row < 2 { (value / most).sqrt() } else { value };
            canvas.channel(LEFT + column * (SIDE + GAP), top, values, share);
        }
        canvas.scale(LEFT + CHANNELS.len() * (SIDE + GAP) + 8, top, &format!("{most:.0}"));
    }
    canvas.save(&path)?;
    println!("{path}: {} by {} pixels", canvas.width, canvas.height);
    Ok(())
}
