//! [`Guarded`]: memory between two pages that kill who touches them; [`Places`]: tasks run on tensors there.

use std::fmt::Display;
use std::mem::MaybeUninit;
use std::ptr;

use lrn_jit::{LocalResponseNorm, Serial};

use super::compare::Task;
use super::measure::assert_same;
use super::place::Place;
use super::real::Real;
use super::rng::{Data, Rng};

/// Memory of whole pages between two that cannot be touched.
pub struct Guarded {
    start: *mut u8,
    page: usize,
    inside: usize,
}

impl Guarded {
    /// Room for so many bytes.
    pub fn new(bytes: usize) -> Self {
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
    pub fn slice<E: Real>(&mut self, elements: usize, at_end: bool) -> &mut [E] {
        let bytes = elements * size_of::<E>();
        assert!(bytes <= self.inside);
        let offset = if at_end { self.inside - bytes } else { 0 };
        // SAFETY: the bytes lie within the readable and writable pages, of which all bits are elements; whole elements from the end of
        // a page are aligned; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(self.page + offset).cast(), elements) }
    }

    /// Makes the pages inside readable only, or writable again.
    pub fn protect(&self, read_only: bool) {
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
pub const MOST: usize = 1 << 17;

/// A place for every tensor of a task.
pub struct Places {
    inputs: Vec<Guarded>,
    output: Guarded,
}

impl Places {
    pub fn new() -> Self {
        let place = || Guarded::new(MOST * size_of::<f64>());
        Self { inputs: (0..3).map(|_| place()).collect(), output: place() }
    }

    /// Runs a task on tensors that all end, then all begin at a page that kills.
    pub fn check<E: Real>(
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

/// A place for an input and an output that are not contiguous.
pub struct StridedPlaces {
    from: Guarded,
    to: Guarded,
}

impl StridedPlaces {
    pub fn new() -> Self {
        let place = || Guarded::new(MOST * size_of::<f32>());
        Self { from: place(), to: place() }
    }

    /// Runs forward from and to random layouts of a shape, in slices that begin and end with them, which end, then begin at a page
    /// that kills. Layouts that take too much memory are left out.
    pub fn check(&mut self, rng: &mut Rng, layer: &LocalResponseNorm, shape: &[usize], what: &dyn Display) {
        let y_place = Place::draw(rng, shape, false).tight();
        let x_place = if rng.one_in(3) { y_place.clone() } else { Place::draw(rng, shape, true).tight() };
        if x_place.length.max(y_place.length) > MOST {
            return;
        }
        let x = Data::Rare.draw(x_place.length, rng.next());
        let gathered: Vec<_> = x_place.elements().into_iter().map(|element| x[element]).collect();
        let expected = layer.forward(&gathered, shape).unwrap();
        for at_end in [true, false] {
            self.from.slice(x.len(), at_end).copy_from_slice(&x);
            self.from.protect(true);
            let (input, output) = (self.from.slice(x.len(), at_end), self.to.slice(y_place.length, at_end));
            layer.forward_strided(input, &x_place.layout(), output, &y_place.layout()).unwrap();
            let y: Vec<_> = y_place.elements().into_iter().map(|element| output[element]).collect();
            assert_same(&y, &expected, &format!("{what}, {x_place:?} to {y_place:?}, at end {at_end}"));
            self.from.protect(false);
        }
    }
}
