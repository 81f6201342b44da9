//! x·d^(−beta), lane by lane.
//!
//! Multiples of a quarter up to 4 are taken apart at construction into whole steps and a fraction, both of beta's sign:
//!
//! 1. **Whole steps**: x/d, once for every whole unit of beta (x·d where beta is negative). Each rounds once, and since
//!    all steps pull the same way no intermediate leaves the range unless the result does.
//! 2. **Fraction**, none, or one of
//!    * a square root: x/√d or x·√d;
//!    * a *root* d^(−¼), d^(−½), d^(−¾): a bit trick estimates y ≈ d^(−¼) (or d^(−½)) within some per cent;
//!      g = d·y⁴ − 1 measures what is wrong with it, and `c = p + p·g·Q(g)` with p = y or y³ corrects it.
//!
//! Any other beta goes through polynomials [`fitted`] to it, or, beyond 32, through a logarithm in two floats
//! ([`wide`](super::wide)).
//!
//! What d can be besides positive and normal is the business of [`guard`](super::guard).
//!
//! x is multiplied last, so that nothing overflows unless the result does.
//!
//! Largest errors, in ulp of the exact x·d^(−beta): [`Power::max_ulp`](crate::plan::Power::max_ulp), which the tests of
//! `accuracy` measure, and docs/NUMERICS.md.

use super::guard::{Fix, Guarded, Subnormal};
use super::wide::wide;
use super::{Lanes, fitted};
use crate::plan::{FirstCorrection, Fraction, Guard, Power, Root};

