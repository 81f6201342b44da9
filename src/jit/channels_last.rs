//! Drives the channels-last kernel: window sums of some slabs, then the kernel over the slabs as one run of elements.
//!
//! A kernel reads x only where it writes y, and the elements that are no whole vector go by way of a vector aside: this works in
//! place too.

use std::mem::MaybeUninit;

use super::JitEngine;
use super::drive::{BEYOND, Scratch};
use super::host::fence;
use super::kernel::CompiledKernel;
use super::squares::Squares;
#[cfg(target_arch = "x86_64")]
use super::{short_slabs::Spread, window_sums, window_sums::Slabs};
#[cfg(target_arch = "x86_64")]
use crate::config::Boundary;
use crate::geometry::Geometry;
use crate::tensor::Part;

/// Elements at a time: with their sums they stay in the first-level cache, and the kernel reads sums long after they were
/// written, so that no load waits for two stores.
const GROUP: usize = 1 << 12;
/// Elements beyond the caches: how many are asked for at a time while as many are computed, and how far ahead. Sums are made in
/// bursts of loads, during which memory would else be waited for, and not while the kernel runs.
const STEP: usize = 512;
const AHEAD: usize = 2 * GROUP;
/// f32 of the widest vector.
pub(super) const WIDEST: usize = 16;

impl JitEngine {
    /// Computes a part whose `inner` is less than some vectors.
    pub(super) fn slabs(&self, part: &mut Part<'_, f32>, scratch: &mut Scratch) {
        let Geometry { channels, inner, .. } = part.geometry();
        let positions = part.positions();
        let slab = channels * inner;
        let (input, output, in_place) = part.pointers();
        let beyond = part.geometry().elements() >= BEYOND;
        let kernel = self.channels_last(beyond && !in_place);
        let (first, last) = (positions.start.div_ceil(inner), positions.end / inner);
        let Some(kernel) = kernel.filter(|_| first < last) else {
            return self.packed(part, positions, scratch);
        };

        // The slabs that begin or end elsewhere.
        for rest in [positions.start..first * inner, last * inner..positions.end] {
            if !rest.is_empty() {
                self.packed(part, rest, scratch);
            }
        }
        // Whole vectors at a time, where that is not too much.
        let unit = WIDEST >> slab.trailing_zeros().min(WIDEST.trailing_zeros());
        let group = if slab * unit > 2 * GROUP { 1 } else { (GROUP / slab / unit).max(1) * unit };
        let group = group.min(last - first);
        let mut sums = Sums::new(group * slab);
        for start in (first..last).step_by(group) {
            let count = group.min(last - start);
            // SAFETY: the slabs lie within the tensor, and their positions are this part's alone. The kernel has not been given
            // them yet.
            unsafe {
                let (x, y) = (input.add(start * slab), output.add(start * slab));
                self.sum_windows(x, [count, channels, inner], &mut sums);
                self.normalize(kernel, (x, y), count * slab, beyond, &sums);
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
    unsafe fn sum_windows(&self, x: *const f32, [count, channels, inner]: [usize; 3], sums: &mut Sums) {
        let length = channels * inner;
        #[cfg(target_arch = "x86_64")]
        if window_sums::possible() {
            let after = self.plan.after;
            let slabs = Slabs { x, length, count, inner, taps: self.plan.before + 1 + after, after };
            // SAFETY: passed on.
            unsafe {
                if self.plan.boundary == Boundary::Wrap || length < WIDEST {
                    sums.spread.sum(&self.plan, slabs, self.lanes(), sums.start);
                } else {
                    window_sums::sum(slabs, self.lanes(), sums.start);
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
    unsafe fn normalize(
        &self,
        kernel: &CompiledKernel,
        (x, y): (*const f32, *mut f32),
        elements: usize,
        beyond: bool,
        sums: &Sums,
    ) {
        // What goes past the caches goes to the borders of vectors.
        let border = y.addr().next_multiple_of(self.lanes() * size_of::<f32>());
        let before = if beyond { ((border - y.addr()) / size_of::<f32>()).min(elements) } else { 0 };
        let behind = (elements - before) % self.lanes();
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
                    ask_for(x.wrapping_add(AHEAD), elements);
                }
                kernel.call(&[sums.cast(), x.cast(), y.cast()], elements);
            }
            self.part_of_vector(kernel, (x.add(whole), y.add(whole)), behind, sums.add(whole));
        }
    }

    /// Calls the kernel on less than a vector, by way of vectors aside.
    ///
    /// # Safety
    ///
    /// As [`normalize`](Self::normalize); the sums are readable over a vector.
    unsafe fn part_of_vector(
        &self,
        kernel: &CompiledKernel,
        (x, y): (*const f32, *mut f32),
        elements: usize,
        sums: *const f32,
    ) {
        if elements == 0 {
            return;
        }
        let (mut aside_x, mut aside_y) = (Vector([0.0; WIDEST]), Vector([0.0; WIDEST]));
        // SAFETY: passed on; a vector has room for less than one.
        unsafe {
            aside_x.0.as_mut_ptr().copy_from_nonoverlapping(x, elements);
            let result = aside_y.0.as_mut_ptr();
            kernel.call(&[sums.cast(), aside_x.0.as_ptr().cast(), result.cast_const().cast()], self.lanes());
            y.copy_from_nonoverlapping(result, elements);
        }
    }
}

/// Asks for elements that will be read, if they are there.
fn ask_for(x: *const f32, elements: usize) {
    for line in (0..elements).step_by(WIDEST) {
        let line = x.wrapping_add(line).cast();
        #[cfg(target_arch = "x86_64")]
        // SAFETY: SSE is part of x86-64, and asking for memory that is not there does nothing.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _: *const i8 = line;
    }
}

/// A widest vector, on its border.
#[repr(align(64))]
struct Vector([f32; WIDEST]);

/// The window sums of a group of slabs, and what else it takes to make them.
struct Sums {
    /// The first, on the border of a vector.
    start: *mut f32,
    /// Not initialized: a call must not pay for that.
    _memory: Box<[MaybeUninit<f32>]>,
    squares: Squares,
    #[cfg(target_arch = "x86_64")]
    spread: Spread,
}

impl Sums {
    /// Room for the sums of so many elements, and for a vector more.
    fn new(elements: usize) -> Self {
        let mut memory = Box::new_uninit_slice(elements + 2 * WIDEST);
        let start = memory.as_mut_ptr();
        let first = start.align_offset(WIDEST * size_of::<f32>()).min(WIDEST);
        Self {
            start: start.wrapping_add(first).cast(),
            _memory: memory,
            squares: Squares::default(),
            #[cfg(target_arch = "x86_64")]
            spread: Spread::default(),
        }
    }
}
