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
//! **Guards.** Roots and fitted powers work on the bits of d and know only positive normal numbers. What else d can be is
//! decided by masks on the idle integer pipes and put into the factor c ≈ d^(−f), so that x·c is what the formula gives:
//! c = 0 at d = +∞, +∞ at d = 0 (mirrored for beta < 0), NaN at d < 0 and at NaN. A subnormal d is multiplied by 2^32 and
//! x by 2^(32·f). Where k > 0 and alpha ≥ 0, d ≥ k is known and only +∞ and NaN are left: +∞ clears p, a NaN comes through
//! g or r.
//!
//! x is multiplied last, so that nothing overflows unless the result does.
//!
//! Largest errors, in ulp of the exact x·d^(−beta), measured by `tests/power.rs` over every positive normal d: see
//! [`Power::max_ulp`](crate::plan::Power::max_ulp) and docs/NUMERICS.md.

use super::Lanes;
use super::wide::wide;
use crate::plan::{Fitted, Fraction, Guard, Power, Root};

pub(super) const INFINITY: u32 = 0x7f80_0000;
const LARGEST: u32 = 0x7f7f_ffff;
const SMALLEST_NORMAL: u32 = 0x0080_0000;
pub(super) const SIGN_SHIFT: u8 = 31;
pub(super) const MANTISSA_BITS: u8 = 23;
/// 1.5·2^23: adding it rounds to an integer, which then stands in the low bits.
pub(super) const ROUND: f32 = 12_582_912.0;
/// A subnormal d is multiplied by 2^SUBNORMAL_SHIFT; divisible by 4, so that its quarter roots are powers of two.
pub(super) const SUBNORMAL_SHIFT: u32 = 32;
/// Bits of 2/3: where one binade of the reduced argument ends and the next begins.
const TWO_THIRDS: u32 = 0x3f2a_aaab;

/// `2^t = 1 + t·(…)` for |t| ≤ ½, coefficients of t¹ to t⁶.
const EXP2: [f32; 6] = [0.693_147_2, 0.240_226_48, 0.055_503_6, 0.009_618_506, 0.001_339_080_6, 0.000_153_264_61];

/// x·d^(−beta) by the recipe `power`.
#[inline(always)]
pub(crate) fn apply<L: Lanes>(lanes: &mut L, power: &Power, x: L::Float, d: L::Float) -> L::Float {
    if let Fraction::Wide(recipe) = &power.fraction {
        return wide(lanes, recipe, power.guard, x, d);
    }
    let mut x = x;
    for _ in 0..power.whole.abs() {
        x = if power.whole > 0 { lanes.div(x, d) } else { lanes.mul(x, d) };
    }
    match &power.fraction {
        Fraction::None | Fraction::Wide(_) => x,
        Fraction::SquareRoot { divide } => {
            let root = lanes.sqrt(d);
            if *divide { lanes.div(x, root) } else { lanes.mul(x, root) }
        }
        Fraction::Root(recipe) => {
            let guarded = Guarded::new(lanes, power.guard, true, d);
            let x = guarded.scale(lanes, recipe.beta(), x);
            root(lanes, recipe, &guarded, x)
        }
        Fraction::Fitted(recipe) => {
            let guarded = Guarded::new(lanes, power.guard, recipe.beta > 0.0, d);
            let x = guarded.scale(lanes, recipe.beta, x);
            fitted(lanes, recipe, &guarded, x)
        }
    }
}

/// A base made safe for bit tricks, and what its special values turn the factor into.
pub(super) struct Guarded<L: Lanes> {
    /// The base, a subnormal one scaled; +∞ stays.
    pub(super) base: L::Float,
    /// The same, at most the largest finite number; NaN stays.
    pub(super) finite: L::Float,
    /// All ones where the factor is kept as computed.
    keep: L::Bits,
    /// Bits set in the factor where it is not kept: those of +∞ or NaN.
    set: Option<L::Bits>,
    /// All ones where the base was scaled.
    pub(super) scaled: Option<L::Bits>,
}

