//! What the results of a layer should be, in f64, and how far from that a kernel may be: derived, not tuned.
//!
//! The plan's a and k are what the kernel has, so they are taken as exact: d = k + a·Σx², and then as the library's formulas
//! have it,
//!
//! ```text
//! forward   y  = x·d^(−β)
//! jvp       y  = (v − 2aβ·x·(Σxv)/d)·d^(−β)
//! backward  r  = g·d^(−β), h = r·(x/d);  g' = r − 2aβ·x·Σh over the channels whose windows hold this one
//! ```
//!
//! with errors carried along by [`bounds`](super::bounds): a sum's are t + 4 roundings, where t bounds the additions on the
//! way of a term to the sum (one a tap, on a ring at most two a channel); the power's are `Power::max_ulp`, some of which are
//! measured over samples, hence half an ulp more. Halves are computed in f32: to the error of that comes what a polynomial for
//! them may err ([`hidden`]), and the half ulp of the rounding at the end. In f64 the exact value errs as the kernel does, so
//! twice as much is allowed.
//!
//! Nothing is said, and only the bits are compared, where the window holds NaN or ∞ or its sum comes near the end of the
//! floats; where d is not positive and normal, or it or the result cancels; of the forward pass, where x or y is not normal.

use lrn_jit::plan::{Formula, Plan, Power};
use lrn_jit::{Activation, Boundary, LocalResponseNorm, Number};

use super::bounds::{Bounded, Lane};
use crate::task::TaskName;
use crate::values::Value;

/// The exact value of one output and the allowed distance from it in ulp of its type.
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    pub value: f64,
    pub ulp: f64,
}

/// The expectations of a column of channels, of x and perhaps a gradient or a tangent; none where nothing is said.
pub fn column<E: Value>(
    layer: &LocalResponseNorm<E>,
    task: TaskName,
    x: &[f64],
    v: &[f64],
) -> Vec<Option<Expectation>> {
    let lane = lane::<E>();
    let (halves, judge) = match E::NUMBER {
        Number::F64 => (0.0, 2.0),
        Number::F32 => (0.0, 1.0),
        _ => (0.5, 1.0),
    };
    let element = Lane::new(E::PRECISION, E::EXPONENTS);
    let said = |result: &Bounded| {
        let Bounded { value, error } = *result;
        let ulp = halves + judge * error / element.unit(value);
        // Of a number of which no digit is sure nothing is said.
        (result.is_known() && ulp < f64::from(E::PRECISION).exp2()).then_some(Expectation { value, ulp })
    };
    bounded(layer, lane, task, x, v).iter().map(said).collect()
}

/// What elements are computed in.
fn lane<E: Value>() -> Lane {
    match E::NUMBER {
        Number::F64 => Lane::new(f64::PRECISION, f64::EXPONENTS),
        _ => Lane::new(f32::PRECISION, f32::EXPONENTS),
    }
}

/// ulp of f32 that a recipe may err more, because the rounding to an element hides it.
fn hidden(number: Number) -> f64 {
    match number {
        Number::F16 => 2.0,
        Number::Bf16 => 32.0,
        _ => 0.0,
    }
}

fn bounded<E: Value>(layer: &LocalResponseNorm<E>, lane: Lane, task: TaskName, x: &[f64], v: &[f64]) -> Vec<Bounded> {
    let plan = layer.plan();
    let relu = plan.input == Activation::Relu;
    // What leads to or from an x that was cut off is 0.
    let cut = |channel: usize, value: Bounded| if relu && x[channel] <= 0.0 { Bounded::ZERO } else { value };
    let read = |value: f64| Bounded::exact(value);
    let channels = 0..x.len();
    let activated = |channel: usize| cut(channel, read(x[channel]));
    let &Formula::Normalize { a, k, ref power, .. } = &plan.formula else {
        let of = if task == TaskName::Forward { x } else { v };
        return channels
            .map(|channel| cut(channel, read(of[channel])))
            .map(|value| scaled(layer, lane, value))
            .collect();
    };
    let windows = Windows { plan, channels: x.len(), lane };
    let [a, k] = [a, k].map(Bounded::exact);
    let x: Vec<_> = channels.clone().map(activated).collect();
    let base = |channel| lane.fma(windows.over(channel, &x, &x), a, k);
    let raise = |value, d| lane.power(value, d, layer.beta(), recipe_ulp(power, E::NUMBER));
    let factor = lane.constant(-2.0 * a.value * power.beta);
    match task {
        TaskName::Forward => channels
            .map(|channel| {
                let y = raise(x[channel], base(channel));
                let normal = lane.is_normal(x[channel].value) && lane.is_normal(y.value);
                if normal || y == Bounded::ZERO { y } else { Bounded::UNKNOWN }
            })
            .collect(),
        TaskName::Jvp => {
            let v: Vec<_> = channels.clone().map(|channel| cut(channel, read(v[channel]))).collect();
            channels
                .map(|channel| {
                    let d = base(channel);
                    let share = lane.div(windows.over(channel, &x, &v), d);
                    raise(lane.fma(lane.mul(x[channel], factor), share, v[channel]), d)
                })
                .collect()
        }
        TaskName::Backward => {
            let (r, h): (Vec<_>, Vec<_>) = channels
                .clone()
                .map(|channel| {
                    let d = base(channel);
                    let r = raise(read(v[channel]), d);
                    (r, lane.mul(r, lane.div(x[channel], d)))
                })
                .unzip();
            channels
                .map(|channel| {
                    let sum = windows.that_hold(channel, &h);
                    cut(channel, lane.fma(lane.mul(x[channel], factor), sum, r[channel]))
                })
                .collect()
        }
    }
}

