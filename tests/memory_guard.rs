//! Nothing outside the slices is touched: inputs and output end at, or begin after, a page that kills who touches it.
#![cfg(unix)]

mod common;

use common::case::Settings;
use common::compare::Task;
use common::draw::{self, BETAS, Class};
use common::guarded::{Guarded, MOST, Places, StridedPlaces};
use common::place;
use common::real::Real;
use common::rng::{Data, Rng};
use half::{bf16, f16};
use lrn_jit::{Activation, Backend, Boundary};

/// Settings of every beta, some shapes of each, with some tasks; gives how many runs there were.
fn on_any_shape<E: Real>(seed: u64, (shapes, tasks): (usize, &[Task])) -> usize {
    let rng = &mut Rng::new(seed);
    let mut places = Places::new();
    let mut runs = 0;
    for beta in BETAS {
        let boundary = if rng.one_in(3) { Boundary::Wrap } else { Boundary::Zero };
        let (long, at_least_k) = (rng.one_in(3), rng.one_in(2));
        let mut settings = draw::settings(rng, Class { beta, at_least_k, long, boundary });
        if tasks.len() > 2 && rng.one_in(3) {
            settings.input = Activation::Relu;
        }
        let keep = settings.layer::<E>(Backend::Jit, 1);
        for _ in 0..shapes {
            let (channels, inner) = (draw::channels(rng, settings.size).min(70), draw::inner(rng));
            let axis0 = rng.one_in(4);
            let outer = if axis0 { 1 } else { rng.between(1, 3) };
            let channels = channels.min(MOST / outer / inner).min(1 + 20_000 / inner);
            let (shape, axis) = draw::shape(rng, outer, channels, inner, axis0);
            let layer = settings.layer::<E>(Backend::Jit, axis);
            for &task in tasks {
                let length = shape.iter().product();
                let inputs: Vec<_> = (0..task.inputs()).map(|_| Data::Rare.draw(length, rng.next())).collect();
                places.check((task, &layer), (&inputs, &shape), &format!("{settings:?}, {shape:?} axis {axis}"));
                runs += 1;
            }
        }
        drop(keep);
    }
    println!("{}: {runs} runs", E::NAME);
    runs
}

#[test]
fn nothing_outside_is_touched() {
    let runs: usize = (1..=4).map(|seed| on_any_shape::<f32>(seed, (12, &[Task::Forward, Task::InPlace]))).sum();
    assert!(runs > 4000);
}

#[test]
fn nothing_outside_is_touched_by_other_kinds() {
    let runs = on_any_shape::<f32>(5, (4, &Task::ALL))
        + on_any_shape::<f64>(6, (4, &Task::ALL))
        + on_any_shape::<f16>(7, (4, &Task::ALL))
        + on_any_shape::<bf16>(8, (4, &Task::ALL));
    assert!(runs > 4000);
}

/// Fast paths that go by length: every inner from 1 to 70 by few channels.
fn on_short_rows<E: Real>(tasks: &[Task], most: usize) {
    let mut places = Places::new();
    for settings in
        [Settings::torch(5, 1.0, 0.75, 1.0), Settings::torch(12, 1.0, 0.6, 0.0), Settings::torch(20, 1.0, 1.0, 1.0)]
    {
        let layer = settings.layer::<E>(Backend::Jit, 1);
        for channels in [1, 2, 7, 8, 9, 16, 17] {
            for inner in 1..=most {
                let shape = [2, channels, inner];
                for &task in tasks {
                    let draw = |input| Data::Plain.draw(shape.iter().product(), (inner + input) as u64);
                    let inputs: Vec<_> = (0..task.inputs()).map(draw).collect();
                    places.check((task, &layer), (&inputs, &shape), &format!("{settings:?} {shape:?}"));
                }
            }
        }
    }
}

/// Tensors that are not contiguous, from the first to the last element of their slices.
#[test]
fn nothing_outside_of_strided_tensors_is_touched() {
    let rng = &mut Rng::new(5);
    let mut places = StridedPlaces::new();
    let settings = [Settings::torch(5, 1.0, 0.75, 1.0), Settings::torch(20, 1.0, 1.0, 1.0)];
    for round in 0..600 {
        let most = rng.pick(&[100, 2000, 20_000]);
        let shape = place::shape(rng, most);
        let axis = rng.below(shape.len()).cast_signed();
        let layer = settings[round % 2].layer::<f32>(Backend::Jit, axis);
        places.check(rng, &layer, &shape, &format!("axis {axis}"));
    }
}

#[test]
fn every_short_row() {
    on_short_rows::<f32>(&[Task::Forward, Task::InPlace], 70);
    on_short_rows::<f32>(&Task::ALL[2..], 35);
    on_short_rows::<f64>(&Task::ALL, 20);
    on_short_rows::<f16>(&Task::ALL, 70);
    on_short_rows::<bf16>(&[Task::Forward, Task::InPlace], 70);
}

/// The test's own test: a child that reads one element too many, on either side, dies of it.
#[test]
fn the_pages_kill() {
    let mut memory = Guarded::new(100 * size_of::<f32>());
    for (at_end, offset) in [(true, 100), (false, -1), (true, 99), (false, 0)] {
        let first = memory.slice::<f32>(100, at_end).as_ptr();
        // SAFETY: the child only reads, on purpose where it may not, and leaves without returning.
        let status = unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::signal(libc::SIGSEGV, libc::SIG_DFL);
                libc::signal(libc::SIGBUS, libc::SIG_DFL);
                first.offset(offset).read_volatile();
                libc::_exit(0);
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            status
        };
        let inside = (0..100).contains(&offset);
        assert_eq!(libc::WIFSIGNALED(status), !inside, "at {offset}, status {status}");
    }
}
