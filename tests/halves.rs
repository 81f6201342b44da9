//! f16 and bf16 against the formula in f64, rounded once: the same element nearly always, else its neighbour. What
//! `cargo test --test halves -- --nocapture` prints is quoted in docs/NUMERICS.md.

mod common;

use common::case::Settings;
use common::real::Real;
use common::rng::Rng;
use half::{bf16, f16};
use lrn_jit::Backend;

/// [1, CHANNELS, INNER]
const SHAPE: [usize; 3] = [1, 48, 501];

trait Half: Real {
    /// The first power of two that is none of them.
    const BEYOND: f64;
    /// The exponents that elements are drawn with: their squares are finite in f32.
    const EXPONENTS: (i32, i32);

    fn of_bits(bits: u64) -> Self;
}

impl Half for f16 {
    const BEYOND: f64 = 65536.0;
    const EXPONENTS: (i32, i32) = (-16, 15);

    fn of_bits(bits: u64) -> Self {
        Self::from_bits(bits as u16)
    }
}

impl Half for bf16 {
    const BEYOND: f64 = (1u128 << 127) as f64 * 2.0;
    const EXPONENTS: (i32, i32) = (-50, 50);

    fn of_bits(bits: u64) -> Self {
        Self::from_bits(bits as u16)
    }
}

/// The element nearest to a value, of two as near the even one: found among its neighbours, by their values.
fn rounded<E: Half>(exact: f64) -> E {
    const SIGN: u64 = 0x8000;
    let guess = E::near(exact);
    if exact.is_nan() || exact.is_infinite() {
        return guess;
    }
    let magnitude = guess.bits() & !SIGN;
    let value = |bits: &u64| {
        let value = E::of_bits(*bits).value();
        if value.is_infinite() { E::BEYOND } else { value }
    };
    let near = [magnitude.saturating_sub(1), magnitude, magnitude + 1].into_iter().filter(|bits| !value(bits).is_nan());
    let distance = |bits: &u64| ((value(bits) - exact.abs()).abs(), bits & 1);
    let nearest = near.min_by(|a, b| distance(a).partial_cmp(&distance(b)).expect("numbers")).expect("one at least");
    E::of_bits(nearest | if exact.is_sign_negative() { SIGN } else { 0 })
}

/// The formula in f64, torch's windows, zeros beyond the edges.
fn exact<E: Real>(settings: &Settings, x: &[E]) -> Vec<f64> {
    let &Settings { size, alpha, beta, k, .. } = settings;
    let [_, channels, inner] = SHAPE;
    let value = |channel: usize, position: usize| x[channel * inner + position].value();
    let at = |i: usize| {
        let (channel, position) = (i / inner, i % inner);
        let window = channel.saturating_sub(size / 2)..(channel + (size - 1) / 2 + 1).min(channels);
        let sum: f64 = window.map(|tap| value(tap, position).powi(2)).sum();
        value(channel, position) * (k + alpha / size as f64 * sum).powf(-beta)
    };
    (0..x.len()).map(at).collect()
}

/// Elements of all exponents, some of them special.
fn draw<E: Half>(rng: &mut Rng) -> Vec<E> {
    let special = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.0, -0.0, 65504.0, -65504.0];
    (0..SHAPE.iter().product())
        .map(|_| {
            let exponent = rng.between(0, (E::EXPONENTS.1 - E::EXPONENTS.0) as usize) as i32 + E::EXPONENTS.0;
            let value = (1.0 + rng.unit()) * f64::from(exponent).exp2();
            match rng.below(400) {
                0 => rng.pick(&special),
                odd if odd % 2 == 1 => -value,
                _ => value,
            }
        })
        .map(E::near)
        .collect()
}

/// What came out.
#[derive(Default)]
struct Count {
    numbers: usize,
    exact: usize,
    /// In elements beside the right one.
    largest: u64,
    subnormal: usize,
    overflowed: usize,
    zeros: usize,
    nan: usize,
}

