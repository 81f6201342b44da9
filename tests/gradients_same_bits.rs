//! The JIT, at every width, and the interpreter give the same bits of every derivative, of every element type; and so do
//! channels last and channels first. Forward has `tests/same_bits.rs`.

mod common;

use common::derivative::{Derivative, Inputs, layer};
use common::draw::{self, Class};
use common::rng::{Data, Rng};
use half::{bf16, f16};
use lrn_jit::{Activation, Backend, Boundary, BuildError, CompileError, Element, LocalResponseNorm, LrnConfig, Width};

/// The layers to compare: every width that the host has.
fn compiled<E: Element>(config: &LrnConfig) -> Vec<LocalResponseNorm<E>> {
    let build = |width| config.clone().backend(Backend::Jit).width(width).build_for::<E>();
    let missing = |error: &BuildError| matches!(error, BuildError::Compile(CompileError::UnsupportedWidth { .. }));
    let built = [Width::W128, Width::W256, Width::W512].map(build);
    built.into_iter().filter(|built| !built.as_ref().is_err_and(missing)).map(|built| built.unwrap()).collect()
}

/// Where two tensors differ in bits; any NaN is any NaN.
fn difference<E: Element + Into<f64>>(a: &[E], b: &[E]) -> Option<(usize, f64, f64)> {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b).map(|(&a, &b)| (a.into(), b.into())).enumerate();
    let mut pairs = pairs.map(|(at, (a, b)): (usize, (f64, f64))| (at, a, b));
    pairs.find(|(_, a, b)| a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan()))
}

/// A tensor of `outer` × `channels` × `inner` with the channels last.
fn channels_last<E: Copy>(x: &[E], [outer, channels, inner]: [usize; 3]) -> Vec<E> {
    let from = |o: usize, s: usize, c: usize| x[(o * channels + c) * inner + s];
    let columns = (0..outer).flat_map(|o| (0..inner).map(move |s| (o, s)));
    columns.flat_map(|(o, s)| (0..channels).map(move |c| from(o, s, c))).collect()
}

fn same_bits<E: Element + Into<f64>>(rounds: usize, seed: u64, narrow: impl Fn(f32) -> E) {
    let rng = &mut Rng::new(seed);
    for round in 0..rounds {
        let class = Class {
            beta: rng.pick(&draw::BETAS),
            at_least_k: rng.one_in(2),
            long: rng.one_in(3),
            boundary: rng.pick(&[Boundary::Zero, Boundary::Wrap]),
        };
        let settings = draw::settings(rng, class);
        let channels = draw::channels(rng, settings.size);
        let inner = draw::inner(rng).min(3000 / channels).max(1);
        let outer = rng.between(1, (3000 / channels / inner).clamp(1, 70));
        let shape = [outer, channels, inner];
        let data = Data::ALL[round % Data::ALL.len()];
        let mut tensor = || data.draw(outer * channels * inner, rng.next());
        let inputs = Inputs { x: tensor(), g: tensor(), v: tensor() }.map(&narrow);
        let last = |x: &Vec<E>| channels_last(x, shape);
        let inputs_last = Inputs { x: last(&inputs.x), g: last(&inputs.g), v: last(&inputs.v) };
        let activation = rng.pick(&[Activation::Identity, Activation::Relu]);
        let config = settings.config().input_activation(activation);
        let interpreter = layer::<E>(&config.clone().backend(Backend::Interpreter));
        let layers = compiled::<E>(&config);
        let layers_last = compiled::<E>(&config.channel_axis(-1));
        for derivative in Derivative::ALL {
            let expected = derivative.run(&interpreter, &inputs, &shape);
            let what = |layer: &LocalResponseNorm<E>, layout: &str, (at, a, b): (usize, f64, f64)| {
                format!(
                    "{} {}, {derivative:?}, channels {layout}: {a:e} instead of {b:e} at {at} of {shape:?}; {data:?}, \
                     {activation:?}, {settings:?}",
                    E::NAME,
                    layer.backend()
                )
            };
            for layer in &layers {
                if let Some(at) = difference(&derivative.run(layer, &inputs, &shape), &expected) {
                    panic!("{}", what(layer, "first", at));
                }
            }
            let expected = channels_last(&expected, shape);
            for layer in &layers_last {
                let got = derivative.run(layer, &inputs_last, &[outer, inner, channels]);
                if let Some(at) = difference(&got, &expected) {
                    panic!("{}", what(layer, "last", at));
                }
            }
        }
    }
}

#[test]
fn in_f32() {
    same_bits::<f32>(500, 31, |x| x);
}

#[test]
fn in_f64() {
    same_bits::<f64>(300, 32, f64::from);
}

#[test]
fn in_f16() {
    same_bits::<f16>(300, 33, f16::from_f32);
}

#[test]
fn in_bf16() {
    same_bits::<bf16>(300, 34, bf16::from_f32);
}

/// Slabs of many channels and short rows are cut into bands; channels last they are not.
#[test]
fn long_slabs_have_the_same_bits() {
    let rng = &mut Rng::new(77);
    for (shape, size) in [([1, 3000, 50], 5), ([2, 9001, 17], 4), ([1, 5000, 33], 40), ([1, 140_000, 1], 9)] {
        let [outer, channels, inner] = shape;
        let mut tensor = || Data::Finite.draw(outer * channels * inner, rng.next());
        let inputs: Inputs<f32> = Inputs { x: tensor(), g: tensor(), v: tensor() };
        let last = |x: &Vec<f32>| channels_last(x, shape);
        let inputs_last = Inputs { x: last(&inputs.x), g: last(&inputs.g), v: last(&inputs.v) };
        let config = LrnConfig::new(size).alpha(3.0);
        let interpreter = layer::<f32>(&config.clone().backend(Backend::Interpreter));
        for derivative in Derivative::ALL {
            let expected = derivative.run(&interpreter, &inputs, &shape);
            for jit in compiled::<f32>(&config) {
                assert_eq!(difference(&derivative.run(&jit, &inputs, &shape), &expected), None, "{shape:?} {size}");
            }
            for jit in compiled::<f32>(&config.clone().channel_axis(-1)) {
                let got = derivative.run(&jit, &inputs_last, &[outer, inner, channels]);
                assert_eq!(difference(&got, &channels_last(&expected, shape)), None, "{shape:?} {size}");
            }
        }
    }
}
