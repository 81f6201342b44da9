//! [`Power`]: which recipe computes x·d^(−beta), with its constants; `arithmetic::power` carries it out.

use super::Root;
use crate::arithmetic::fit::{self, Fit};
use crate::number::Number;

/// The recipe for x·d^(−beta): whole steps first, then the fraction.
#[derive(Debug, Clone, PartialEq)]
pub struct Power {
    /// The exponent: x·d^(−beta).
    pub beta: f64,
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
    /// All of beta, by polynomials fitted to it.
    Fitted(Fitted),
    /// All of beta, through a logarithm in two floats: where |beta| is large.
    Wide(Wide),
}

/// What d can be, and so what has to be guarded against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// d ≥ k ≥ 2^−50 (such a k and alpha ≥ 0), or +∞, or NaN.
    AtLeastK,
    /// Any float; NaN results where d < 0.
    Any,
    /// Any float, its sign set aside: beta is an integer.
    Magnitude,
}

/// How 2^(−beta·i) is applied: it can leave the exponents of a float.
#[derive(Debug, Clone, PartialEq)]
pub struct Staging {
    /// In how many steps.
    pub stages: u8,
    /// The least d that the steps reach; below it the result is 0 or ∞, as it is there.
    pub low: Option<f32>,
    /// The largest d that the steps reach; above it the result is 0 or ∞, as it is there.
    pub high: Option<f32>,
}

/// d^(−beta) = 2^(−beta·i)·m^(−beta) with d = 2^i·m.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The exponent.
    pub beta: f64,
    /// Bits of the smallest m: ½ for beta > 0, else 1.
    pub origin: u32,
    /// −beta·2^−23 (of a bounded d: without the whole steps), high part.
    pub exponent_high: f32,
    /// The same, low part.
    pub exponent_low: f32,
    /// m^(−beta) is a polynomial in r = m − center (of a bounded d: 4·(m − center)).
    pub center: f32,
    /// center^(−beta), so close to a float that rounding it does not count.
    pub constant: f32,
    /// Q in m^(−beta) = constant + r·Q(r).
    pub coefficients: Vec<f32>,
    /// What d can be.
    pub range: FittedRange,
    /// The polynomial is fitted to beta/2^squarings, and squared this often.
    pub squarings: u8,
    /// beta is an odd integer and d can be negative: the result takes d's sign.
    pub odd: bool,
}

/// What d a fitted recipe knows.
#[derive(Debug, Clone, PartialEq)]
pub enum FittedRange {
    /// d ≥ k ≥ 2^−50, and beta > 0.
    Bounded {
        /// Units of beta that are applied to the exponent one by one.
        whole: u8,
    },
    /// Any d.
    Any(Staging),
}

/// d^(−beta) for a large |beta|.
#[derive(Debug, Clone, PartialEq)]
pub struct Wide {
    /// beta, high part.
    pub beta_high: f64,
    /// beta, low part: 0 for f64.
    pub beta_low: f64,
    /// f64: the first term of the logarithm's series in two floats as well.
    pub precise: bool,
    /// beta is an odd integer and d can be negative: the result takes d's sign.
    pub odd: bool,
}

/// The largest |beta| taken in whole steps.
const MAX_STEPPED: f64 = 4.0;
/// The largest |beta| that is computed by squaring a fitted power: beyond it the squares could leave the range of a float.
const MAX_FITTED: f64 = 32.0;
/// The largest |beta| that a polynomial is fitted to; larger ones are squares. Every square doubles the error, and every unit of
/// beta lengthens the polynomial.
const MAX_POLYNOMIAL: f64 = 4.0;
/// Places looked at for the center of a fitted polynomial.
const CENTERS: u32 = 160;
/// What may be left of beta beside whole units, of a bounded d: 2^(−MAX_FRACTION·128) is a normal float.
const MAX_FRACTION: f64 = 0.9;
/// Beyond this the result is 0, x or ∞ for every f32, and products of beta could overflow.
const MAX_BETA: f64 = 1e30;
/// The largest exponent that a step of 2^n takes, and the largest of 2^−n.
const MAX_STEP: f64 = 120.0;
const MAX_SHRINK: f64 = 125.0;
/// Relative error of 1 that is one half to one ulp.
pub(super) const ULP: f64 = 1.0 / (1u64 << 24) as f64;
/// Error that the polynomial fitted for a beta may have: less than the roundings of its recipe.
fn fit_target(beta: f64) -> f64 {
    match beta.abs() {
        ..=2.0 => 0.35 * ULP,
        ..=3.5 => 0.8 * ULP,
        ..=4.0 => 1.2 * ULP,
        // To be squared.
        ..=7.0 => 0.25 * ULP,
        ..=16.0 => 0.5 * ULP,
        ..=28.0 => 1.2 * ULP,
        _ => 2.4 * ULP,
    }
}

