//! [`Plan`]: every decision that is made before code exists, as plain data that can be printed.
//!
//! A plan depends on the parameters alone, never on a tensor's shape or on the host. The code generator and the interpreter
//! both execute it; neither decides anything about numbers on its own.

mod display;

use crate::arithmetic::fit::{self, Fit};
use crate::arithmetic::window::MAX_UNROLLED;
use crate::config::{Boundary, Parameters};

/// What is computed for a configuration, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Taps before the channel; 0 where the formula has no window.
    pub before: usize,
    /// Taps after the channel.
    pub after: usize,
    /// What taps beyond the edges read.
    pub boundary: Boundary,
    /// The formula, after special cases.
    pub formula: Formula,
}

/// The formula that is left once the parameters are known.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    /// y = x: beta is 0.
    Copy,
    /// alpha is 0 (or vanishes in f32): y = x times k^(−beta), as one factor, or as two where one would leave the range of f32.
    /// The window is not looked at: a NaN or infinite neighbour does not matter.
    Scale {
        /// One or two factors.
        factors: Vec<f32>,
    },
    /// y = x·d^(−beta), d = k + a·Σx².
    Normalize {
        /// How the window is summed.
        summation: Summation,
        /// alpha over the divisor, rounded to f32.
        a: f32,
        /// k, rounded to f32.
        k: f32,
        /// The recipe for x·d^(−beta).
        power: Power,
    },
}

/// How a window is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summation {
    /// Up to 16 taps: unrolled, by doubling.
    Unrolled {
        /// The number of taps.
        taps: usize,
    },
    /// Longer windows: the channels are cut into blocks as long as the window; a window is the end of one block plus the
    /// beginning of the next. Sums grow from the blocks' borders; nothing is ever subtracted.
    Cumulative,
}

/// The recipe for x·d^(−beta): whole steps first, then the fraction.
#[derive(Debug, Clone, PartialEq)]
pub struct Power {
    /// x/d this many times, or x·d where negative.
    pub whole: i8,
    /// What is left of beta.
    pub fraction: Fraction,
    /// What d can be.
    pub guard: Guard,
}

/// The part of beta that is not whole steps.
#[derive(Debug, Clone, PartialEq)]
pub enum Fraction {
    /// Nothing: beta is an integer.
    None,
    /// One half, by the processor's square root.
    SquareRoot {
        /// x/√d, else x·√d.
        divide: bool,
    },
    /// ¼, ½ or ¾, by estimate and correction.
    Root(Root),
    /// Anything between −1.5 and 1.5, by polynomials fitted to it.
    Fitted(Fitted),
    /// All of beta, through a logarithm: |beta| > 4, or where steps would round too often.
    Wide(Wide),
}

/// What d can be, and so what has to be guarded against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// d ≥ k > 0 (k > 0 and alpha ≥ 0), or +∞, or NaN.
    AtLeastK,
    /// Any float; NaN results where d < 0.
    Any,
    /// Any float, its sign set aside: beta is an integer.
    Magnitude,
}

/// The length of a recipe: how much of it should be compiled at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Up to some thirty instructions.
    Short,
    /// Up to some sixty.
    Long,
    /// A hundred.
    Longest,
}

/// d^(−quarters/4).
#[derive(Debug, Clone, PartialEq)]
pub struct Root {
    /// 1, 2 or 3 quarters.
    pub quarters: u8,
    /// The estimate is bits(magic − (bits(d) >> 2)), or >> 1 for two quarters.
    pub magic: u32,
    /// Bits of the estimate that are kept.
    pub cut: u32,
    /// Q in p·(1 + g·Q(g)).
    pub coefficients: Vec<f32>,
}

impl Root {
    pub(crate) fn beta(&self) -> f64 {
        f64::from(self.quarters) / 4.0
    }
}

/// d^(−beta) for |beta| ≤ 1.5.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The fraction of beta.
    pub beta: f64,
    /// −beta·2^−23, high part.
    pub exponent_high: f32,
    /// −beta·2^−23, low part.
    pub exponent_low: f32,
    /// Q in (1+r)^(−beta) = 1 + r·Q(r).
    pub coefficients: Vec<f32>,
    /// Whether 2^(−beta·i) can leave the exponents of a float and is applied in two steps.
    pub two_steps: bool,
}

/// d^(−beta) for |beta| > 4.
#[derive(Debug, Clone, PartialEq)]
pub struct Wide {
    /// beta, high part.
    pub beta_high: f32,
    /// beta, low part.
    pub beta_low: f32,
    /// beta is an odd integer: the result takes d's sign.
    pub odd: bool,
}

