//! Drives the channels-last kernel: window sums of some slabs, then the kernel over the slabs as one run of elements.
//!
//! A kernel reads x only where it writes y, and the elements that are no whole vector go by way of a vector aside: this works in
//! place too.

use std::mem::MaybeUninit;

use super::JitEngine;
use super::drive::{BEYOND, Scratch};
use super::host::{fence, vectorized};
use super::kernel::CompiledKernel;
use super::squares::Squares;
#[cfg(target_arch = "x86_64")]
use super::{short_slabs::Spread, window_sums, window_sums::Slabs};
use crate::activation::Activation;
#[cfg(target_arch = "x86_64")]
use crate::config::Boundary;
use crate::element::Element;
use crate::geometry::Geometry;
use crate::lane::Lane;
use crate::plan::Plan;
use crate::task::Stage;
use crate::tensor::Part;

/// Numbers at a time: with their sums they stay in the first-level cache, and the kernel reads sums long after they were
/// written, so that no load waits for two stores.
const GROUP: usize = 1 << 12;
/// Elements beyond the caches: how many are asked for at a time while as many are computed, and how far ahead. Sums are made in
/// bursts of loads, during which memory would else be waited for, and not while the kernel runs.
const STEP: usize = 512;
const AHEAD: usize = 2 * GROUP;
/// Bytes of a cache line.
const LINE: usize = 64;
/// f32 of the widest vector, or of two of f64.
pub(super) const WIDEST: usize = 16;

impl JitEngine {
    /// Computes a part whose `inner` is less than some vectors.
    pub(super) fn slabs<E: Element>(&self, part: &mut Part<'_, E>) {
        let Geometry { channels, inner, .. } = part.geometry();
        let positions = part.positions();
        let slab = channels * inner;
        let ([input, ..], output, in_place) = part.pointers();
        let widened = E::NUMBER != self.plan.number;
        let beyond = !widened && part.geometry().elements() * size_of::<E>() >= BEYOND;
        let possible = self.accumulate.is_none() && self.plan.summation().is_some();
        let kernel = possible.then(|| self.elementwise_kernel(Stage::Forward, beyond && !in_place)).flatten();
        let (first, last) = (positions.start.div_ceil(inner), positions.end / inner);
        let Some(kernel) = kernel.filter(|_| first < last) else {
            return self.packed(part, positions, &mut Scratch::default());
        };

        // The slabs that begin or end elsewhere.
        for rest in [positions.start..first * inner, last * inner..positions.end] {
            if !rest.is_empty() {
                self.packed(part, rest, &mut Scratch::default());
            }
        }
        // Whole vectors at a time, where that is not too much.
        let unit = WIDEST >> slab.trailing_zeros().min(WIDEST.trailing_zeros());
        let group = if slab * unit > 2 * GROUP { 1 } else { (GROUP / slab / unit).max(1) * unit };
        let group = group.min(last - first);
        let mut sums = Sums::new(group * slab);
        let mut copy = Vec::new();
        for start in (first..last).step_by(group) {
            let count = group.min(last - start);
            // SAFETY: the slabs lie within the tensor, and their positions are this part's alone. The kernel has not been given
            // them yet.
            unsafe {
                let (x, y) = (input.add(start * slab), output.add(start * slab));
                let (lanes_x, lanes_y) = if widened {
                    copy.resize(group * slab, E::Lane::default());
                    widen(std::slice::from_raw_parts(x, count * slab), &mut copy);
                    (copy.as_ptr(), copy.as_mut_ptr())
                } else {
                    (x.cast(), y.cast())
                };
                self.sum_windows(lanes_x, [count, channels, inner], &mut sums);
                self.normalize(kernel, (lanes_x, lanes_y), count * slab, beyond, &sums);
                if widened {
                    narrow(&copy[..count * slab], y);
                }
            }
        }
        if beyond {
            fence();
        }
    }

    /// Makes the window sums of slabs.
    ///
    /// # Safety
    ///
    /// The slabs begin at `x` and are not written meanwhile; `sums` has room for them.
    unsafe fn sum_windows<T: Lane>(&self, x: *const T, [count, channels, inner]: [usize; 3], sums: &mut Sums<T>) {
        let length = channels * inner;
        #[cfg(target_arch = "x86_64")]
        if T::FORMAT.bits == 32 && window_sums::possible() {
            let Plan { before, after, input, .. } = *self.plan;
            let positive = input == Activation::Relu;
            let slabs = Slabs { x: x.cast(), length, count, inner, taps: before + 1 + after, after, positive };
            let start = sums.start.cast::<f32>();
            // SAFETY: passed on.
            unsafe {
                if self.plan.boundary == Boundary::Wrap || length < WIDEST {
                    sums.spread.sum(&self.plan, slabs, self.lanes::<T>(), start);
                } else {
                    window_sums::sum(slabs, self.lanes::<T>(), start);
                }
            }
            return;
        }
        // SAFETY: passed on. The sums become floats before they are named as such.
        unsafe {
            sums.start.write_bytes(0, count * length);
            let x = std::slice::from_raw_parts(x, count * length);
            let sums_of = std::slice::from_raw_parts_mut(sums.start, count * length);
            sums.squares.sum(&self.plan, x, (length, inner), sums_of);
        }
    }