impl<L: Lanes> Guarded<L> {
    /// `shrinks`: whether the power falls as d grows (beta > 0), so that d = +∞ gives 0 and d = 0 gives +∞.
    #[inline(always)]
    pub(super) fn new(lanes: &mut L, guard: Guard, shrinks: bool, d: L::Float) -> Self {
        let infinity = lanes.bits(INFINITY);
        let largest = lanes.float(f32::from_bits(LARGEST));
        if guard == Guard::AtLeastK && shrinks {
            let finite = lanes.min(largest, d);
            let bits = lanes.to_bits(d);
            let below = lanes.isub(bits, infinity);
            let keep = lanes.sar(below, SIGN_SHIFT);
            return Self { base: d, finite, keep, set: None, scaled: None };
        }
        // −0 becomes +0, the zero of pow.
        let zero = lanes.float(0.0);
        let d = lanes.add(d, zero);
        let (d, negative) = match guard {
            Guard::Magnitude => {
                let magnitude = lanes.bits(0x7fff_ffff);
                let bits = lanes.to_bits(d);
                let bits = lanes.and(bits, magnitude);
                (lanes.from_bits(bits), None)
            }
            Guard::AtLeastK | Guard::Any => {
                let bits = lanes.to_bits(d);
                (d, Some(lanes.sar(bits, SIGN_SHIFT)))
            }
        };
        let bits = lanes.to_bits(d);
        let one = lanes.bits(1);
        let before_one = lanes.isub(bits, one);
        let at_zero = lanes.sar(before_one, SIGN_SHIFT);
        let last = lanes.bits(LARGEST);
        let past_last = lanes.isub(last, bits);
        let at_infinity = lanes.sar(past_last, SIGN_SHIFT);
        let outside = lanes.or(at_zero, at_infinity);
        let ones = lanes.bits(u32::MAX);
        let keep = lanes.xor(outside, ones);
        let pole = if shrinks { at_zero } else { at_infinity };
        let mut set = lanes.and(pole, infinity);
        let past_infinity = lanes.isub(infinity, bits);
        let nan = lanes.sar(past_infinity, SIGN_SHIFT);
        set = lanes.or(set, nan);
        if let Some(negative) = negative {
            set = lanes.or(set, negative);
        }
        let smallest = lanes.bits(SMALLEST_NORMAL);
        let below_normal = lanes.isub(bits, smallest);
        let scaled = lanes.sar(below_normal, SIGN_SHIFT);
        let shift = lanes.bits(SUBNORMAL_SHIFT << MANTISSA_BITS);
        let shift = lanes.and(scaled, shift);
        let unit = lanes.bits(1.0f32.to_bits());
        let factor = lanes.iadd(unit, shift);
        let factor = lanes.from_bits(factor);
        let base = lanes.mul(d, factor);
        let finite = lanes.min(largest, base);
        Self { base, finite, keep, set: Some(set), scaled: Some(scaled) }
    }

    /// x, multiplied by 2^(32·beta) where the base was multiplied by 2^32.
    #[inline(always)]
    fn scale(&self, lanes: &mut L, beta: f64, x: L::Float) -> L::Float {
        let Some(scaled) = self.scaled else { return x };
        let unit = 1.0f32.to_bits();
        let other = ((f64::from(SUBNORMAL_SHIFT) * beta).exp2() as f32).to_bits();
        let change = lanes.bits(unit ^ other);
        let change = lanes.and(scaled, change);
        let unit = lanes.bits(unit);
        let factor = lanes.xor(unit, change);
        let factor = lanes.from_bits(factor);
        lanes.mul(x, factor)
    }

    /// c, with 0, +∞ or NaN put in where the base was special. Given d ≥ k this only clears c at +∞ and NaN, and must come
    /// before the NaN is mixed in.
    #[inline(always)]
    pub(super) fn fix(&self, lanes: &mut L, c: L::Float) -> L::Float {
        let bits = lanes.to_bits(c);
        let mut bits = lanes.and(bits, self.keep);
        if let Some(set) = self.set {
            bits = lanes.or(bits, set);
        }
        lanes.from_bits(bits)
    }

    /// c = p + p·v·Q(v), fixed.
    #[inline(always)]
    fn correct(&self, lanes: &mut L, p: L::Float, v: L::Float, q: &[f32]) -> L::Float {
        let p = if self.set.is_none() { self.fix(lanes, p) } else { p };
        let pv = lanes.mul(p, v);
        let q = polynomial(lanes, q, v);
        let c = lanes.fma(pv, q, p);
        if self.set.is_some() { self.fix(lanes, c) } else { c }
    }

    /// 1, or NaN where the base is NaN and the mask does not see to it.
    #[inline(always)]
    fn one(&self, lanes: &mut L) -> L::Float {
        let one = lanes.float(1.0);
        if self.set.is_some() {
            return one;
        }
        let zero = lanes.float(0.0);
        lanes.fma(self.finite, zero, one)
    }
}

