//! Runs a case every way there is: all give the interpreter's bits, and come near f64.

use lrn_jit::{Backend, BuildError, CompileError, CurrentRayon, Executor, LocalResponseNorm, LrnConfig, Serial, Width};

use super::bounds::Lane;
use super::drawing::{self, Drawn};
use super::exact::{self, Expectation};
use super::tally::{Entry, Layout, Tally};
use super::windows::Windows;
use crate::arguments::InputArguments;
use crate::failure::Failure;
use crate::task::TaskName;
use crate::values::Value;

/// Makes `v` another tensor than `x`.
const OTHER: u64 = 0x5555_5555_5555_5555;

/// Runs a case; the inner error is a difference.
pub fn check<E: Value>(drawn: &Drawn, tally: &mut Tally, sabotage: &mut bool) -> Result<Result<(), String>, Failure> {
    let Drawn { case, task, relu, .. } = drawn;
    let input = InputArguments { relu: *relu };
    let config = drawn.config().input_activation(input.into());
    let interpreter = config.clone().backend(Backend::Interpreter).build_for::<E>()?;
    let layers = compiled::<E>(&config)?;
    let Some(jit) = layers.last() else { return Err(Failure::input("this host cannot run compiled code")) };
    let (x, v): (Vec<E>, Vec<E>) = (drawing::elements(case, 0), drawing::elements(case, OTHER));
    let run = |layer: &LocalResponseNorm<E>, executor: &dyn Executor| -> Result<Vec<E>, Failure> {
        let mut y = vec![E::default(); x.len()];
        task.run(layer, executor, [&x, &v], &case.shape, &mut y)?;
        Ok(y)
    };
    let expected = run(&interpreter, &Serial)?;
    let mut y = run(jit, &Serial)?;
    if *sabotage && let Some(y) = y.iter_mut().find(|y| !y.value().is_nan()) {
        *y = E::of_bits(y.bits() ^ 1);
        *sabotage = false;
    }
    let what = format!("{jit} as {}, {}, shape {:?}{}", E::NAME, task.name(), case.shape, drawn.over());
    for other in &layers[..layers.len() - 1] {
        if let Some(at) = difference(&run(other, &Serial)?, &y) {
            let (one, two) = (other.backend(), jit.backend());
            return Ok(Err(format!("{what}: at {at}, x = {:e}, other bits by {one} than by {two}", x[at])));
        }
    }
    let threads = run(jit, &CurrentRayon)?;
    let mut ways = vec![("", &y), (" on threads", &threads)];
    let mut in_place = x.clone();
    if *task == TaskName::Forward {
        jit.forward_in_place(&mut in_place, &case.shape)?;
        ways.push((" in place", &in_place));
    }
    for (how, y) in ways {
        if let Some(at) = difference(y, &expected) {
            let (y, expected) = (y[at], expected[at]);
            return Ok(Err(format!(
                "{what}: at {at}, x = {:e}, jit{how} gives {y:e} ({:#x}), the interpreter {expected:e} ({:#x})",
                x[at],
                y.bits(),
                expected.bits()
            )));
        }
    }
    Ok(judge(drawn, jit, [&x, &v], &y, tally).map_err(|difference| format!("{what}: {difference}")))
}

