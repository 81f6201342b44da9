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
//! * [`fit`]: the polynomials, fitted at construction.
//!
//! What does not live here: where values come from and go to (codegen, interpreter), and which recipe is taken (plan).

#[cfg(test)]
mod accuracy;
pub(crate) mod cumulative;
pub(crate) mod fit;
mod fitted;
mod guard;
pub(crate) mod power;
pub(crate) mod wide;
pub(crate) mod window;

use crate::plan::Power;

/// Lane-wise arithmetic on vectors of f32 and on their bits as 32-bit integers.
///
/// Only what exists lane by lane on every target is here: nothing crosses lanes, nothing compares into a mask register
/// and no sign is flipped but by `xor`. Masks come from an integer subtraction and [`sar`](Lanes::sar) by 31. Every
/// operation rounds once, to nearest even; subnormals are kept.
pub(crate) trait Lanes {
    /// A vector of f32.
    type Float: Copy;
    /// A vector of 32-bit integers; arithmetic wraps.
    type Bits: Copy;

    /// What follows computes what `name` says: for listings.
    #[inline(always)]
    fn part(&mut self, _name: &'static str) {}

    /// The constant `value` in every lane.
    fn float(&mut self, value: f32) -> Self::Float;
    /// The constant `value` in every lane.
    fn bits(&mut self, value: u32) -> Self::Bits;

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
    /// a >> count, filling with the sign: by 31, all ones where a < 0, else zero
    fn sar(&mut self, a: Self::Bits, count: u8) -> Self::Bits;

    /// The bits of a float.
    fn to_bits(&mut self, a: Self::Float) -> Self::Bits;
    /// The float of these bits.
    fn bits_to_float(&mut self, a: Self::Bits) -> Self::Float;
    /// A signed integer, rounded to float.
    fn int_to_float(&mut self, a: Self::Bits) -> Self::Float;
}

/// x·(k + a·Σ)^(−beta); `base` is (a, k).
#[inline(always)]
pub(crate) fn normalize<L: Lanes>(
    lanes: &mut L,
    base: (f32, f32),
    power: &Power,
    x: L::Float,
    sum: L::Float,
) -> L::Float {
    lanes.part("base: d = k + a·Σ");
    let (a, k) = (lanes.float(base.0), lanes.float(base.1));
    let d = lanes.fma(sum, a, k);
    power::apply(lanes, power, x, d)
}

/// x times each factor in turn.
#[inline(always)]
pub(crate) fn scale<L: Lanes>(lanes: &mut L, factors: &[f32], x: L::Float) -> L::Float {
    lanes.part("scale: x · k^(−beta)");
    factors.iter().fold(x, |x, &factor| {
        let factor = lanes.float(factor);
        lanes.mul(x, factor)
    })
}
