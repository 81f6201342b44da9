//! What a power recipe does about values of d that its bit tricks do not know.
//!
//! Roots and logarithms work on the bits of d and know only positive normal numbers. The rest is decided by masks,
//! on integer pipes that are idle otherwise, and put into the factor c ≈ d^(−f), so that x·c is what the formula gives:
//!
//! | d | c for beta > 0 | c for beta < 0 |
//! | --- | --- | --- |
//! | +∞ | 0 | +∞ |
//! | 0 | +∞ | 0 |
//! | < 0, NaN | NaN | NaN |
//! | −∞ | as +∞, by pow | as +∞ |
//! | subnormal | of 2^s·d, and x times 2^(s·f), or s taken from the exponent | the same |
//!
//! A mask is a subtraction of bits that turns negative where the value is beyond a bound, spread over the lane by an
//! arithmetic shift. Where k ≥ 2^−50 and alpha ≥ 0, d ≥ k is known, and only +∞ and NaN are left.

use super::Lanes;
use crate::plan::Guard;

/// Whether a subnormal base is multiplied by a power of two.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Subnormal {
    Scaled,
    /// Left alone: the recipe takes no base that small.
    Kept,
}

/// A base made safe for bit tricks.
pub(super) struct Guarded<L: Lanes> {
    guard: Guard,
    beta: f64,
    d: L::Float,
    /// The base without its sign.
    pub(super) magnitude: L::Float,
    /// The same, a subnormal one scaled; ∞ and NaN stay.
    pub(super) base: L::Float,
    /// All ones where the base was scaled.
    scaled: Option<L::Bits>,
}

impl<L: Lanes> Guarded<L> {
    /// The base of d^(−beta).
    #[inline(always)]
    pub(super) fn new(lanes: &mut L, guard: Guard, beta: f64, d: L::Float, subnormal: Subnormal) -> Self {
        if guard == Guard::AtLeastK {
            return Self { guard, beta, d, magnitude: d, base: d, scaled: None };
        }
        lanes.part("guard: the magnitude of d, a subnormal one times a power of 2");
        let bits = Self::magnitude_bits(lanes, d);
        let magnitude = lanes.bits_to_float(bits);
        if subnormal == Subnormal::Kept {
            return Self { guard, beta, d, magnitude, base: magnitude, scaled: None };
        }
        let smallest = lanes.bits(lanes.format().smallest_normal());
        let above_smallest = lanes.isub(bits, smallest);
        let scaled = lanes.negative(above_smallest);
        let shift = lanes.bits(Self::shift(lanes));
        let shift = lanes.and(scaled, shift);
        let unit = lanes.bits(lanes.format().one());
        let factor = lanes.iadd(shift, unit);
        let factor = lanes.bits_to_float(factor);
        let base = lanes.mul(magnitude, factor);
        Self { guard, beta, d, magnitude, base, scaled: Some(scaled) }
    }

    /// The base, at most the largest finite number; NaN stays.
    #[inline(always)]
    pub(super) fn finite(&self, lanes: &mut L) -> L::Float {
        let largest = lanes.float(lanes.format().largest);
        lanes.min(largest, self.base)
    }

    /// The base, put between two numbers; NaN stays.
    #[inline(always)]
    pub(super) fn between(&self, lanes: &mut L, low: Option<f64>, high: Option<f64>) -> L::Float {
        let base = high.map_or(self.base, |high| {
            let high = lanes.float(high);
            lanes.min(high, self.base)
        });
        low.map_or(base, |low| {
            let low = lanes.float(low);
            lanes.max(low, base)
        })
    }

    /// The exponent of the base before it was scaled, of what it is now: both as i·2^mantissa.
    #[inline(always)]
    pub(super) fn rescale(&self, lanes: &mut L, exponent: L::Bits) -> L::Bits {
        let Some(scaled) = self.scaled else { return exponent };
        let shift = lanes.bits(Self::shift(lanes));
        let shift = lanes.and(scaled, shift);
        lanes.isub(exponent, shift)
    }

    /// x, multiplied by 2^(s·beta) where the base was multiplied by 2^s.
    #[inline(always)]
    pub(super) fn scale(&self, lanes: &mut L, beta: f64, x: L::Float) -> L::Float {
        let Some(scaled) = self.scaled else { return x };
        let format = lanes.format();
        let other = format.bits_of((f64::from(format.subnormal_shift) * beta).exp2());
        let change = lanes.bits(format.one() ^ other);
        let change = lanes.and(scaled, change);
        let unit = lanes.bits(lanes.format().one());
        let factor = lanes.xor(change, unit);
        let factor = lanes.bits_to_float(factor);
        lanes.mul(x, factor)
    }

