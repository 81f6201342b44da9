//! What a power recipe does about values of d that its bit tricks do not know.
//!
//! Roots, fitted and wide powers work on the bits of d and know only positive normal numbers. The rest is decided by masks,
//! on integer pipes that are idle otherwise, and put into the factor c ≈ d^(−f), so that x·c is what the formula gives:
//!
//! | d | c for beta > 0 | c for beta < 0 |
//! | --- | --- | --- |
//! | +∞ | 0 | +∞ |
//! | 0 | +∞ | 0 |
//! | < 0, NaN | NaN | NaN |
//! | −∞ | as +∞, by pow | as +∞ |
//! | subnormal | of 2^32·d, and x times 2^(32·f) | the same |
//!
//! A mask is a subtraction of bits that turns negative where the value is beyond a bound, spread over the lane by an
//! arithmetic shift. Where k > 0 and alpha ≥ 0, d ≥ k is known, and only +∞ and NaN are left.

use super::Lanes;
use crate::plan::Guard;

const INFINITY: u32 = 0x7f80_0000;
const LARGEST: u32 = 0x7f7f_ffff;
const SMALLEST_NORMAL: u32 = 0x0080_0000;
const MAGNITUDE: u32 = 0x7fff_ffff;
const ONE: u32 = 0x3f80_0000;
const SIGN_SHIFT: u8 = 31;
const MANTISSA_BITS: u8 = 23;
/// A subnormal d is multiplied by 2^SUBNORMAL_SHIFT; divisible by 4, so that its quarter roots are powers of two.
pub(super) const SUBNORMAL_SHIFT: u32 = 32;

/// A base made safe for bit tricks, and what its special values turn the factor into.
pub(super) struct Guarded<L: Lanes> {
    /// The base without its sign.
    pub(super) magnitude: L::Float,
    /// The same, a subnormal one scaled; ∞ and NaN stay.
    pub(super) base: L::Float,
    /// All ones where the factor stays as computed.
    keep: L::Bits,
    /// Bits to set in the factor: those of +∞ or NaN.
    set: Option<L::Bits>,
    /// All ones where the base was scaled.
    pub(super) scaled: Option<L::Bits>,
}

impl<L: Lanes> Guarded<L> {
    /// Guards for a recipe whose factor loses a NaN of the base; [`fix`](Self::fix) comes after the last step.
    #[inline(always)]
    pub(super) fn new(lanes: &mut L, guard: Guard, beta: f64, d: L::Float) -> Self {
        match guard {
            Guard::AtLeastK => {
                let Self { base, keep, .. } = Self::against_infinity(lanes, d);
                let bits = lanes.to_bits(d);
                let magnitude = lanes.bits(MAGNITUDE);
                let bits = lanes.and(bits, magnitude);
                let mut set = Self::beyond_infinity(lanes, bits);
                if beta < 0.0 {
                    let infinity = lanes.bits(INFINITY);
                    let pole = Self::outside(lanes, keep);
                    let pole = lanes.and(pole, infinity);
                    set = lanes.or(set, pole);
                }
                Self { magnitude: d, base, keep, set: Some(set), scaled: None }
            }
            Guard::Any => {
                let bits = lanes.to_bits(d);
                let negative = lanes.sar(bits, SIGN_SHIFT);
                Self::against_all(lanes, beta, d, Some(negative))
            }
            Guard::Magnitude => Self::against_all(lanes, beta, d, None),
        }
    }

    /// Guards for d ≥ k and beta > 0 against +∞ alone: [`fix`](Self::fix) clears the factor there and at NaN, and a recipe
    /// brings the NaN back afterwards.
    #[inline(always)]
    pub(super) fn against_infinity(lanes: &mut L, d: L::Float) -> Self {
        let bits = lanes.to_bits(d);
        let infinity = lanes.bits(INFINITY);
        let below = lanes.isub(bits, infinity);
        let keep = lanes.sar(below, SIGN_SHIFT);
        Self { magnitude: d, base: d, keep, set: None, scaled: None }
    }

