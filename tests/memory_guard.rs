//! Nothing outside the slices is touched: input and output end at, or begin after, a page that kills who touches it.
#![cfg(unix)]

mod common;

use std::mem::MaybeUninit;
use std::ptr;

use common::case::Settings;
use common::draw::{self, BETAS, Class};
use common::measure::assert_same;
use common::place::{self, Place};
use common::rng::{Data, Rng};
use lrn_jit::{Backend, Boundary};

/// Memory of whole pages between two that cannot be touched.
struct Guarded {
    start: *mut u8,
    page: usize,
    inside: usize,
}

impl Guarded {
    /// Room for `elements`.
    fn new(elements: usize) -> Self {
        // SAFETY: a question to the system, and a private mapping that nothing else knows of.
        unsafe {
            let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).expect("a page size");
            let inside = (elements * size_of::<f32>()).next_multiple_of(page).max(page);
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
            let start = libc::mmap(ptr::null_mut(), inside + 2 * page, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            let start = start.cast::<u8>();
            assert_eq!(libc::mprotect(start.add(page).cast(), inside, libc::PROT_READ | libc::PROT_WRITE), 0);
            Self { start, page, inside }
        }
    }

    /// `elements` that end at the page behind, or begin after the page before.
    fn slice(&mut self, elements: usize, at_end: bool) -> &mut [f32] {
        let bytes = elements * size_of::<f32>();
        assert!(bytes <= self.inside);
        let offset = if at_end { self.inside - bytes } else { 0 };
        // SAFETY: the bytes lie within the readable and writable pages, which begin zeroed; whole elements from the end of
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

const MOST: usize = 1 << 17;

#[test]
fn nothing_outside_is_touched() {
    let rng = &mut Rng::new(1);
    let (mut from, mut to) = (Guarded::new(MOST), Guarded::new(MOST));
    let mut runs = 0;
    for round in 0..4 {
        for beta in BETAS {
            let boundary = if rng.one_in(3) { Boundary::Wrap } else { Boundary::Zero };
            let (long, at_least_k) = (rng.one_in(3), rng.one_in(2));
            let settings = draw::settings(rng, Class { beta, at_least_k, long, boundary });
            let keep = settings.layer(Backend::Jit, 1);
            for _ in 0..12 {
                let (channels, inner) = (draw::channels(rng, settings.size).min(70), draw::inner(rng));
                let axis0 = rng.one_in(4);
                let outer = if axis0 { 1 } else { rng.between(1, 3) };
                let channels = channels.min(MOST / outer / inner).min(1 + 20_000 / inner);
                let (shape, axis) = draw::shape(rng, outer, channels, inner, axis0);
                let length: usize = shape.iter().product();
                let x = Data::Rare.draw(length, rng.next());
                let layer = settings.layer(Backend::Jit, axis);
                let expected = layer.forward(&x, &shape).unwrap();
                for at_end in [true, false] {
                    let what = format!("round {round}, {settings:?}, {shape:?} axis {axis}, at end {at_end}");
                    from.slice(length, at_end).copy_from_slice(&x);
                    // The input is not written either, not even with what it holds.
                    from.protect(true);
                    let input = from.slice(length, at_end);
                    let output = to.slice(length, at_end);
                    output.fill(7.0);
                    layer.forward_into(input, &shape, output).unwrap();
                    assert_same(output, &expected, &what);
                    output.fill(8.0);
                    // SAFETY: the same slice; the layer writes initialized elements only.
                    let uninit = unsafe { &mut *(ptr::from_mut(output) as *mut [MaybeUninit<f32>]) };
                    assert_same(layer.forward_uninit(input, &shape, uninit).unwrap(), &expected, &what);
                    assert_same(&layer.forward(input, &shape).unwrap(), &expected, &what);
                    from.protect(false);
                    let both = from.slice(length, at_end);
                    layer.forward_in_place(both, &shape).unwrap();
                    assert_same(both, &expected, &what);
                    runs += 1;
                }
            }
            drop(keep);
        }
    }
    println!("{runs} runs");
    assert!(runs > 2000);
}

/// Fast paths that go by length: every inner from 1 to 70 by few channels.
#[test]
fn every_short_row() {
    let (mut from, mut to) = (Guarded::new(MOST), Guarded::new(MOST));
    for settings in
        [Settings::torch(5, 1.0, 0.75, 1.0), Settings::torch(12, 1.0, 0.6, 0.0), Settings::torch(20, 1.0, 1.0, 1.0)]
    {
        let layer = settings.layer(Backend::Jit, 1);
        for channels in [1, 2, 7, 8, 9, 16, 17] {
            for inner in 1..=70 {
                let shape = [2, channels, inner];
                let length = shape.iter().product();
                let x = Data::Plain.draw(length, inner as u64);
                let expected = layer.forward(&x, &shape).unwrap();
                for at_end in [true, false] {
                    from.slice(length, at_end).copy_from_slice(&x);
                    let (input, output) = (from.slice(length, at_end), to.slice(length, at_end));
                    layer.forward_into(input, &shape, output).unwrap();
                    assert_same(output, &expected, &format!("{settings:?} {shape:?}"));
                    layer.forward_in_place(input, &shape).unwrap();
                    assert_same(input, &expected, &format!("{settings:?} {shape:?}"));
                }
            }
        }
    }
}

/// Tensors that are not contiguous, from the first to the last element of their slices.
#[test]
fn nothing_outside_of_strided_tensors_is_touched() {
    let rng = &mut Rng::new(5);
    let (mut from, mut to) = (Guarded::new(MOST), Guarded::new(MOST));
    let settings = [Settings::torch(5, 1.0, 0.75, 1.0), Settings::torch(20, 1.0, 1.0, 1.0)];
    for round in 0..600 {
        let most = rng.pick(&[100, 2000, 20_000]);
        let shape = place::shape(rng, most);
        let axis = rng.below(shape.len()).cast_signed();
        let layer = settings[round % 2].layer(Backend::Jit, axis);
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

/// The test's own test: a child that reads one element too many, on either side, dies of it.
#[test]
fn the_pages_kill() {
    let mut memory = Guarded::new(100);
    for (at_end, offset) in [(true, 100), (false, -1), (true, 99), (false, 0)] {
        let first = memory.slice(100, at_end).as_ptr();
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
