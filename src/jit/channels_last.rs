//! Drives the channels-last kernel: window sums of some slabs, then the kernel over the slabs as one run of elements.
//!
//! A kernel reads x only where it writes y, and the elements that are no whole vector go by way of a vector aside: this works in
//! place too.

use std::mem::MaybeUninit;

use super::JitEngine;
use super::drive::Scratch;
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
/// f32 of the widest vector.
pub(super) const WIDEST: usize = 16;

impl JitEngine {
    /// Computes a part whose `inner` is less than some vectors.
    pub(super) fn slabs(&self, part: &mut Part<'_, f32>, scratch: &mut Scratch) {
        let Geometry { channels, inner, .. } = part.geometry();
        let positions = part.positions();
        let slab = channels * inner;
        let (input, output, _) = part.pointers();
        let kernel = self.channels_last();
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
                self.normalize(kernel, x, y, count * slab, &sums);
            }
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
    unsafe fn normalize(&self, kernel: &CompiledKernel, x: *const f32, y: *mut f32, elements: usize, sums: &Sums) {
        let rest = elements % self.lanes();
        let whole = elements - rest;
        // SAFETY: whole vectors of all three; then a vector of the sums, which have room for one more than there are,
        // and of memory aside.
        unsafe {
            if whole > 0 {
                kernel.call(&[sums.start.cast(), x.cast(), y.cast()], whole);
            }
            if rest > 0 {
                let (mut last_x, mut last_y) = ([0.0f32; WIDEST], [0.0f32; WIDEST]);
                last_x.as_mut_ptr().copy_from_nonoverlapping(x.add(whole), rest);
                let rows =
                    [sums.start.add(whole).cast(), last_x.as_ptr().cast(), last_y.as_mut_ptr().cast_const().cast()];
                kernel.call(&rows, self.lanes());
                y.add(whole).copy_from_nonoverlapping(last_y.as_ptr(), rest);
            }
        }
    }
}

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
