//! The bits of a result do not depend on who computes it or where it lies: executor, batch, alignment, entry point, layout.

mod common;

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::case::Settings;
use common::draw::{self, BETAS, Class};
use common::measure::assert_same;
use common::rng::{Data, Rng};
use lrn_jit::{Backend, Boundary, Executor, LocalResponseNorm};

const BACKENDS: [Backend; 2] = [Backend::Jit, Backend::Interpreter];

/// One of everything: every beta, short and long windows, both boundaries.
fn some_settings(seed: u64) -> Vec<Settings> {
    let rng = &mut Rng::new(seed);
    let class = |(i, beta)| {
        let boundary = if i % 3 == 0 { Boundary::Wrap } else { Boundary::Zero };
        draw::settings(rng, Class { beta, at_least_k: i % 2 == 0, long: i % 5 == 1, boundary })
    };
    BETAS.into_iter().enumerate().map(class).collect()
}

/// The shapes of a tensor that is cut into parts (262,144 elements or more), and the channel axis.
const LARGE: [(&[usize], isize); 5] =
    [(&[8, 40, 31, 29], 1), (&[160, 31, 60], -1), (&[4800, 30, 2], 1), (&[33, 8009], 0), (&[1, 3, 88_003], 1)];

/// What an executor does with its tasks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Habit {
    /// Each once, the last first, on threads.
    Threads,
    /// As `Threads`, every task on two threads at once.
    Twice,
    /// Only every third.
    Skips,
    /// None.
    Idle,
    /// All, and numbers that are no tasks.
    OutOfRange,
    /// Claims more threads than there are addresses.
    Boasts,
}

#[derive(Debug)]
struct Pool {
    habit: Habit,
    threads: usize,
    /// The most tasks it was ever given.
    tasks: AtomicUsize,
}

impl Pool {
    fn new(habit: Habit, threads: usize) -> Self {
        Self { habit, threads, tasks: AtomicUsize::new(0) }
    }
}

impl Executor for Pool {
    fn threads(&self) -> usize {
        if self.habit == Habit::Boasts { usize::MAX } else { self.threads }
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        self.tasks.fetch_max(tasks, Ordering::Relaxed);
        match self.habit {
            Habit::Threads | Habit::Twice => std::thread::scope(|scope| {
                for thread in 0..self.threads {
                    let mine = move |i: &usize| self.habit == Habit::Twice || i % self.threads == thread;
                    scope.spawn(move || (0..tasks).rev().filter(mine).for_each(task));
                }
            }),
            Habit::Skips => (0..tasks).step_by(3).for_each(task),
            Habit::Idle => {}
            Habit::OutOfRange => (0..tasks + 3).chain([usize::MAX, usize::MAX / 4, 1 << 40]).for_each(task),
            Habit::Boasts => (0..tasks).for_each(task),
        }
    }
}

/// Every entry point of a layer on an executor gives `expected`.
fn run_everywhere(
    layer: &LocalResponseNorm,
    executor: &dyn Executor,
    (x, shape): (&[f32], &[usize]),
    expected: &[f32],
    what: &dyn std::fmt::Display,
) {
    let layer = layer.with_executor(executor);
    assert_same(&layer.forward(x, shape).unwrap(), expected, &format!("{what}, forward"));
    let mut y = vec![123.0; x.len()];
    layer.forward_into(x, shape, &mut y).unwrap();
    assert_same(&y, expected, &format!("{what}, forward_into"));
    let mut y = vec![MaybeUninit::uninit(); x.len()];
    assert_same(layer.forward_uninit(x, shape, &mut y).unwrap(), expected, &format!("{what}, forward_uninit"));
    let mut y = x.to_vec();
    layer.forward_in_place(&mut y, shape).unwrap();
    assert_same(&y, expected, &format!("{what}, forward_in_place"));
}

#[test]
fn any_executor() {
    let habits = [
        (Habit::Threads, 3),
        (Habit::Threads, 2),
        (Habit::Twice, 2),
        (Habit::Skips, 7),
        (Habit::Idle, 4),
        (Habit::OutOfRange, 3),
        (Habit::Boasts, 1),
    ];
    for (i, settings) in some_settings(1).into_iter().enumerate() {
        let (shape, axis) = LARGE[i % LARGE.len()];
        let x = [Data::Plain, Data::Rare][i % 2].draw(shape.iter().product(), i as u64);
        assert!(x.len() >= 1 << 18);
        for backend in BACKENDS {
            let layer = settings.layer(backend, axis);
            let expected = layer.forward(&x, shape).unwrap();
            let (habit, threads) = habits[i % habits.len()];
            let pool = Pool::new(habit, threads);
            run_everywhere(&layer, &pool, (&x, shape), &expected, &format!("{settings:?} {shape:?} {habit:?}"));
            assert!(pool.tasks.into_inner() > 1, "the tensor was not cut");
        }
    }
}

