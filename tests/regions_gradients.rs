//! Gradients of windows over any axes: against differences of what they are derivatives of, against each other, and against the judge.

mod common;

use std::collections::BTreeSet;

use common::boxes::Boxes;
use common::case::Settings;
use common::derivative::{Derivative, Inputs, layer};
use common::differences::{along, dot, gradient};
use common::draw;
use common::gradients::Judge;
use common::measure::{Places, place, same, scaled, widen};
use common::rng::Rng;
use half::{bf16, f16};
use lrn_jit::{Activation, Backend, Boundary, Element, LocalResponseNorm, LrnConfig};

/// The share of the scale of the terms that differences may be off (`tests/gradient_judge.rs` has the same).
const DIFFERENCES: f64 = 1e-9;
/// The share of the scale that two orders of summation may be apart.
const ORDERS: f64 = 1e-12;
/// What part of the last place of the terms a recipe of halves may be off before the result is rounded.
const HIDDEN: f64 = 1.0 / 16.0;
const BACKENDS: [Backend; 2] = [Backend::Jit, Backend::Interpreter];

/// Settings, and windows over some axes of a small tensor.
#[derive(Debug)]
struct Draw {
    settings: Settings,
    boxes: Boxes,
}

impl Draw {
    /// Tensors of at most so many elements; ranks 1 to 6 in turn.
    fn new(rng: &mut Rng, round: usize, most: usize) -> Self {
        loop {
            let boxes = Boxes::draw(rng, 1 + round % 6, most);
            let input = rng.pick(&[Activation::Identity, Activation::Identity, Activation::Relu]);
            let mut settings = Settings { input, ..draw::tame(rng) };
            if settings.boundary == Boundary::Zero {
                // As much of the formula shows as over one axis: the windows are hardly as long as the divisor says.
                let more = boxes.windows().len() as i32 - 1;
                settings.alpha *= boxes.judge(&settings).window.divisor.powi(more.max(0));
            }
            if boxes.work(&boxes.judge(&settings)) <= 200.0 * most as f64 {
                return Self { settings, boxes };
            }
        }
    }

    fn config(&self) -> LrnConfig {
        self.boxes.config(&self.settings)
    }

    fn judge(&self) -> Judge {
        self.boxes.judge(&self.settings)
    }

    fn shape(&self) -> &[usize] {
        &self.boxes.shape
    }

    /// Inputs of which every x stays on its side of 0 under small steps.
    fn inputs(&self, rng: &mut Rng) -> Inputs<f32> {
        let length = self.shape().iter().product();
        let mut tensor = || (0..length).map(|_| rng.bell()).collect::<Vec<_>>();
        let [x, g, v] = [(); 3].map(|()| tensor());
        let x = x.into_iter().map(|x| x + 0.05f32.copysign(x)).collect();
        Inputs { x, g, v }
    }

    fn scale(&self, derivative: Derivative, inputs: &Inputs<f64>) -> Vec<f64> {
        self.judge().scale().run(derivative, inputs, &self.boxes)
    }

    /// What is met: rank and axes, activation, boundary.
    fn classes(&self) -> [String; 2] {
        let Settings { input, boundary, convention, .. } = &self.settings;
        let axes = format!("rank {}, {} axes", self.shape().len(), self.boxes.windows().len());
        [axes, format!("{convention}, {input:?}, {boundary:?}")]
    }
}

#[track_caller]
fn close(draw: &Draw, what: &str, got: &[f64], expected: &[f64], limit: f64) -> f64 {
    assert_eq!(got.len(), expected.len());
    let mut worst = 0.0f64;
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs();
        assert!(error <= limit, "{what} at {i}: {got} and {expected} ({limit:e}), {draw:?}");
        worst = worst.max(error / limit.max(f64::MIN_POSITIVE));
    }
    worst
}

