//! PyTorch's own gradients (tests/golden/README.md): f32 no further from the exact result than torch's autograd in f32, f64
//! within some ε of autograd in f64. `--nocapture` prints the numbers of every case.
//!
//! A gradient is a sum of terms of both signs. Where they cancel, an error of an ulp in a term is many ulp of the result, for
//! torch as for this library. So errors are measured by the scale of the terms, which the judge gives: |g·d^−β| +
//! |2aβ·x|·Σ|g·x·d^(−β−1)| for the gradient, and likewise for the others. In f32 the unit is the ulp of the scale.

mod common;

use common::derivative::{Derivative, Inputs, layer};
use common::golden::{GoldenGradient, gradients};
use common::gradients::{Judge, Slabs};
use common::measure::{Scaled, scaled};
use lrn_jit::{Activation, Backend, Element, LrnConfig};

const BACKENDS: [Backend; 2] = [Backend::Jit, Backend::Interpreter];

/// How far from torch's mean error, in every case, and from its largest, over all, this library's may be.
const MEAN_RATIO: f64 = 1.2;
const MAX_RATIO: f64 = 1.5;

/// How many units of the last place of the scale an f64 result may lie from torch's, which is off by up to 8 itself. The sum
/// of squares has some roundings, and a power makes |β| + 1 times as many of them: beta 6.5 is the largest here.
const F64_LIMIT: f64 = 12.0;

fn config(golden: &GoldenGradient, backend: Backend) -> LrnConfig {
    let case = &golden.case;
    let config = case.settings.config().channel_axis(case.axis).backend(backend);
    if golden.relu { config.input_activation(Activation::Relu) } else { config }
}

fn inputs(golden: &GoldenGradient) -> Inputs<f32> {
    let x = golden.case.x.clone();
    let v = golden.second.as_ref().map_or_else(|| vec![0.0; x.len()], |second| second.v.clone());
    Inputs { x, g: golden.g.clone(), v }
}

fn scale(golden: &GoldenGradient, derivative: Derivative) -> Vec<f64> {
    let case = &golden.case;
    let judge = Judge::new(&case.settings, golden.relu);
    judge.scale().run(derivative, &inputs(golden).widen(), Slabs::new(&case.shape, case.axis))
}

fn run<E: Element>(golden: &GoldenGradient, backend: Backend, derivative: Derivative, inputs: &Inputs<E>) -> Vec<E> {
    derivative.run(&layer(&config(golden, backend)), inputs, &golden.case.shape)
}

/// Errors of several cases together.
fn total(errors: &[Scaled]) -> (f64, f64) {
    let sum: f64 = errors.iter().map(|errors| errors.sum).sum();
    let count: usize = errors.iter().map(|errors| errors.count).sum();
    (sum / count as f64, errors.iter().fold(0.0, |max, errors| errors.max.max(max)))
}

#[test]
fn as_accurate_as_torch() {
    let cases = gradients();
    let measure = |golden: &GoldenGradient, dx: &[f32]| {
        let dx: Vec<_> = dx.iter().map(|&dx| dx.into()).collect();
        scaled::<f32>(&dx, &golden.dx64, &scale(golden, Derivative::Backward))
    };
    let of_torch: Vec<_> = cases.iter().map(|golden| measure(golden, &golden.dx)).collect();
    let (mean, max) = total(&of_torch);
    println!("ulp of the scale: mean, largest, torch's mean and largest");
    for backend in BACKENDS {
        let of_ours = |golden| measure(golden, &run(golden, backend, Derivative::Backward, &inputs(golden)));
        let ours: Vec<_> = cases.iter().map(of_ours).collect();
        for ((golden, ours), torch) in cases.iter().zip(&ours).zip(&of_torch) {
            let [a, b, c, d] = [ours.mean(), ours.max, torch.mean(), torch.max];
            println!("{:24} {backend:12} {a:7.3} {b:7.3}   {c:7.3} {d:7.3}", golden.name);
            assert!(a <= MEAN_RATIO * c, "{}: {a}, torch's mean {c}", golden.name);
        }
        let (our_mean, our_max) = total(&ours);
        let (mean_ratio, max_ratio) = (our_mean / mean, our_max / max);
        println!(
            "all, {backend}: mean {our_mean:.4}, torch's {mean:.4} (ratio {mean_ratio:.3}); \
             largest {our_max:.3}, torch's {max:.3} (ratio {max_ratio:.3})"
        );
        assert!(mean_ratio <= MEAN_RATIO && max_ratio <= MAX_RATIO, "{backend}: {mean_ratio} and {max_ratio}");
    }
}

