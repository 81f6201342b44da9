//! How settings and shapes are drawn: by class, so that rare ones come as often as common ones.

use std::collections::HashSet;

use lrn_jit::{Activation, Boundary, Convention, Window};

use super::case::Settings;
use super::rng::Rng;

/// Every beta that has a recipe of its own, and some that share one.
pub const BETAS: [f64; 67] = [
    0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 2.75, 3.0, 4.0, 5.0, 6.0, 7.5, -0.25, -0.5, -0.75, -1.0,
    -1.5, -2.0, -3.0, -4.0, -5.0, -6.0, -0.1, -0.97, -1.3, -1.97, -1.98, -1.99, -1.995, -3.3, -7.5, 0.1, 0.6, 0.97,
    1.3, 1.98, 2.7, 3.3, 3.9, 33.3, 100.0, 4.6, 8.0, 13.0, 20.5, 31.9, -4.6, 33.0, 34.0, -33.0, -34.0, 0.7, 2.2, -2.4,
    -0.8, -40.5, 35.0, 7.0, -7.0, 3.95, -8.0, -12.0, -1.7,
];

/// alpha and k with which d ≥ k ≥ 2^−50 is known, or is not.
const POSITIVE: ([f64; 5], [f64; 7]) = ([1e-4, 1.0, 10.0, 1e-30, 1e30], [1.0, 1.0, 2.0, 1e-6, 14.2, 1e38, 9e-16]);
const ANY: ([f64; 7], [f64; 10]) =
    ([1e-4, 1.0, 10.0, -1.0, -1e-4, 1e-30, 1e30], [0.0, 0.0, 1e-40, -1e-40, -1.0, -20.0, 1e-45, 2.0, -0.0, 1.2e-38]);

/// Which settings to draw.
#[derive(Debug, Clone, Copy)]
pub struct Class {
    pub beta: f64,
    /// d ≥ k ≥ 2^−50 is known.
    pub at_least_k: bool,
    /// More taps than are unrolled.
    pub long: bool,
    pub boundary: Boundary,
}

pub fn settings(rng: &mut Rng, class: Class) -> Settings {
    let Class { beta, at_least_k, long, boundary } = class;
    let size = match (long, rng.below(8)) {
        (false, _) => rng.between(1, 15),
        (true, 0) => rng.pick(&[64, 100, 1000, 1_000_000_000]),
        (true, _) => rng.between(18, 40),
    };
    let (convention, size) = convention(rng, size, at_least_k);
    let (mut alpha, mut k) =
        if at_least_k { (rng.pick(&POSITIVE.0), rng.pick(&POSITIVE.1)) } else { (rng.pick(&ANY.0), rng.pick(&ANY.1)) };
    if rng.one_in(4) {
        // Parameters that are nobody's favourites, of the same signs.
        alpha *= 0.5 + rng.unit();
        k *= 0.5 + rng.unit();
        if at_least_k {
            k = k.max(9e-16);
        }
    }
    Settings { convention, size, alpha, beta, k, boundary, input: Activation::Identity }
}

/// Settings with which the window does not matter.
pub fn without_window(rng: &mut Rng, beta: f64, boundary: Boundary) -> Settings {
    let size = rng.between(1, 40);
    let (convention, size) = convention(rng, size, false);
    let k = rng.pick(&[0.0, 1.0, 2.0, 1e-6, 1e-40, -1.0, 14.2, 1e38, 1e-25]);
    let (alpha, k) = (rng.pick(&[0.0, 0.0, 1e-60]), k * (0.5 + rng.unit()));
    Settings { convention, size, alpha, beta, k, boundary, input: Activation::Identity }
}

/// Every class of settings, `per_class` times over, in distinct draws; and as many again as `free` of betas that are nobody's
/// favourites.
pub fn every_class(rng: &mut Rng, per_class: usize, free: usize) -> Vec<Settings> {
    let mut drawn = vec![];
    for beta in BETAS {
        for boundary in [Boundary::Zero, Boundary::Wrap] {
            for long in [false, true] {
                for at_least_k in [false, true] {
                    let class = Class { beta, at_least_k, long, boundary };
                    drawn.extend((0..per_class).map(|_| settings(rng, class)));
                }
            }
            drawn.extend((0..per_class.div_ceil(2)).map(|_| without_window(rng, beta, boundary)));
        }
    }
    for _ in 0..free {
        let beta = 9.0 * rng.unit() - 4.5;
        let (at_least_k, long) = (rng.one_in(2), rng.one_in(2));
        let boundary = rng.pick(&[Boundary::Zero, Boundary::Wrap]);
        drawn.push(settings(rng, Class { beta, at_least_k, long, boundary }));
    }
    let mut seen = HashSet::new();
    drawn.retain(|settings| seen.insert(format!("{settings:?}")));
    drawn
}