/// The gradient is that of forward, the derivative along v is forward's, and double backward is the gradient of backward.
#[test]
fn each_is_the_derivative_of_the_one_before() {
    let rng = &mut Rng::new(111);
    let mut met = BTreeSet::new();
    let mut worst = 0.0f64;
    for round in 0..150 {
        let draw = Draw::new(rng, round, 48);
        met.extend(draw.classes());
        let inputs = draw.inputs(rng).widen();
        let Inputs { x, g, v } = &inputs;
        let layer = layer::<f64>(&draw.config());
        let shape = draw.shape();
        // A difference sees the whole tensor.
        let limit = |derivative| DIFFERENCES * draw.scale(derivative, &inputs).iter().sum::<f64>();
        let mut check = |derivative: Derivative, expected: Vec<f64>| {
            let got = derivative.run(&layer, &inputs, shape);
            worst = worst.max(close(&draw, &format!("{derivative:?}"), &got, &expected, limit(derivative)));
        };
        check(Derivative::Backward, gradient(x, |x| dot(g, &layer.forward(x, shape).unwrap())));
        check(Derivative::Jvp, along(x, v, |x| layer.forward(x, shape).unwrap()));
        check(Derivative::DoubleBackward, gradient(x, |x| dot(v, &layer.backward(x, g, shape).unwrap())));
    }
    println!("differences: at most {worst:.2} of {DIFFERENCES:e} of the scale; {} classes", met.len());
    // Ranks 1 to 6 with no axis to all, all but some; conventions, activations and boundaries.
    assert!(met.len() > 45, "{met:#?}");
}

/// The judge of boxes judged in turn: each of its derivatives is that of the one before. No code of the library is called.
#[test]
fn the_judge_is_right() {
    let rng = &mut Rng::new(112);
    let mut worst = 0.0f64;
    for round in 0..120 {
        let draw = Draw::new(rng, round, 30);
        let (judge, boxes) = (draw.judge(), &draw.boxes);
        let inputs = draw.inputs(rng).widen();
        let Inputs { x, g, v } = &inputs;
        let mut check = |derivative: Derivative, expected: Vec<f64>| {
            let got = judge.run(derivative, &inputs, boxes);
            let limit = DIFFERENCES * draw.scale(derivative, &inputs).iter().sum::<f64>();
            worst = worst.max(close(&draw, &format!("the judge's {derivative:?}"), &got, &expected, limit));
        };
        check(Derivative::Backward, gradient(x, |x| dot(g, &judge.forward(x, boxes))));
        check(Derivative::Jvp, along(x, v, |x| judge.forward(x, boxes)));
        check(Derivative::DoubleBackward, gradient(x, |x| dot(v, &judge.backward(x, g, boxes))));
    }
    println!("the judge: at most {worst:.2} of {DIFFERENCES:e} of the scale");
}

/// ⟨J·v, g⟩ = ⟨v, Jᵀ·g⟩, and ⟨w, H·v⟩ = ⟨v, H·w⟩ as H is a matrix of second derivatives.
#[test]
fn backward_is_the_transpose_and_double_backward_is_symmetric() {
    let rng = &mut Rng::new(113);
    let mut worst = [0.0f64; 2];
    for round in 0..300 {
        let draw = Draw::new(rng, round, 400);
        let inputs = draw.inputs(rng).widen();
        let other = Inputs { v: draw.inputs(rng).widen().v, ..inputs.clone() };
        let layer = layer::<f64>(&draw.config());
        let got = |derivative: Derivative, inputs: &Inputs<f64>| derivative.run(&layer, inputs, draw.shape());
        let mut check = |kind: usize, [left, right]: [f64; 2], weights: &[f64], derivative| {
            let scale = draw.scale(derivative, &inputs);
            let magnitude: f64 = weights.iter().zip(scale).map(|(weight, scale)| weight.abs() * scale).sum();
            let error = (left - right).abs() / magnitude.max(f64::MIN_POSITIVE);
            assert!(error <= ORDERS, "{left} and {right}: {error:e} of the scale, {draw:?}");
            worst[kind] = worst[kind].max(error);
        };
        let both =
            [dot(&got(Derivative::Jvp, &inputs), &inputs.g), dot(&inputs.v, &got(Derivative::Backward, &inputs))];
        check(0, both, &inputs.v, Derivative::Backward);
        let twice = Derivative::DoubleBackward;
        check(1, [dot(&got(twice, &inputs), &other.v), dot(&inputs.v, &got(twice, &other))], &other.v, twice);
    }
    println!("of the scale, the transpose and the symmetry are off by {:.1e} and {:.1e}", worst[0], worst[1]);
}