#[test]
fn executors_that_misbehave_lose_nothing() {
    let settings = Settings::torch(5, 1.0, 0.75, 1.0);
    for (shape, axis) in LARGE {
        let x = Data::Plain.draw(shape.iter().product(), 5);
        let layer = settings.layer(Backend::Jit, axis);
        let expected = layer.forward(&x, shape).unwrap();
        for habit in [Habit::Twice, Habit::Skips, Habit::Idle, Habit::OutOfRange, Habit::Boasts] {
            let pool = Pool::new(habit, 3);
            run_everywhere(&layer, &pool, (&x, shape), &expected, &format!("{shape:?} {habit:?}"));
            assert!(pool.tasks.into_inner() > 1, "the tensor was not cut");
        }
    }
    // No threads at all, and a tensor of nothing.
    let layer = settings.layer(Backend::Jit, 1);
    let pool = Pool::new(Habit::Idle, 0);
    run_everywhere(&layer, &pool, (&[1.0, 2.0], &[1, 2]), &layer.forward(&[1.0, 2.0], &[1, 2]).unwrap(), &"no threads");
    run_everywhere(&layer, &pool, (&[], &[0, 2]), &[], &"no elements");
}

#[cfg(feature = "rayon")]
#[test]
fn rayon() {
    for (i, settings) in some_settings(2).into_iter().enumerate() {
        let (shape, axis) = LARGE[i % LARGE.len()];
        let x = Data::Rare.draw(shape.iter().product(), i as u64);
        let layer = settings.layer(Backend::Jit, axis);
        let expected = layer.forward(&x, shape).unwrap();
        run_everywhere(&layer, &lrn_jit::CurrentRayon, (&x, shape), &expected, &format!("{settings:?} {shape:?}"));
    }
}

#[test]
fn any_entry_point_on_any_shape() {
    let rng = &mut Rng::new(3);
    for seed in 0..6 {
        for settings in some_settings(10 + seed) {
            let (outer, channels, inner) = (rng.between(0, 3), draw::channels(rng, settings.size), draw::inner(rng));
            let channels = channels.min(1 + 20_000 / inner);
            let axis0 = rng.one_in(4);
            let (shape, axis) = draw::shape(rng, if axis0 { 1 } else { outer }, channels, inner, axis0);
            let x = Data::Rare.draw(shape.iter().product(), rng.next());
            let expected = settings.layer(Backend::Interpreter, axis).forward(&x, &shape).unwrap();
            for backend in BACKENDS {
                let layer = settings.layer(backend, axis);
                let what = format!("{backend} {settings:?} {shape:?} axis {axis}");
                run_everywhere(&layer, &lrn_jit::Serial, (&x, &shape), &expected, &what);
            }
        }
    }
}

#[test]
fn any_place_in_a_batch() {
    let rng = &mut Rng::new(4);
    for (i, settings) in some_settings(4).into_iter().enumerate() {
        for inner in [1, 2, 3, 4, 7, 17, 49] {
            let (batch, channels) = (rng.between(2, 6), draw::channels(rng, settings.size).min(40));
            let item = channels * inner;
            let x = Data::Rare.draw(batch * item, rng.next());
            for backend in BACKENDS {
                let layer = settings.layer(backend, 1);
                let y = layer.forward(&x, &[batch, channels, inner]).unwrap();
                for (n, (x, y)) in x.chunks(item).zip(y.chunks(item)).enumerate() {
                    let alone = layer.forward(x, &[1, channels, inner]).unwrap();
                    assert_same(&alone, y, &format!("{i} {backend} {settings:?} item {n}, {channels}×{inner}"));
                }
            }
        }
    }
}

