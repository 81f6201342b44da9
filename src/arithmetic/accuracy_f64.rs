//! The error of every power recipe of f64, given d, against 106 bits: a sample of d over all exponents, mantissas evenly spread
//! (`cargo test --lib accuracy_f64 -- --nocapture` prints what docs/NUMERICS.md quotes).

use super::double_double::{Double, Powers};
use super::power;
use crate::interpreter::ArrayLanes;
use crate::jit::host::vectorized;
use crate::number::Number;
use crate::plan::{Fraction, LEAST_K, Power};

const LANES: usize = 32;
const MANTISSA: u64 = (1 << 52) - 1;
/// |x| is less than this power of two where its square is finite.
const MOST: i64 = 511;

/// A seeded generator (splitmix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// From `first` to `last`, both included.
    fn between(&mut self, first: i64, last: i64) -> i64 {
        first + (self.next() % (last - first + 1).cast_unsigned()).cast_signed()
    }

    /// The i-th of some d: of every exponent in turn, of those from which results are normal, near 1.
    fn base(&mut self, i: u64, beta: f64) -> f64 {
        // Mantissas spread as evenly as multiples of the golden ratio are.
        let mantissa = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12;
        let reach = (1500.0 / beta.abs()).clamp(1.0, 1022.0) as i64;
        match i % 4 {
            0 => number((i / 4 % 2046).cast_signed() - 1022, mantissa),
            1 => {
                f64::from_bits(1f64.to_bits().wrapping_add_signed(self.next().cast_signed() >> (11 + self.next() % 52)))
            }
            _ => number(self.between(-reach, reach), mantissa),
        }
    }
}

/// 2^exponent·1.mantissa.
fn number(exponent: i64, mantissa: u64) -> f64 {
    f64::from_bits(((exponent + 1023).cast_unsigned() << 52) + (mantissa & MANTISSA))
}

/// The exponent of a normal number.
fn exponent(value: f64) -> i64 {
    (value.to_bits() >> 52 & 0x7ff).cast_signed() - 1023
}

/// The distance of `y` from x·2^n·e, in units of the last place of the f64 nearest to it.
fn ulp(y: f64, x: f64, n: i64, e: Double) -> f64 {
    if !y.is_normal() {
        return f64::INFINITY;
    }
    // All without the exponents: they are those of y, or one more or less.
    let without = |value: f64| f64::from_bits(value.to_bits() & (1 << 63 | MANTISSA) | 1023 << 52);
    let exact = e.times(without(x)).times(((n + exponent(x) - exponent(y)) as f64).exp2());
    let below = exact.0.to_bits() & MANTISSA == 0 && exact.1 * exact.0 < 0.0;
    let unit = ((exponent(exact.0) - i64::from(below) - 52) as f64).exp2();
    (exact.add(Double(-without(y), 0.0)).0 / unit).abs()
}

/// The largest error over some d of at least `least`, where it occurs, and how many normal results there were.
fn worst(powers: &Powers, power: &Power, beta: f64, least: f64, samples: u64) -> (f64, f64, u64) {
    let draw = &mut Draw(beta.to_bits() ^ samples);
    let mut worst = (0.0, 0.0, 0);
    let mut i = 0;
    while i < samples {
        let (mut d, mut x, mut exact) = ([1.0; LANES], [1.0; LANES], [(0, Double(1.0, 0.0)); LANES]);
        let mut filled = 0;
        while filled < LANES && i < samples {
            let base = draw.base(i, beta);
            i += 1;
            if !base.is_normal() || base < least {
                continue;
            }
            let (n, e) = powers.power(base, beta);
            // An x with which the result is normal.
            let (low, high) = ((-1022.0 - n).max(-1022.0) + 2.0, (1023.0 - n).min(MOST as f64) - 2.0);
            if low > high {
                continue;
            }
            let magnitude = number(draw.between(low as i64, high as i64), draw.next());
            d[filled] = base;
            x[filled] = if draw.next() & 1 == 0 { magnitude } else { -magnitude };
            exact[filled] = (n as i64, e);
            filled += 1;
        }
        let y = vectorized(|| power::apply(&mut ArrayLanes::<f64, LANES>::default(), power, x, d));
        for lane in 0..filled {
            let error = ulp(y[lane], x[lane], exact[lane].0, exact[lane].1);
            worst.2 += 1;
            if error > worst.0 {
                (worst.0, worst.1) = (error, d[lane]);
            }
        }
    }
    worst
}