    /// Given d ≥ k and beta > 0: clears the factor where d is +∞ or NaN; the recipe brings the NaN back afterwards.
    #[inline(always)]
    pub(super) fn at_infinity(&self, lanes: &mut L) -> Fix<L> {
        lanes.part("guard: a mask that clears where d is +∞ or NaN");
        let bits = lanes.to_bits(self.d);
        Fix { keep: Some(Self::below_infinity(lanes, bits)), set: None }
    }

    /// Given d ≥ k: x, a NaN where d is, and a fix that puts 0 or +∞ into a power of two where d is +∞. `finite`: the base, at
    /// most a finite number.
    #[inline(always)]
    pub(super) fn at_infinity_alone(&self, lanes: &mut L, x: L::Float, finite: L::Float) -> (L::Float, Fix<L>) {
        lanes.part("guard: NaN where d is, and what +∞ makes of a power of two");
        let zero = lanes.float(-0.0);
        let x = lanes.fma(finite, zero, x);
        let bits = lanes.to_bits(self.d);
        if self.beta > 0.0 {
            return (x, Fix { keep: Some(Self::below_infinity(lanes, bits)), set: None });
        }
        let largest = lanes.bits(lanes.format().infinity() - 1);
        let below = lanes.isub(largest, bits);
        let above = lanes.negative(below);
        let infinity = lanes.bits(lanes.format().infinity());
        // Of a power of two only the exponent is not 0.
        (x, Fix { keep: None, set: Some(lanes.and(above, infinity)) })
    }

    /// Puts 0, +∞ or NaN into the factor where the base is special, whatever was computed there.
    #[inline(always)]
    pub(super) fn everywhere(&self, lanes: &mut L) -> Fix<L> {
        lanes.part("guard: what the factor becomes where d is special");
        let format = lanes.format();
        let bits = Self::magnitude_bits(lanes, self.d);
        let mut keep = Self::below_infinity(lanes, bits);
        let infinity = lanes.bits(format.infinity());
        let below_infinity = lanes.isub(infinity, bits);
        let mut nan = lanes.negative(below_infinity);
        let mut poles = None;
        if self.beta < 0.0 {
            let special = Self::outside(lanes, keep);
            poles = Some(special);
        }
        if self.guard != Guard::AtLeastK {
            let one = lanes.bits(1u64);
            let above_zero = lanes.isub(bits, one);
            let at_zero = lanes.negative(above_zero);
            let elsewhere = Self::outside(lanes, at_zero);
            keep = lanes.and(keep, elsewhere);
            if self.beta > 0.0 {
                poles = Some(at_zero);
            }
        }
        if self.guard == Guard::Any {
            // Neither −0 nor −∞, which are as 0 and ∞.
            let bits = lanes.to_bits(self.d);
            let negative = lanes.negative(bits);
            let negative = lanes.and(negative, keep);
            nan = lanes.or(nan, negative);
            keep = lanes.xor(keep, negative);
        }
        // Of a NaN no more than the highest bit: what is rounded to a half must not become ∞.
        let quiet = lanes.bits(format.infinity() + (format.smallest_normal() >> 1));
        let mut set = lanes.and(nan, quiet);
        if let Some(poles) = poles {
            let poles = lanes.and(poles, infinity);
            set = lanes.or(set, poles);
        }
        Fix { keep: Some(keep), set: Some(set) }
    }

    /// What is added to the exponent of a subnormal base.
    #[inline(always)]
    fn shift(lanes: &L) -> u64 {
        u64::from(lanes.format().subnormal_shift) << lanes.format().mantissa
    }

    #[inline(always)]
    fn magnitude_bits(lanes: &mut L, d: L::Float) -> L::Bits {
        let bits = lanes.to_bits(d);
        let magnitude = lanes.bits(lanes.format().magnitude());
        lanes.and(bits, magnitude)
    }

    /// All ones where bits without a sign are those of a finite number.
    #[inline(always)]
    fn below_infinity(lanes: &mut L, bits: L::Bits) -> L::Bits {
        let infinity = lanes.bits(lanes.format().infinity());
        let below = lanes.isub(bits, infinity);
        lanes.negative(below)
    }

    /// The other lanes' mask.
    #[inline(always)]
    fn outside(lanes: &mut L, mask: L::Bits) -> L::Bits {
        let ones = lanes.bits(lanes.format().all());
        lanes.xor(mask, ones)
    }
}

/// What is put into a factor where its base is special.
pub(super) struct Fix<L: Lanes> {
    /// All ones where the factor stays.
    keep: Option<L::Bits>,
    /// Bits of +∞ or NaN elsewhere.
    set: Option<L::Bits>,
}

impl<L: Lanes> Fix<L> {
    /// The factor, fixed.
    #[inline(always)]
    pub(super) fn apply(&self, lanes: &mut L, factor: L::Float) -> L::Float {
        let mut bits = lanes.to_bits(factor);
        if let Some(keep) = self.keep {
            bits = lanes.and(bits, keep);
        }
        if let Some(set) = self.set {
            bits = lanes.or(bits, set);
        }
        lanes.bits_to_float(bits)
    }
}
