//! What a kernel computes, written once over the trait [`Lanes`].
//!
//! Given [`ClifLanes`](crate::codegen::clif_lanes::ClifLanes) the functions of this folder emit vector code; given
//! [`ArrayLanes`](crate::interpreter::ArrayLanes) they compute. Interpreter and compiler cannot drift apart, and a new
//! recipe is one function.
//!
//! * [`window`]: the sum of a short window's squares, in an order that depends on the window alone;
//! * [`cumulative`]: the same for a long one;
//! * [`power`]: `x·d^(−beta)`, one recipe per class of beta;
//! * [`fitted`]: the recipe of any other beta, [`wide`]: of a large one;
//! * [`guard`]: what recipes do about zero, negative, subnormal, infinite and NaN d;
//! * [`fit`]: the polynomials, fitted at construction;
//! * [`stage`]: the layer and its derivatives, given the sums of windows;
//! * [`half`]: f16 and bf16 by the bits of f32;
//! * [`format`]: f32 and f64 by their bits, and what constants recipes have in each.
//!
//! What does not live here: where values come from and go to (codegen, interpreter), and which recipe is taken (plan).

#[cfg(test)]
mod accuracy;
#[cfg(test)]
mod accuracy_f64;
pub(crate) mod cumulative;
#[cfg(test)]
mod double_double;
pub(crate) mod fit;
mod fitted;
pub(crate) mod format;
mod guard;
pub(crate) mod half;
pub(crate) mod power;
pub(crate) mod stage;
pub(crate) mod wide;
pub(crate) mod window;

use format::Format;

/// Lane-wise arithmetic on vectors of f32 or f64 ([`format`](Lanes::format) says which) and on their bits as integers as long.
///
/// Only what exists lane by lane on every target is here: nothing crosses lanes, nothing compares into a mask register
/// and no sign is flipped but by `xor`. Masks come from an integer subtraction and [`negative`](Lanes::negative). Every
/// operation rounds once, to nearest even; subnormals are kept.
pub(crate) trait Lanes {
    /// A vector of floats.
    type Float: Copy;
    /// A vector of integers; arithmetic wraps.
    type Bits: Copy;

    /// What the floats are.
    fn format(&self) -> &'static Format;

    /// What follows computes what `name` says: for listings.
    #[inline(always)]
    fn part(&mut self, _name: &'static str) {}

    /// The constant `value` in every lane.
    fn float(&mut self, value: impl Into<f64>) -> Self::Float;
    /// The constant `value` in every lane.
    fn bits(&mut self, value: impl Into<u64>) -> Self::Bits;

    /// a + b
    fn add(&mut self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// a − b
    fn sub(&mut self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// a · b
    fn mul(&mut self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// a / b
    fn div(&mut self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// a · b + c, rounded once
    fn fma(&mut self, a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float;
    /// √a
    fn sqrt(&mut self, a: Self::Float) -> Self::Float;
    /// a < b ? a : b, so that a NaN in either gives b
    fn min(&mut self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// a > b ? a : b, so that a NaN in either gives b
    fn max(&mut self, a: Self::Float, b: Self::Float) -> Self::Float;

    /// a + b, wrapping
    fn iadd(&mut self, a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// a − b, wrapping
    fn isub(&mut self, a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// a & b
    fn and(&mut self, a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// a | b
    fn or(&mut self, a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// a ^ b
    fn xor(&mut self, a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// a << count
    fn shl(&mut self, a: Self::Bits, count: u8) -> Self::Bits;
    /// a >> count, filling with zeros
    fn shr(&mut self, a: Self::Bits, count: u8) -> Self::Bits;
    /// a >> count, filling with the sign. 32-bit lanes only: 64-bit ones have it nowhere but in AVX-512.
    fn sar(&mut self, a: Self::Bits, count: u8) -> Self::Bits;

    /// All ones where a < 0, else zero.
    #[inline(always)]
    fn negative(&mut self, a: Self::Bits) -> Self::Bits {
        let sign = self.format().bits - 1;
        if sign == 31 {
            return self.sar(a, sign);
        }
        let sign = self.shr(a, sign);
        let zero = self.bits(0u64);
        self.isub(zero, sign)
    }

    /// a >> 1, filling with the sign.
    #[inline(always)]
    fn half(&mut self, a: Self::Bits) -> Self::Bits {
        if self.format().bits == 32 {
            return self.sar(a, 1);
        }
        let half = self.shr(a, 1);
        let sign = self.bits(self.format().sign());
        let sign = self.and(a, sign);
        self.or(half, sign)
    }

    /// The bits of a float.
    fn to_bits(&mut self, a: Self::Float) -> Self::Bits;
    /// The float of these bits.
    fn bits_to_float(&mut self, a: Self::Bits) -> Self::Float;
    /// A signed integer, rounded to float. 32-bit lanes only.
    fn int_to_float(&mut self, a: Self::Bits) -> Self::Float;

    /// i as a float, given i·2^mantissa bits.
    #[inline(always)]
    fn exponent_to_float(&mut self, exponent: Self::Bits) -> Self::Float {
        let format = self.format();
        if format.bits == 32 {
            let i = self.int_to_float(exponent);
            let unit = self.float(1.0 / (1u64 << format.mantissa) as f64);
            return self.mul(i, unit);
        }
        // i + 2·one's exponent is positive: as the low bits of a float whose last place is 1.
        let offset = self.bits(format.one() << 1);
        let positive = self.iadd(exponent, offset);
        let positive = self.shr(positive, format.mantissa);
        let unit = (1u64 << format.mantissa) as f64;
        let base = self.bits(unit.to_bits());
        let float = self.or(positive, base);
        let float = self.bits_to_float(float);
        let base = self.float(unit + (format.one() >> format.mantissa << 1) as f64);
        self.sub(float, base)
    }
}

/// x times each factor in turn.
#[inline(always)]
pub(crate) fn scale<L: Lanes>(lanes: &mut L, factors: &[f64], x: L::Float) -> L::Float {
    lanes.part("scale: x · k^(−beta)");
    factors.iter().fold(x, |x, &factor| {
        let factor = lanes.float(factor);
        lanes.mul(x, factor)
    })
}