impl Count {
    fn add<E: Half>(&mut self, x: E, y: E, expected: E, what: &dyn std::fmt::Display) {
        if expected.value().is_nan() {
            assert!(y.value().is_nan(), "{what}: {y:e} instead of NaN");
            self.nan += 1;
            return;
        }
        self.numbers += 1;
        let apart = y.bits().abs_diff(expected.bits());
        assert!(!y.value().is_nan() && apart <= 1, "{what}: {y:e} instead of {expected:e} for {x:e}");
        self.exact += usize::from(apart == 0);
        self.largest = self.largest.max(apart);
        self.subnormal += usize::from(y.value() != 0.0 && y.value().abs() < E::SMALLEST);
        self.overflowed += usize::from(y.value().is_infinite() && x.value().is_finite());
        self.zeros += usize::from(y.value() == 0.0);
    }

    fn share(&self) -> f64 {
        100.0 * self.exact as f64 / self.numbers as f64
    }
}

fn is_near<E: Half>() {
    let rng = &mut Rng::new(21);
    let mut all = Count::default();
    for beta in [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 0.6, 1.3, 2.7, 5.0, -0.5, -0.6, -1.0, -2.0] {
        let mut count = Count::default();
        for (size, alpha, k) in [(5, 1.0, 1.0), (4, 1e-4, 2.0), (17, 10.0, 1e-3)] {
            let settings = Settings::torch(size, alpha, beta, k);
            let x = draw::<E>(rng);
            let y = settings.layer(Backend::Jit, 1).forward(&x, &SHAPE).unwrap();
            for (i, exact) in exact(&settings, &x).into_iter().enumerate() {
                count.add(x[i], y[i], rounded(exact), &format!("{} {settings:?} at {i}", E::NAME));
            }
        }
        println!("{:4} beta {beta:5}: {:.4} % exact, else {} beside", E::NAME, count.share(), count.largest);
        assert!(count.share() >= 99.9, "beta {beta}: {} %", count.share());
        all.numbers += count.numbers;
        all.exact += count.exact;
        all.largest = all.largest.max(count.largest);
        all.subnormal += count.subnormal;
        all.overflowed += count.overflowed;
        all.zeros += count.zeros;
        all.nan += count.nan;
    }
    let Count { numbers, largest, subnormal, overflowed, zeros, nan, .. } = all;
    println!(
        "{}: {numbers} numbers, {:.4} % exact, else {largest} beside; {subnormal} subnormal, {overflowed} overflowed, \
         {zeros} zeros, {nan} NaN",
        E::NAME,
        all.share()
    );
    assert!(numbers > 1_000_000 && largest <= 1);
    assert!([subnormal, overflowed, zeros, nan].into_iter().all(|count| count > 100));
}

#[test]
fn f16_is_the_rounded_formula() {
    is_near::<f16>();
}

#[test]
fn bf16_is_the_rounded_formula() {
    is_near::<bf16>();
}

/// The test's own test.
#[test]
fn rounding_is_to_the_nearest() {
    for bits in (0..0x7c00u64).step_by(7) {
        let (low, high) = (f16::of_bits(bits).value(), f16::of_bits(bits + 1).value());
        let high = if high.is_infinite() { f16::BEYOND } else { high };
        let middle = f64::midpoint(low, high);
        let even = bits + (bits & 1);
        assert_eq!(rounded::<f16>(low).bits(), bits);
        assert_eq!(rounded::<f16>(middle).bits(), even);
        assert_eq!(rounded::<f16>(middle.next_up()).bits(), bits + 1);
        assert_eq!(rounded::<f16>(middle.next_down()).bits(), bits);
        assert_eq!(rounded::<f16>(-middle.next_down()).bits(), bits | 0x8000);
    }
    assert_eq!(rounded::<f16>(1e9), f16::INFINITY);
    assert_eq!(rounded::<bf16>(1e39), bf16::INFINITY);
    assert_eq!(rounded::<f16>(f64::NEG_INFINITY), f16::NEG_INFINITY);
}
