//! Gradients of 16-bit tensors, f16 and bf16, are those of f32, rounded.

mod common;

use common::case::Settings;
use common::derivative::{Derivative, Inputs, layer};
use common::draw;
use common::gradients::{Judge, Slabs};
use common::measure::{Places, place, same};
use common::rng::Rng;
use half::{bf16, f16};
use lrn_jit::{Activation, Backend, Element};

const BACKENDS: [Backend; 2] = [Backend::Jit, Backend::Interpreter];

/// What part of the last place of the terms a recipe may be off before the result is rounded.
const HIDDEN: f64 = 1.0 / 16.0;

fn inputs(rng: &mut Rng, length: usize) -> Inputs<f32> {
    let mut tensor = || (0..length).map(|_| rng.bell()).collect();
    Inputs { x: tensor(), g: tensor(), v: tensor() }
}

/// 16-bit tensors are widened, computed in f32, and rounded once. Their recipes may be coarser than those of f32 by what rounding
/// hides, a small part of the last place of each term; where terms cancel, that is more of the last place of the result.
fn rounded_once<E: Element + Places>(seed: u64, narrow: impl Fn(f32) -> E + Copy, widen: impl Fn(E) -> f32 + Copy) {
    let rng = &mut Rng::new(seed);
    let (mut differing, mut all) = (0, 0);
    for _ in 0..60 {
        let settings = draw::tame(rng);
        let (outer, channels, inner) = (rng.between(1, 3), rng.between(1, 50), draw::inner(rng).min(64));
        let shape = [outer, channels, inner];
        let narrowed = inputs(rng, outer * channels * inner).map(narrow);
        let relu = rng.one_in(3);
        for backend in BACKENDS {
            let config = settings.config().backend(backend);
            let config = if relu { config.input_activation(Activation::Relu) } else { config };
            for derivative in Derivative::ALL {
                let got = derivative.run(&layer::<E>(&config), &narrowed, &shape);
                let wide = derivative.run(&layer::<f32>(&config), &narrowed.map(widen), &shape);
                let (judge, slabs) = (Judge::new(&settings, relu), Slabs::new(&shape, 1));
                let scale = judge.scale().run(derivative, &narrowed.map(widen).widen(), slabs);
                for (i, (&got, &wide)) in got.iter().zip(&wide).enumerate() {
                    let (got, expected) = (widen(got), widen(narrow(wide)));
                    all += 1;
                    differing += usize::from(!same(got, expected));
                    let limit = place::<E>(got.into()) / 2.0 + HIDDEN * place::<E>(scale[i]);
                    let near = (f64::from(got) - f64::from(wide)).abs() <= limit;
                    assert!(near, "{backend}, {derivative:?} at {i}: {got:e}, not {wide:e}; {settings:?}, {shape:?}");
                }
            }
        }
    }
    println!("{}: {differing} of {all} are the other neighbour", E::NAME);
    assert!(differing < all / 100);
}

/// Forward and every derivative are NaN in 16 bits where they are in f32: there the base is negative.
fn nan_as_in_f32<E: Element>(seed: u64, narrow: impl Fn(f32) -> E + Copy, widen: impl Fn(E) -> f32 + Copy) {
    let rng = &mut Rng::new(seed);
    let mut nans = 0;
    for _ in 0..80 {
        let beta = rng.pick(&[0.75, 0.5, 0.1, 0.6, 2.7, 4.6, -0.75, -1.3, 33.3]);
        let settings = Settings { beta, ..Settings { k: -0.5 - rng.unit(), ..draw::tame(rng) } };
        let shape = [2, rng.between(1, 40), rng.between(1, 20)];
        let narrowed = inputs(rng, shape.iter().product()).map(narrow);
        for backend in BACKENDS {
            let config = settings.config().backend(backend);
            let (halves, floats) = (layer::<E>(&config), layer::<f32>(&config));
            let wide = narrowed.map(widen);
            let mut check = |what: String, halves: Vec<E>, floats: Vec<f32>| {
                for (i, (&half, &float)) in halves.iter().zip(&floats).enumerate() {
                    let half = widen(half);
                    assert!(
                        half.is_nan() == float.is_nan(),
                        "{backend}, {what} at {i} of {shape:?}: {half:e}, but {float:e} ({:#010x}) in f32; {settings:?}",
                        float.to_bits()
                    );
                    nans += usize::from(float.is_nan());
                }
            };
            let forward = (halves.forward(&narrowed.x, &shape).unwrap(), floats.forward(&wide.x, &shape).unwrap());
            check("forward".into(), forward.0, forward.1);
            for derivative in Derivative::ALL {
                let halves = derivative.run(&halves, &narrowed, &shape);
                check(format!("{derivative:?}"), halves, derivative.run(&floats, &wide, &shape));
            }
        }
    }
    assert!(nans > 10_000, "{nans}");
}

#[test]
fn f16_is_f32_rounded_once() {
    rounded_once(25, f16::from_f32, f16::to_f32);
}

#[test]
fn bf16_is_f32_rounded_once() {
    rounded_once(26, bf16::from_f32, bf16::to_f32);
}

#[test]
fn f16_is_nan_where_f32_is() {
    nan_as_in_f32(27, f16::from_f32, f16::to_f32);
}

#[test]
fn bf16_is_nan_where_f32_is() {
    nan_as_in_f32(28, bf16::from_f32, bf16::to_f32);
}