fn check(powers: &Powers, beta: f64, samples: u64) {
    for least in [Some(LEAST_K), Some(1.0), None] {
        let power = Power::new(beta, least, Number::F64);
        let (error, at, results) = worst(powers, &power, beta, least.unwrap_or(0.0), samples);
        let recipe = match &power.fraction {
            Fraction::None => "steps",
            Fraction::SquareRoot { .. } => "square root",
            Fraction::Root(_) => "root",
            Fraction::Fitted(_) => "fitted",
            Fraction::Wide(wide) if wide.precise => "wide, precise",
            Fraction::Wide(_) => "wide",
        };
        println!(
            "beta {beta:>8} {recipe:13} {:>8} {results:>9} results: {error:.3} ulp at d = {at:e}; stated {}",
            format!("{:?}", power.guard),
            power.max_ulp()
        );
        assert!(
            results > samples / 40 && error <= power.max_ulp(),
            "beta {beta}, {:?}: {error} ulp at d = {at:e}",
            power.guard
        );
    }
}

/// Roots and steps after them, and both signs of all.
const FIXED: [f64; 22] = [
    0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0, -0.5, -1.0, -1.5, -2.0,
    -3.0, -4.0,
];
/// By the logarithm: small, in between, integers, up to where it is a precise one, and beyond.
const WIDE: [f64; 38] = [
    -0.25, -0.75, 0.1, 0.6, 0.97, 1e-3, 1e-10, 1.0000001, 1.3, 2.7, 3.3, 3.999, 4.6, 5.0, 6.0, 6.5, 7.0, 8.0, 12.0,
    13.7, 20.5, 31.9, 32.0, -0.1, -1.3, -3.3, -5.0, -7.5, -13.9, -31.9, 32.1, 33.0, 34.0, 100.0, 1e3, 12345.678, -33.3,
    -1e5,
];

#[test]
fn the_ruler_measures() {
    let one = Double(1.0, 0.0);
    assert_eq!(ulp(1.0, 1.0, 0, one), 0.0);
    assert_eq!(ulp(1.0 + 3.0 * f64::EPSILON, 1.0, 0, one), 3.0);
    assert_eq!(ulp(0.25, 0.5, -1, one), 0.0);
    assert_eq!(ulp(1.0 - f64::EPSILON / 2.0, 1.0, 0, one), 0.5);
    // Just under 1 a unit is half as large.
    assert!((ulp(1.0, 1.0, 0, Double(1.0, -f64::EPSILON / 4.0)) - 0.5).abs() < 1e-9);
    assert_eq!(ulp(f64::INFINITY, 1.0, 0, one), f64::INFINITY);
    assert_eq!(ulp(f64::NAN, 1.0, 0, one), f64::INFINITY);
    // A wrong beta is seen, in its last bits.
    let powers = Powers::new();
    assert!(worst(&powers, &Power::new(0.6, Some(1.0), Number::F64), 0.6 + 1e-14, 1.0, 10_000).0 > 100.0);
}

#[test]
fn fixed_recipes_on_a_sample() {
    let powers = Powers::new();
    FIXED.into_iter().for_each(|beta| check(&powers, beta, 60_000));
}

#[test]
fn logarithms_on_a_sample() {
    let powers = Powers::new();
    WIDE.into_iter().for_each(|beta| check(&powers, beta, 20_000));
    let draw = &mut Draw(3);
    for _ in 0..80 {
        check(&powers, draw.between(-40_000, 40_000) as f64 / 1000.0, 4000);
    }
}

#[test]
#[ignore = "sixty times as many"]
fn all_recipes_more_densely() {
    let powers = Powers::new();
    FIXED.into_iter().for_each(|beta| check(&powers, beta, 4_000_000));
    WIDE.into_iter().for_each(|beta| check(&powers, beta, 1_000_000));
    let draw = &mut Draw(4);
    for _ in 0..400 {
        check(&powers, draw.between(-40_000, 40_000) as f64 / 1000.0, 100_000);
    }
}
