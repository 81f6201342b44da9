//! The judge of gradients (`tests/common/gradients.rs`) against finite differences of itself: its forward is the formula, and
//! each derivative is that of the one before. And against PyTorch's autograd in f64. No code of the library is called.

mod common;

use common::case::Settings;
use common::derivative::{Derivative, Inputs};
use common::differences::{along, dot, gradient};
use common::golden::gradients;
use common::gradients::{Judge, Slabs};
use common::measure::widen;
use common::rng::Rng;
use lrn_jit::{Activation, Boundary, Convention, Window};

/// The share of the scale of the terms that the differences may be off.
const LIMIT: f64 = 1e-9;
/// How many ε of that scale torch may be off.
const TORCH_LIMIT: f64 = 16.0;

/// A judge in which every part of the formula shows, and a column or more.
fn draw(rng: &mut Rng) -> (Judge, Slabs) {
    let window = Window { before: rng.below(7), after: rng.below(7), divisor: 0.5 + 5.0 * rng.unit() };
    let settings = Settings {
        convention: Convention::Window(window),
        size: 1,
        alpha: rng.pick(&[0.5, 2.0, 5.0, -0.01]),
        beta: rng.pick(&[0.5, 0.75, 1.0, 2.7, -0.5, -1.0, 3.0]),
        k: 1.0 + rng.unit(),
        boundary: rng.pick(&[Boundary::Zero, Boundary::Wrap]),
        input: Activation::Identity,
    };
    let slabs = Slabs { outer: rng.between(1, 2), channels: rng.between(1, 9), inner: rng.between(1, 3) };
    (Judge::new(&settings, rng.one_in(3)), slabs)
}

/// Values that stay on their side of 0.
fn values(rng: &mut Rng, slabs: Slabs) -> Vec<f64> {
    let length = slabs.outer * slabs.channels * slabs.inner;
    (0..length).map(|_| rng.pick(&[1.0, -1.0]) * (0.1 + 1.2 * rng.unit())).collect()
}

#[test]
fn each_derivative_is_that_of_the_one_before() {
    let rng = &mut Rng::new(1);
    let (mut relu, mut ring, mut worst) = (0, 0, 0.0f64);
    for round in 0..300 {
        let (judge, slabs) = draw(rng);
        relu += usize::from(judge.relu);
        ring += usize::from(judge.boundary == Boundary::Wrap);
        let [x, g, v] = [(); 3].map(|()| values(rng, slabs));
        // The scale over the whole tensor: a difference sees all of it.
        let mut close = |what: &str, got: &[f64], scale: &[f64], expected: &[f64]| {
            let scale: f64 = scale.iter().sum();
            for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
                let error = (got - expected).abs();
                worst = worst.max(error / scale.max(f64::MIN_POSITIVE));
                assert!(error <= LIMIT * scale, "{what} at {i} of {round}: {got} and {expected}, {judge:?}, {slabs:?}");
            }
        };
        let scale = judge.scale();

        let expected = gradient(&x, |x| dot(&g, &judge.forward(x, slabs)));
        close("backward", &judge.backward(&x, &g, slabs), &scale.backward(&x, &g, slabs), &expected);

        let expected = along(&x, &v, |x| judge.forward(x, slabs));
        close("jvp", &judge.jvp(&x, &v, slabs), &scale.jvp(&x, &v, slabs), &expected);

        let ddx = judge.double_backward(&x, &g, &v, slabs);
        let expected = gradient(&x, |x| dot(&v, &judge.backward(x, &g, slabs)));
        close("double backward", &ddx, &scale.double_backward(&x, &g, &v, slabs), &expected);
    }
    println!("largest error: {worst:.1e} of the scale");
    assert!(relu > 50 && ring > 100, "{relu} with relu, {ring} on a ring");
}

