//! One handle, many threads; and the host's threads under one call.

#[allow(dead_code, reason = "shared with tests that use other parts")]
mod handles;

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use handles::{Built, Configuration, last_error, names};
use lrn_jit_c::executor::{Executor, Task};
use lrn_jit_c::layer::Type;
use lrn_jit_c::status::Status;

const SHAPE: [usize; 4] = [2, 16, 9, 7];

fn layer() -> Built {
    Configuration::new(5).build(Type::F32).expect("a layer")
}

fn input(elements: usize) -> Vec<f32> {
    (0..elements).map(|i| (i * 37 % 401) as f32 - 200.0).collect()
}

/// Each thread's results are its own, and so are its errors.
#[test]
fn threads_share_a_handle() {
    let layer = layer();
    let x = input(SHAPE.iter().product());
    let mut expected = vec![0.0; x.len()];
    layer.forward(&SHAPE, &x, &mut expected).expect("a shape");
    thread::scope(|scope| {
        for number in 1..=8 {
            let (layer, x, expected) = (&layer, &x, &expected);
            scope.spawn(move || {
                assert_eq!(last_error(), "");
                let mut y = vec![0.0; x.len()];
                for _ in 0..200 {
                    y.fill(0.0);
                    layer.forward(&SHAPE, x, &mut y).expect("a shape");
                    assert!(y == *expected);
                    let wrong = layer.forward(&[1, number], &x[..number + 1], &mut y);
                    let what = format!("input has {} elements", number + 1);
                    names(wrong, Status::Length, &[&what]);
                }
                assert!(last_error().contains(&format!("[1, {number}]")));
            });
        }
    });
}

/// Layers come and go on all threads at once: equal ones share code that is freed by the last of them.
#[test]
fn threads_build_and_free() {
    thread::scope(|scope| {
        for number in 0..6 {
            scope.spawn(move || {
                for round in 0..20 {
                    let config = Configuration::new(3 + 2 * ((number + round) % 3));
                    let layer = config.build(Type::F32).expect("a layer");
                    drop(config);
                    let mut y = input(SHAPE.iter().product());
                    layer.in_place(&SHAPE, &mut y).expect("a shape");
                }
            });
        }
    });
}

/// What the executors below count.
#[derive(Default)]
struct Counts {
    runs: AtomicUsize,
    tasks: AtomicUsize,
}

fn count(context: *mut c_void, tasks: usize) {
    let counts = unsafe { &*context.cast::<Counts>() };
    counts.runs.fetch_add(1, Ordering::Relaxed);
    counts.tasks.fetch_add(tasks, Ordering::Relaxed);
}

unsafe extern "C" fn on_threads(context: *mut c_void, tasks: usize, task: Task, argument: *mut c_void) {
    count(context, tasks);
    let (task, argument) = (task.expect("a task"), argument.expose_provenance());
    thread::scope(|scope| {
        for index in 0..tasks {
            scope.spawn(move || unsafe { task(std::ptr::with_exposed_provenance_mut(argument), index) });
        }
    });
}

/// Backwards, every task twice but the first, which is left out; and numbers that no task has.
unsafe extern "C" fn careless(context: *mut c_void, tasks: usize, task: Task, argument: *mut c_void) {
    count(context, tasks);
    let task = task.expect("a task");
    for index in (1..tasks).rev().flat_map(|index| [index, index]).chain([tasks, usize::MAX]) {
        unsafe { task(argument, index) };
    }
}

#[test]
fn an_executor_gives_the_same_bits() {
    let layer = layer();
    // Above the size from which work is handed out.
    let shape = [8, 64, 28, 28];
    let x = input(shape.iter().product());
    let (mut expected, mut y) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    layer.forward(&shape, &x, &mut expected).expect("a shape");
    for run in [on_threads, careless] as [unsafe extern "C" fn(_, _, _, _); 2] {
        let counts = Counts::default();
        let executor = Executor { threads: 3, run: Some(run), context: (&raw const counts).cast_mut().cast() };
        y.fill(0.0);
        layer.forward_on(&shape, &x, &mut y, &executor).expect("a shape");
        assert!(y == expected);
        assert_eq!([counts.runs.into_inner(), counts.tasks.into_inner()], [1, 3]);
    }
}
