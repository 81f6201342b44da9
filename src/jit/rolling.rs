//! Windows over two axes, an index of the inner of which is a vector (channels in lanes, as oneDNN's blocked layouts have them): while a
//! kernel computes a row of vectors from the sums along each row of its windows, it makes those of a later row. What is asked of memory,
//! added and multiplied overlaps, and nothing is read again.
//!
//! ```text
//! sums along rows   r − before … r … r + after  │  r + after + 1        made meanwhile, of the elements of that row
//!                   └──── windows of row r ───┘
//! ```
//!
//! The kernel knows no ends of rows: what it sums there of elements of two rows is overwritten ([`Slabs::edges`]). The slab's last row has
//! no elements behind it, and is summed as all rows are elsewhere.

use std::ops::Range;

use super::box_sums::Of;
use super::elements::ROWS;
use super::slabs::Work;
use super::window_sums::{self, Slabs};
use crate::activation::Activation;
use crate::codegen::Sums;
use crate::lane::Lane;
use crate::region::boxes::Boxes;
use crate::task::Stage;

/// Vectors of a row that is worth a call of the kernel.
const SHORTEST: usize = 16;
/// Bytes of the shortest vector that sums at the ends of rows are made of.
const NARROWEST: usize = 32;

impl<T: Lane> Work<'_, T> {
    /// Computes rows of one slab of the forward pass from the first wanted one on, if that pays, and says up to which. The sums are made up
    /// to one row more than that needs.
    ///
    /// # Safety
    ///
    /// The input is readable and the output writable over the slab, the same or apart; sums are writable over the slab's elements, and
    /// zeros as far before them as windows reach.
    pub(super) unsafe fn roll(
        &mut self,
        stage: Stage,
        boxes: &mut Boxes,
        (inputs, sums, outputs): (&[*const T], *mut T, &[*mut T]),
        wanted: Range<usize>,
    ) -> usize {
        let (plan, lanes) = (self.engine.plan(), self.engine.lanes::<T>());
        let (reach, taps) = (plan.reach(stage), plan.reach_taps());
        let [1, rows, length, ref inner @ ..] = boxes.extents[..] else { return wanted.start };
        let a_vector = inner.iter().product::<usize>() == lanes && lanes * size_of::<T>() >= NARROWEST;
        let possible = stage == Stage::Forward && boxes.windows == [2, 1] && window_sums::possible();
        // The row that is summed meanwhile has one behind it.
        let end = wanted.end.min(rows.saturating_sub(reach.after + 2));
        if !(possible && a_vector && length >= SHORTEST && wanted.start < end) {
            return wanted.start;
        }
        let Some(kernel) = self.engine.elementwise_kernel(stage, Sums::Rolling, false) else { return wanted.start };

        let of = Of::Squares { positive: plan.input == Activation::Relu };
        let row = length * lanes;
        let first = wanted.start + reach.after + 1;
        boxes.extents[1] = first;
        // SAFETY: passed on.
        unsafe { self.sums.sum((&**plan, &*boxes, lanes), (stage, stage.terms()[0]), inputs, (self.kind, sums)) };
        boxes.extents[1] = rows;
        for index in wanted.start..end {
            let (at, later) = (index * row, (index + reach.after + 1) * row);
            let x = inputs[0].wrapping_add(later);
            let mut addresses = [std::ptr::null(); ROWS];
            let list = (0..taps)
                .map(|tap| sums.wrapping_add(at + tap * row).wrapping_sub(reach.before * row).cast_const())
                .chain([inputs[0].wrapping_add(at), x.wrapping_sub(reach.before * lanes)])
                .chain([sums.wrapping_add(later), outputs[0].wrapping_add(at)].map(<*mut T>::cast_const));
            addresses.iter_mut().zip(list).for_each(|(address, row)| *address = row.cast());
            let slabs = Slabs { x, length: row, count: 1, inner: lanes, taps, after: reach.after, of, edges: true };
            // SAFETY: passed on. Beside the later row the kernel reads elements of the slab; what is computed in place was read before.
            unsafe {
                kernel.call(&addresses[..taps + 4], row * size_of::<T>());
                window_sums::sum(slabs, lanes, sums.wrapping_add(later));
            }
        }
        end
    }
}
