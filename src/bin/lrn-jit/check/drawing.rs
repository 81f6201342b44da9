//! How cases are drawn and measured: shared with the tests.
#![allow(dead_code, reason = "the tests use other parts")]

#[path = "../../../../tests/common/case.rs"]
pub mod case;
#[path = "../../../../tests/common/coverage.rs"]
pub mod coverage;
#[path = "../../../../tests/common/draw.rs"]
pub mod draw;
#[path = "../../../../tests/common/measure.rs"]
pub mod measure;
#[path = "../../../../tests/common/real.rs"]
pub mod real;
#[path = "../../../../tests/common/rng.rs"]
pub mod rng;

use case::{Case, Settings};
use draw::{BETAS, Class};
use lrn_jit::{Boundary, Convention};
use rng::{Data, Rng};

/// Elements of a tensor, about: so that a compilation takes longer than what follows.
const MOST: usize = 20_000;

/// The case of a number: it depends on the seed and the number alone.
pub fn case(seed: u64, number: u64) -> Case {
    let mut rng = Rng::new(seed);
    // Streams of neighbouring numbers have nothing in common.
    let rng = &mut Rng::new(rng.next() ^ Rng::new(number).next());
    let beta = match rng.below(8) {
        0..5 => rng.pick(&BETAS),
        5 => 9.0 * rng.unit() - 4.5,
        6 => f64::from(rng.bell()) * 20.0,
        _ => (8.0 * (9.0 * rng.unit() - 4.5)).round() / 8.0,
    };
    let boundary = rng.pick(&[Boundary::Zero, Boundary::Zero, Boundary::Wrap]);
    let mut settings = if rng.one_in(16) {
        draw::without_window(rng, beta, boundary)
    } else {
        let class = Class { beta, at_least_k: rng.one_in(2), long: rng.one_in(3), boundary };
        draw::settings(rng, class)
    };
    if matches!(settings.convention, Convention::OneDnn | Convention::Symmetric) && rng.one_in(2) {
        settings.size = (settings.size + 1) & !1;
    }
    shaped(rng, settings)
}

/// A tensor for some settings.
fn shaped(rng: &mut Rng, settings: Settings) -> Case {
    let channels = draw::channels(rng, settings.size);
    let inner = if rng.one_in(3) { rng.between(1, 100) } else { draw::inner(rng) };
    let outer = rng.between(1, 5).min(1 + MOST / (channels * inner));
    let axis0 = rng.one_in(10);
    let (shape, axis) = draw::shape(rng, outer, channels, inner, axis0);
    Case { settings, shape, axis, data: rng.pick(&Data::ALL), seed: rng.next() }
}
