//! Windows over two axes, an index of the inner of which is a vector (channels in lanes, as oneDNN's blocked layouts have them): while a
//! kernel computes a row of vectors from the sums along each row of its windows, it makes those of a later row. What is asked of memory,
//! added and multiplied overlaps, and nothing is read again.
//!
//! ```text
//! sums along rows   r − before … r … r + after  │  r + after + 1        made meanwhile, of the elements of that row
//!                   └──── windows of row r ───┘
//! ```
//!
//! The sums are a ring of as many rows as a window has: the later row takes the place of the first, vector by vector. (With a row more than
//! that a first-level cache did not hold the rows of 112 vectors of 64 bytes: 0.174 ns an element instead of 0.149.) The kernel knows no
//! ends of rows: what it sums there of elements of two rows is overwritten ([`Slabs::edges`]). The slab's last row has no elements behind
//! it, and is summed as all rows are elsewhere.

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
    /// Computes rows of one slab of the forward pass, if that pays, and says whether it did.
    ///
    /// # Safety
    ///
    /// The input is readable over the slab, and the output writable over the wanted rows; they are the same or apart.
    pub(super) unsafe fn roll(
        &mut self,
        stage: Stage,
        boxes: &mut Boxes,
        (input, output): (*const T, *mut T),
        wanted: Range<usize>,
    ) -> bool {
        let (plan, lanes) = (self.engine.plan(), self.engine.lanes::<T>());
        let (reach, taps) = (plan.reach(stage), plan.reach_taps());
        let [1, rows, length, ref inner @ ..] = boxes.extents[..] else { return false };
        let a_vector = inner.iter().product::<usize>() == lanes && lanes * size_of::<T>() >= NARROWEST;
        let possible = stage == Stage::Forward && boxes.windows == [2, 1] && window_sums::possible();
        if !(possible && a_vector && length >= SHORTEST) {
            return false;
        }
        let kernel = |sums| self.engine.elementwise_kernel(stage, sums, false);
        let (Some(kernel), Some(last)) = (kernel(Sums::Rolling), kernel(Sums::ByTap)) else { return false };

        let of = Of::Squares { positive: plan.input == Activation::Relu };
        let row = length * lanes;
        let first = wanted.start.saturating_sub(reach.before);
        // A turn of sums, and zeros. Sums are of whole vectors: nothing is written behind them, or read after it was overwritten.
        let ring = self.ring.start((taps + 1) * row);
        let zeros = ring.wrapping_add(taps * row);
        // SAFETY: there is room for them.
        unsafe { zeros.write_bytes(0, row) };
        let place = |index: usize| ring.wrapping_add((index - first) % taps * row);
        let mut sum = |rows: Range<usize>| {
            boxes.extents[1] = rows.len();
            let from = input.wrapping_add(rows.start * row);
            // SAFETY: rows of the slab; of the ring as many from there on.
            unsafe {
                self.sums.sum(
                    (&**plan, &*boxes, lanes),
                    (stage, stage.terms()[0]),
                    &[from],
                    (self.kind, place(rows.start)),
                )
            };
        };
        sum(first..rows.min(wanted.start + reach.after + 1));
        for index in wanted {
            let (at, later) = (index * row, index + reach.after + 1);
            let x = input.wrapping_add(later * row);
            let rolls = later + 1 < rows;
            let mut addresses = [std::ptr::null(); ROWS];
            for (tap, address) in addresses.iter_mut().enumerate().take(taps) {
                let there = (index + tap).checked_sub(reach.before).filter(|&index| index < rows);
                *address = there.map_or(zeros, place).cast_const().cast();
            }
            let mut count = taps;
            let mut push = |row: *const T| {
                addresses[count] = row.cast();
                count += 1;
            };
            push(input.wrapping_add(at));
            if rolls {
                push(x.wrapping_sub(reach.before * lanes));
                push(place(later));
            }
            push(output.wrapping_add(at));
            let kernel = if rolls { kernel } else { last };
            // SAFETY: passed on. Beside the later row the kernel reads elements of the slab; what is computed in place was read before.
            unsafe { kernel.call(&addresses[..count], row * size_of::<T>()) };
            if rolls {
                let slabs = Slabs { x, length: row, count: 1, inner: lanes, taps, after: reach.after, of, edges: true };
                // SAFETY: a row of the slab, and one of the ring.
                unsafe { window_sums::sum(slabs, lanes, place(later)) };
            } else if later < rows {
                sum(later..later + 1);
            }
        }
        boxes.extents[1] = rows;
        true
    }
}
