//! Nothing outside the slices is touched: inputs and output end at, or begin after, a page that kills who touches it.
#![cfg(unix)]

mod common;

use std::fmt::Display;
use std::mem::MaybeUninit;
use std::ptr;

use common::case::Settings;
use common::compare::Task;
use common::draw::{self, BETAS, Class};
use common::measure::assert_same;
use common::place::{self, Place};
use common::real::Real;
use common::rng::{Data, Rng};
use half::{bf16, f16};
use lrn_jit::{Activation, Backend, Boundary, LocalResponseNorm, Serial};

/// Memory of whole pages between two that cannot be touched.
struct Guarded {
    start: *mut u8,
    page: usize,
    inside: usize,
}

impl Guarded {
    /// Room for so many bytes.
    fn new(bytes: usize) -> Self {
        // SAFETY: a question to the system, and a private mapping that nothing else knows of.
        unsafe {
            let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).expect("a page size");
            let inside = bytes.next_multiple_of(page).max(page);
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
            let start = libc::mmap(ptr::null_mut(), inside + 2 * page, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            let start = start.cast::<u8>();
            assert_eq!(libc::mprotect(start.add(page).cast(), inside, libc::PROT_READ | libc::PROT_WRITE), 0);
            Self { start, page, inside }
        }
    }

    /// `elements` that end at the page behind, or begin after the page before.
    fn slice<E: Real>(&mut self, elements: usize, at_end: bool) -> &mut [E] {
        let bytes = elements * size_of::<E>();
        assert!(bytes <= self.inside);
        let offset = if at_end { self.inside - bytes } else { 0 };
        // SAFETY: the bytes lie within the readable and writable pages, of which all bits are elements; whole elements from the end of
        // a page are aligned; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(self.page + offset).cast(), elements) }
    }

    /// Makes the pages inside readable only, or writable again.
    fn protect(&self, read_only: bool) {
        let protection = if read_only { libc::PROT_READ } else { libc::PROT_READ | libc::PROT_WRITE };
        // SAFETY: pages of this mapping, between uses.
        unsafe { assert_eq!(libc::mprotect(self.start.add(self.page).cast(), self.inside, protection), 0) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which nobody borrows any more.
        unsafe { libc::munmap(self.start.cast(), self.inside + 2 * self.page) };
    }
}

/// Elements of the largest tensor.
const MOST: usize = 1 << 17;

/// A place for every tensor of a task.
struct Places {
    inputs: Vec<Guarded>,
    output: Guarded,
}

impl Places {
    fn new() -> Self {
        let place = || Guarded::new(MOST * size_of::<f64>());
        Self { inputs: (0..3).map(|_| place()).collect(), output: place() }
    }

    /// Runs a task on tensors that all end, then all begin at a page that kills.
    fn check<E: Real>(
        &mut self,
        (task, layer): (Task, &LocalResponseNorm<E>),
        (inputs, shape): (&[Vec<E>], &[usize]),
        what: &dyn Display,
    ) {
        let layer = layer.with_executor(&Serial);
        let expected = task.run(layer, inputs, shape).unwrap();
        let length = expected.len();
        for at_end in [true, false] {
            let what = format!("{task}, {what}, at end {at_end}");
            for (place, input) in self.inputs.iter_mut().zip(inputs) {
                place.slice(length, at_end).copy_from_slice(input);
                // Inputs are not written either, not even with what they hold.
                place.protect(true);
            }
            let inputs: Vec<&[E]> =
                self.inputs.iter_mut().take(inputs.len()).map(|place| &*place.slice(length, at_end)).collect();
            let output = self.output.slice(length, at_end);
            output.fill(E::near(7.0));
            task.run_into(layer, &inputs, shape, output).unwrap();
            assert_same(output, &expected, &what);
            assert_same(&task.run(layer, &inputs, shape).unwrap(), &expected, &what);
            if task == Task::Forward {
                output.fill(E::near(8.0));
                // SAFETY: the same slice; the layer writes initialized elements only.
                let uninit = unsafe { &mut *(ptr::from_mut(output) as *mut [MaybeUninit<E>]) };
                assert_same(layer.forward_uninit(inputs[0], shape, uninit).unwrap(), &expected, &what);
            }
            self.inputs.iter().for_each(|place| place.protect(false));
        }
    }
}

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
    let [mut from, mut to] = [(); 2].map(|()| Guarded::new(MOST * size_of::<f32>()));
    let settings = [Settings::torch(5, 1.0, 0.75, 1.0), Settings::torch(20, 1.0, 1.0, 1.0)];
    for round in 0..600 {
        let most = rng.pick(&[100, 2000, 20_000]);
        let shape = place::shape(rng, most);
        let axis = rng.below(shape.len()).cast_signed();
        let layer = settings[round % 2].layer::<f32>(Backend::Jit, axis);
        let y_place = Place::draw(rng, &shape, false).tight();
        let x_place = if rng.one_in(3) { y_place.clone() } else { Place::draw(rng, &shape, true).tight() };
        if x_place.length.max(y_place.length) > MOST {
            continue;
        }
        let x = Data::Rare.draw(x_place.length, rng.next());
        let gathered: Vec<_> = x_place.elements().into_iter().map(|element| x[element]).collect();
        let expected = layer.forward(&gathered, &shape).unwrap();
        for at_end in [true, false] {
            from.slice(x.len(), at_end).copy_from_slice(&x);
            from.protect(true);
            let (input, output) = (from.slice(x.len(), at_end), to.slice(y_place.length, at_end));
            layer.forward_strided(input, &x_place.layout(), output, &y_place.layout()).unwrap();
            let y: Vec<_> = y_place.elements().into_iter().map(|element| output[element]).collect();
            assert_same(&y, &expected, &format!("axis {axis}, {x_place:?} to {y_place:?}, at end {at_end}"));
            from.protect(false);
        }
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
