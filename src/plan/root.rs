//! [`Root`]: d^(−¼), d^(−½), d^(−¾) by an estimate and its correction, and the constants of both.

use super::power::ULP;
use crate::arithmetic::fit::{self, Fit};
use crate::number::Number;

/// d^(−quarters/4).
#[derive(Debug, Clone, PartialEq)]
pub struct Root {
    /// 1, 2 or 3 quarters.
    pub quarters: u8,
    /// The estimate is the sum of bits(magic − (bits(d) >> 2)), or >> 1 for two quarters.
    pub magic: Vec<u64>,
    /// What corrects the estimate a first time: f64 alone.
    pub first: Option<FirstCorrection>,
    /// Q in p·(1 + g·Q(g)).
    pub coefficients: Vec<f64>,
    /// What it may err more, in ulp, because the rounding to an element hides it, f16's or bf16's: of a fiftieth of its last place or
    /// less, one in a thousand is seen.
    pub hidden: f64,
}

/// An estimate y0, corrected: y = n·((u² + b)·(u + c) + e) with u = d·y0⁴ (d·y0²), n = y0 times a power of two, or its opposite:
/// a cubic whose first coefficient is 1, which takes two fused multiplications.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstCorrection {
    /// What is added to the bits of y0 to give those of n.
    pub scale: u64,
    /// Of the cubic.
    pub b: f64,
    /// Of the cubic.
    pub c: f64,
    /// Of the cubic.
    pub e: f64,
}

/// The error that Q may have, of an f32, in halves of an ulp: less than the roundings.
const TARGET: f64 = 0.7;

/// An estimate of d^(−¼) or d^(−½) from the bits of d, and between which bounds g = d·y⁴ − 1 (d·y² − 1) then lies.
/// `estimates_stay_within_their_range` goes through every mantissa.
///
/// Bits, taken as a number, are a logarithm that is straight between powers of two. So is what shifted bits stand for, taken as a float: up
/// to 6 % above the power, most in the middle between two powers of two. Half of the sum of two that have their powers of two half a
/// binade apart is up to 2 % above. That takes a subtraction and an addition, for which there is time beside multiplications, and is worth
/// it where it saves coefficients.
///
/// Where 0 lies in the range is chosen so that the error of the polynomial and of its roundings is least.
struct Estimate {
    magic: &'static [u64],
    range: (f64, f64),
}

/// Of one and of two.
const QUARTER: [Estimate; 2] = [
    Estimate { magic: &[0x4f56_33d6], range: (-0.153_088, 0.078_383) },
    Estimate { magic: &[0x4ef1_8000, 0x4eb5_8000], range: (-0.068_3, 0.020_6) },
];
const HALF: [Estimate; 2] = [
    Estimate { magic: &[0x5f36_39ea], range: (-0.076_37, 0.054_57) },
    Estimate { magic: &[0x5ed3_b9ea, 0x5e93_b9ea], range: (-0.018_8, 0.041_7) },
];

impl Root {
    pub(crate) fn beta(&self) -> f64 {
        f64::from(self.quarters) / 4.0
    }

    /// Whether the correction of an infinite d is −∞: what is measured of it is +∞.
    pub(crate) fn is_negative_at_infinity(&self) -> bool {
        self.first.is_none()
            && self.coefficients.len() % 2 == 1
            && self.coefficients.last().is_some_and(|&last| last < 0.0)
    }

    /// The recipe for a multiple of a quarter under 1.
    pub(super) fn new(quarters: u8, number: Number) -> Self {
        let hidden = match number {
            Number::F64 => return Self::of_f64(quarters),
            Number::F32 => 0.0,
            Number::F16 => 2.0,
            Number::Bf16 => 32.0,
        };
        let target = ULP * if hidden > 0.0 { hidden } else { TARGET };
        let exponent = -f64::from(quarters) / 4.0;
        let fits = if quarters == 2 { HALF } else { QUARTER }.map(|Estimate { magic, range: (low, high) }| {
            let Fit { coefficients, .. } = fit::negative_at_infinity(exponent, (1.0 + low, 1.0 + high), target);
            (magic, coefficients)
        });
        let [one, two] = fits;
        let (magic, coefficients) = if two.1.len() < one.1.len() { two } else { one };
        let coefficients = coefficients.into_iter().map(f64::from).collect();
        Self { quarters, magic: magic.to_vec(), first: None, coefficients, hidden }
    }

    /// Fitted beforehand: the estimate to 2^−18.7 (of d^(−½): 2^−21), so that the last correction is short.
    fn of_f64(quarters: u8) -> Self {
        let quarter = FirstCorrection {
            scale: 0x8010_0000_0000_0000,
            b: 1.364_909_205_968_250_4,
            c: -1.814_791_539_223_714_6,
            e: 1.528_711_952_798_727_6,
        };
        let half = FirstCorrection {
            scale: 0,
            b: 3.604_472_578_252_882_4,
            c: -3.014_772_793_517_675,
            e: 8.282_545_058_637_364,
        };
        let (magic, first, coefficients) = match quarters {
            1 => (0x4fe5_ec57_0000_0000, quarter, vec![-0.250_000_000_007_360_6, 0.156_25]),
            // The sign is in the magic number: the cubic's is the opposite.
            2 => (0xdfe2_ca58_0000_0000, half, vec![-0.5, 0.375]),
            _ => (0x4fe5_ec57_0000_0000, quarter, vec![-0.75, 0.656_25, -0.601_562_5]),
        };
        Self { quarters, magic: vec![magic], first: Some(first), coefficients, hidden: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every mantissa over the two or four binades in which an estimate repeats itself.
    #[test]
    fn estimates_stay_within_their_range() {
        for (estimates, shift, power) in [(QUARTER, 2, 4), (HALF, 1, 2)] {
            for Estimate { magic, range } in estimates {
                let one = 1.0f32.to_bits();
                let (mut low, mut high) = (0.0f64, 0.0f64);
                for bits in one..one + (1 << (23 + shift)) {
                    let lines = magic.iter().map(|magic| f32::from_bits((magic - u64::from(bits >> shift)) as u32));
                    let g = f64::from(f32::from_bits(bits)) * f64::from(lines.sum::<f32>()).powi(power) - 1.0;
                    (low, high) = (low.min(g), high.max(g));
                }
                assert!(range.0 <= low && high <= range.1, "{magic:x?}: {low} … {high}");
            }
        }
    }

    #[test]
    fn corrections_of_an_infinite_base_are_negative() {
        for (number, quarters) in
            [Number::F32, Number::F16, Number::Bf16].into_iter().flat_map(|n| [(n, 1), (n, 2), (n, 3)])
        {
            let root = Root::new(quarters, number);
            assert!(root.is_negative_at_infinity(), "{root:?}");
        }
        // 4 would do without that: the fifth is free.
        assert_eq!(Root::new(3, Number::F32).coefficients[4..], [-1.0]);
    }
}
