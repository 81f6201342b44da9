//! What the results of a layer should be, in f64, and how far from that a kernel may be: derived, not tuned.
//!
//! The plan's a and k are what the kernel has, so they are taken as exact: d = k + a·Σx², and then as the library's formulas
//! have it,
//!
//! ```text
//! forward   y  = x·d^(−β)
//! jvp       y  = (v − 2aβ·x·(Σxv)/d)·d^(−β)
//! backward  r  = g·d^(−β), h = r·(x/d);  g' = r − 2aβ·x·Σh over the elements whose windows hold this one
//! ```
//!
//! with every tap of a box read by itself ([`windows`](super::windows)), and errors carried along by [`bounds`](super::bounds): a
//! sum's are t + 4 roundings, where t bounds the additions on the way of a term to the sum (axis by axis one a tap, on a ring at most
//! two an index); the power's are `Power::max_ulp`, some of which are
//! measured over samples, hence half an ulp more. Halves are computed in f32: to the error of that comes the half ulp of the
//! rounding at the end. In f64 the exact value errs as the kernel does, so
//! twice as much is allowed.
//!
//! Nothing is said, and only the bits are compared, where the window holds NaN or ∞ or its sum comes near the end of the
//! floats; where d is not positive and normal, or it or the result cancels; of the forward pass, where x or y is not normal.

use lrn_jit::plan::{Formula, Power};
use lrn_jit::{Activation, LocalResponseNorm, Number};

use super::bounds::{Bounded, Lane};
use super::windows::{Held, Windows};
use crate::task::TaskName;
use crate::values::Value;

/// The exact value of one output and the allowed distance from it in ulp of its type.
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    pub value: f64,
    pub ulp: f64,
}

/// The expectations of a box of elements, of x and perhaps a gradient or a tangent; none where nothing is said.
pub fn of_box<E: Value>(
    layer: &LocalResponseNorm<E>,
    task: TaskName,
    windows: &Windows,
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
    bounded(layer, task, &Sums { windows, lane }, x, v).iter().map(said).collect()
}

/// What elements are computed in.
fn lane<E: Value>() -> Lane {
    match E::NUMBER {
        Number::F64 => Lane::new(f64::PRECISION, f64::EXPONENTS),
        _ => Lane::new(f32::PRECISION, f32::EXPONENTS),
    }
}

fn bounded<E: Value>(
    layer: &LocalResponseNorm<E>,
    task: TaskName,
    sums: &Sums<'_>,
    x: &[f64],
    v: &[f64],
) -> Vec<Bounded> {
    let (plan, lane) = (layer.plan(), sums.lane);
    let relu = plan.input == Activation::Relu;
    // What leads to or from an x that was cut off is 0.
    let cut = |at: usize, value: Bounded| if relu && x[at] <= 0.0 { Bounded::ZERO } else { value };
    let read = |value: f64| Bounded::exact(value);
    let elements = 0..x.len();
    let activated = |at: usize| cut(at, read(x[at]));
    let &Formula::Normalize { a, k, ref power, .. } = &plan.formula else {
        let of = if task == TaskName::Forward { x } else { v };
        return elements.map(|at| cut(at, read(of[at]))).map(|value| scaled(layer, lane, value)).collect();
    };
    let [a, k] = [a, k].map(Bounded::exact);
    let x: Vec<_> = elements.clone().map(activated).collect();
    let base = |at| lane.fma(sums.over(at, &x, &x), a, k);
    // A recipe multiplies with up to 2^|beta| before it is done. Of x that is no matter: |x| < 2^64 wherever d is finite.
    let room =
        if task == TaskName::Forward { lane.largest } else { lane.largest / layer.beta().abs().min(64.0).exp2() };
    let raise = |value: Bounded, d| {
        if value.value.abs() < room { lane.power(value, d, layer.beta(), recipe_ulp(power)) } else { Bounded::UNKNOWN }
    };
    let factor = lane.constant(-2.0 * a.value * power.beta);
    match task {
        TaskName::Forward => elements
            .map(|at| {
                let y = raise(x[at], base(at));
                let normal = lane.is_normal(x[at].value) && lane.is_normal(y.value);
                if normal || y == Bounded::ZERO { y } else { Bounded::UNKNOWN }
            })
            .collect(),
        TaskName::Jvp => {
            let v: Vec<_> = elements.clone().map(|at| cut(at, read(v[at]))).collect();
            elements
                .map(|at| {
                    let d = base(at);
                    let share = lane.div(sums.over(at, &x, &v), d);
                    raise(lane.fma(lane.mul(x[at], factor), share, v[at]), d)
                })
                .collect()
        }
        TaskName::Backward => {
            let (r, h): (Vec<_>, Vec<_>) = elements
                .clone()
                .map(|at| {
                    let d = base(at);
                    let r = raise(read(v[at]), d);
                    (r, lane.mul(r, lane.div(x[at], d)))
                })
                .unzip();
            elements
                .map(|at| {
                    let sum = sums.that_hold(at, &h);
                    cut(at, lane.fma(lane.mul(x[at], factor), sum, r[at]))
                })
                .collect()
        }
    }
}