/// What a relu or nothing at all makes 0 is exactly 0.
#[test]
fn zeros_are_where_torch_has_them() {
    let mut zeros = 0;
    for golden in gradients().iter().filter(|golden| golden.relu) {
        for backend in BACKENDS {
            let dx = run(golden, backend, Derivative::Backward, &inputs(golden));
            for (i, (&dx, &expected)) in dx.iter().zip(&golden.dx).enumerate() {
                assert_eq!(dx == 0.0, expected == 0.0, "{backend}, {} at {i}", golden.name);
                zeros += usize::from(dx == 0.0);
            }
        }
    }
    assert!(zeros > 500, "{zeros}");
}

#[test]
fn f64_is_torch_in_f64() {
    let (mut worst, mut seconds) = (0.0f64, 0);
    for golden in gradients() {
        let inputs = inputs(&golden).widen();
        let mut check = |derivative: Derivative, expected: &[f64]| {
            let scale = scale(&golden, derivative);
            for backend in BACKENDS {
                let errors = scaled::<f64>(&run(&golden, backend, derivative, &inputs), expected, &scale);
                let Scaled { max, at, .. } = errors;
                println!("{:24} {backend:12} {derivative:16?} {:7.3} {max:7.3}", golden.name, errors.mean());
                assert!(max <= F64_LIMIT, "{backend}, {}, {derivative:?} at {at}: {max} ε", golden.name);
                worst = worst.max(max);
            }
        };
        check(Derivative::Backward, &golden.dx64);
        if let Some(second) = &golden.second {
            check(Derivative::Jvp, &second.jvp64);
            check(Derivative::DoubleBackward, &second.ddx64);
            seconds += 1;
        }
    }
    println!("f64: largest {worst:.3} ulp of the scale");
    assert!(seconds >= 4);
}

/// The ruler says no: to the upstream gradient itself, to its first term alone, to a window or a divisor that is wrong.
#[test]
fn wrong_gradients_are_rejected() {
    let mut judged = 0;
    for golden in gradients() {
        let case = &golden.case;
        let right = Judge::new(&case.settings, golden.relu);
        let slabs = Slabs::new(&case.shape, case.axis);
        let Inputs { x, g, .. } = inputs(&golden).widen();
        let scale = right.scale().backward(&x, &g, slabs);
        let error = |dx: &[f64]| scaled::<f32>(dx, &golden.dx64, &scale).max;
        let of = |change: &dyn Fn(&mut Judge)| {
            let mut judge = right.clone();
            change(&mut judge);
            error(&judge.backward(&x, &g, slabs))
        };
        assert!(of(&|_| ()) < 1e-3, "{}", golden.name);
        // Parameters with which the window hardly shows, or shows alike everywhere, say nothing about it.
        if case.settings.alpha.abs() < 0.1 || case.settings.size == 1 {
            continue;
        }
        judged += 1;
        assert!(error(&g) > 1e3, "{}: identity", golden.name);
        assert!(of(&|judge| judge.window.divisor += 1.0) > 1e3, "{}: divisor", golden.name);
        if slabs.channels > 1 {
            let first: Vec<_> = x.iter().zip(&g).zip(right.forward(&x, slabs)).map(|((x, g), y)| g * y / x).collect();
            assert!(error(&first) > 1e3, "{}: first term alone", golden.name);
        }
        if case.settings.size.is_multiple_of(2) && slabs.channels > case.settings.size {
            let mirrored = of(&|judge| {
                let window = &mut judge.window;
                std::mem::swap(&mut window.before, &mut window.after);
            });
            assert!(mirrored > 1e3, "{}: mirrored", golden.name);
        }
    }
    assert!(judged > 20, "{judged}");
}
