//! What is done to a picture. Values are the file's own, coded for a display: a step looks about as large in shadows as in light.
//!
//! Over space ([`space`]), for each pixel:
//!
//! ```text
//! V  = 0.2126 R + 0.7152 G + 0.0722 B                       luma; of grey, itself
//! U  = T(V),  T(v) = ½·(2v)^tone up to ½, and mirrored      shadows opened, highlights held; 0, ½ and 1 stay
//! d  = U − mean(U)                                          local mean: a tent that spreads as a box of size×size
//! n  = d · (k + alpha·mean(d²))^(−beta)                     the layer: windows of size×size, within the channel
//! V' = U + n                                                from 0 to 1
//! R' = V' + s·(R − V),  G' and B' alike                     s = (V' + e)/(V + e), less where a channel would be cut off
//! ```
//!
//! What comes back to the detail is the picture, not its mean: a strong edge is in U already, sharp, and with beta = 1 the layer adds
//! next to nothing to it (n falls as 1/d), while weak detail is amplified by 1 + k^(−beta). That n is the detail that a self-guided
//! filter takes out of a picture, without halos. With beta = ½, division by the local deviation, every edge overshoots by the same
//! amount. k keeps noise: where the deviation is far below √(k/alpha) nothing is amplified any further.
//!
//! Luma is normalized and chroma follows it by one factor, so hues stay; e keeps the chroma noise of black from exploding.
//!
//! Across the channels ([`across`]), with no mean removed, each pixel by itself:
//!
//! ```text
//! c' = w · c · (k + alpha/size·Σ c²)^(−beta)                c: R, G and B; w makes white white
//! ```
//!
//! Dark colours gain up to (1 + 3·alpha/(size·k))^beta, light ones little: the lightness of colours is drawn together. A colour whose
//! largest channel would exceed 1 is scaled down as a whole.

use lrn_jit::{CurrentRayon, LocalResponseNorm, LrnConfig};
use rayon::prelude::*;

use super::mean;
use super::picture::{Picture, sample, set_sample};
use crate::failure::Failure;
use crate::progress::Progress;

/// e: luma to which shadows keep their chroma in proportion.
const EPSILON: f32 = 1.0 / 32.0;
/// Pixels across the channels at a time.
const PIECE: usize = 1 << 18;
/// Rows at a time, at least; with large windows four times as many as a window has.
const ROWS: usize = 512;

/// Luma: of equal channels their value, exactly.
fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.2126 * (red - green) + 0.0722 * (blue - green) + green
}

/// The first three samples of a pixel.
fn colours(pixel: &[u8], deep: bool) -> [f32; 3] {
    [0, 1, 2].map(|channel| sample(pixel, channel, deep))
}

/// T of a plane. A layer whose window is the element alone is a power, at k = 0: v·(4v²)^(−beta) = ½·(2v)^tone.
fn tone(plane: &mut [f32], tone: f32) -> Result<(), Failure> {
    if tone == 1.0 {
        return Ok(());
    }
    let power = LrnConfig::new(1).alpha(4.0).beta((1.0 - f64::from(tone)) / 2.0).k(0.0).build()?;
    for v in plane.chunks_mut(PIECE) {
        let mut folded: Vec<f32> = v.iter().map(|&v| v.min(1.0 - v)).collect();
        power.with_executor(&CurrentRayon).forward_in_place(&mut folded, &[1, 1, v.len()])?;
        for (v, folded) in v.iter_mut().zip(folded) {
            // 0·∞ at the ends, which stay.
            let folded = if folded.is_nan() { 0.0 } else { folded };
            *v = if *v <= 0.5 { folded } else { 1.0 - folded };
        }
    }
    Ok(())
}

