//! NaN and infinity stay inside their boxes: what does not read them keeps its bits, forward and in every derivative, in small
//! tensors and in ones that are cut into tiles.

mod common;

use common::boxes::Boxes;
use common::case::Settings;
use common::compare::Task;
use common::gradients::{Judge, Space};
use common::measure::{assert_same, same};
use common::real::Real;
use common::rng::Rng;
use half::{bf16, f16};
use lrn_jit::{Activation, Boundary, Convention, LocalResponseNorm, LrnConfig, Serial};

const CONVENTIONS: [Convention; 5] =
    [Convention::Torch, Convention::Onnx, Convention::OneDnn, Convention::Symmetric, Convention::Cudnn];

/// Elements around 1, none of which is 0.
fn plain<E: Real>(rng: &mut Rng, length: usize) -> Vec<E> {
    (0..length).map(|_| E::near((0.25 + rng.unit()) * rng.pick(&[1.0, -1.0]))).collect()
}

fn settings(rng: &mut Rng, round: usize) -> Settings {
    Settings {
        convention: CONVENTIONS[round % CONVENTIONS.len()],
        boundary: rng.pick(&[Boundary::Zero, Boundary::Zero, Boundary::Wrap]),
        input: rng.pick(&[Activation::Identity, Activation::Relu]),
        ..Settings::torch(rng.pick(&[1, 2, 3, 4, 5]), 2.0, rng.pick(&[0.75, 0.5, 1.0, 2.0, 0.6, -0.5]), 1.0)
    }
}

/// Which elements of a task's output depend on input number `input` of element `at`.
fn reached(task: Task, input: usize, taps: &[Vec<usize>], at: usize) -> Vec<bool> {
    let holders: Vec<bool> = taps.iter().map(|taps| taps.contains(&at)).collect();
    // By way of any window that reads both.
    let neighbours = || {
        let mut reached = vec![false; taps.len()];
        let windows = taps.iter().zip(&holders).filter(|(_, holds)| **holds);
        windows.flat_map(|(taps, _)| taps).for_each(|&tap| reached[tap] = true);
        reached
    };
    match (task, input) {
        (Task::Forward | Task::InPlace | Task::Jvp, _) => holders,
        // Of one window.
        (Task::Backward | Task::DoubleBackward, 1) => {
            let mut reached = vec![false; taps.len()];
            taps[at].iter().for_each(|&tap| reached[tap] = true);
            reached
        }
        _ => neighbours(),
    }
}

fn stays_inside<E: Real>(seed: u64, rounds: usize) {
    let rng = &mut Rng::new(seed);
    let (mut inside, mut outside) = (0, 0);
    for round in 0..rounds {
        let boxes = Boxes::draw(rng, 1 + round % 6, 240);
        let settings = settings(rng, round);
        let judge: Judge = boxes.judge(&settings);
        if boxes.work(&judge) > 100_000.0 {
            continue;
        }
        let taps = (&boxes).taps(&judge);
        let layer: LocalResponseNorm<E> = boxes.config(&settings).build_for().unwrap();
        let layer = layer.with_executor(&Serial);
        for task in Task::ALL {
            let mut inputs: Vec<Vec<E>> = (0..task.inputs()).map(|_| plain(rng, taps.len())).collect();
            let before = task.run(layer, &inputs, &boxes.shape).unwrap();
            let (input, at) = (rng.below(inputs.len()), rng.below(taps.len()));
            let value = rng.pick(&[f64::NAN, f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY]);
            let x = inputs[0][at].value();
            inputs[input][at] = E::near(value);
            let after = task.run(layer, &inputs, &boxes.shape).unwrap();
            let closed = settings.input == Activation::Relu && (if input == 0 { value } else { x }) < 0.0;
            for (i, reached) in reached(task, input, &taps, at).into_iter().enumerate() {
                let what = || {
                    let name = E::NAME;
                    format!("{name} {task}, {value} as input {input} at {at}, seen at {i}: {boxes:?}, {settings:?}")
                };
                let (before, after) = (before[i], after[i]);
                if !reached {
                    assert!(same(before, after), "{before:e} became {after:e}: {}", what());
                    outside += 1;
                } else if value.is_nan() && !closed {
                    let cut = settings.input == Activation::Relu && task != Task::Forward && task != Task::InPlace;
                    assert!(after.value().is_nan() || cut && before.value() == 0.0, "{after:e}: {}", what());
                    inside += 1;
                } else if matches!(task, Task::Forward | Task::InPlace) && !closed && settings.beta > 0.0 {
                    // x over ∞, and ∞ over ∞.
                    let right = if i == at { after.value().is_nan() } else { after.value() == 0.0 };
                    assert!(right, "{before:e} became {after:e}: {}", what());
                    inside += 1;
                }
            }
        }
    }
    println!("{}: {inside} inside, {outside} outside", E::NAME);
    assert!(inside > 3 * rounds && outside > 100 * rounds, "{inside} {outside}");
}

