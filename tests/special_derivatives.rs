//! A NaN in any tensor that a derivative reads reaches what the formula says and nothing else: jit and interpreter, planes and
//! short rows, short and long windows.

mod common;

use common::case::Settings;
use common::compare::{BACKENDS, Task};
use common::measure::{assert_same, same};
use common::real::Real;
use common::rng::Data;
use half::{bf16, f16};
use lrn_jit::{Backend, Serial};

const CHANNELS: usize = 41;
/// Where the NaN is.
const AT: usize = 20;
/// Short rows, and rows of some vectors.
const INNERS: [usize; 2] = [7, 101];

/// Whether channel `tap` is in the window of `channel`, by torch's rule.
fn holds(size: usize, channel: usize, tap: usize) -> bool {
    tap + size / 2 >= channel && tap <= channel + (size - 1) / 2
}

/// Puts a NaN into one input of a task: the outputs that `reached` says are NaN, and all others keep their bits.
fn with_nan<E: Real>(task: Task, input: usize, settings: &Settings, reached: impl Fn(usize) -> bool) {
    for inner in INNERS {
        let shape = [1, CHANNELS, inner];
        let plain = |seed| -> Vec<E> {
            let x: Vec<E> = Data::Plain.draw(CHANNELS * inner, seed);
            x.into_iter().map(|x| if x.value() == 0.0 { E::near(1.0) } else { x }).collect()
        };
        let mut inputs: Vec<Vec<E>> = (0..task.inputs() as u64).map(plain).collect();
        let run = |inputs: &[Vec<E>]| {
            let y = BACKENDS.map(|backend: Backend| {
                task.run(settings.layer(backend, 1).with_executor(&Serial), inputs, &shape).unwrap()
            });
            assert_same(&y[0], &y[1], &format!("{task} {settings:?}"));
            y
        };
        let [undisturbed, _] = run(&inputs);
        assert!(undisturbed.iter().all(|y| y.value().is_finite()), "{} {task} {settings:?}", E::NAME);
        inputs[input][AT * inner + 3] = E::near(f64::NAN);
        let [y, _] = run(&inputs);
        for (i, (&y, &before)) in y.iter().zip(&undisturbed).enumerate() {
            let (channel, what) = (i / inner, format!("{} {task} of input {input}, {settings:?}", E::NAME));
            if i % inner == 3 && reached(channel) {
                assert!(y.value().is_nan(), "{what}: channel {channel} is {y:e}");
            } else {
                assert!(same(y, before), "{what}: channel {channel}, position {} is not reached", i % inner);
            }
        }
    }
}

fn a_nan_is_contained<E: Real>() {
    for beta in [0.75, 0.5, 1.0, 2.0, 0.6, -0.5, 5.0] {
        for size in [1, 4, 5, 16, 17] {
            for k in [1.0, 2f64.powi(-60)] {
                let settings = Settings::torch(size, 1.0, beta, k);
                // The base of a channel is NaN if its window holds the NaN.
                let base = |channel| holds(size, channel, AT);
                // A gradient is what all windows that hold a channel pass on.
                let passed_on = |channel| (0..CHANNELS).any(|from| base(from) && holds(size, from, channel));
                let grad = |channel| holds(size, AT, channel);
                with_nan::<E>(Task::Jvp, 0, &settings, base);
                with_nan::<E>(Task::Jvp, 1, &settings, base);
                with_nan::<E>(Task::Backward, 0, &settings, |channel| base(channel) || passed_on(channel));
                with_nan::<E>(Task::Backward, 1, &settings, grad);
            }
        }
    }
}

#[test]
fn a_nan_reaches_what_it_should() {
    a_nan_is_contained::<f32>();
    a_nan_is_contained::<f64>();
    a_nan_is_contained::<f16>();
    a_nan_is_contained::<bf16>();
}

/// x = 0 everywhere: no x stands in a denominator, so a gradient is grad_y·k^(−beta).
#[test]
fn zero_is_no_special_case() {
    for beta in [0.75, 0.5, 1.0, 2.0, 0.6, -0.5] {
        for size in [1, 5, 17] {
            let layer = Settings::torch(size, 1.0, beta, 1.0).layer::<f64>(Backend::Jit, 1);
            let (x, grad) = (vec![0.0; CHANNELS * 7], Data::Plain.draw::<f64>(CHANNELS * 7, 1));
            for y in [
                layer.backward(&x, &grad, &[1, CHANNELS, 7]).unwrap(),
                layer.jvp(&x, &grad, &[1, CHANNELS, 7]).unwrap(),
            ] {
                let near = |(y, grad): (&f64, &f64)| (y - grad).abs() <= 4.0 * f64::EPSILON * grad.abs();
                assert!(y.iter().zip(&grad).all(near), "beta {beta}, size {size}");
            }
        }
    }
}