/// Normalizes a picture's luma over space, windows of `size` in rows and columns.
pub fn space(
    layer: &LocalResponseNorm,
    size: usize,
    tone: f32,
    picture: &mut Picture,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let (width, height, colour, deep) = (picture.width, picture.height, picture.colour, picture.deep);
    let (pixel, row) = (picture.pixel_bytes(), picture.row_bytes());
    let rows = ROWS.max(4 * size).min(height);
    let border = size / 2;
    enough_memory(4 * picture.pixels() + 2 * (width + size) * (rows + size))?;

    let mut u = vec![0.0; picture.pixels()];
    u.par_chunks_mut(width).zip(picture.bytes.par_chunks(row)).for_each(|(u, bytes)| {
        u.iter_mut().zip(bytes.chunks_exact(pixel)).for_each(|(u, pixel)| {
            *u = if colour { luma(colours(pixel, deep)) } else { sample(pixel, 0, deep) };
        });
    });
    self::tone(&mut u, tone)?;
    let mut d = mean::local(&u, width, size);
    d.par_iter_mut().zip(&u).for_each(|(d, &u)| *d = u - *d);

    let (mut n, stride) = (Vec::new(), width + 2 * border);
    for from in (0..height).step_by(rows) {
        let to = height.min(from + rows);
        mean::bordered(&d, width, (from, to), border, &mut n);
        layer.with_executor(&CurrentRayon).forward_in_place(&mut n, &[1, to - from + 2 * border, stride])?;
        let bytes = &mut picture.bytes[from * row..to * row];
        let (n, u) = (&n[border * stride..], &u[from * width..to * width]);
        bytes.par_chunks_mut(row).zip(n.par_chunks(stride)).zip(u.par_chunks(width)).for_each(|((bytes, n), u)| {
            for ((pixel, n), u) in bytes.chunks_exact_mut(pixel).zip(&n[border..]).zip(u) {
                // 0·∞ where k is 0 and nothing differs.
                let n = if n.is_nan() { 0.0 } else { *n };
                set_luma(pixel, (u + n).clamp(0.0, 1.0), colour, deep);
            }
        });
        progress.advance((to - from) * row);
    }
    Ok(())
}

/// Gives a pixel another luma; its chroma follows.
fn set_luma(pixel: &mut [u8], to: f32, colour: bool, deep: bool) {
    if !colour {
        return set_sample(pixel, 0, deep, to);
    }
    let colours = colours(pixel, deep);
    let from = luma(colours);
    let chroma = colours.map(|colour| colour - from);
    // How far the channels go to either side, and may.
    let above = chroma.into_iter().fold(f32::MIN_POSITIVE, f32::max);
    let below = chroma.into_iter().fold(-f32::MIN_POSITIVE, f32::min);
    let factor = ((to + EPSILON) / (from + EPSILON)).min((1.0 - to) / above).min(-to / below);
    for (channel, chroma) in chroma.into_iter().enumerate() {
        set_sample(pixel, channel, deep, chroma * factor + to);
    }
}

/// Normalizes each pixel across its colour channels; grey as three equal ones.
pub fn across(layer: &LocalResponseNorm, picture: &mut Picture, progress: &mut Progress) -> Result<(), Failure> {
    let (colours, deep, pixel) = (picture.colours(), picture.deep, picture.pixel_bytes());
    let white = layer.forward(&[1.0; 3], &[1, 3, 1])?;
    if white.iter().any(|white| !white.is_normal() || *white < 0.0) {
        return Err(Failure::input("with these parameters white has no finite value"));
    }
    let piece = PIECE.min(picture.pixels());
    enough_memory(3 * piece)?;
    let mut planes = vec![0.0; 3 * piece];
    for bytes in picture.bytes.chunks_mut(PIECE * pixel) {
        let length = bytes.len() / pixel;
        let planes = &mut planes[..3 * length];
        planes.par_chunks_mut(length).enumerate().for_each(|(plane, values)| {
            let channel = plane.min(colours - 1);
            let pixels = bytes.chunks_exact(pixel);
            values.iter_mut().zip(pixels).for_each(|(value, pixel)| *value = sample(pixel, channel, deep));
        });
        layer.with_executor(&CurrentRayon).forward_in_place(planes, &[1, 3, length])?;
        bytes.par_chunks_mut(pixel).enumerate().for_each(|(i, pixel)| {
            // Of three equal ones that in the middle, whose window has most.
            let value = |channel: usize| planes[channel * length + i] / white[channel];
            let values = if colours == 1 { [value(1); 3] } else { [0, 1, 2].map(value) };
            // Not cut off but held down, all of them: the hue stays.
            let most = values.into_iter().fold(1.0, f32::max);
            for (channel, value) in values.into_iter().enumerate().take(colours) {
                set_sample(pixel, channel, deep, value / most);
            }
        });
        progress.advance(bytes.len());
    }
    Ok(())
}

/// Refuses before it is too late, where there is no memory for so many floats.
fn enough_memory(floats: usize) -> Result<(), Failure> {
    // Seen by nobody, it would not be asked for.
    let reserved = std::hint::black_box(&mut Vec::<f32>::new()).try_reserve_exact(floats);
    reserved.map_err(|_| {
        Failure::input(format_args!(
            "there is no memory to work in: it takes {} MB",
            floats.saturating_mul(4) / 1_000_000
        ))
    })
}
