//! x·d^(−beta) for |beta| > 32, where squares of fitted powers could leave the range of a float: x·2^(−beta·log2 d), with the
//! logarithm in two floats.
//!
//! 1. d = 2^i·(1+r), |r| ≤ 1/3; with s = r/(2+r) (as s + s_low, the division's remainder taken back by fma)
//!    log2(1+r) = (2/ln 2)·(s + s³/3 + s⁵/5 + …), |s| ≤ 1/5.
//! 2. i + log2(1+r) as high + low; times −beta as high + low.
//! 3. 2^high by steps that each stay inside a float's exponents, 2^(rest + low) by a polynomial.
//!
//! The error does not grow with beta but with |beta·log2 d|, which a normal result bounds.
//! An integer beta takes |d| and gives the sign back afterwards.

use super::Lanes;
use super::guard::{Guarded, Subnormal};
use super::power::{MANTISSA_BITS, ROOT_OF_HALF, ROUND, exp2, polynomial, scale, split, with_sign_of};
use crate::plan::{Guard, Wide};

/// 2/ln 2, high and low.
const TWO_OVER_LN2: (f32, f32) = (2.885_39, 3.851_925_8e-8);

/// (2/ln 2)·(1/3 + s²/5 + s⁴/7 + …): the rest of the logarithm, over s³. The series is cut where it no longer counts.
const LOG_TAIL: [f32; 6] = [
    (2.885_390_081_777_927 / 3.0) as f32,
    (2.885_390_081_777_927 / 5.0) as f32,
    (2.885_390_081_777_927 / 7.0) as f32,
    (2.885_390_081_777_927 / 9.0) as f32,
    (2.885_390_081_777_927 / 11.0) as f32,
    (2.885_390_081_777_927 / 13.0) as f32,
];

/// Beyond 2^±LIMIT times any float there is only 0 or ∞.
const LIMIT: f32 = 360.0;
/// Factors that reach 2^LIMIT.
const STAGES: u8 = 3;

/// x·d^(−beta).
#[inline(always)]
pub(super) fn wide<L: Lanes>(lanes: &mut L, recipe: &Wide, guard: Guard, x: L::Float, d: L::Float) -> L::Float {
    let guarded = Guarded::new(lanes, guard, f64::from(recipe.beta_high), d, Subnormal::Scaled);
    let (high, low) = logarithm(lanes, &guarded);

    lanes.part("times −beta, in two floats");
    // −beta·log2 d, high and low, kept within what can matter.
    let minus_beta = lanes.float(-recipe.beta_high);
    let rest_of_beta = lanes.float(-recipe.beta_low);
    let (bottom, top) = (lanes.float(-LIMIT), lanes.float(LIMIT));
    let product = lanes.mul(high, minus_beta);
    let zero = lanes.float(0.0);
    let negated = lanes.sub(zero, product);
    let error = lanes.fma(high, minus_beta, negated);
    let error = lanes.fma(high, rest_of_beta, error);
    let error = lanes.fma(low, minus_beta, error);
    let product = lanes.max(product, bottom);
    let product = lanes.min(product, top);
    let (minus_one, one) = (lanes.float(-1.0), lanes.float(1.0));
    let error = lanes.max(error, minus_one);
    let error = lanes.min(error, one);

    lanes.part("2^(integer + rest): a polynomial, and x by powers of two");
    // 2^(integer + rest).
    let round = lanes.float(ROUND);
    let rounded = lanes.add(product, round);
    let integer = lanes.sub(rounded, round);
    let rest = lanes.sub(product, integer);
    let rest = lanes.add(rest, error);
    let factor = exp2(lanes, rest);
    let fix = guarded.everywhere(lanes);
    let y = scale(lanes, rounded, STAGES, x, factor, (fix, false));
    if recipe.odd { with_sign_of(lanes, y, d) } else { y }
}

/// log2 of the guarded base as high + low.
#[inline(always)]
fn logarithm<L: Lanes>(lanes: &mut L, guarded: &Guarded<L>) -> (L::Float, L::Float) {
    lanes.part("log2 d, in two floats");
    let (zero, one, two) = (lanes.float(0.0), lanes.float(1.0), lanes.float(2.0));
    let (exponent, r) = split(lanes, guarded.base, ROOT_OF_HALF, 1.0);
    let exponent = guarded.rescale(lanes, exponent);
    let exponent = lanes.int_to_float(exponent);
    let unit = lanes.float(1.0 / (1u32 << MANTISSA_BITS) as f32);
    let exponent = lanes.mul(exponent, unit);
    // s = r/(2+r), high and low.
    let (below, below_low) = sum_of_two(lanes, two, r);
    let inverse = lanes.div(one, below);
    let s = lanes.mul(r, inverse);
    let minus_s = lanes.sub(zero, s);
    let remainder = lanes.fma(minus_s, below, r);
    let remainder = lanes.fma(minus_s, below_low, remainder);
    let s_low = lanes.mul(remainder, inverse);
    // (2/ln 2)·(s + s³/3 + …), high and low.
    let (high_constant, low_constant) = (lanes.float(TWO_OVER_LN2.0), lanes.float(TWO_OVER_LN2.1));
    let high = lanes.mul(s, high_constant);
    let minus_high = lanes.sub(zero, high);
    let low = lanes.fma(s, high_constant, minus_high);
    let low = lanes.fma(s, low_constant, low);
    let low = lanes.fma(s_low, high_constant, low);
    let s2 = lanes.mul(s, s);
    let s3 = lanes.mul(s2, s);
    let tail = polynomial(lanes, &LOG_TAIL, s2);
    let low = lanes.fma(s3, tail, low);
    let (high, low) = sum_of_two(lanes, high, low);
    // The exponent is 0 or larger than the logarithm of the rest.
    let (high, lost) = sum_of_two(lanes, exponent, high);
    let low = lanes.add(lost, low);
    (high, low)
}

/// a + b as the rounded sum and what was lost, where a is 0 or |a| ≥ |b|.
#[inline(always)]
fn sum_of_two<L: Lanes>(lanes: &mut L, a: L::Float, b: L::Float) -> (L::Float, L::Float) {
    let sum = lanes.add(a, b);
    let added = lanes.sub(sum, a);
    let lost = lanes.sub(b, added);
    (sum, lost)
}
