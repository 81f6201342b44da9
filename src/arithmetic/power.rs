//! x·d^(−beta), lane by lane.
//!
//! beta is taken apart at construction into whole steps and a fraction, both of beta's sign:
//!
//! 1. **Whole steps**: x/d, once for every whole unit of beta (x·d where beta is negative). Each rounds once, and since
//!    all steps pull the same way no intermediate leaves the range unless the result does.
//! 2. **Fraction**, none, or one of
//!    * a square root: x/√d or x·√d;
//!    * a *root* d^(−¼), d^(−½), d^(−¾): a bit trick estimates y ≈ d^(−¼) (or d^(−½)) within some per cent, cut to few
//!      bits so that its powers are exact; g = d·y⁴ − 1 measures what is wrong with it, and
//!      `c = p + p·g·Q(g)` with p = y or y³ corrects it;
//!    * a *fitted* power: d = 2^i·(1+r) with |r| ≤ 1/3; d^(−f) = 2^(−f·i)·(1+r)^(−f), the first by a polynomial for 2^t and
//!      an addition to the exponent, the second by a polynomial fitted to f at construction.
//! 3. |beta| > 4 goes through [`wide`](super::wide) instead.
//!
//! What d can be besides positive and normal is the business of [`guard`](super::guard).
//!
//! x is multiplied last, so that nothing overflows unless the result does.
//!
//! Largest errors, in ulp of the exact x·d^(−beta), measured by `tests/power.rs` over every positive normal d: see
//! [`Power::max_ulp`](crate::plan::Power::max_ulp) and docs/NUMERICS.md.

use super::Lanes;
use super::guard::Guarded;
use super::wide::wide;
use crate::plan::{Fitted, Fraction, Guard, Power, Root};

pub(super) const MANTISSA_BITS: u8 = 23;
/// 1.5·2^23: adding it rounds to an integer, which then stands in the low bits.
pub(super) const ROUND: f32 = 12_582_912.0;
/// Bits of 2/3: where one binade of the reduced argument ends and the next begins.
const TWO_THIRDS: u32 = 0x3f2a_aaab;

/// `2^t = 1 + t·(…)` for |t| ≤ ½, coefficients of t¹ to t⁶.
const EXP2: [f32; 6] =
    [std::f32::consts::LN_2, 0.240_226_48, 0.055_503_6, 0.009_618_506, 0.001_339_080_6, 0.000_153_264_61];

/// x·d^(−beta) by the recipe `power`.
#[inline(always)]
pub(crate) fn apply<L: Lanes>(lanes: &mut L, power: &Power, x: L::Float, d: L::Float) -> L::Float {
    if let Fraction::Wide(recipe) = &power.fraction {
        return wide(lanes, recipe, power.guard, x, d);
    }
    match &power.fraction {
        Fraction::None | Fraction::Wide(_) => steps(lanes, power.whole, x, d),
        Fraction::SquareRoot { divide } => {
            let x = steps(lanes, power.whole, x, d);
            lanes.part("square root of d, and x by it");
            let root = lanes.sqrt(d);
            if *divide { lanes.div(x, root) } else { lanes.mul(x, root) }
        }
        Fraction::Root(recipe) => {
            let guarded = Guarded::new(lanes, power.guard, recipe.beta(), d);
            let x = steps(lanes, power.whole, x, guarded.magnitude);
            let x = guarded.scale(lanes, recipe.beta(), x);
            root(lanes, recipe, power.guard, &guarded, x)
        }
        Fraction::Fitted(recipe) => {
            let guarded = Guarded::new(lanes, power.guard, recipe.beta, d);
            let x = steps(lanes, power.whole, x, guarded.magnitude);
            let x = guarded.scale(lanes, recipe.beta, x);
            fitted(lanes, recipe, &guarded, x)
        }
    }
}

/// x/d as many times as `whole` says, or x·d.
#[inline(always)]
fn steps<L: Lanes>(lanes: &mut L, whole: i8, x: L::Float, d: L::Float) -> L::Float {
    if whole != 0 {
        lanes.part(if whole > 0 { "whole steps: x / d" } else { "whole steps: x · d" });
    }
    (0..whole.unsigned_abs()).fold(x, |x, _| if whole > 0 { lanes.div(x, d) } else { lanes.mul(x, d) })
}

/// x·d^(−¼), x·d^(−½) or x·d^(−¾): estimate by bits, measure, correct.
#[inline(always)]
fn root<L: Lanes>(lanes: &mut L, recipe: &Root, guard: Guard, guarded: &Guarded<L>, x: L::Float) -> L::Float {
    // Given d ≥ k it is enough to clear p: a NaN comes back with g.
    let at_least_k = guard == Guard::AtLeastK;
    let fix = if at_least_k { guarded.at_infinity(lanes) } else { guarded.everywhere(lanes) };
    lanes.part(
        [
            "",
            "estimate: y ≈ d^(−1/4), from the bits of d",
            "estimate: y ≈ d^(−1/2), from the bits of d",
            "estimate: y ≈ d^(−1/4), from the bits of d; p = y³",
        ][usize::from(recipe.quarters)],
    );
    // Estimate: y ≈ d^(−¼) or d^(−½).
    let bits = lanes.to_bits(guarded.base);
    let bits = lanes.shr(bits, if recipe.quarters == 2 { 1 } else { 2 });
    let magic = lanes.bits(recipe.magic);
    let mut bits = lanes.isub(magic, bits);
    if recipe.cut != u32::MAX {
        let cut = lanes.bits(recipe.cut);
        bits = lanes.and(bits, cut);
    }
    let y = lanes.bits_to_float(bits);
    lanes.part("measure: g, how far d·y⁴ (or d·y²) is from 1");
    // Measure: g = d·y⁴ − 1, or d·y² − 1. (Not d·y⁴ as d·(y⁴): for d > 2^125 that is subnormal.)
    let minus_one = lanes.float(-1.0);
    let (power, step) = match recipe.quarters {
        2 => (y, y),
        quarters => {
            let y2 = lanes.mul(y, y);
            (if quarters == 1 { y } else { lanes.mul(y2, y) }, y2)
        }
    };
    let finite = guarded.finite(lanes);
    let partly = lanes.mul(finite, step);
    let g = lanes.fma(partly, step, minus_one);
    lanes.part("correct: c = p + p·g·Q(g), Q a polynomial");
    // Correct: c = p + p·g·Q(g).
    let p = if at_least_k { fix.apply(lanes, power) } else { power };
    let pg = lanes.mul(p, g);
    let q = polynomial(lanes, &recipe.coefficients, g);
    let c = lanes.fma(pg, q, p);
    let c = if at_least_k { c } else { fix.apply(lanes, c) };
    lanes.part("result: x·c");
    lanes.mul(x, c)
}

