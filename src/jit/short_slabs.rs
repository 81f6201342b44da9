//! Drives the channels-last kernel over slabs of less than a vector, or of a vector and a bit: many at once.
//!
//! ```text
//! x, and y  a b c 0 0 | d e f 0 0 | …             size 5, three channels
//! squares   0 0 | a² b² c² 0 0 | d² e² f² 0 0 | …
//! ```
//!
//! Slabs are spread into one long row with room for the taps beyond their edges, so that a vector may cross from one slab into the
//! next: what it computes in between is not collected. Zeros behind one slab are those before the next; a ring has its own on both
//! sides. All is in a scratch, which makes this work in place too.

use std::ops::Range;
use std::ptr;

use super::JitEngine;
use super::drive::Scratch;
use super::kernel::CompiledKernel;
use super::squares::{Squares, bytes};
use crate::config::Boundary;
use crate::geometry::Geometry;
use crate::tensor::Part;

/// f32 of a long row: with its squares and its result, some of a first-level cache.
const ROW: usize = 1 << 11;
/// What spreading and collecting costs an element, in parts of computing it.
const COPIES: f64 = 0.2;

impl JitEngine {
    /// Whether slabs are better spread into long rows than taken one by one, the last vector of each overlapping.
    pub(super) fn spreads(&self, Geometry { channels, inner, .. }: Geometry) -> bool {
        let slab = channels * inner;
        let padded = slab + self.gap() * inner;
        let one_by_one = slab.div_ceil(self.lanes()) * self.lanes();
        slab < self.lanes() || (padded as f64) + COPIES * (slab as f64) < one_by_one as f64
    }

    /// Taps between two slabs.
    fn gap(&self) -> usize {
        let (before, after) = (self.plan.before, self.plan.after);
        match self.plan.boundary {
            Boundary::Zero => before.max(after),
            Boundary::Wrap => before + after,
        }
    }

    /// Computes whole slabs.
    pub(super) fn short_slabs(
        &self,
        kernel: &CompiledKernel,
        part: &mut Part<'_, f32>,
        slabs: Range<usize>,
        scratch: &mut Scratch,
    ) {
        let Geometry { channels, inner, .. } = part.geometry();
        let (before, after) = (self.plan.before * inner, self.plan.after * inner);
        let slab = channels * inner;
        let padded = slab + self.gap() * inner;
        let group = (ROW / Squares::levels(&self.plan) / padded).clamp(1, slabs.len());
        let length = (group * padded).max(self.lanes());
        let (mut x, mut y) = (vec![0.0f32; length], vec![0.0f32; length]);
        let mut squares = Squares::new(&self.plan, before + length + after, before, inner);
        let (input, output, _) = part.pointers();
        for start in slabs.clone().step_by(group) {
            let count = group.min(slabs.end - start);
            // SAFETY: the slabs lie within the tensor, and their positions are this part's alone; the row holds them.
            unsafe { copy_slabs(slab, count, (input.add(start * slab), slab), (x.as_mut_ptr(), padded)) };
            squares.square(before, &x);
            if self.plan.boundary == Boundary::Wrap {
                let rings = squares.squares().chunks_exact_mut(padded).take(count);
                rings.for_each(|squares| self.wrap(squares, channels, inner));
            }
            squares.sum_up(before + length + after);
            scratch.rows.clear();
            scratch.rows.extend(squares.rows(&self.plan));
            scratch.rows.extend([x.as_ptr().cast(), y.as_mut_ptr().cast_const().cast()]);
            scratch.rows.extend([bytes(length), bytes(length), ptr::without_provenance(1)]);
            // SAFETY: one slab of `length`; its last tap is the last of the squares. y is another row than x.
            unsafe { kernel.call(&scratch.rows, length) };
            // SAFETY: as before.
            unsafe { copy_slabs(slab, count, (y.as_ptr(), padded), (output.add(start * slab), slab)) };
        }
    }
}

/// Copies `count` slabs of `slab` f32 from one place to another, each so many f32 behind the one before.
///
/// # Safety
///
/// Both places are valid for all slabs and do not overlap.
unsafe fn copy_slabs(slab: usize, count: usize, from: (*const f32, usize), to: (*mut f32, usize)) {
    /// A length that is known is copied without a call.
    unsafe fn known<const N: usize>(count: usize, from: (*const f32, usize), to: (*mut f32, usize)) {
        for index in 0..count {
            // SAFETY: passed on.
            unsafe {
                let slab = from.0.add(index * from.1).cast::<[f32; N]>().read_unaligned();
                to.0.add(index * to.1).cast::<[f32; N]>().write_unaligned(slab);
            }
        }
    }
    macro_rules! by_length {
        ($($length:literal)*) => {
            // SAFETY: passed on.
            unsafe {
                match slab {
                    $($length => known::<$length>(count, from, to),)*
                    _ => for index in 0..count {
                        to.0.add(index * to.1).copy_from_nonoverlapping(from.0.add(index * from.1), slab);
                    },
                }
            }
        };
    }
    by_length!(2 3 4 5 6 7 8 9 10 11 12 13 14 15)
}