    /// Calls the kernel on a run of elements.
    ///
    /// # Safety
    ///
    /// x is readable and y writable over so many elements; they are the same memory, or apart. The sums were made.
    unsafe fn normalize<T: Lane>(
        &self,
        kernel: &CompiledKernel,
        (x, y): (*const T, *mut T),
        elements: usize,
        beyond: bool,
        sums: &Sums<T>,
    ) {
        let lanes = self.lanes::<T>();
        // What goes past the caches goes to the borders of vectors.
        let border = y.addr().next_multiple_of(lanes * size_of::<T>());
        let before = if beyond { ((border - y.addr()) / size_of::<T>()).min(elements) } else { 0 };
        let behind = (elements - before) % lanes;
        let whole = elements - before - behind;
        // SAFETY: elements of all three; of y on the border of a vector where that is asked for.
        unsafe {
            self.part_of_vector(kernel, (x, y), before, sums.start);
            let (x, y, sums) = (x.add(before), y.add(before), sums.start.add(before));
            let step = if beyond { STEP } else { whole.max(1) };
            for start in (0..whole).step_by(step) {
                let elements = step.min(whole - start);
                let (sums, x, y) = (sums.add(start), x.add(start), y.add(start));
                if beyond {
                    ask_for_all(x.wrapping_add(AHEAD), elements);
                }
                kernel.call(&[sums.cast(), x.cast(), y.cast()], elements * size_of::<T>());
            }
            self.part_of_vector(kernel, (x.add(whole), y.add(whole)), behind, sums.add(whole));
        }
    }

    /// Calls the kernel on less than a vector, by way of vectors aside.
    ///
    /// # Safety
    ///
    /// As [`normalize`](Self::normalize); the sums are readable over a vector.
    unsafe fn part_of_vector<T: Lane>(
        &self,
        kernel: &CompiledKernel,
        (x, y): (*const T, *mut T),
        elements: usize,
        sums: *const T,
    ) {
        if elements == 0 {
            return;
        }
        let (mut aside_x, mut aside_y) = (Vector([T::default(); WIDEST]), Vector([T::default(); WIDEST]));
        // SAFETY: passed on; a vector has room for less than one.
        unsafe {
            aside_x.0.as_mut_ptr().copy_from_nonoverlapping(x, elements);
            let result = aside_y.0.as_mut_ptr();
            kernel.call(
                &[sums.cast(), aside_x.0.as_ptr().cast(), result.cast_const().cast()],
                self.lanes::<T>() * size_of::<T>(),
            );
            y.copy_from_nonoverlapping(result, elements);
        }
    }
}

/// Asks for elements that will be read, if they are there.
fn ask_for_all<T>(x: *const T, elements: usize) {
    for line in (0..elements).step_by(LINE / size_of::<T>()) {
        ask_for(x.wrapping_add(line).cast());
    }
}

/// Asks for a cache line that will be read, if it is there.
pub(super) fn ask_for(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and asking for memory that is not there does nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _: *const u8 = line;
}

/// Widens elements.
fn widen<E: Element>(x: &[E], lanes: &mut [E::Lane]) {
    vectorized(
        #[inline(always)]
        || {
            for (lane, x) in lanes.iter_mut().zip(x) {
                *lane = x.to_lane();
            }
        },
    );
}

/// Rounds lanes to elements.
///
/// # Safety
///
/// As many elements are writable at `y`.
unsafe fn narrow<E: Element>(lanes: &[E::Lane], y: *mut E) {
    vectorized(
        #[inline(always)]
        || {
            for (i, &lane) in lanes.iter().enumerate() {
                // SAFETY: passed on.
                unsafe { y.add(i).write(E::from_lane(lane)) };
            }
        },
    );
}

/// A widest vector, on its border.
#[repr(align(64))]
struct Vector<T>([T; WIDEST]);

/// The window sums of a group of slabs, and what else it takes to make them.
struct Sums<T> {
    /// The first, on the border of a vector.
    start: *mut T,
    /// Not initialized: a call must not pay for that.
    _memory: Box<[MaybeUninit<T>]>,
    squares: Squares<T>,
    #[cfg(target_arch = "x86_64")]
    spread: Spread,
}

impl<T: Lane> Sums<T> {
    /// Room for the sums of so many elements, and for a vector more.
    fn new(elements: usize) -> Self {
        let mut memory = Box::new_uninit_slice(elements + 2 * WIDEST);
        let start = memory.as_mut_ptr();
        let first = start.align_offset(LINE).min(WIDEST);
        Self {
            start: start.wrapping_add(first).cast(),
            _memory: memory,
            squares: Squares::default(),
            #[cfg(target_arch = "x86_64")]
            spread: Spread::default(),
        }
    }
}