/// x·d^(−f) by 2^(−f·i)·(1+r)^(−f).
#[inline(always)]
fn fitted<L: Lanes>(lanes: &mut L, recipe: &Fitted, guarded: &Guarded<L>, x: L::Float) -> L::Float {
    let fix = guarded.everywhere(lanes);
    lanes.part("split: d = 2^i·(1+r)");
    let (exponent, r) = split(lanes, guarded.base);
    lanes.part("exponent: −f·i = integer + t");
    // −f·i as an integer, left in the low bits of `rounded`, and a rest t within ±½.
    let round = lanes.float(ROUND);
    let coarse = lanes.float(recipe.exponent_high);
    let rounded = lanes.fma(exponent, coarse, round);
    let integer = lanes.sub(round, rounded);
    let t = lanes.fma(exponent, coarse, integer);
    let fine = lanes.float(recipe.exponent_low);
    let t = lanes.fma(exponent, fine, t);
    lanes.part("polynomials: c = 2^t·(1+r)^(−f)");
    // c = 2^t·(1+r)^(−f) = (1 + A)·(1 + r·Q(r)), the largest terms last and the 1 at the very end: with ar = (1 + A)·r and
    // Q(r) = q + r·Q'(r), c = 1 + (ar·q + (ar·r·Q'(r) + A)).
    let e = polynomial(lanes, &EXP2, t);
    let a = lanes.mul(t, e);
    let ar = lanes.fma(a, r, r);
    let (&first, rest) = recipe.coefficients.split_first().expect("a fit has a coefficient");
    let mut sum = a;
    if !rest.is_empty() {
        let q = polynomial(lanes, rest, r);
        let ar2 = lanes.mul(ar, r);
        sum = lanes.fma(ar2, q, sum);
    }
    let first = lanes.float(first);
    let sum = lanes.fma(ar, first, sum);
    let one = lanes.float(1.0);
    let c = lanes.add(sum, one);
    lanes.part("2^integer into the exponent, and x·c");
    // 2^integer goes into the exponent.
    let bits = lanes.to_bits(rounded);
    let (first, second) = if recipe.two_steps {
        // At once it would leave the range of a float: half of it now, the rest last.
        let origin = lanes.bits(ROUND.to_bits());
        let whole = lanes.isub(bits, origin);
        let half = lanes.sar(whole, 1);
        let rest = lanes.isub(whole, half);
        let unit = lanes.bits(1.0f32.to_bits());
        let rest = lanes.shl(rest, MANTISSA_BITS);
        let rest = lanes.iadd(rest, unit);
        (half, Some(lanes.bits_to_float(rest)))
    } else {
        (bits, None)
    };
    let step = lanes.shl(first, MANTISSA_BITS);
    let c = lanes.to_bits(c);
    let c = lanes.iadd(c, step);
    let c = lanes.bits_to_float(c);
    let c = fix.apply(lanes, c);
    let y = lanes.mul(x, c);
    match second {
        Some(second) => lanes.mul(y, second),
        None => y,
    }
}

/// d = 2^i·(1+r): i·2^23 as a float, and r in [−1/3, 1/3).
#[inline(always)]
pub(super) fn split<L: Lanes>(lanes: &mut L, d: L::Float) -> (L::Float, L::Float) {
    let bits = lanes.to_bits(d);
    let origin = lanes.bits(TWO_THIRDS);
    let above = lanes.isub(bits, origin);
    let exponents = lanes.bits(0xff80_0000);
    let exponent = lanes.and(above, exponents);
    let mantissa = lanes.isub(bits, exponent);
    let mantissa = lanes.bits_to_float(mantissa);
    let one = lanes.float(1.0);
    let r = lanes.sub(mantissa, one);
    (lanes.int_to_float(exponent), r)
}

/// 2^t for |t| ≤ ½, in [0.7, 1.42].
#[inline(always)]
pub(super) fn exp2<L: Lanes>(lanes: &mut L, t: L::Float) -> L::Float {
    let q = polynomial(lanes, &EXP2, t);
    let one = lanes.float(1.0);
    lanes.fma(t, q, one)
}

/// `Σ coefficients[j]·v^j`, by Horner's rule. (Even and odd powers apart would be half as long to wait for, but with several
/// chains side by side there is no waiting, and the one instruction more costs 10 %.)
#[inline(always)]
pub(super) fn polynomial<L: Lanes>(lanes: &mut L, coefficients: &[f32], v: L::Float) -> L::Float {
    let (last, lower) = coefficients.split_last().expect("a polynomial has a coefficient");
    let mut sum = lanes.float(*last);
    for &coefficient in lower.iter().rev() {
        let coefficient = lanes.float(coefficient);
        sum = lanes.fma(sum, v, coefficient);
    }
    sum
}
