//! The bits of a result do not depend on who computes it: executor and entry point. (Where it lies: `same_places`.)

mod common;

use std::fmt::Display;
use std::mem::MaybeUninit;

use common::case::Settings;
use common::compare::{BACKENDS, Task};
use common::draw::{self, few_settings, some_settings};
use common::measure::assert_same;
use common::pool::{Habit, Pool};
use common::real::Real;
use common::rng::{Data, Rng};
use half::{bf16, f16};
use lrn_jit::{Backend, Executor, LocalResponseNorm};

/// The shapes of a tensor that is cut into parts (262,144 elements or more), and the channel axis.
const LARGE: [(&[usize], isize); 5] =
    [(&[8, 40, 31, 29], 1), (&[160, 31, 60], -1), (&[4800, 30, 2], 1), (&[33, 8009], 0), (&[1, 3, 88_003], 1)];

/// What reads more than one tensor.
const DERIVATIVES: [Task; 3] = [Task::Backward, Task::Jvp, Task::DoubleBackward];

/// Tensors for a task.
fn draw<E: Real>(task: Task, data: Data, shape: &[usize], seed: u64) -> Vec<Vec<E>> {
    let length = shape.iter().product();
    (0..task.inputs() as u64).map(|input| data.draw(length, seed.wrapping_add(input))).collect()
}

/// Every entry point of a layer on an executor gives `expected`.
fn run_everywhere<E: Real>(
    (layer, executor): (&LocalResponseNorm<E>, &dyn Executor),
    task: Task,
    (inputs, shape): (&[Vec<E>], &[usize]),
    expected: &[E],
    what: &dyn Display,
) {
    let layer = layer.with_executor(executor);
    assert_same(&task.run(layer, inputs, shape).unwrap(), expected, &format!("{what}, {task}"));
    let mut y = vec![E::near(123.0); expected.len()];
    task.run_into(layer, inputs, shape, &mut y).unwrap();
    assert_same(&y, expected, &format!("{what}, {task} into"));
    if task == Task::Forward {
        let mut y = vec![MaybeUninit::uninit(); expected.len()];
        assert_same(layer.forward_uninit(&inputs[0], shape, &mut y).unwrap(), expected, &format!("{what}, uninit"));
        let mut y = inputs[0].clone();
        layer.forward_in_place(&mut y, shape).unwrap();
        assert_same(&y, expected, &format!("{what}, in place"));
    }
}

/// Every task on executors of every habit, one at a time.
fn on_executors<E: Real>(settings: &[Settings], tasks: &[Task]) {
    let habits = [
        (Habit::Threads, 3),
        (Habit::Threads, 2),
        (Habit::Twice, 2),
        (Habit::Skips, 7),
        (Habit::Idle, 4),
        (Habit::OutOfRange, 3),
        (Habit::Boasts, 1),
    ];
    for (i, settings) in settings.iter().enumerate() {
        for (j, &task) in tasks.iter().enumerate() {
            let (shape, axis) = LARGE[(i + j) % LARGE.len()];
            let inputs = draw::<E>(task, [Data::Plain, Data::Rare][i % 2], shape, i as u64);
            assert!(inputs[0].len() >= 1 << 18);
            for backend in BACKENDS {
                let layer = settings.layer(backend, axis);
                let expected = task.run(layer.with_executor(&lrn_jit::Serial), &inputs, shape).unwrap();
                let (habit, threads) = habits[(i + 2 * j) % habits.len()];
                let pool = Pool::new(habit, threads);
                let what = format!("{settings:?} {shape:?} {habit:?}");
                run_everywhere((&layer, &pool), task, (&inputs, shape), &expected, &what);
                pool.assert_used();
            }
        }
    }
}

#[test]
fn any_executor() {
    on_executors::<f32>(&some_settings(1), &[Task::Forward]);
}

