//! The bits of a result do not depend on where it lies: batch, alignment, layout, caches. (On who computes it: `same_bits`.)

mod common;

use common::case::Settings;
use common::compare::{BACKENDS, Task};
use common::draw::{self, few_settings, some_settings};
use common::measure::assert_same;
use common::real::Real;
use common::rng::{Data, Rng};
use half::{bf16, f16};
use lrn_jit::{Backend, LocalResponseNorm, Serial};

/// What a task gives on one thread.
fn run<E: Real>(task: Task, layer: &LocalResponseNorm<E>, inputs: &[&[E]], shape: &[usize]) -> Vec<E> {
    task.run(layer.with_executor(&Serial), inputs, shape).unwrap()
}

/// Tensors for a task.
fn draw<E: Real>(task: Task, data: Data, length: usize, seed: u64) -> Vec<Vec<E>> {
    (0..task.inputs() as u64).map(|input| data.draw(length, seed.wrapping_add(input))).collect()
}

fn slices<E>(inputs: &[Vec<E>]) -> Vec<&[E]> {
    inputs.iter().map(Vec::as_slice).collect()
}

/// An item of a batch is what it is alone.
fn in_batches<E: Real>(settings: &[Settings], tasks: &[Task], inners: &[usize]) {
    let rng = &mut Rng::new(4);
    for settings in settings {
        let _keep = settings.layer::<E>(Backend::Jit, 1);
        for &inner in inners {
            let (batch, channels) = (rng.between(2, 6), draw::channels(rng, settings.size).min(40));
            let item = channels * inner;
            for &task in tasks {
                let inputs = draw::<E>(task, Data::Rare, batch * item, rng.next());
                for backend in BACKENDS {
                    let layer = settings.layer(backend, 1);
                    let y = run(task, &layer, &slices(&inputs), &[batch, channels, inner]);
                    for (n, y) in y.chunks(item).enumerate() {
                        let inputs: Vec<_> = inputs.iter().map(|input| &input[n * item..][..item]).collect();
                        let alone = run(task, &layer, &inputs, &[1, channels, inner]);
                        assert_same(&alone, y, &format!("{task} {backend} {settings:?} item {n}, {channels}×{inner}"));
                    }
                }
            }
        }
    }
}

#[test]
fn any_place_in_a_batch() {
    in_batches::<f32>(&some_settings(4), &[Task::Forward], &[1, 2, 3, 4, 7, 17, 49]);
    let inners = [1, 3, 7, 49, 101];
    in_batches::<f32>(&few_settings(4), &Task::ALL, &inners);
    in_batches::<f64>(&few_settings(5), &Task::ALL, &inners);
    in_batches::<f16>(&few_settings(6), &Task::ALL, &inners);
    in_batches::<bf16>(&few_settings(7), &Task::ALL, &inners);
}

/// Inputs and output begin anywhere, each elsewhere, and nothing beside the output is written.
fn at_alignments<E: Real>(settings: &[Settings], tasks: &[Task]) {
    const MOST: usize = 16;
    let outside = E::near(-5.0);
    for (i, settings) in settings.iter().enumerate() {
        let shape = [&[2, 17, 5][..], &[2, 9, 19], &[7, 1, 3, 18], &[1, 3, 64], &[1, 5, 203]][i % 5];
        let axis = if i % 5 == 2 { -1 } else { 1 };
        let length: usize = shape.iter().product();
        let layer = settings.layer(Backend::Jit, axis);
        for &task in tasks {
            let inputs = draw::<E>(task, Data::Rare, length, i as u64);
            let expected = run(task, &layer, &slices(&inputs), shape);
            for offset in 0..MOST {
                let from_offset = |input: usize| (offset + 5 * input) % MOST;
                let moved = |(input, x): (usize, &Vec<E>)| {
                    let mut moved = vec![E::near(f64::NAN); length + MOST];
                    moved[from_offset(input)..][..length].copy_from_slice(x);
                    moved
                };
                let moved: Vec<_> = inputs.iter().enumerate().map(moved).collect();
                let inputs: Vec<_> =
                    moved.iter().enumerate().map(|(input, moved)| &moved[from_offset(input)..][..length]).collect();
                let to = offset * 7 % MOST;
                let mut y = vec![outside; length + MOST];
                task.run_into(layer.with_executor(&Serial), &inputs, shape, &mut y[to..][..length]).unwrap();
                let what = format!("{task} {settings:?} {shape:?}, from {offset} to {to}");
                assert_same(&y[to..][..length], &expected, &what);
                let mut around = y[..to].iter().chain(&y[to + length..]);
                assert!(around.all(|&y| y == outside), "{what}: written outside");
            }
        }
    }
}

#[test]
fn any_alignment() {
    at_alignments::<f32>(&some_settings(5), &[Task::Forward, Task::InPlace]);
    at_alignments::<f32>(&few_settings(5), &Task::ALL[2..]);
    at_alignments::<f64>(&few_settings(6), &Task::ALL);
    at_alignments::<f16>(&few_settings(7), &Task::ALL);
    at_alignments::<bf16>(&few_settings(8), &Task::ALL);
}