/// ulp of the lane that a recipe may err.
fn recipe_ulp(power: &Power, number: Number) -> f64 {
    power.max_ulp() + 0.5 + hidden(number)
}

/// Where there is no window: a value times one or two factors, or none.
fn scaled<E: Value>(layer: &LocalResponseNorm<E>, lane: Lane, value: Bounded) -> Bounded {
    let Formula::Scale { factors } = &layer.plan().formula else { return value };
    let y = value.value * layer.k().powf(-layer.beta());
    if layer.k() <= 0.0 || !factors.iter().all(|&factor| lane.is_normal(factor)) {
        return Bounded::UNKNOWN;
    }
    if value == Bounded::ZERO {
        return value;
    }
    if !lane.is_normal(value.value) || !lane.is_normal(y) || y.abs() > lane.largest {
        return Bounded::UNKNOWN;
    }
    // A rounding of each factor (one ulp at most) and of each product.
    Bounded { value: y, error: (1.5 * factors.len() as f64 + 0.5) * lane.unit(y) }
}

/// The windows of a plan over so many channels.
struct Windows<'a> {
    plan: &'a Plan,
    channels: usize,
    lane: Lane,
}

impl Windows<'_> {
    /// The sum of products over a channel's window.
    fn over(&self, channel: usize, a: &[Bounded], b: &[Bounded]) -> Bounded {
        self.sum(|other| self.times(other, channel), |other| (a[other], b[other]))
    }

    /// The sum over the channels whose windows hold a channel.
    fn that_hold(&self, channel: usize, h: &[Bounded]) -> Bounded {
        let one = Bounded::exact(1.0);
        self.sum(|other| self.times(channel, other), |other| (h[other], one))
    }

    fn sum(&self, times: impl Fn(usize) -> f64, product: impl Fn(usize) -> (Bounded, Bounded)) -> Bounded {
        let counted = (0..self.channels).map(|channel| (times(channel), channel)).filter(|&(times, _)| times > 0.0);
        let (mut taps, mut products) = (0.0, Vec::with_capacity(self.channels));
        for (times, channel) in counted {
            let (a, b) = product(channel);
            taps += times;
            products.push((times, a, b));
        }
        let additions = f64::min(taps, 2.0 * self.channels as f64);
        self.lane.sum(additions + 4.0, products.into_iter())
    }

    /// How often the window of `channel` reads the channel `index`.
    fn times(&self, index: usize, channel: usize) -> f64 {
        let &Plan { before, after, boundary, .. } = self.plan;
        match boundary {
            Boundary::Zero => {
                let inside = index.saturating_add(before) >= channel && index <= channel.saturating_add(after);
                f64::from(u8::from(inside))
            }
            Boundary::Wrap => {
                // Positions channel − before … channel + after that are index modulo channels, counted from a multiple of it.
                let (count, shift) = (self.channels as u128, before.div_ceil(self.channels) as u128);
                let origin = channel as u128 + shift * count;
                let (first, last) = (origin - before as u128, origin + after as u128);
                // How many of 0..end are it.
                let below = |end: u128| (end + count - 1 - index as u128) / count;
                (below(last + 1) - below(first)) as f64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lrn_jit::{Backend, LrnConfig, Serial, Window};

    /// The library's reference shares no code with this one; both are f64.
    #[test]
    fn values_are_the_references() {
        let x: Vec<f64> = (0..7).map(|i| f64::from(i * 5 % 7) - 2.5).collect();
        let v: Vec<f64> = (0..7).map(|i| f64::from(i * 3 % 7) - 1.5).collect();
        for boundary in [Boundary::Zero, Boundary::Wrap] {
            for (before, after) in [(0, 0), (2, 1), (0, 6), (9, 3), (23, 0), (0, 100)] {
                for (alpha, input) in [(1.0, Activation::Identity), (0.5, Activation::Relu), (0.0, Activation::Relu)] {
                    let config =
                        LrnConfig::window(Window { before, after, divisor: 1.0 }).alpha(alpha).beta(1.5).k(0.5);
                    let config = config.boundary(boundary).input_activation(input).backend(Backend::Reference);
                    let layer = config.build_for::<f64>().unwrap();
                    for task in TaskName::ALL {
                        let mut y = vec![0.0; 7];
                        task.run(&layer, &Serial, [&x, &v], &[1, 7], &mut y).unwrap();
                        for (expected, y) in column(&layer, task, &x, &v).into_iter().zip(y) {
                            // Nothing is said of an x that is cut off or scaled, nor of what cancels to no digit.
                            let Some(Expectation { value, ulp }) = expected else {
                                assert!(y.abs() < 1e-12 || alpha == 0.0, "{task:?} {boundary:?} {before} {after}: {y}");
                                continue;
                            };
                            let close = (value - y).abs() <= 1e-12 * (value.abs() + 1.0);
                            assert!(close, "{task:?} {boundary:?} {before} {after} {alpha}: {value} {y}");
                            assert!(
                                value.abs() < 1e-3 || ulp < 10_000.0,
                                "{task:?} {boundary:?} {before} {after}: {ulp}"
                            );
                        }
                    }
                }
            }
        }
    }
}