/// One by hand: two channels of a torch window of 2 (the channel before and the channel), a = 1, β = 1, k = 1, x = (1, 2).
/// d = (2, 6), y = (1/2, 1/3), ∂y₀/∂x₀ = 0, ∂y₁/∂x₀ = −2·2·1/36 = −1/9, ∂y₁/∂x₁ = 1/6 − 2·2·2/36 = −1/18.
#[test]
fn two_channels_by_hand() {
    let judge = Judge::new(&Settings::torch(2, 2.0, 1.0, 1.0), false);
    let slabs = Slabs::new(&[1, 2], 1);
    let close = |got: Vec<f64>, expected: [f64; 2]| {
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{got:?}, not {expected:?}");
    };
    let x = [1.0, 2.0];
    close(judge.forward(&x, slabs), [0.5, 1.0 / 3.0]);
    close(judge.backward(&x, &[1.0, 0.0], slabs), [0.0, 0.0]);
    close(judge.backward(&x, &[0.0, 1.0], slabs), [-1.0 / 9.0, -1.0 / 18.0]);
    close(judge.jvp(&x, &[1.0, 0.0], slabs), [0.0, -1.0 / 9.0]);
    close(judge.jvp(&x, &[0.0, 1.0], slabs), [0.0, -1.0 / 18.0]);
    // ∂²y₀/∂x₀² = (2x³ − 6x)/(1 + x²)³ = −1/2 at 1.
    close(judge.double_backward(&x, &[1.0, 0.0], &[1.0, 0.0], slabs), [-0.5, 0.0]);
}

/// Both compute in f64, neither knows of the other: they differ by some roundings.
#[test]
fn the_judge_is_torch_in_f64() {
    let mut seconds = 0;
    for golden in gradients() {
        let case = &golden.case;
        let (judge, slabs) = (Judge::new(&case.settings, golden.relu), Slabs::new(&case.shape, case.axis));
        let v = golden.second.as_ref().map_or_else(|| vec![0.0; case.x.len()], |second| second.v.clone());
        let inputs = Inputs { x: case.x.clone(), g: golden.g.clone(), v }.widen();
        let close = |derivative: Derivative, expected: &[f64]| {
            let scale = judge.scale().run(derivative, &inputs, slabs);
            let got = judge.run(derivative, &inputs, slabs);
            let error = |i: usize| (got[i] - expected[i]).abs() / scale[i].max(f64::MIN_POSITIVE) / f64::EPSILON;
            let worst = (0..got.len()).map(error).fold(0.0, f64::max);
            println!("{:24} {derivative:16?} {worst:6.2} ε of the scale", golden.name);
            assert!(worst <= TORCH_LIMIT, "{}, {derivative:?}: {worst} ε", golden.name);
        };
        close(Derivative::Backward, &golden.dx64);
        if let Some(second) = &golden.second {
            close(Derivative::Jvp, &second.jvp64);
            close(Derivative::DoubleBackward, &second.ddx64);
            seconds += 1;
        }
        // Torch's float32 is near, and no copy.
        let dx = judge.backward(&inputs.x, &inputs.g, slabs);
        assert!(widen(&golden.dx) != dx, "{}", golden.name);
    }
    assert!(seconds >= 4);
}

/// A mirrored window, a missing term or a wrong divisor is far outside the limit.
#[test]
fn the_limit_can_be_missed() {
    let rng = &mut Rng::new(3);
    let window = Window { before: 3, after: 1, divisor: 5.0 };
    let settings = Settings { convention: Convention::Window(window), ..Settings::torch(5, 2.0, 0.75, 1.0) };
    let slabs = Slabs { outer: 1, channels: 8, inner: 1 };
    let [x, g] = [(); 2].map(|()| values(rng, slabs));
    let right = Judge::new(&settings, false);
    let expected = gradient(&x, |x| dot(&g, &right.forward(x, slabs)));
    let scale: f64 = right.scale().backward(&x, &g, slabs).iter().sum();
    let with = |window: Window| {
        let mut wrong = right.clone();
        wrong.window = window;
        let dx = wrong.backward(&x, &g, slabs);
        dx.iter().zip(&expected).map(|(a, b)| (a - b).abs() / scale).fold(0.0, f64::max)
    };
    assert!(with(window) <= LIMIT);
    assert!(with(Window { before: 1, after: 3, ..window }) > 1e3 * LIMIT);
    assert!(with(Window { divisor: 6.0, ..window }) > 1e3 * LIMIT);
    assert!(with(Window { before: 2, ..window }) > 1e3 * LIMIT);
}
