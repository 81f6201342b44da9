//! x·d^(−beta) in f32 for any beta up to ±32, by polynomials fitted to it: d^(−beta) = 2^(−beta·i)·m^(−beta).
//!
//! 1. d = 2^i·m, with m in [½, 1) for beta > 0 and in [1, 2) for beta < 0: m^(−beta) is at least 1 there, and the terms of
//!    its polynomial hardly cancel.
//! 2. P = m^(−beta) = constant + r·Q(r), r = m − center (exact), Q fitted at construction to a relative error. The center is
//!    chosen so that the constant is a float almost exactly.
//! 3. −beta·i = n + t, n whole and |t| ≤ ½, with beta in two floats. 2^t = 1 + A(t).
//! 4. P·2^t = P + P·A, times x, times 2^n.
//!
//! Where |beta| > 4, the polynomial is that of m^(−beta/2^h), squared h times.
//!
//! P, P + P·A and the product with x round once each; A and Q bring along less than that. A and P do not wait for one
//! another.
//!
//! Where d ≥ k ≥ 2^−50 is known and 0 < beta ≤ 4 ([`bounded`]), 2^(2−i) serves three times: with it one fma makes 4·r of d, it
//! takes `whole` units of beta·i out of n, so that 2^n is a normal number, and for d = +∞ it is 0, as the result is. A NaN comes
//! through r.
//! No product overflows on the way: Σ holds x², so |x| < 2^64 wherever d is finite. Nor is any subnormal unless the result
//! nearly is, or x.

use super::Lanes;
use super::guard::{Guarded, Subnormal};
use super::power::{exponent, polynomial, scale, split};
use crate::plan::{Fitted, FittedRange, Guard, Staging};

/// x·d^(−beta).
#[inline(always)]
pub(super) fn apply<L: Lanes>(lanes: &mut L, recipe: &Fitted, guard: Guard, x: L::Float, d: L::Float) -> L::Float {
    match &recipe.range {
        FittedRange::Bounded { whole } => bounded(lanes, recipe, *whole, x, d),
        FittedRange::Any(staging) => any(lanes, recipe, guard, staging, x, d),
    }
}

/// For d ≥ k ≥ 2^−50 and beta > 0.
#[inline(always)]
fn bounded<L: Lanes>(lanes: &mut L, recipe: &Fitted, whole: u8, x: L::Float, d: L::Float) -> L::Float {
    lanes.part("split: d = 2^i·m, 2^(2−i), and 4·(m − center)");
    let largest = lanes.float(lanes.format().largest);
    let finite = lanes.min(largest, d);
    let exponent = exponent(lanes, d, recipe.origin.into());
    let four = lanes.bits(4.0f32.to_bits());
    let step = lanes.isub(four, exponent);
    let step = lanes.bits_to_float(step);
    let minus_center = lanes.float(-4.0 * recipe.center);
    let r = lanes.fma(finite, step, minus_center);
    let (factor, rounded) = power(lanes, recipe, exponent, r, lanes.format().round() - 2.0 * f64::from(whole));

    lanes.part("2^n, and x·2^(2−i)·…·c");
    let bits = lanes.to_bits(rounded);
    let n = lanes.shl(bits, lanes.format().mantissa);
    let one = lanes.bits(1.0f32.to_bits());
    let mut rest = lanes.iadd(n, one);
    if whole == 0 {
        let bits = lanes.to_bits(d);
        let infinity = lanes.bits(f32::INFINITY.to_bits());
        let below = lanes.isub(bits, infinity);
        let below = lanes.negative(below);
        rest = lanes.and(rest, below);
    }
    let rest = lanes.bits_to_float(rest);
    if whole == 0 {
        let y = lanes.mul(x, rest);
        return lanes.mul(y, factor);
    }
    let y = lanes.mul(x, step);
    let y = lanes.mul(y, factor);
    let y = (2..whole).fold(y, |y, _| lanes.mul(y, step));
    let y = lanes.mul(y, rest);
    if whole > 1 { lanes.mul(y, step) } else { y }
}

/// For any d.
#[inline(always)]
fn any<L: Lanes>(
    lanes: &mut L,
    recipe: &Fitted,
    guard: Guard,
    staging: &Staging,
    x: L::Float,
    d: L::Float,
) -> L::Float {
    let subnormal = if staging.low.is_some() { Subnormal::Kept } else { Subnormal::Scaled };
    let guarded = Guarded::new(lanes, guard, recipe.beta, d, subnormal);
    lanes.part("split: d = 2^i·m, and m − center");
    let base = guarded.between(lanes, staging.low.map(f64::from), staging.high.map(f64::from));
    let (exponent, r) = split(lanes, base, recipe.origin.into(), recipe.center.into());
    let exponent = guarded.rescale(lanes, exponent);
    let (factor, rounded) = power(lanes, recipe, exponent, r, lanes.format().round());
    let of_step = guard == Guard::AtLeastK && staging.stages > 1;
    let (x, fix) = if of_step { guarded.at_infinity_alone(lanes, x, base) } else { (x, guarded.everywhere(lanes)) };
    let y = scale(lanes, rounded, staging.stages, x, factor, (fix, of_step));
    if recipe.odd { super::power::with_sign_of(lanes, y, d) } else { y }
}

/// P·2^t, and `round` + n, where `exponent` is i·2^23 and `r` what Q was fitted for.
#[inline(always)]
fn power<L: Lanes>(lanes: &mut L, recipe: &Fitted, exponent: L::Bits, r: L::Float, round: f64) -> (L::Float, L::Float) {
    lanes.part("exponent: −beta·i = n + t");
    let i = lanes.int_to_float(exponent);
    let high = lanes.float(recipe.exponent_high);
    let round = lanes.float(round);
    let rounded = lanes.fma(i, high, round);
    let minus_n = lanes.sub(round, rounded);
    let mut t = lanes.fma(i, high, minus_n);
    if recipe.exponent_low != 0.0 {
        let low = lanes.float(recipe.exponent_low);
        t = lanes.fma(i, low, t);
    }
    lanes.part("polynomial: 2^t = 1 + A");
    let a = polynomial(lanes, lanes.format().exp2, t);
    let a = lanes.mul(t, a);
    lanes.part("polynomial: P = m^(−beta), and c = P + P·A");
    let q = polynomial(lanes, &recipe.coefficients, r);
    let constant = lanes.float(recipe.constant);
    let p = lanes.fma(r, q, constant);
    let p = (0..recipe.squarings).fold(p, |p, _| lanes.mul(p, p));
    (lanes.fma(p, a, p), rounded)
}
