//! PyTorch's own gradients of windows over any axes (tests/golden/README.md): f32 no further from the exact result than torch's
//! autograd in f32, f64 within some ε of autograd in f64; measured as in `tests/golden_gradients.rs`, by the scale of the terms.

mod common;

use common::derivative::{Derivative, Inputs, layer};
use common::golden::{GoldenRegion, RegionGradient, regions};
use common::measure::{Scaled, scaled, widen};
use half::{bf16, f16};
use lrn_jit::{Activation, Backend, Convention, Element};

const BACKENDS: [Backend; 2] = [Backend::Jit, Backend::Interpreter];

/// How far from torch's mean error, in every case, and from its largest, over all, this library's may be.
const MEAN_RATIO: f64 = 1.2;
const MAX_RATIO: f64 = 1.5;

/// How many units of the last place of the scale an f64 result may lie from torch's (`tests/golden_gradients.rs`).
const F64_LIMIT: f64 = 12.0;

/// Torch's cases.
fn cases() -> Vec<(GoldenRegion, RegionGradient)> {
    let with_gradient = |mut golden: GoldenRegion| golden.gradient.take().map(|gradient| (golden, gradient));
    regions().into_iter().filter_map(with_gradient).collect()
}

fn inputs((golden, gradient): &(GoldenRegion, RegionGradient)) -> Inputs<f32> {
    let x = golden.x.clone();
    let v = gradient.second.as_ref().map_or_else(|| vec![0.0; x.len()], |second| second.v.clone());
    Inputs { x, g: gradient.g.clone(), v }
}

fn scale(case: &(GoldenRegion, RegionGradient), derivative: Derivative) -> Vec<f64> {
    let GoldenRegion { boxes, settings, .. } = &case.0;
    boxes.judge(settings).scale().run(derivative, &inputs(case).widen(), boxes)
}

fn run<E: Element>(golden: &GoldenRegion, backend: Backend, derivative: Derivative, inputs: &Inputs<E>) -> Vec<E> {
    derivative.run(&layer(&golden.boxes.config(&golden.settings).backend(backend)), inputs, &golden.boxes.shape)
}

/// The mean and the largest error of several cases together.
fn total(errors: &[Scaled]) -> (f64, f64) {
    let (sum, count) = errors.iter().fold((0.0, 0), |(sum, count), errors| (sum + errors.sum, count + errors.count));
    (sum / count as f64, errors.iter().fold(0.0, |max, errors| errors.max.max(max)))
}