/// x·d^(−¼), x·d^(−½) or x·d^(−¾): estimate by bits, measure, correct.
#[inline(always)]
fn root<L: Lanes>(lanes: &mut L, recipe: &Root, guarded: &Guarded<L>, x: L::Float) -> L::Float {
    // Estimate: y ≈ d^(−¼) or d^(−½).
    let bits = lanes.to_bits(guarded.base);
    let bits = lanes.shr(bits, if recipe.quarters == 2 { 1 } else { 2 });
    let magic = lanes.bits(recipe.magic);
    let mut bits = lanes.isub(magic, bits);
    if recipe.cut != u32::MAX {
        let cut = lanes.bits(recipe.cut);
        bits = lanes.and(bits, cut);
    }
    let y = lanes.from_bits(bits);
    // Measure: g = d·y⁴ − 1, or d·y² − 1. (Not d·y⁴ as d·(y⁴): for d > 2^125 that is subnormal.)
    let minus_one = lanes.float(-1.0);
    let (power, step) = match recipe.quarters {
        2 => (y, y),
        quarters => {
            let y2 = lanes.mul(y, y);
            (if quarters == 1 { y } else { lanes.mul(y2, y) }, y2)
        }
    };
    let partly = lanes.mul(guarded.finite, step);
    let g = lanes.fma(partly, step, minus_one);
    // Correct.
    let c = guarded.correct(lanes, power, g, &recipe.coefficients);
    lanes.mul(x, c)
}

/// x·d^(−f) by 2^(−f·i)·(1+r)^(−f).
#[inline(always)]
fn fitted<L: Lanes>(lanes: &mut L, recipe: &Fitted, guarded: &Guarded<L>, x: L::Float) -> L::Float {
    let one = guarded.one(lanes);
    let (exponent, r) = split(lanes, guarded.base, one);
    // t = −f·i as an integer, left in the low bits of `rounded`, and a rest f within ±½.
    let round = lanes.float(ROUND);
    let coarse = lanes.float(recipe.exponent_high);
    let rounded = lanes.fma(exponent, coarse, round);
    let integer = lanes.sub(round, rounded);
    let rest = lanes.fma(exponent, coarse, integer);
    let fine = lanes.float(recipe.exponent_low);
    let rest = lanes.fma(exponent, fine, rest);
    let mantissa = exp2(lanes, rest);
    let bits = lanes.to_bits(rounded);
    let (factor, second) = if recipe.two_steps {
        // 2^t alone would leave the range of a float: t/2 first, the rest last.
        let origin = lanes.bits(ROUND.to_bits());
        let whole = lanes.isub(bits, origin);
        let half = lanes.sar(whole, 1);
        let rest = lanes.isub(whole, half);
        let first = lanes.shl(half, MANTISSA_BITS);
        let mantissa = lanes.to_bits(mantissa);
        let first = lanes.iadd(mantissa, first);
        let unit = lanes.bits(1.0f32.to_bits());
        let second = lanes.shl(rest, MANTISSA_BITS);
        let second = lanes.iadd(unit, second);
        (lanes.from_bits(first), Some(lanes.from_bits(second)))
    } else {
        let step = lanes.shl(bits, MANTISSA_BITS);
        let mantissa = lanes.to_bits(mantissa);
        let factor = lanes.iadd(mantissa, step);
        (lanes.from_bits(factor), None)
    };
    let c = guarded.correct(lanes, factor, r, &recipe.coefficients);
    let y = lanes.mul(x, c);
    match second {
        Some(second) => lanes.mul(y, second),
        None => y,
    }
}

/// d = 2^i·(1+r): i·2^23 as a float, and r in [−1/3, 1/3). `one` is 1, or NaN to make r NaN.
#[inline(always)]
pub(super) fn split<L: Lanes>(lanes: &mut L, d: L::Float, one: L::Float) -> (L::Float, L::Float) {
    let bits = lanes.to_bits(d);
    let origin = lanes.bits(TWO_THIRDS);
    let above = lanes.isub(bits, origin);
    let exponents = lanes.bits(0xff80_0000);
    let exponent = lanes.and(above, exponents);
    let mantissa = lanes.isub(bits, exponent);
    let mantissa = lanes.from_bits(mantissa);
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

/// Σ coefficients[j]·v^j, by Horner's rule.
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
