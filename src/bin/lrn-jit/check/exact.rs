//! What a layer's numbers should be, in f64, and how far from that a kernel may be: derived, not tuned.
//!
//! The plan's a and k are what the kernel has, so they are taken as exact: d = k + a·S, S the window's sum of squares, and
//! y = x·d^(−beta). With u = 2^−24, the kernel's
//!
//! 1. S has a relative error of at most (t + 4)·u, where t bounds the additions on the way of a square to the sum (one a tap,
//!    on a ring at most two a channel), and of 2^−149 a tap absolutely, where squares are subnormal;
//! 2. d = fma(S, a, k) adds u·|d|: in all Δ = |a|·(S·(t + 4)·u + taps·2^−149) + u·|d|;
//! 3. y changes relatively by |beta|·Δ/d (a tenth more, for what is not linear), which is 2^24 times as many ulp at most;
//! 4. the power adds `Power::max_ulp`, stated for positive normal d and normal results. Some bounds are measured over
//!    samples, hence half an ulp more.
//!
//! Nothing is said, and only the bits are compared, where the window holds NaN or ∞ or its sum comes near the end of the
//! floats; where d is not positive and normal, or nearly cancels; where x or y is not normal.

use lrn_jit::plan::{Formula, Plan};
use lrn_jit::{Boundary, LocalResponseNorm};

use super::drawing::measure::is_normal;

const U: f64 = 1.0 / (1u32 << 24) as f64;
/// The largest sum or base that says something: far enough below the largest float.
const LARGEST: f64 = f32::MAX as f64 / 4.0;
const SMALLEST: f64 = f32::MIN_POSITIVE as f64 * 4.0;
/// The largest relative change of y by d's error for which step 3 holds.
const LARGEST_CHANGE: f64 = 1e-2;

/// The exact value of one output and the allowed distance from it in ulp.
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    pub value: f64,
    pub ulp: f64,
}

/// The expectations of a column of channels; none where nothing is said.
pub fn column(layer: &LocalResponseNorm, x: &[f32]) -> Vec<Option<Expectation>> {
    let plan = layer.plan();
    (0..x.len()).map(|channel| expectation(plan, layer, x, channel).filter(|e| is_normal(e.value))).collect()
}

fn expectation(plan: &Plan, layer: &LocalResponseNorm, column: &[f32], channel: usize) -> Option<Expectation> {
    let x = column[channel];
    match &plan.formula {
        Formula::Copy => Some(Expectation { value: x.into(), ulp: 0.0 }),
        Formula::Scale { factors } => {
            // A rounding of each factor (one ulp at most) and of each product.
            let known = layer.k() > 0.0 && x.is_normal() && factors.iter().all(|factor| factor.is_normal());
            let value = f64::from(x) * layer.k().powf(-layer.beta());
            known.then_some(Expectation { value, ulp: 1.5 * factors.len() as f64 + 0.5 })
        }
        &Formula::Normalize { a, k, ref power, .. } => {
            let (a, k, beta) = (f64::from(a), f64::from(k), layer.beta());
            let (sum, taps) = sum_of_squares(plan, column, channel)?;
            let additions = taps.min(2.0 * column.len() as f64);
            let d = k + a * sum;
            let error = a.abs() * (sum * (additions + 4.0) * U + taps * 2f64.powi(-149)) + U * d.abs();
            let change = 1.1 * beta.abs() * error / d;
            let known = x.is_normal() && (SMALLEST..LARGEST).contains(&d) && sum < LARGEST && change < LARGEST_CHANGE;
            let value = f64::from(x) * d.powf(-beta);
            // An error that moves d itself out of the range of step 3 is one that says nothing.
            (known && error < LARGEST_CHANGE * d)
                .then(|| Expectation { value, ulp: power.max_ulp() + 0.5 + change / U })
        }
    }
}

/// The window's sum and its number of taps that read a channel; none where a tap is not finite.
fn sum_of_squares(plan: &Plan, x: &[f32], channel: usize) -> Option<(f64, f64)> {
    let channels = x.len();
    let (mut sum, mut taps) = (0.0, 0.0);
    for (index, &x) in x.iter().enumerate() {
        let times = match plan.boundary {
            Boundary::Zero => {
                let inside = index + plan.before >= channel && index <= channel.saturating_add(plan.after);
                u128::from(inside)
            }
            Boundary::Wrap => {
                // Positions channel − before … channel + after that are index modulo channels, counted from a multiple of it.
                let (count, shift) = (channels as u128, plan.before.div_ceil(channels) as u128);
                let origin = channel as u128 + shift * count;
                let (first, last) = (origin - plan.before as u128, origin + plan.after as u128);
                // How many of 0..end are it.
                let below = |end: u128| (end + count - 1 - index as u128) / count;
                below(last + 1) - below(first)
            }
        };
        if times > 0 {
            if !x.is_finite() {
                return None;
            }
            sum += times as f64 * (f64::from(x) * f64::from(x));
            taps += times as f64;
        }
    }
    Some((sum, taps))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lrn_jit::{Backend, LrnConfig, Window};

    /// The library's reference shares no code with this one; both are f64.
    #[test]
    fn sums_are_the_references() {
        let x: Vec<f32> = (0..7).map(|i| 1.0 + i as f32).collect();
        for boundary in [Boundary::Zero, Boundary::Wrap] {
            for (before, after) in [(0, 0), (2, 1), (0, 6), (9, 3), (23, 0), (0, 100)] {
                let config = LrnConfig::window(Window { before, after, divisor: 1.0 }).alpha(1.0).beta(1.0).k(0.5);
                let layer = config.boundary(boundary).backend(Backend::Reference).build().unwrap();
                let y = layer.forward(&x, &[1, 7]).unwrap();
                for (expected, y) in column(&layer, &x).into_iter().zip(y) {
                    assert_eq!(expected.unwrap().value as f32, y, "{boundary:?} {before} {after}");
                }
            }
        }
    }
}
