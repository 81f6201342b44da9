//! Gradients of random layers: against differences of what they are derivatives of, against each other, and against the judge
//! (`tests/common/gradients.rs`), tap by tap. Special values and errors are in `tests/gradients_special.rs`.

mod common;

use common::case::Settings;
use common::derivative::{Derivative, Inputs, layer};
use common::differences::{along, dot, gradient};
use common::draw;
use common::gradients::{Judge, Slabs};
use common::measure::{Places, scaled, widen};
use common::rng::Rng;
use lrn_jit::{Activation, Backend, Convention, Element, LocalResponseNorm, LrnConfig};

/// The share of the scale of the terms that differences may be off (`tests/gradient_judge.rs` has the same).
const DIFFERENCES: f64 = 1e-9;
/// The share of the scale that two orders of summation may be apart.
const ORDERS: f64 = 1e-12;

/// A layer's settings and the shape of its tensors.
#[derive(Debug)]
struct Draw {
    settings: Settings,
    relu: bool,
    shape: Vec<usize>,
    axis: isize,
}

impl Draw {
    /// Tensors of about `elements`, and small ones.
    fn new(rng: &mut Rng, elements: usize) -> Self {
        let settings = draw::tame(rng);
        let relu = rng.one_in(3);
        let channels = draw::channels(rng, settings.size);
        let inner = draw::inner(rng).min(elements / channels).max(1);
        let outer = rng.between(1, (elements / channels / inner).clamp(1, 9));
        let axis0 = outer == 1 && inner > 1 && rng.one_in(2);
        let (shape, axis) = draw::shape(rng, outer, channels, inner, axis0);
        let (shape, axis) = if shape.len() < 2 { ([vec![1], shape].concat(), -1) } else { (shape, axis) };
        Self { settings, relu, shape, axis }
    }

    fn config(&self) -> LrnConfig {
        let config = self.settings.config().channel_axis(self.axis);
        if self.relu { config.input_activation(Activation::Relu) } else { config }
    }

    fn layer<E: Element>(&self) -> LocalResponseNorm<E> {
        layer(&self.config())
    }

    fn judge(&self) -> (Judge, Slabs) {
        (Judge::new(&self.settings, self.relu), Slabs::new(&self.shape, self.axis))
    }

    fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Inputs of which every x stays on its side of 0 under small steps.
    fn inputs(&self, rng: &mut Rng) -> Inputs<f32> {
        let mut tensor = || (0..self.elements()).map(|_| rng.bell()).collect::<Vec<_>>();
        let [x, g, v] = [(); 3].map(|()| tensor());
        let x = x.into_iter().map(|x| x + 0.05f32.copysign(x)).collect();
        Inputs { x, g, v }
    }

    /// The sum of the scale over the tensor, which is what a difference sees.
    fn whole_scale(&self, derivative: Derivative, inputs: &Inputs<f64>) -> f64 {
        let (judge, slabs) = self.judge();
        judge.scale().run(derivative, inputs, slabs).iter().sum()
    }
}

#[track_caller]
fn close(draw: &Draw, what: &str, got: &[f64], expected: &[f64], limit: f64) {
    assert_eq!(got.len(), expected.len());
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= limit, "{what} at {i}: {got} and {expected} ({limit:e}), {draw:?}");
    }
}

/// The gradient is that of forward, the derivative along v is forward's, and double backward is the gradient of backward.
#[test]
fn each_is_the_derivative_of_the_one_before() {
    let rng = &mut Rng::new(11);
    for _ in 0..120 {
        let draw = Draw::new(rng, 60);
        let inputs = draw.inputs(rng).widen();
        let Inputs { x, g, v } = &inputs;
        let layer = draw.layer::<f64>();
        let shape = &draw.shape[..];
        let limit = |derivative| DIFFERENCES * draw.whole_scale(derivative, &inputs);
        let got = |derivative: Derivative| derivative.run(&layer, &inputs, shape);

        let expected = gradient(x, |x| dot(g, &layer.forward(x, shape).unwrap()));
        close(&draw, "backward", &got(Derivative::Backward), &expected, limit(Derivative::Backward));

        let expected = along(x, v, |x| layer.forward(x, shape).unwrap());
        close(&draw, "jvp", &got(Derivative::Jvp), &expected, limit(Derivative::Jvp));

        let expected = gradient(x, |x| dot(v, &layer.backward(x, g, shape).unwrap()));
        let limit = limit(Derivative::DoubleBackward);
        close(&draw, "double backward", &got(Derivative::DoubleBackward), &expected, limit);
    }
}