#[test]
fn any_alignment() {
    for (i, settings) in some_settings(5).into_iter().enumerate() {
        let shape = [&[2, 17, 5][..], &[2, 9, 19], &[7, 1, 3, 18], &[1, 3, 64]][i % 4];
        let axis = if i % 4 == 2 { -1 } else { 1 };
        let length = shape.iter().product();
        let x = Data::Rare.draw(length, i as u64);
        let layer = settings.layer(Backend::Jit, axis);
        let expected = layer.forward(&x, shape).unwrap();
        let mut from = vec![f32::NAN; length + 16];
        for offset in 0..16 {
            from.fill(f32::NAN);
            from[offset..][..length].copy_from_slice(&x);
            let to_offset = offset * 7 % 16;
            let mut to = vec![-5.0; length + 16];
            layer.forward_into(&from[offset..][..length], shape, &mut to[to_offset..][..length]).unwrap();
            let what = format!("{settings:?} {shape:?}, from {offset} to {to_offset}");
            assert_same(&to[to_offset..][..length], &expected, &what);
            let around = to[..to_offset].iter().chain(&to[to_offset + length..]);
            assert!(around.copied().all(|outside| outside == -5.0), "{what}: written outside");
            layer.forward_in_place(&mut from[offset..][..length], shape).unwrap();
            assert_same(&from[offset..][..length], &expected, &what);
            let around = from[..offset].iter().chain(&from[offset + length..]);
            assert!(around.copied().all(f32::is_nan), "{what}: written outside");
        }
    }
}

/// [outer, channels, inner] as [outer, inner, channels].
fn channels_last(x: &[f32], [outer, channels, inner]: [usize; 3]) -> Vec<f32> {
    let mut last = Vec::with_capacity(x.len());
    for n in 0..outer {
        for s in 0..inner {
            last.extend((0..channels).map(|c| x[(n * channels + c) * inner + s]));
        }
    }
    last
}

#[test]
fn any_layout() {
    let rng = &mut Rng::new(6);
    for settings in some_settings(6) {
        for inner in [1, 2, 3, 5, 8, 16, 33] {
            let shape = [rng.between(1, 3), draw::channels(rng, settings.size).min(70), inner];
            let [outer, channels, _] = shape;
            let x = Data::Rare.draw(shape.iter().product(), rng.next());
            for backend in BACKENDS {
                let what = format!("{backend} {settings:?} {shape:?}");
                let first = settings.layer(backend, 1).forward(&x, &shape).unwrap();
                let expected = channels_last(&first, shape);
                let x = channels_last(&x, shape);
                let last = settings.layer(backend, -1).forward(&x, &[outer, inner, channels]).unwrap();
                assert_same(&last, &expected, &what);
                // All positions in front, and channels in front of all.
                let flat = settings.layer(backend, 1).forward(&x, &[outer * inner, channels]).unwrap();
                assert_same(&flat, &expected, &what);
                let x = channels_last(&x, [1, outer * inner, channels]);
                let front = settings.layer(backend, 0).forward(&x, &[channels, outer * inner]).unwrap();
                let expected = channels_last(&expected, [1, outer * inner, channels]);
                assert_same(&front, &expected, &what);
            }
        }
    }
}

/// Tensors that no cache holds have kernels of their own: for rows that begin anywhere, and for rows on cache lines, whose
/// output goes past the caches.
#[test]
fn beyond_the_caches() {
    const LINE: usize = 16;
    let planes = [([1, 9, 466_051], 0), ([1, 12, 349_536], 0), ([1, 12, 349_536], 1), ([4, 96, 11_000], 0)];
    let channels_last = [([43_700, 96, 1], 0), ([43_700, 96, 1], 1), ([41_528, 101, 1], 3), ([1_398_102, 3, 1], 15)];
    for (shape, offset) in planes.into_iter().chain(channels_last) {
        let settings = Settings::torch(5, 1.0, 0.75, 1.0);
        let length: usize = shape.iter().product();
        assert!(length >= 1 << 22);
        let x = Data::Plain.draw(length, 9);
        let expected = settings.layer(Backend::Interpreter, 1).forward(&x, &shape).unwrap();
        for layer in settings.compiled(1) {
            let mut y = vec![f32::NAN; length + 2 * LINE];
            let start = y.as_ptr().align_offset(LINE * size_of::<f32>()) + offset;
            layer.forward_into(&x, &shape, &mut y[start..][..length]).unwrap();
            assert_same(&y[start..][..length], &expected, &format!("{shape:?} + {offset}, {}", layer.backend()));
            let around = y[..start].iter().chain(&y[start + length..]);
            assert!(around.into_iter().all(|y| y.is_nan()), "written beside the output");
            y[start..][..length].copy_from_slice(&x);
            layer.forward_in_place(&mut y[start..][..length], &shape).unwrap();
            assert_same(
                &y[start..][..length],
                &expected,
                &format!("in place {shape:?} + {offset}, {}", layer.backend()),
            );
        }
    }
}