/// The largest |beta| taken in whole steps.
const MAX_STEPPED: f64 = 4.0;
/// Below this two products and a fitted power would round to more than 4 ulp.
const MIN_FITTED: f64 = -2.0;
/// |beta| for which steps and a fitted power would go just over the 4 ulp that are promised up to 3.5.
const ROUNDED_TOO_OFTEN: std::ops::RangeInclusive<f64> = 3.0..=3.5;
/// Beyond this |beta| a fitted power between 1 and 2 takes the place of a third step: less is rounded, and no third division
/// is waited for.
const FITTED_BEYOND_ONE: f64 = 3.0;
/// Up to this |beta| a fitted recipe stays within 4 ulp, beyond it within 5.
const WITHIN_FOUR_ULP: f64 = 3.5;
/// Beyond this the result is 0, x or ∞ for every f32, and products of beta could overflow.
const MAX_BETA: f64 = 1e30;
/// 2^(−f·i) stays a normal float for every normal d while |f| is at most this.
const MAX_ONE_STEP: f64 = 0.96;
/// Relative error of 1 that is one half to one ulp.
const ULP: f64 = 1.0 / (1u64 << 24) as f64;
/// The reduced argument of a fitted power: d = 2^i·(1+r).
const REDUCED: (f64, f64) = (-1.0 / 3.0, 1.0 / 3.0);

/// An estimate of d^(−¼) or d^(−½) from the bits of d: the magic number, the bits kept, and between which bounds
/// g = d·y⁴ − 1 (d·y² − 1) then lies. `estimates_stay_within_their_range` goes through every mantissa.
struct Estimate {
    magic: u32,
    cut: u32,
    range: (f64, f64),
}

/// ¼: all bits are kept.
const QUARTER: Estimate = Estimate { magic: 0x4f56_33d6, cut: u32::MAX, range: (-0.153_088, 0.078_383) };
/// ½: twelve bits are kept.
const HALF: Estimate = Estimate { magic: 0x5f36_39ea, cut: 0xffff_f000, range: (-0.076_85, 0.054_57) };
/// ¾, from an estimate of d^(−¼): six bits are kept, so that y³ is exact.
const THREE_QUARTERS: Estimate = Estimate { magic: 0x4f59_83d6, cut: 0xfffc_0000, range: (-0.163_83, 0.159_37) };

impl Plan {
    pub(crate) fn new(parameters: &Parameters) -> Self {
        let &Parameters { beta, window, boundary, .. } = parameters;
        let a = (parameters.alpha / window.divisor) as f32;
        // −0 is 0: pow knows no sign of zero.
        let k = parameters.k as f32 + 0.0;
        let formula = if beta == 0.0 {
            Formula::Copy
        } else if a == 0.0 {
            Formula::Scale { factors: factors(parameters.k, beta) }
        } else {
            let taps = window.before + window.after + 1;
            let summation = if taps <= MAX_UNROLLED { Summation::Unrolled { taps } } else { Summation::Cumulative };
            let at_least_k = k >= f32::MIN_POSITIVE && k.is_finite() && a > 0.0 && a.is_finite();
            Formula::Normalize { summation, a, k, power: Power::new(beta, at_least_k) }
        };
        let (before, after) = match formula {
            Formula::Normalize { .. } => (window.before, window.after),
            Formula::Copy | Formula::Scale { .. } => (0, 0),
        };
        Self { before, after, boundary, formula }
    }
}

impl Plan {
    /// The channel that a tap reads; none beyond the edges. Taps are numbered from the first of channel 0's window, so
    /// that channel c's window is `c..=c + before + after`.
    pub(crate) fn tap(&self, tap: usize, channels: usize) -> Option<usize> {
        match self.boundary {
            Boundary::Zero => tap.checked_sub(self.before).filter(|&channel| channel < channels),
            Boundary::Wrap => Some((tap % channels + channels - self.before % channels) % channels),
        }
    }

    /// How many instructions an element takes, roughly.
    pub(crate) fn effort(&self) -> Effort {
        let Formula::Normalize { power, .. } = &self.formula else { return Effort::Short };
        match power.fraction {
            Fraction::None | Fraction::SquareRoot { .. } => Effort::Short,
            Fraction::Root(_) if power.guard == Guard::AtLeastK => Effort::Short,
            Fraction::Root(_) | Fraction::Fitted(_) => Effort::Long,
            Fraction::Wide(_) => Effort::Longest,
        }
    }

    /// Whether windows are summed from block sums.
    pub(crate) fn is_cumulative(&self) -> bool {
        matches!(self.formula, Formula::Normalize { summation: Summation::Cumulative, .. })
    }
}

/// k^(−beta) as one factor, or two of equal size where one would leave the normal range of f32.
fn factors(k: f64, beta: f64) -> Vec<f32> {
    let factor = k.powf(-beta);
    let normal = f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX);
    let half = k.abs().powf(-0.5 * beta);
    if factor == 0.0 || !factor.is_finite() || normal.contains(&factor.abs()) || !normal.contains(&half) {
        vec![factor as f32]
    } else {
        vec![half as f32, (factor / f64::from(half as f32)) as f32]
    }
}