    /// Guards against everything that is not normal, and where `negative` against that.
    #[inline(always)]
    fn against_all(lanes: &mut L, beta: f64, d: L::Float, negative: Option<L::Bits>) -> Self {
        let bits = lanes.to_bits(d);
        let magnitude = lanes.bits(MAGNITUDE);
        let bits = lanes.and(bits, magnitude);
        let magnitude = lanes.bits_to_float(bits);
        let one = lanes.bits(1);
        let above_zero = lanes.isub(bits, one);
        let at_zero = lanes.sar(above_zero, SIGN_SHIFT);
        let largest = lanes.bits(LARGEST);
        let below_largest = lanes.isub(largest, bits);
        let at_infinity = lanes.sar(below_largest, SIGN_SHIFT);
        let special = lanes.or(at_zero, at_infinity);
        let keep = Self::outside(lanes, special);
        let infinity = lanes.bits(INFINITY);
        let pole = lanes.and(if beta > 0.0 { at_zero } else { at_infinity }, infinity);
        let nan = Self::beyond_infinity(lanes, bits);
        let mut set = lanes.or(pole, nan);
        if let Some(negative) = negative {
            // Neither −0 nor −∞, which are as 0 and ∞.
            let negative = lanes.and(negative, keep);
            set = lanes.or(set, negative);
        }
        let smallest = lanes.bits(SMALLEST_NORMAL);
        let above_smallest = lanes.isub(bits, smallest);
        let scaled = lanes.sar(above_smallest, SIGN_SHIFT);
        let shift = lanes.bits(SUBNORMAL_SHIFT << MANTISSA_BITS);
        let shift = lanes.and(scaled, shift);
        let unit = lanes.bits(ONE);
        let factor = lanes.iadd(unit, shift);
        let factor = lanes.bits_to_float(factor);
        let base = lanes.mul(magnitude, factor);
        Self { magnitude, base, keep, set: Some(set), scaled: Some(scaled) }
    }

    /// The base, at most the largest finite number; NaN stays.
    #[inline(always)]
    pub(super) fn finite(&self, lanes: &mut L) -> L::Float {
        let largest = lanes.float(f32::from_bits(LARGEST));
        lanes.min(largest, self.base)
    }

    /// x, multiplied by 2^(32·beta) where the base was multiplied by 2^32.
    #[inline(always)]
    pub(super) fn scale(&self, lanes: &mut L, beta: f64, x: L::Float) -> L::Float {
        let Some(scaled) = self.scaled else { return x };
        let other = ((f64::from(SUBNORMAL_SHIFT) * beta).exp2() as f32).to_bits();
        let change = lanes.bits(ONE ^ other);
        let change = lanes.and(scaled, change);
        let unit = lanes.bits(ONE);
        let factor = lanes.xor(change, unit);
        let factor = lanes.bits_to_float(factor);
        lanes.mul(x, factor)
    }

    /// The factor with 0, +∞ or NaN put in where the base is special.
    #[inline(always)]
    pub(super) fn fix(&self, lanes: &mut L, factor: L::Float) -> L::Float {
        let bits = lanes.to_bits(factor);
        let mut bits = lanes.and(bits, self.keep);
        if let Some(set) = self.set {
            bits = lanes.or(bits, set);
        }
        lanes.bits_to_float(bits)
    }

    /// Whether [`fix`](Self::fix) puts in NaN; otherwise it must come before a step that brings NaN.
    #[inline(always)]
    pub(super) fn sees_to_nan(&self) -> bool {
        self.set.is_some()
    }

    /// All ones where non-negative bits are those of NaN.
    #[inline(always)]
    fn beyond_infinity(lanes: &mut L, bits: L::Bits) -> L::Bits {
        let infinity = lanes.bits(INFINITY);
        let below = lanes.isub(infinity, bits);
        lanes.sar(below, SIGN_SHIFT)
    }

    /// The other lanes' mask.
    #[inline(always)]
    fn outside(lanes: &mut L, mask: L::Bits) -> L::Bits {
        let ones = lanes.bits(u32::MAX);
        lanes.xor(mask, ones)
    }
}