/// Compiled layers of every width that the host has.
fn compiled<E: Value>(config: &LrnConfig) -> Result<Vec<LocalResponseNorm<E>>, Failure> {
    let mut layers = vec![];
    for width in [Width::W128, Width::W256, Width::W512] {
        match config.clone().backend(Backend::Jit).width(width).build_for::<E>() {
            Ok(layer) => layers.push(layer),
            Err(BuildError::Compile(CompileError::UnsupportedWidth { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(layers)
}

/// The first place where two tensors differ in bits.
fn difference<E: Value>(a: &[E], b: &[E]) -> Option<usize> {
    a.iter().zip(b).position(|(a, b)| !a.same(*b))
}

/// Compares to f64, box by box: a box has the axes from the outermost that windows extend over to the innermost.
fn judge<E: Value>(
    drawn: &Drawn,
    jit: &LocalResponseNorm<E>,
    [x, v]: [&[E]; 2],
    y: &[E],
    tally: &mut Tally,
) -> Result<(), String> {
    let (shape, mut axes) = (&drawn.case.shape, drawn.axes());
    let (first, end) = match axes[..] {
        [] => (0, 0),
        [first, ..] => (first, axes[axes.len() - 1] + 1),
    };
    axes.iter_mut().for_each(|axis| *axis -= first);
    let product = |extents: &[usize]| extents.iter().product::<usize>();
    let (outer, elements, inner) = (product(&shape[..first]), product(&shape[first..end]), product(&shape[end..]));
    let windows = Windows::new(jit.plan(), &shape[first..end], &axes);
    let boxed = usize::from(jit.plan().axes > 1);
    let mut entry = Entry { cases: 1, activated: drawn.relu.into(), boxed, elements: x.len(), ..Entry::default() };
    let mut wrong = None;
    for slab in 0..outer {
        for position in 0..inner {
            let at = |element: usize| (slab * elements + element) * inner + position;
            let values = |of: &[E]| -> Vec<f64> { (0..elements).map(|element| of[at(element)].value()).collect() };
            let expected = exact::of_box(jit, drawn.task, &windows, &values(x), &values(v));
            for (element, expected) in expected.into_iter().enumerate() {
                let Some(Expectation { value, ulp: allowed }) = expected else { continue };
                let at = at(element);
                let error = ulp::<E>(y[at].value(), value);
                entry.judged(error, allowed);
                if error > allowed && wrong.is_none() {
                    let (x, y) = (x[at], y[at]);
                    wrong = Some(format!(
                        "at {at}, x = {x:e}, jit gives {y:e} and f64 {value:e}: {error:.2} ulp, allowed {allowed:.2}"
                    ));
                }
            }
        }
    }
    tally.add(&drawing::coverage::recipe(jit.plan()), Layout::of(jit.plan(), inner), drawn, entry);
    wrong.map_or(Ok(()), Err)
}

/// The distance of `got` from `exact` in units of the last place of the element nearest to `exact`; what is too large for one counts
/// as infinity, and vice versa.
fn ulp<E: Value>(got: f64, exact: f64) -> f64 {
    if got.is_nan() {
        return f64::INFINITY;
    }
    let beyond = f64::from(E::EXPONENTS.1 + 1).exp2();
    let unit = Lane::new(E::PRECISION, E::EXPONENTS).unit(exact.clamp(-beyond, beyond));
    (got.clamp(-beyond, beyond) - exact.clamp(-beyond, beyond)).abs() / unit
}

#[cfg(test)]
mod tests {
    use super::super::drawing::measure;
    use super::*;
    use half::{bf16, f16};

    /// The tests' ruler is made for f32.
    #[test]
    fn the_ruler_is_that_of_the_tests() {
        for exact in [1.0, -3.7, 1e-40, 3e38, 1e39, -1e-50, 0.0, 1.17e-38, 65520.0] {
            for got in [exact as f32, exact as f32 * 1.001, -1.0, 0.0, f32::INFINITY, f32::NAN] {
                assert_eq!(ulp::<f32>(got.into(), exact), measure::ulp(got, exact), "{got} {exact}");
            }
        }
        assert_eq!(ulp::<f16>(65504.0, 1e9), 1.0);
        assert_eq!(ulp::<f16>(f64::INFINITY, 65519.0), 17.0 / 32.0);
        assert_eq!(ulp::<f16>(3.0 * 2f64.powi(-24), 2f64.powi(-24)), 2.0);
        assert_eq!(ulp::<bf16>(1.0, 1.0 + 2f64.powi(-8)), 0.5);
        assert_eq!(ulp::<f64>(1.0 + f64::EPSILON, 1.0), 1.0);
        assert_eq!(ulp::<f64>(f64::INFINITY, 1.0), f64::INFINITY);
    }
}