#[test]
fn as_accurate_as_torch() {
    let cases = cases();
    let measure = |case: &(GoldenRegion, RegionGradient), dx: &[f32]| {
        scaled::<f32>(&widen(dx), &case.1.dx64, &scale(case, Derivative::Backward))
    };
    let of_torch: Vec<_> = cases.iter().map(|case| measure(case, &case.1.dx)).collect();
    let (mean, max) = total(&of_torch);
    println!("ulp of the scale: mean, largest, torch's mean and largest");
    for backend in BACKENDS {
        let of_ours = |case| measure(case, &run(&case.0, backend, Derivative::Backward, &inputs(case)));
        let ours: Vec<_> = cases.iter().map(of_ours).collect();
        for ((case, ours), torch) in cases.iter().zip(&ours).zip(&of_torch) {
            let [a, b, c, d] = [ours.mean(), ours.max, torch.mean(), torch.max];
            println!("{:28} {backend:12} {a:7.3} {b:7.3}   {c:7.3} {d:7.3}", case.0.name);
            assert!(a <= MEAN_RATIO * c, "{}: {a}, torch's mean {c}", case.0.name);
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

#[test]
fn f64_is_torch_in_f64() {
    let (mut worst, mut of_judge, mut seconds) = (0.0f64, 0.0f64, 0);
    for case in &cases() {
        let GoldenRegion { boxes, settings, name, .. } = &case.0;
        let inputs = inputs(case).widen();
        let mut check = |derivative: Derivative, expected: &[f64]| {
            let scale = scale(case, derivative);
            let judged = scaled::<f64>(&boxes.judge(settings).run(derivative, &inputs, boxes), expected, &scale);
            of_judge = of_judge.max(judged.max);
            for backend in BACKENDS {
                let errors = scaled::<f64>(&run(&case.0, backend, derivative, &inputs), expected, &scale);
                let Scaled { max, at, .. } = errors;
                assert!(max <= F64_LIMIT, "{backend}, {name}, {derivative:?} at {at}: {max} ε");
                worst = worst.max(max);
            }
        };
        check(Derivative::Backward, &case.1.dx64);
        if let Some(second) = &case.1.second {
            check(Derivative::Jvp, &second.jvp64);
            check(Derivative::DoubleBackward, &second.ddx64);
            seconds += 1;
        }
    }
    println!("f64: largest {worst:.3} ulp of the scale, the judge's {of_judge:.3}");
    assert!(seconds >= 6 && of_judge <= F64_LIMIT, "{seconds}, {of_judge}");
}

/// What a relu makes 0 is exactly 0.
#[test]
fn zeros_are_where_torch_has_them() {
    let mut zeros = 0;
    for case in cases().iter().filter(|case| case.0.settings.input == Activation::Relu) {
        for backend in BACKENDS {
            let dx = run(&case.0, backend, Derivative::Backward, &inputs(case));
            for (i, (&dx, &expected)) in dx.iter().zip(&case.1.dx).enumerate() {
                assert_eq!(dx == 0.0, expected == 0.0, "{backend}, {} at {i}", case.0.name);
                zeros += usize::from(dx == 0.0);
            }
        }
    }
    assert!(zeros > 500, "{zeros}");
}

/// Halves of the same tensors: the formula of what they hold, rounded once, as far as their places go.
#[test]
fn halves_are_the_formula_rounded_once() {
    fn check<E: Element + common::measure::Places>(narrow: impl Fn(f32) -> E + Copy, widen: impl Fn(E) -> f32 + Copy) {
        let mut worst = 0.0f64;
        for case in &cases() {
            let GoldenRegion { boxes, settings, name, .. } = &case.0;
            let narrowed = inputs(case).map(narrow);
            let wide = narrowed.map(widen).widen();
            let judge = boxes.judge(settings);
            for derivative in Derivative::ALL {
                let got: Vec<f64> =
                    run(&case.0, Backend::Jit, derivative, &narrowed).into_iter().map(|y| widen(y).into()).collect();
                let scale = judge.scale().run(derivative, &wide, boxes);
                let errors = scaled::<E>(&got, &judge.run(derivative, &wide, boxes), &scale);
                // Half a place of rounding, and what coarser recipes hide.
                assert!(errors.max <= 0.5 + 1.0 / 16.0, "{} {name}, {derivative:?}: {}", E::NAME, errors.max);
                worst = worst.max(errors.max);
            }
        }
        println!("{}: largest {worst:.4} places of the scale", E::NAME);
    }
    check(f16::from_f32, f16::to_f32);
    check(bf16::from_f32, bf16::to_f32);
}

/// The ruler says no: to a window that is not mirrored, to another divisor, to one axis less.
#[test]
fn wrong_gradients_are_rejected() {
    let mut judged = 0;
    for case in &cases() {
        let GoldenRegion { boxes, settings, name, .. } = &case.0;
        if settings.alpha < 0.1 || settings.size == 1 {
            continue;
        }
        judged += 1;
        let Inputs { x, g, .. } = inputs(case).widen();
        let scale = scale(case, Derivative::Backward);
        let right = boxes.judge(settings);
        let error = |dx: &[f64]| scaled::<f32>(dx, &case.1.dx64, &scale).max;
        assert!(error(&right.backward(&x, &g, boxes)) < 1e-3, "{name}");
        let mut wrong = right.clone();
        wrong.window.divisor += 1.0;
        assert!(error(&wrong.backward(&x, &g, boxes)) > 1e3, "{name}: divisor");
        if settings.size.is_multiple_of(2) {
            let other = common::case::Settings { convention: Convention::Onnx, ..settings.clone() };
            assert!(error(&boxes.judge(&other).backward(&x, &g, boxes)) > 1e3, "{name}: mirrored");
        }
    }
    assert!(judged >= 16, "{judged}");
}