/// [outer, channels, inner] as [outer, inner, channels].
fn channels_last<E: Copy>(x: &[E], [outer, channels, inner]: [usize; 3]) -> Vec<E> {
    let mut last = Vec::with_capacity(x.len());
    for n in 0..outer {
        for s in 0..inner {
            last.extend((0..channels).map(|c| x[(n * channels + c) * inner + s]));
        }
    }
    last
}

/// The same tensor with its channels first, last, and in front of all.
fn in_layouts<E: Real>(settings: &[Settings], tasks: &[Task]) {
    let rng = &mut Rng::new(6);
    for settings in settings {
        // Alive, so that all layers share its code.
        let _keep = settings.layer::<E>(Backend::Jit, 1);
        for inner in [1, 2, 3, 5, 8, 16, 33, 130] {
            let shape = [rng.between(1, 3), draw::channels(rng, settings.size).min(70), inner];
            let [outer, channels, _] = shape;
            for &task in tasks {
                let inputs = draw::<E>(task, Data::Rare, shape.iter().product(), rng.next());
                let permute = |inputs: &[Vec<E>], shape| -> Vec<Vec<E>> {
                    inputs.iter().map(|x| channels_last(x, shape)).collect()
                };
                for backend in BACKENDS {
                    let what = format!("{task} {backend} {settings:?} {shape:?}");
                    let layer = |axis| settings.layer(backend, axis);
                    let first = run(task, &layer(1), &slices(&inputs), &shape);
                    let expected = channels_last(&first, shape);
                    let inputs = permute(&inputs, shape);
                    let last = run(task, &layer(-1), &slices(&inputs), &[outer, inner, channels]);
                    assert_same(&last, &expected, &what);
                    // All positions in front, and channels in front of all.
                    let flat = run(task, &layer(1), &slices(&inputs), &[outer * inner, channels]);
                    assert_same(&flat, &expected, &what);
                    let flat = [1, outer * inner, channels];
                    let front = run(task, &layer(0), &slices(&permute(&inputs, flat)), &[channels, outer * inner]);
                    assert_same(&front, &channels_last(&expected, flat), &what);
                }
            }
        }
    }
}

#[test]
fn any_layout() {
    in_layouts::<f32>(&some_settings(6), &[Task::Forward]);
    in_layouts::<f32>(&few_settings(8), &Task::ALL);
    in_layouts::<f64>(&few_settings(9), &Task::ALL);
    in_layouts::<f16>(&few_settings(10), &Task::ALL);
    in_layouts::<bf16>(&few_settings(11), &Task::ALL);
}

/// A large tensor whose output begins some elements behind a cache line's border.
fn beyond<E: Real>(task: Task, shape: [usize; 3], offset: usize) {
    let line = 64 / size_of::<E>();
    let settings = Settings::torch(5, 1.0, 0.75, 1.0);
    let length: usize = shape.iter().product();
    assert!(length * size_of::<E>() >= 1 << 24);
    let inputs = draw::<E>(task, Data::Plain, length, 9);
    let expected = run(task, &settings.layer(Backend::Interpreter, 1), &slices(&inputs), &shape);
    for (width, layer) in settings.compiled(1) {
        let mut y = vec![E::near(f64::NAN); length + 2 * line];
        let start = y.as_ptr().align_offset(64) + offset;
        let what = format!("{task} {shape:?} + {offset}, {width} bits");
        task.run_into(layer.with_executor(&Serial), &inputs, &shape, &mut y[start..][..length]).unwrap();
        assert_same(&y[start..][..length], &expected, &what);
        let around = y[..start].iter().chain(&y[start + length..]);
        assert!(around.into_iter().all(|y| y.value().is_nan()), "{what}: written beside the output");
    }
}

/// Tensors that no cache holds have kernels of their own: for rows that begin anywhere, and for rows on cache lines, whose
/// output goes past the caches.
#[test]
fn beyond_the_caches() {
    let planes = [([1, 9, 466_051], 0), ([1, 12, 349_536], 0), ([1, 12, 349_536], 1), ([4, 96, 11_000], 0)];
    let channels_last = [([43_700, 96, 1], 0), ([43_700, 96, 1], 1), ([41_528, 101, 1], 3), ([1_398_102, 3, 1], 15)];
    for (shape, offset) in planes.into_iter().chain(channels_last) {
        beyond::<f32>(Task::Forward, shape, offset);
        beyond::<f32>(Task::InPlace, shape, offset);
    }
}

#[test]
fn beyond_the_caches_in_other_kinds() {
    let planes = [([1, 9, 233_027], 3), ([1, 12, 174_768], 0)];
    for (shape, offset) in planes.into_iter().chain([([21_850, 96, 1], 1)]) {
        Task::ALL.into_iter().for_each(|task| beyond::<f64>(task, shape, offset));
        let [outer, channels, inner] = shape;
        let half = if inner == 1 { [4 * outer, channels, 1] } else { [outer, channels, 4 * inner] };
        beyond::<f16>(Task::Forward, half, offset);
        beyond::<bf16>(Task::Forward, half, offset);
        let single = if inner == 1 { [2 * outer, channels, 1] } else { [outer, channels, 2 * inner] };
        Task::ALL[2..].iter().for_each(|&task| beyond::<f32>(task, single, offset));
    }
}
