//! x·d^(−beta) for |beta| > 32, where squares of fitted powers could leave the range of a float, and for f64, to which nothing is
//! fitted: x·2^(−beta·log2 d), with the logarithm in two floats.
//!
//! 1. d = 2^i·(1+r), |r| ≤ 1/3; with s = r/(2+r) (as s + s_low, the division's remainder taken back by fma)
//!    log2(1+r) = (2/ln 2)·(s + s³/3 + s⁵/5 + …), |s| ≤ 1/5.
//! 2. i + log2(1+r) as high + low; times −beta as high + low.
//! 3. 2^high by steps that each stay inside a float's exponents, 2^(rest + low) by a polynomial.
//!
//! The error does not grow with beta but with |beta·log2 d|, which a normal result bounds.
//! An integer beta takes |d| and gives the sign back afterwards.

use super::Lanes;
use super::format::F64;
use super::guard::{Guarded, Subnormal};
use super::power::{exp2, polynomial, scale, split, with_sign_of};
use crate::plan::{Guard, Wide};

/// Factors that reach 2^limit.
const STAGES: u8 = 3;

/// (2/ln 2)/3 in f64, high and low.
const THIRD: (f64, f64) = (0.961_796_693_925_975_6, 5.057_761_664_812_590_7e-17);
/// Twice (2/ln 2)/5.
const FIFTH_TWICE: f64 = 1.154_156_032_711_170_7;
/// (2/ln 2)·(1/5 + s²/7 + …): what the precise series adds to its first terms, over s⁴.
const PRECISE_TAIL: [f64; 7] = [
    0.577_078_016_355_618,
    0.412_198_583_091_966_33,
    0.320_598_902_268_783_7,
    0.262_307_701_548_226_75,
    0.221_983_978_122_707_62,
    0.191_255_621_332_808_1,
    0.190_381_129_189_351_43,
];

/// x·d^(−beta).
#[inline(always)]
pub(super) fn wide<L: Lanes>(lanes: &mut L, recipe: &Wide, guard: Guard, x: L::Float, d: L::Float) -> L::Float {
    let guarded = Guarded::new(lanes, guard, recipe.beta_high, d, Subnormal::Scaled);
    let (high, low) = logarithm(lanes, &guarded, recipe.precise);

    lanes.part("times −beta, in two floats");
    // −beta·log2 d, high and low, kept within what can matter.
    let minus_beta = lanes.float(-recipe.beta_high);
    let rest_of_beta = lanes.float(-recipe.beta_low);
    let format = lanes.format();
    let (bottom, top) = (lanes.float(-format.limit), lanes.float(format.limit));
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
    let round = lanes.float(format.round());
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
fn logarithm<L: Lanes>(lanes: &mut L, guarded: &Guarded<L>, precise: bool) -> (L::Float, L::Float) {
    lanes.part("log2 d, in two floats");
    let (zero, one, two) = (lanes.float(0.0), lanes.float(1.0), lanes.float(2.0));
    let format = lanes.format();
    let (exponent, r) = split(lanes, guarded.base, format.root_of_half, 1.0);
    let exponent = guarded.rescale(lanes, exponent);
    let exponent = lanes.exponent_to_float(exponent);
    // s = r/(2+r), high and low.
    let (below, below_low) = sum_of_two(lanes, two, r);
    let inverse = lanes.div(one, below);
    let s = lanes.mul(r, inverse);
    let minus_s = lanes.sub(zero, s);
    let remainder = lanes.fma(minus_s, below, r);
    let remainder = lanes.fma(minus_s, below_low, remainder);
    let s_low = lanes.mul(remainder, inverse);
    let (high, low) = if precise { precise_series(lanes, s, s_low) } else { series(lanes, s, s_low) };
    // The exponent is 0 or larger than the logarithm of the rest.
    let (high, lost) = sum_of_two(lanes, exponent, high);
    let low = lanes.add(lost, low);
    (high, low)
}

/// (2/ln 2)·(s + s³/3 + …), high and low.
#[inline(always)]
fn series<L: Lanes>(lanes: &mut L, s: L::Float, s_low: L::Float) -> (L::Float, L::Float) {
    let format = lanes.format();
    let zero = lanes.float(0.0);
    let (high_constant, low_constant) = (lanes.float(format.two_over_ln2.0), lanes.float(format.two_over_ln2.1));
    let high = lanes.mul(s, high_constant);
    let minus_high = lanes.sub(zero, high);
    let low = lanes.fma(s, high_constant, minus_high);
    let low = lanes.fma(s, low_constant, low);
    let low = lanes.fma(s_low, high_constant, low);
    let s2 = lanes.mul(s, s);
    let s3 = lanes.mul(s2, s);
    let tail = polynomial(lanes, format.log_tail, s2);
    let low = lanes.fma(s3, tail, low);
    sum_of_two(lanes, high, low)
}

/// The same in f64, with s² and s³/3 in two floats as well: there |beta·log2 d| reaches 2^11.
#[inline(always)]
fn precise_series<L: Lanes>(lanes: &mut L, s: L::Float, s_low: L::Float) -> (L::Float, L::Float) {
    let [constant, third] = [F64.two_over_ln2, THIRD].map(|(high, low)| (lanes.float(high), lanes.float(low)));
    let (square, square_low) = product(lanes, s, s);
    let twice = lanes.add(s, s);
    let square_low = lanes.fma(twice, s_low, square_low);
    // w = C + C/3·s² + s⁴·(C/5 + …), high and low.
    let (cubic, low) = product(lanes, square, third.0);
    let slope = lanes.float(FIFTH_TWICE);
    let slope = lanes.fma(square, slope, third.0);
    let low = lanes.fma(square_low, slope, low);
    let low = lanes.fma(square, third.1, low);
    let (w, lost) = sum_of_two(lanes, constant.0, cubic);
    let low = lanes.add(low, constant.1);
    let low = lanes.add(low, lost);
    let fourth = lanes.mul(square, square);
    let tail = polynomial(lanes, &PRECISE_TAIL, square);
    let low = lanes.fma(fourth, tail, low);
    let (w, w_low) = sum_of_two(lanes, w, low);
    let (high, low) = product(lanes, s, w);
    let low = lanes.fma(s, w_low, low);
    (high, lanes.fma(s_low, w, low))
}

/// a·b as the rounded product and what was lost.
#[inline(always)]
fn product<L: Lanes>(lanes: &mut L, a: L::Float, b: L::Float) -> (L::Float, L::Float) {
    let zero = lanes.float(0.0);
    let high = lanes.mul(a, b);
    let negated = lanes.sub(zero, high);
    (high, lanes.fma(a, b, negated))
}

/// a + b as the rounded sum and what was lost, where a is 0 or |a| ≥ |b|.
#[inline(always)]
fn sum_of_two<L: Lanes>(lanes: &mut L, a: L::Float, b: L::Float) -> (L::Float, L::Float) {
    let sum = lanes.add(a, b);
    let added = lanes.sub(sum, a);
    let lost = lanes.sub(b, added);
    (sum, lost)
}