#[test]
fn nan_and_infinity_stay_inside_their_boxes() {
    stays_inside::<f32>(81, 200);
    stays_inside::<f64>(82, 100);
    stays_inside::<f16>(83, 100);
    stays_inside::<bf16>(84, 100);
}

/// Planes that are cut: a tile's margin is read, computed and thrown away, and what it holds must not show.
#[test]
fn nan_and_infinity_stay_inside_their_boxes_of_tiles() {
    let rng = &mut Rng::new(85);
    let (height, width) = (500, 600);
    let shape = [height, width];
    for (size, before, after) in [(3, 1, 1), (4, 2, 1), (40, 20, 19)] {
        let layer = LrnConfig::new(size).alpha(2.0).within_channel(2).build().unwrap();
        let [x, g]: [Vec<f32>; 2] = [(); 2].map(|()| plain(rng, height * width));
        let (y, dx) = (layer.forward(&x, &shape).unwrap(), layer.backward(&x, &g, &shape).unwrap());
        for value in [f32::NAN, f32::INFINITY] {
            let at = (rng.below(height), rng.below(width));
            let mut x = x.clone();
            x[at.0 * width + at.1] = value;
            let with = (layer.forward(&x, &shape).unwrap(), layer.backward(&x, &g, &shape).unwrap());
            let near = |here: usize, there: usize, less: usize, more: usize| {
                here.saturating_sub(less) <= there && there <= here + more
            };
            for i in 0..x.len() {
                let here = (i / width, i % width);
                if near(here.0, at.0, before, after) && near(here.1, at.1, before, after) {
                    let right = if value.is_nan() || here == at { with.0[i].is_nan() } else { with.0[i] == 0.0 };
                    assert!(right, "size {size}: {:e} at {here:?}, {value} at {at:?}", with.0[i]);
                } else {
                    assert_same(&[with.0[i]], &[y[i]], &format!("size {size}: {here:?}, {value} at {at:?}"));
                }
                let both = before + after;
                if !(near(here.0, at.0, both, both) && near(here.1, at.1, both, both)) {
                    assert_same(&[with.1[i]], &[dx[i]], &format!("backward, size {size}: {here:?}, {value} at {at:?}"));
                }
            }
        }
    }
}

/// Large values beside small ones: were anything ever subtracted from a sum, the small ones would be all error.
#[test]
fn mixed_magnitudes_stay_right() {
    let rng = &mut Rng::new(86);
    let mut worst = 0.0f64;
    for (shape, axes) in [(&[2, 3, 19, 23][..], &[2isize, 3][..]), (&[9, 8, 7, 6], &[0, 1, 3]), (&[40, 60], &[0, 1])] {
        for size in [3, 4, 17, 20] {
            let settings = Settings::torch(size, 1.0, 0.75, 1e-6);
            let boxes = Boxes::over(shape, axes);
            let length = shape.iter().product();
            let x: Vec<f32> =
                (0..length).map(|_| if rng.one_in(200) { rng.pick(&[1e4, -1e4]) } else { 1e-3 * rng.bell() }).collect();
            let y = boxes.config(&settings).build().unwrap().forward(&x, shape).unwrap();
            let exact = boxes.judge(&settings).forward(&common::measure::widen(&x), &boxes);
            // The power, and three quarters of the roundings of a sum along each axis.
            let sums = 3.0 + axes.len() as f64 * f64::from(if size > 16 { 20u32 } else { 3 });
            let errors = common::measure::within(&y, &exact, 2.5 + 0.75 * sums);
            let errors = errors.unwrap_or_else(|error| panic!("{boxes:?}, {size}: {error}"));
            worst = worst.max(errors.max);
        }
    }
    println!("largest error {worst:.3} ulp");
}