/// ulp of the lane that a recipe may err.
fn recipe_ulp(power: &Power) -> f64 {
    power.max_ulp() + 0.5
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

/// Sums over the elements of windows.
struct Sums<'a> {
    windows: &'a Windows,
    lane: Lane,
}

impl Sums<'_> {
    /// The sum of products over an element's window.
    fn over(&self, at: usize, a: &[Bounded], b: &[Bounded]) -> Bounded {
        self.sum(&self.windows.held(at), |other| (a[other], b[other]))
    }

    /// The sum over the elements whose windows hold an element.
    fn that_hold(&self, at: usize, h: &[Bounded]) -> Bounded {
        let one = Bounded::exact(1.0);
        self.sum(&self.windows.holders(at), |other| (h[other], one))
    }

    fn sum(&self, held: &Held<'_>, product: impl Fn(usize) -> (Bounded, Bounded)) -> Bounded {
        let mut products = vec![];
        held.each(|other, times| {
            let (a, b) = product(other);
            products.push((times, a, b));
        });
        self.lane.sum(held.additions() + 4.0, products.into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lrn_jit::{Backend, Boundary, LrnConfig, Serial, Window};

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
                        let windows = Windows::new(layer.plan(), &[7], &[0]);
                        for (expected, y) in of_box(&layer, task, &windows, &x, &v).into_iter().zip(y) {
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

    /// Boxes of every set of axes, in the middle of a tensor.
    #[test]
    fn boxes_are_the_references() {
        let extents = [3, 5, 2, 4];
        let elements: usize = extents.iter().product();
        let of = |step: usize| (0..elements).map(move |i| (i * step % 37) as f64 / 9.0 - 2.0).collect::<Vec<_>>();
        let (x, v) = (of(5), of(11));
        for set in 0..16usize {
            let axes: Vec<usize> = (0..4).filter(|axis| set >> axis & 1 > 0).collect();
            for (boundary, before, after) in [(Boundary::Zero, 1, 2), (Boundary::Wrap, 1, 0), (Boundary::Wrap, 7, 30)] {
                let signed: Vec<isize> = axes.iter().map(|axis| axis.cast_signed()).collect();
                let config = LrnConfig::window(Window { before, after, divisor: 2.0 }).alpha(0.5).k(0.5);
                let config = config.boundary(boundary).over_axes(&signed).backend(Backend::Reference);
                let layer = config.build_for::<f64>().unwrap();
                let windows = Windows::new(layer.plan(), &extents, &axes);
                for task in TaskName::ALL {
                    let mut y = vec![0.0; elements];
                    task.run(&layer, &Serial, [&x, &v], &extents, &mut y).unwrap();
                    let expected = of_box(&layer, task, &windows, &x, &v);
                    let said = expected.iter().flatten().count();
                    assert!(said * 10 > 9 * elements, "{axes:?}: {said} of {elements}");
                    for (expected, y) in expected.into_iter().zip(y) {
                        let Some(Expectation { value, .. }) = expected else { continue };
                        let close = (value - y).abs() <= 1e-12 * (value.abs() + 1.0);
                        assert!(close, "{task:?} {boundary:?} {axes:?}: {value} {y}");
                    }
                }
            }
        }
    }

    /// Alpha is divided once for each axis.
    #[test]
    fn the_weight_is_alpha_over_the_taps_of_a_box() {
        let weight = |config: LrnConfig| match config.backend(Backend::Reference).build().unwrap().plan().formula {
            Formula::Normalize { a, .. } => a,
            _ => f64::NAN,
        };
        let layer = || LrnConfig::new(4).alpha(64.0);
        for dims in 1..=3 {
            assert_eq!(weight(layer().within_channel(dims)), 64.0 / 4f64.powi(dims as i32));
        }
        assert_eq!(weight(layer().over_axes(&[])), 64.0);
        assert_eq!(weight(layer().over_axes(&[-1, 0])), 4.0);
    }
}