#[test]
fn any_executor_of_derivatives_and_other_numbers() {
    on_executors::<f32>(&few_settings(1), &DERIVATIVES);
    let all = [&DERIVATIVES[..], &[Task::Forward]].concat();
    on_executors::<f64>(&few_settings(2), &all);
    on_executors::<f16>(&few_settings(3), &all);
    on_executors::<bf16>(&few_settings(4), &all);
}

#[test]
fn executors_that_misbehave_lose_nothing() {
    let settings = Settings::torch(5, 1.0, 0.75, 1.0);
    for (shape, axis) in LARGE {
        let inputs = draw::<f32>(Task::Forward, Data::Plain, shape, 5);
        let layer = settings.layer(Backend::Jit, axis);
        let expected = layer.forward(&inputs[0], shape).unwrap();
        for habit in [Habit::Twice, Habit::Skips, Habit::Idle, Habit::OutOfRange, Habit::Boasts] {
            let pool = Pool::new(habit, 3);
            let what = format!("{shape:?} {habit:?}");
            run_everywhere((&layer, &pool), Task::Forward, (&inputs, shape), &expected, &what);
            pool.assert_used();
        }
    }
    // No threads at all, and a tensor of nothing.
    let layer = settings.layer::<f32>(Backend::Jit, 1);
    let pool = Pool::new(Habit::Idle, 0);
    for (x, shape) in [(vec![1.0, 2.0], [1, 2]), (vec![], [0, 2])] {
        let expected = layer.forward(&x, &shape).unwrap();
        run_everywhere((&layer, &pool), Task::Forward, (&[x], &shape), &expected, &"no threads");
    }
}

#[cfg(feature = "rayon")]
#[test]
fn rayon() {
    for (i, settings) in some_settings(2).into_iter().enumerate() {
        let (shape, axis) = LARGE[i % LARGE.len()];
        let inputs = draw::<f32>(Task::Forward, Data::Rare, shape, i as u64);
        let layer = settings.layer(Backend::Jit, axis);
        let expected = layer.forward(&inputs[0], shape).unwrap();
        let what = format!("{settings:?} {shape:?}");
        run_everywhere((&layer, &lrn_jit::CurrentRayon), Task::Forward, (&inputs, shape), &expected, &what);
    }
}

/// Every entry point of some tasks, on a shape drawn for each of the settings.
fn entry_points<E: Real>(rng: &mut Rng, settings: &[Settings], tasks: &[Task]) {
    for settings in settings {
        // Alive, so that all layers share its code.
        let _keep = settings.layer::<E>(Backend::Jit, 1);
        let (outer, channels, inner) = (rng.between(0, 3), draw::channels(rng, settings.size), draw::inner(rng));
        let channels = channels.min(1 + 20_000 / inner);
        let axis0 = rng.one_in(4);
        let (shape, axis) = draw::shape(rng, if axis0 { 1 } else { outer }, channels, inner, axis0);
        for &task in tasks {
            let inputs = draw::<E>(task, Data::Rare, &shape, rng.next());
            let layer = settings.layer(Backend::Interpreter, axis);
            let expected = task.run(layer.with_executor(&lrn_jit::Serial), &inputs, &shape).unwrap();
            for backend in BACKENDS {
                let layer = settings.layer(backend, axis);
                let what = format!("{backend} {settings:?} {shape:?} axis {axis}");
                run_everywhere((&layer, &lrn_jit::Serial), task, (&inputs, &shape), &expected, &what);
            }
        }
    }
}

#[test]
fn any_entry_point_on_any_shape() {
    let rng = &mut Rng::new(3);
    for seed in 10..16 {
        entry_points::<f32>(rng, &some_settings(seed), &[Task::Forward]);
    }
    let all = [&DERIVATIVES[..], &[Task::Forward]].concat();
    for seed in 20..23 {
        entry_points::<f32>(rng, &few_settings(seed), &DERIVATIVES);
        entry_points::<f64>(rng, &few_settings(seed), &all);
        entry_points::<f16>(rng, &few_settings(seed), &all);
        entry_points::<bf16>(rng, &few_settings(seed), &all);
    }
}