impl Power {
    /// The recipe for any beta but 0; `at_least_k`: d ≥ k > 0 is known.
    pub(crate) fn new(beta: f64, at_least_k: bool) -> Self {
        let integer = beta.fract() == 0.0;
        let guard = if at_least_k {
            Guard::AtLeastK
        } else if integer && beta.abs() > MAX_STEPPED {
            Guard::Magnitude
        } else {
            Guard::Any
        };
        let rooted = integer || beta.fract() == -0.5;
        let unrooted = (4.0 * beta).fract() != 0.0;
        let inaccurate = (beta < MIN_FITTED && !rooted) || (unrooted && ROUNDED_TOO_OFTEN.contains(&beta.abs()));
        if beta.abs() > MAX_STEPPED || inaccurate {
            return Self { whole: 0, fraction: Fraction::Wide(Wide::new(beta)), guard };
        }
        let fraction = match beta.fract() {
            0.0 => Fraction::None,
            // The processor's root of −∞ is NaN, as torch's for these two; that of pow is ∞, as torch's for all others.
            0.5 if beta == 0.5 && !at_least_k => Fraction::SquareRoot { divide: true },
            0.5 => Fraction::Root(Root::new(2)),
            -0.5 if beta == -0.5 || at_least_k => Fraction::SquareRoot { divide: false },
            0.25 => Fraction::Root(Root::new(1)),
            0.75 => Fraction::Root(Root::new(3)),
            fraction if beta.abs() > FITTED_BEYOND_ONE => {
                let whole = beta.trunc() - beta.signum();
                let fitted = Fitted::new(beta.signum() + fraction, fit_target(beta));
                return Self { whole: whole as i8, fraction: Fraction::Fitted(fitted), guard };
            }
            fraction => Fraction::Fitted(Fitted::new(fraction, fit_target(beta))),
        };
        Self { whole: beta.trunc() as i8, fraction, guard }
    }

    /// The recipe's largest error in ulp of the exact x·d^(−beta), for positive normal d and normal results.
    #[must_use]
    pub fn max_ulp(&self) -> f64 {
        let steps = usize::from(self.whole.unsigned_abs());
        match &self.fraction {
            Fraction::None => steps as f64 - 0.5,
            Fraction::SquareRoot { .. } => 1.5 + steps as f64,
            Fraction::Root(root) => [2.5, 2.5, 2.6][usize::from(root.quarters) - 1] + 0.5 * steps as f64,
            Fraction::Fitted(fitted) if steps as f64 + fitted.beta.abs() > WITHIN_FOUR_ULP => 5.0,
            Fraction::Fitted(_) => [3.3, 3.7, 4.0][steps],
            Fraction::Wide(_) => 3.0,
        }
    }
}

impl Root {
    fn new(quarters: u8) -> Self {
        let (Estimate { magic, cut, range }, target) = match quarters {
            1 => (QUARTER, ULP),
            2 => (HALF, 0.6 * ULP),
            _ => (THREE_QUARTERS, 0.7 * ULP),
        };
        let Fit { coefficients, .. } = fit::power_of_one_plus(-f64::from(quarters) / 4.0, range, target);
        Self { quarters, magic, cut, coefficients }
    }
}

/// Error that the polynomial fitted for a beta may have: less than the roundings of its recipe.
fn fit_target(beta: f64) -> f64 {
    if beta.abs() > WITHIN_FOUR_ULP { ULP } else { 0.35 * ULP }
}

impl Fitted {
    fn new(beta: f64, target: f64) -> Self {
        let exponent = -beta / f64::from(1u32 << 23);
        let exponent_high = exponent as f32;
        let Fit { coefficients, .. } = fit::power_of_one_plus(-beta, REDUCED, target);
        Self {
            beta,
            exponent_high,
            exponent_low: (exponent - f64::from(exponent_high)) as f32,
            coefficients,
            two_steps: beta.abs() > MAX_ONE_STEP,
        }
    }
}

impl Wide {
    fn new(beta: f64) -> Self {
        let odd = beta.fract() == 0.0 && beta % 2.0 != 0.0;
        let beta = beta.clamp(-MAX_BETA, MAX_BETA);
        let beta_high = beta as f32;
        Self { beta_high, beta_low: (beta - f64::from(beta_high)) as f32, odd }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_wrap_or_end() {
        let plan = |boundary, before| Plan { before, after: 1, boundary, formula: Formula::Copy };
        let zero = plan(Boundary::Zero, 2);
        assert_eq!([0, 1, 2, 4, 5].map(|tap| zero.tap(tap, 3)), [None, None, Some(0), Some(2), None]);
        let wrap = plan(Boundary::Wrap, 7);
        assert_eq!([0, 1, 6, 7, 8].map(|tap| wrap.tap(tap, 3)), [Some(2), Some(0), Some(2), Some(0), Some(1)]);
    }

    /// Every mantissa over the two or four binades in which an estimate repeats itself.
    #[test]
    fn estimates_stay_within_their_range() {
        for (estimate, shift, power) in [(QUARTER, 2, 4), (HALF, 1, 2), (THREE_QUARTERS, 2, 4)] {
            let one = 1.0f32.to_bits();
            let (mut low, mut high) = (0.0f64, 0.0f64);
            for bits in one..one + (1 << (23 + shift)) {
                let y = f64::from(f32::from_bits((estimate.magic - (bits >> shift)) & estimate.cut));
                let g = f64::from(f32::from_bits(bits)) * y.powi(power) - 1.0;
                (low, high) = (low.min(g), high.max(g));
            }
            assert!(estimate.range.0 <= low && high <= estimate.range.1, "{low} … {high}");
        }
    }
}