/// ⟨J·v, g⟩ = ⟨v, Jᵀ·g⟩, and ⟨w, H·v⟩ = ⟨v, H·w⟩ as H is a matrix of second derivatives.
#[test]
fn backward_is_the_transpose_and_double_backward_is_symmetric() {
    let rng = &mut Rng::new(12);
    let mut worst = [0.0f64; 2];
    for _ in 0..400 {
        let draw = Draw::new(rng, 1500);
        let inputs = draw.inputs(rng).widen();
        let other = Inputs { v: draw.inputs(rng).widen().v, ..inputs.clone() };
        let layer = draw.layer::<f64>();
        let got = |derivative: Derivative, inputs: &Inputs<f64>| derivative.run(&layer, inputs, &draw.shape);
        let (judge, slabs) = draw.judge();
        let magnitude = |weights: &[f64], derivative| -> f64 {
            let scale = judge.scale().run(derivative, &inputs, slabs);
            weights.iter().zip(scale).map(|(weight, scale)| weight.abs() * scale).sum()
        };

        let left = dot(&got(Derivative::Jvp, &inputs), &inputs.g);
        let right = dot(&inputs.v, &got(Derivative::Backward, &inputs));
        let error = (left - right).abs() / magnitude(&inputs.v, Derivative::Backward);
        assert!(error <= ORDERS, "{left} and {right}: {error:e} of the scale, {draw:?}");
        worst[0] = worst[0].max(error);

        let left = dot(&got(Derivative::DoubleBackward, &inputs), &other.v);
        let right = dot(&inputs.v, &got(Derivative::DoubleBackward, &other));
        let error = (left - right).abs() / magnitude(&other.v, Derivative::DoubleBackward).max(f64::MIN_POSITIVE);
        assert!(error <= ORDERS, "{left} and {right}: {error:e} of the scale, {draw:?}");
        worst[1] = worst[1].max(error);
    }
    println!("of the scale, the transpose and the symmetry are off by {:.1e} and {:.1e}", worst[0], worst[1]);
}

/// How many units of the last place of the scale a result may be off. A window of n taps has n roundings of either sign in its
/// sums, about √n together; a power makes |β| + 1 times those of its base.
fn limit(settings: &Settings) -> f64 {
    let taps = (settings.size as f64).sqrt();
    3.0 + (settings.beta.abs() + 2.0) * taps / 2.0
}

/// Runs random layers against the judge; with `limits` of 2 where the judge, in the same precision, may be as far off as the
/// library. Gives the largest error of each derivative as a share of what is allowed.
fn against_the_judge<E: Element + Places>(
    (rounds, seed, limits): (usize, u64, f64),
    narrow: impl Fn(f32) -> E,
    widen: impl Fn(&[E]) -> Vec<f64>,
) -> [f64; 3] {
    let rng = &mut Rng::new(seed);
    let mut worst = [0.0f64; 3];
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..rounds {
        let draw = Draw::new(rng, 2000);
        seen.insert(format!("{} {:?} {}", draw.settings.convention, draw.settings.boundary, draw.relu));
        let inputs = draw.inputs(rng);
        let (judge, slabs) = draw.judge();
        for backend in [Backend::Jit, Backend::Interpreter] {
            let layer = layer::<E>(&draw.config().backend(backend));
            for (worst, derivative) in worst.iter_mut().zip(Derivative::ALL) {
                let got = widen(&derivative.run(&layer, &inputs.map(&narrow), &draw.shape));
                let exact = judge.run(derivative, &inputs.widen(), slabs);
                let errors = scaled::<E>(&got, &exact, &judge.scale().run(derivative, &inputs.widen(), slabs));
                let (limit, at) = (limits * limit(&draw.settings), errors.at);
                assert!(
                    errors.max <= limit,
                    "{backend}, {derivative:?} at {at}: {} instead of {}, {} places of the scale (limit {limit}), {draw:?}",
                    got[at],
                    exact[at],
                    errors.max
                );
                *worst = worst.max(errors.max / limit);
            }
        }
    }
    // Eight conventions, two boundaries, with and without relu.
    assert!(seen.len() >= 30, "{seen:?}");
    worst
}

#[test]
fn random_layers_are_right_in_f32() {
    let worst = against_the_judge::<f32>((600, 13, 1.0), |x| x, widen);
    println!("f32: largest share of the limit {worst:.2?}");
}

#[test]
fn random_layers_are_right_in_f64() {
    let worst = against_the_judge::<f64>((400, 14, 2.0), f64::from, <[f64]>::to_vec);
    println!("f64: largest share of the limit {worst:.2?}");
}

/// Where the window of the forward pass leans one way, that of the gradient leans the other: probed by an impulse in grad_y.
#[test]
fn gradients_of_even_windows_lean_the_other_way() {
    for (convention, before, after) in [
        (Convention::Torch, 2, 1),
        (Convention::Onnx, 1, 2),
        (Convention::Cudnn, 1, 2),
        (Convention::OneDnn, 1, 1),
        (Convention::Symmetric, 2, 2),
    ] {
        let config = LrnConfig::new(4).convention(convention).alpha(1.0).beta(0.75).k(1.0);
        for backend in [Backend::Jit, Backend::Interpreter] {
            let layer = layer::<f32>(&config.clone().backend(backend));
            for channels in [9, 40] {
                let x = vec![1.0; channels];
                let mut impulse = vec![0.0; channels];
                impulse[4] = 1.0;
                let dx = layer.backward(&x, &impulse, &[1, channels]).unwrap();
                let jvp = layer.jvp(&x, &impulse, &[1, channels]).unwrap();
                for i in 0..channels {
                    // y[4] reads channels 4 − before … 4 + after.
                    assert_eq!(dx[i] != 0.0, (4 - before..=4 + after).contains(&i), "{backend}, {convention}, {i}");
                    // Channel 4 is read by those of 4 − after … 4 + before.
                    assert_eq!(jvp[i] != 0.0, (4 - after..=4 + before).contains(&i), "{backend}, {convention}, {i}");
                }
            }
        }
    }
}