/// How many units of the last place of the scale a result may be off: as `tests/gradients.rs` has it, of √n roundings of the sums
/// along each axis.
fn limit(draw: &Draw) -> f64 {
    let taps = draw.boxes.windows().len() as f64 * (draw.settings.size as f64).sqrt();
    3.0 + (draw.settings.beta.abs() + 2.0) * taps.max(1.0) / 2.0
}

/// Runs random layers against the judge; with `limits` of 2 where the judge, in the same precision, may be as far off as the
/// library.
fn against_the_judge<E: Element + Places>(
    (rounds, seed, limits): (usize, u64, f64),
    narrow: impl Fn(f32) -> E,
    widen: impl Fn(&[E]) -> Vec<f64>,
) {
    let rng = &mut Rng::new(seed);
    let (mut shares, mut worst) = ([0.0f64; 3], [0.0f64; 3]);
    let mut met = BTreeSet::new();
    for round in 0..rounds {
        let draw = Draw::new(rng, round, 500);
        met.extend(draw.classes());
        let inputs = draw.inputs(rng);
        let limit = limits * limit(&draw);
        let layer = layer::<E>(&draw.config());
        for (number, derivative) in Derivative::ALL.into_iter().enumerate() {
            let got = widen(&derivative.run(&layer, &inputs.map(&narrow), draw.shape()));
            let exact = draw.judge().run(derivative, &inputs.widen(), &draw.boxes);
            let errors = scaled::<E>(&got, &exact, &draw.scale(derivative, &inputs.widen()));
            let (at, max) = (errors.at, errors.max);
            assert!(max <= limit, "{derivative:?} at {at}: {}, not {}, {max} of {limit}, {draw:?}", got[at], exact[at]);
            shares[number] = shares[number].max(max / limit);
            worst[number] = worst[number].max(max);
        }
    }
    println!(
        "{}: largest {worst:.2?} places of the scale, {shares:.2?} of what is allowed",
        std::any::type_name::<E>()
    );
    // Ranks and axes; eight conventions, two boundaries, two activations.
    assert!(met.len() >= 27 + 30, "{met:#?}");
}

#[test]
fn random_layers_are_right_in_f32() {
    against_the_judge::<f32>((400, 114, 1.0), |x| x, widen);
}

#[test]
fn random_layers_are_right_in_f64() {
    against_the_judge::<f64>((300, 115, 2.0), f64::from, <[f64]>::to_vec);
}

/// 16-bit tensors are widened, computed in f32, and rounded once, as `tests/gradients_halves.rs` has it.
fn rounded_once<E: Element + Places>(seed: u64, narrow: impl Fn(f32) -> E + Copy, widen: impl Fn(E) -> f32 + Copy) {
    let rng = &mut Rng::new(seed);
    let (mut differing, mut all) = (0, 0);
    for round in 0..80 {
        let draw = Draw::new(rng, round, 400);
        let narrowed = draw.inputs(rng).map(narrow);
        for backend in BACKENDS {
            let config = draw.config().backend(backend);
            let (halves, floats): (LocalResponseNorm<E>, LocalResponseNorm) = (layer(&config), layer(&config));
            for derivative in Derivative::ALL {
                let got = derivative.run(&halves, &narrowed, draw.shape());
                let wide = derivative.run(&floats, &narrowed.map(widen), draw.shape());
                let scale = draw.scale(derivative, &narrowed.map(widen).widen());
                for (i, (&got, &wide)) in got.iter().zip(&wide).enumerate() {
                    let (got, expected) = (widen(got), widen(narrow(wide)));
                    all += 1;
                    differing += usize::from(!same(got, expected));
                    let limit = place::<E>(got.into()) / 2.0 + HIDDEN * place::<E>(scale[i]);
                    let near = (f64::from(got) - f64::from(wide)).abs() <= limit;
                    assert!(near, "{backend}, {derivative:?} at {i}: {got:e}, not {wide:e}; {draw:?}");
                }
            }
        }
    }
    println!("{}: {differing} of {all} are the other neighbour", E::NAME);
    assert!(differing < all / 100);
}

#[test]
fn halves_are_f32_rounded_once() {
    rounded_once(116, f16::from_f32, f16::to_f32);
    rounded_once(117, bf16::from_f32, bf16::to_f32);
}