impl Power {
    /// The recipe for any beta but 0; `least`: the k ≥ 2^−50 that d is never below, where there is one.
    pub(crate) fn new(beta: f64, least: Option<f64>, number: Number) -> Self {
        let at_least_k = least.is_some();
        let integer = beta.fract() == 0.0;
        let guard = if at_least_k {
            Guard::AtLeastK
        } else if integer && beta.abs() > MAX_STEPPED {
            Guard::Magnitude
        } else {
            Guard::Any
        };
        // Nothing is fitted to f64.
        let fitted = |beta: f64| match number {
            Number::F64 => Fraction::Wide(Wide::new(beta, at_least_k, number)),
            _ => Fraction::Fitted(Fitted::new(beta, least)),
        };
        let fraction = match beta.fract() {
            _ if beta.abs() > MAX_FITTED => Fraction::Wide(Wide::new(beta, at_least_k, number)),
            _ if beta.abs() > MAX_STEPPED => fitted(beta),
            0.0 => Fraction::None,
            // The processor's root of −∞ is NaN, as torch's for these two; that of pow is ∞, as torch's for all others.
            0.5 if beta == 0.5 && !at_least_k => Fraction::SquareRoot { divide: true },
            0.5 => Fraction::Root(Root::new(2, number)),
            -0.5 if beta == -0.5 || at_least_k => Fraction::SquareRoot { divide: false },
            0.25 => Fraction::Root(Root::new(1, number)),
            0.75 => Fraction::Root(Root::new(3, number)),
            _ => fitted(beta),
        };
        let whole = if fraction.is_whole_power() { 0 } else { beta.trunc() as i8 };
        Self { beta, whole, fraction, guard }
    }

    /// The recipe's largest error in ulp of the exact x·d^(−beta), for positive normal d, normal x and normal results.
    #[must_use]
    pub fn max_ulp(&self) -> f64 {
        let steps = usize::from(self.whole.unsigned_abs());
        match &self.fraction {
            Fraction::None => steps as f64 - 0.5,
            Fraction::SquareRoot { .. } => 1.5 + steps as f64,
            Fraction::Root(root) => 2.5 + root.hidden + 0.65 * steps as f64,
            Fraction::Fitted(fitted) => fitted.max_ulp(),
            Fraction::Wide(_) => 3.0,
        }
    }
}

impl Fraction {
    /// Whether this is all of beta, so that no whole steps go before it.
    fn is_whole_power(&self) -> bool {
        matches!(self, Self::Fitted(_) | Self::Wide(_))
    }
}

/// Whether beta is an odd integer.
fn is_odd(beta: f64) -> bool {
    beta.fract() == 0.0 && beta % 2.0 != 0.0
}