/// Betas of every kind, of which no power of a tame base leaves the range of a float.
pub const TAME_BETAS: [f64; 18] =
    [0.5, 0.75, 1.0, 0.6, 2.7, 0.25, 1.5, 2.0, 3.0, 4.0, 1.3, -0.25, -0.5, -1.0, -2.0, -0.6, 2.2, 0.0];

/// Settings in which every part of the formula shows (but for a few with alpha or beta 0), nothing overflows, and no base
/// cancels.
pub fn tame(rng: &mut Rng) -> Settings {
    let size = rng.between(1, 40);
    let (convention, size) = convention(rng, size, true);
    // TensorFlow divides alpha by nothing.
    let scale = if convention == Convention::TensorFlow { size as f64 } else { 1.0 };
    let alpha = if rng.one_in(20) { 0.0 } else { rng.pick(&[0.5, 1.0, 4.0]) / scale };
    let boundary = rng.pick(&[Boundary::Zero, Boundary::Zero, Boundary::Wrap]);
    let input = Activation::Identity;
    Settings { convention, size, alpha, beta: rng.pick(&TAME_BETAS), k: 0.5 + 1.5 * rng.unit(), boundary, input }
}

fn convention(rng: &mut Rng, size: usize, plain: bool) -> (Convention, usize) {
    use Convention::{Caffe, Cudnn, OneDnn, Onnx, Symmetric, TensorFlow, Torch};
    match rng.below(11) {
        0..3 => {
            let before = if rng.one_in(3) { rng.pick(&[0, size - 1]) } else { rng.below(size) };
            let divisor = if plain { 0.5 + 9.0 * rng.unit() } else { rng.pick(&[1.0, 2.5, -3.0, 1e-20, 1e9]) };
            (Convention::Window(Window { before, after: size - 1 - before, divisor }), size)
        }
        choice => match [Torch, Torch, Onnx, TensorFlow, Caffe, Cudnn, OneDnn, Symmetric][choice - 3] {
            odd @ (TensorFlow | Caffe) => (odd, size - (1 - size % 2)),
            any => (any, size),
        },
    }
}

/// One of everything: every beta, short and long windows, both boundaries.
pub fn some_settings(seed: u64) -> Vec<Settings> {
    let rng = &mut Rng::new(seed);
    let class = |(i, beta)| {
        let boundary = if i % 3 == 0 { Boundary::Wrap } else { Boundary::Zero };
        settings(rng, Class { beta, at_least_k: i % 2 == 0, long: i % 5 == 1, boundary })
    };
    BETAS.into_iter().enumerate().map(class).collect()
}

/// Every seventh of them and one without a window, every second with an activation.
pub fn few_settings(seed: u64) -> Vec<Settings> {
    let first = seed as usize % 7;
    let mut few: Vec<_> = some_settings(seed).into_iter().skip(first).step_by(7).collect();
    few.push(without_window(&mut Rng::new(seed), 0.75, Boundary::Zero));
    few.iter_mut().step_by(2).for_each(|settings| settings.input = Activation::Relu);
    few
}

/// A shape and a channel axis that are `outer` slabs of `channels` rows of `inner`, of any rank from 2 to 6.
pub fn shape(rng: &mut Rng, outer: usize, channels: usize, inner: usize, axis0: bool) -> (Vec<usize>, isize) {
    let mut shape = if axis0 { vec![] } else { factors(rng, outer) };
    let axis = shape.len();
    shape.push(channels);
    let last = axis > 0 && inner == 1 && rng.one_in(2);
    if !last {
        shape.extend(factors(rng, inner));
    }
    let from_end = if rng.one_in(3) { shape.len() as isize } else { 0 };
    (shape, axis as isize - from_end)
}

/// `product` as one or two extents, now and then three.
fn factors(rng: &mut Rng, product: usize) -> Vec<usize> {
    let mut factors = vec![product];
    for _ in 0..rng.pick(&[0, 0, 1, 1, 2]) {
        let last = factors[factors.len() - 1];
        let divisors: Vec<_> = (1..=last.clamp(1, 64)).filter(|d| last.is_multiple_of(*d)).collect();
        let divisor = rng.pick(&divisors);
        *factors.last_mut().unwrap() = divisor;
        factors.push(last / divisor);
    }
    factors.truncate(3);
    factors
}

/// An `inner` with every remainder by 4, now and then around the longest stretch of a kernel call.
pub fn inner(rng: &mut Rng) -> usize {
    if rng.one_in(60) {
        return rng.between(4095, 4115);
    }
    rng.pick(&[1, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 31, 33, 49, 64, 121])
}

/// A number of channels at or beside the sizes that matter.
pub fn channels(rng: &mut Rng, taps: usize) -> usize {
    let taps = taps.min(60);
    rng.pick(&[1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, taps, taps + 1, (taps - 1).max(1), 2 * taps + 1])
}