/// x·d^(−beta) by the recipe `power`.
#[inline(always)]
pub(crate) fn apply<L: Lanes>(lanes: &mut L, power: &Power, x: L::Float, d: L::Float) -> L::Float {
    match &power.fraction {
        Fraction::Fitted(recipe) => fitted::apply(lanes, recipe, power.guard, x, d),
        Fraction::Wide(recipe) => wide(lanes, recipe, power.guard, x, d),
        Fraction::None => steps(lanes, power.whole, x, d),
        Fraction::SquareRoot { divide } => {
            let x = steps(lanes, power.whole, x, d);
            lanes.part("square root of d, and x by it");
            let root = lanes.sqrt(d);
            if *divide { lanes.div(x, root) } else { lanes.mul(x, root) }
        }
        Fraction::Root(recipe) => {
            let guarded = Guarded::new(lanes, power.guard, recipe.beta(), d, Subnormal::Scaled);
            let x = steps(lanes, power.whole, x, guarded.magnitude);
            let x = guarded.scale(lanes, recipe.beta(), x);
            root(lanes, recipe, power.guard, &guarded, x)
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
    let at_least_k = guard == Guard::AtLeastK;
    // Given d ≥ k a NaN comes back with g, and so can +∞: as −∞, of which 0 is made. Else it is enough to clear p.
    let by_sign = at_least_k && recipe.is_negative_at_infinity();
    let fix = match (by_sign, at_least_k) {
        (true, _) => None,
        (_, true) => Some(guarded.at_infinity(lanes)),
        _ => Some(guarded.everywhere(lanes)),
    };
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
    let line = |lanes: &mut L, &magic: &u64| {
        let magic = lanes.bits(magic);
        let line = lanes.isub(magic, bits);
        (line, lanes.bits_to_float(line))
    };
    let (first, others) = recipe.magic.split_first().expect("an estimate has a magic number");
    let (bits, y) = line(lanes, first);
    let y = others.iter().fold(y, |y, magic| {
        let (_, other) = line(lanes, magic);
        lanes.add(y, other)
    });
    let finite = if by_sign { guarded.base } else { guarded.finite(lanes) };
    let y = match &recipe.first {
        None => y,
        Some(first) => correct_first(lanes, recipe.quarters, first, finite, (y, bits)),
    };
    lanes.part("measure: g, how far d·y⁴ (or d·y²) is from 1");
    // Measure: g = d·y⁴ − 1, or d·y² − 1. (Not d·y⁴ as d·(y⁴): where d is very large that is subnormal.) y³ is measured as it was
    // rounded.
    let minus_one = lanes.float(-1.0);
    let (power, step, rest) = match recipe.quarters {
        2 => (y, y, y),
        quarters => {
            let y2 = lanes.mul(y, y);
            if quarters == 1 {
                (y, y2, y2)
            } else {
                let y3 = lanes.mul(y2, y);
                (y3, y, y3)
            }
        }
    };
    let partly = lanes.mul(finite, step);
    let g = lanes.fma(partly, rest, minus_one);
    lanes.part(if by_sign {
        "correct: c = p + p·g·Q(g), Q a polynomial, and 0 for d = ∞"
    } else {
        "correct: c = p + p·g·Q(g), Q a polynomial"
    });
    // Correct: c = p + p·g·Q(g).
    let p = match &fix {
        Some(fix) if at_least_k => fix.apply(lanes, power),
        _ => power,
    };
    let pg = lanes.mul(p, g);
    let q = polynomial(lanes, &recipe.coefficients, g);
    let mut c = lanes.fma(pg, q, p);
    if by_sign {
        let zero = lanes.float(0.0);
        c = lanes.max(zero, c);
    } else if let (Some(fix), false) = (&fix, at_least_k) {
        c = fix.apply(lanes, c);
    }
    lanes.part("result: x·c");
    lanes.mul(x, c)
}

/// A better estimate.
#[inline(always)]
fn correct_first<L: Lanes>(
    lanes: &mut L,
    quarters: u8,
    first: &FirstCorrection,
    d: L::Float,
    (y, bits): (L::Float, L::Bits),
) -> L::Float {
    lanes.part("estimate, corrected by a cubic in d·y⁴ (or d·y²)");
    let step = if quarters == 2 { y } else { lanes.mul(y, y) };
    let u = lanes.mul(d, step);
    let u = lanes.mul(u, step);
    let (b, c, e) = (lanes.float(first.b), lanes.float(first.c), lanes.float(first.e));
    let square = lanes.fma(u, u, b);
    let linear = lanes.add(u, c);
    let cubic = lanes.fma(square, linear, e);
    let n = if first.scale == 0 {
        y
    } else {
        let scale = lanes.bits(first.scale);
        let bits = lanes.iadd(bits, scale);
        lanes.bits_to_float(bits)
    };
    lanes.mul(n, cubic)
}

/// y = x·factor·2^n, where `rounded` is n + 1.5·2^mantissa, n whole. A power that one float cannot hold is applied in stages, 2^h
/// with h ≈ n/stages all but once: of one sign, so that nothing overflows or is rounded on the way unless the result is.
/// `fix`, what a special d makes of the factor, is put in before x is multiplied, or, where `of_step`, into the stages.
#[inline(always)]
pub(super) fn scale<L: Lanes>(
    lanes: &mut L,
    rounded: L::Float,
    stages: u8,
    x: L::Float,
    factor: L::Float,
    (fix, of_step): (Fix<L>, bool),
) -> L::Float {
    lanes.part("2^n in stages, and x·c");
    let format = lanes.format();
    let bits = lanes.to_bits(rounded);
    let mut exponent = lanes.shl(bits, format.mantissa);
    let mut step = None;
    if stages > 1 {
        let bits = if stages == 2 {
            // n·2^mantissa is a number of as many bits as a float: half of it.
            let half = lanes.half(exponent);
            let whole = lanes.bits(format.exponent_and_sign());
            lanes.and(half, whole)
        } else {
            let share = lanes.float(1.0 / f64::from(stages));
            let round = lanes.float(format.round());
            let n = lanes.sub(rounded, round);
            let share = lanes.fma(n, share, round);
            let share = lanes.to_bits(share);
            lanes.shl(share, format.mantissa)
        };
        for _ in 1..stages {
            exponent = lanes.isub(exponent, bits);
        }
        let one = lanes.bits(format.one());
        let bits = lanes.iadd(bits, one);
        step = Some(lanes.bits_to_float(bits));
    }
    let factor = lanes.to_bits(factor);
    let factor = lanes.iadd(factor, exponent);
    let mut factor = lanes.bits_to_float(factor);
    match &mut step {
        Some(step) if of_step => *step = fix.apply(lanes, *step),
        _ => factor = fix.apply(lanes, factor),
    }
    let y = lanes.mul(x, factor);
    let Some(step) = step else { return y };
    (1..stages).fold(y, |y, _| lanes.mul(y, step))
}

/// y with its sign flipped where d is negative.
#[inline(always)]
pub(super) fn with_sign_of<L: Lanes>(lanes: &mut L, y: L::Float, d: L::Float) -> L::Float {
    let zero = lanes.float(0.0);
    let d = lanes.add(d, zero);
    let bits = lanes.to_bits(d);
    let sign = lanes.bits(lanes.format().sign());
    let sign = lanes.and(bits, sign);
    let y = lanes.to_bits(y);
    let y = lanes.xor(y, sign);
    lanes.bits_to_float(y)
}

/// d = 2^i·m: i·2^mantissa, and m − center, with m from `origin` (its bits) to twice that.
#[inline(always)]
pub(super) fn split<L: Lanes>(lanes: &mut L, d: L::Float, origin: u64, center: f64) -> (L::Bits, L::Float) {
    let exponent = exponent(lanes, d, origin);
    let bits = lanes.to_bits(d);
    let mantissa = lanes.isub(bits, exponent);
    let mantissa = lanes.bits_to_float(mantissa);
    let center = lanes.float(center);
    let r = lanes.sub(mantissa, center);
    (exponent, r)
}

/// The exponent of [`split`] alone.
#[inline(always)]
pub(super) fn exponent<L: Lanes>(lanes: &mut L, d: L::Float, origin: u64) -> L::Bits {
    let bits = lanes.to_bits(d);
    let origin = lanes.bits(origin);
    let above = lanes.isub(bits, origin);
    let exponents = lanes.bits(lanes.format().exponent_and_sign());
    lanes.and(above, exponents)
}

/// 2^t for |t| ≤ ½, in [0.7, 1.42].
#[inline(always)]
pub(super) fn exp2<L: Lanes>(lanes: &mut L, t: L::Float) -> L::Float {
    let q = polynomial(lanes, lanes.format().exp2, t);
    let one = lanes.float(1.0);
    lanes.fma(t, q, one)
}

/// `Σ coefficients[j]·v^j`, by Horner's rule. (Even and odd powers apart would be half as long to wait for, but with several
/// chains side by side there is no waiting, and the one instruction more costs 10 %.)
#[inline(always)]
pub(super) fn polynomial<L: Lanes, C: Into<f64> + Copy>(lanes: &mut L, coefficients: &[C], v: L::Float) -> L::Float {
    let (last, lower) = coefficients.split_last().expect("a polynomial has a coefficient");
    let mut lower = lower.iter().rev().map(|&coefficient| coefficient.into());
    let mut sum = match ((*last).into(), lower.len()) {
        // Nothing to be multiplied: the adders have time.
        (-1.0, 1..) => {
            let next = lanes.float(lower.next().expect("there is one"));
            lanes.sub(next, v)
        }
        (last, _) => lanes.float(last),
    };
    for coefficient in lower {
        let coefficient: f64 = coefficient;
        let coefficient = lanes.float(coefficient);
        sum = lanes.fma(sum, v, coefficient);
    }
    sum
}