impl Staging {
    /// `least`: the least d, where it is known.
    fn new(beta: f64, least: Option<f64>) -> Self {
        // Binades of d above and below 1.
        let (above, below) = (128.0, least.map_or(160.0, |least| (-least.log2()).max(0.0)));
        let (above, below) = (beta.abs() * above, beta.abs() * below);
        let (shrink, grow) = if beta > 0.0 { (above, below) } else { (below, above) };
        // One step takes m^(−beta) as well, which is up to 2^|beta|.
        let step = MAX_STEP - (beta.abs() - MAX_POLYNOMIAL).max(0.0);
        // Σ holds x², so |x| < 2^64 wherever d is finite: two steps make 0 of it. A subnormal takes three to ∞.
        let stages = (shrink / MAX_STEP).ceil().clamp(1.0, 2.0).max((grow / step).ceil().clamp(1.0, 3.0));
        // m is up to one binade from 1 on the side where the result shrinks.
        let (shrink, grow) = (stages * MAX_SHRINK - beta.abs(), stages * step);
        let (most_above, most_below) = if beta > 0.0 { (shrink, grow) } else { (grow, shrink) };
        let bound = |most: f64, binades: f64| (most / beta.abs()).min(binades);
        // Where d ≥ k is known a finite base is asked for.
        let high =
            (above > most_above || least.is_some()).then(|| (bound(most_above, 200.0).exp2() as f32).min(f32::MAX));
        let low = (below > most_below).then(|| (-bound(most_below, 126.0)).exp2() as f32);
        Self { stages: stages as u8, low, high }
    }
}

/// About which m the polynomial for m^(−beta) is made: where its terms hardly cancel (0.9 of [½, 1) for beta > 1), and where
/// m^(−beta) happens to be a float almost exactly.
fn center(beta: f64) -> f32 {
    if beta <= 1.0 {
        return 1.0;
    }
    let rounding = |center: f64| {
        let power = center.powf(-beta);
        ((power - f64::from(power as f32)) / power).abs()
    };
    let candidates = (0..CENTERS).map(|i| 0.875 + f64::from(i) / 4096.0);
    candidates.min_by(|&a, &b| rounding(a).total_cmp(&rounding(b))).unwrap_or(1.0) as f32
}

impl Fitted {
    fn new(beta: f64, least: Option<f64>) -> Self {
        let squarings = (beta.abs() / MAX_POLYNOMIAL).log2().ceil().max(0.0) as u8;
        let part = beta / f64::from(1u32 << squarings);
        let bounded = least.is_some() && beta > 0.0 && squarings == 0;
        let (origin, interval) = if beta > 0.0 { (0.5f32, (0.5, 1.0)) } else { (1.0f32, (1.0, 2.0)) };
        let center = center(part);
        let Fit { constant, mut coefficients, .. } = fit::power(-part, f64::from(center), interval, fit_target(beta));
        let (whole, range) = if bounded {
            // Q of 4·r: the division by powers of 4 is exact.
            let mut unit = 1.0;
            for coefficient in &mut coefficients {
                unit *= 4.0;
                *coefficient /= unit;
            }
            let whole = (beta + 1.0 - MAX_FRACTION).floor();
            (whole, FittedRange::Bounded { whole: whole as u8 })
        } else {
            (0.0, FittedRange::Any(Staging::new(beta, least)))
        };
        let exponent = (whole - beta) / f64::from(1u32 << 23);
        let exponent_high = exponent as f32;
        let exponent_low = (exponent - f64::from(exponent_high)) as f32;
        Self {
            beta,
            origin: origin.to_bits(),
            exponent_high,
            exponent_low,
            center,
            constant,
            coefficients,
            range,
            squarings,
            odd: is_odd(beta) && least.is_none(),
        }
    }

    fn max_ulp(&self) -> f64 {
        match self.beta.abs() {
            ..=2.0 => 3.3,
            ..=3.5 => 4.0,
            ..=4.0 => 4.5,
            // A square doubles a relative error.
            beta if beta <= 16.0 => 1.5 * beta,
            beta => 1.8 * beta,
        }
    }
}

impl Wide {
    fn new(beta: f64, at_least_k: bool, number: Number) -> Self {
        let odd = is_odd(beta) && !at_least_k;
        let beta = beta.clamp(-MAX_BETA, MAX_BETA);
        let format = number.format();
        let beta_high = format.nearest(beta);
        Self {
            beta_high,
            beta_low: format.nearest(beta - beta_high),
            precise: number == Number::F64 && beta.abs() > MAX_FITTED,
            odd,
        }
    }
}
