//! The window sums of slabs of less than a vector, many at once; and of rings.
//!
//! ```text
//! x         a b c | d e f | …                 size 5, three channels
//! spread    a b c 0 0 d e f 0 0 …
//! sums      A B C · · D E F · · …             A = a² + b² + c², …
//! ```
//!
//! Slabs are spread into one long row with room for the taps beyond their edges, so that a vector may cross from one slab into the
//! next: what is summed in between is not collected. Zeros behind one slab are those before the next; a ring has its own other end
//! on both sides.

use super::elements::WIDEST;
use super::squares::wrap;
use super::window_sums::{self, Slabs};
use crate::config::Boundary;
use crate::lane::Lane;
use crate::plan::Reach;

/// Memory of a call.
#[derive(Default)]
pub(super) struct Spread<T> {
    /// Length and room of the slabs that `x` has zeros between.
    layout: (usize, usize),
    x: Vec<T>,
    sums: Vec<T>,
}

impl<T: Lane> Spread<T> {
    /// As [`window_sums::sum`].
    ///
    /// # Safety
    ///
    /// As there.
    pub(super) unsafe fn sum(&mut self, reach: Reach, slabs: Slabs<T>, lanes: usize, sums: *mut T) {
        let Slabs { x, length, count, inner, .. } = slabs;
        let Reach { before, after, boundary } = reach;
        let ring = boundary == Boundary::Wrap;
        let (first, gap) = if ring { (before, before + after) } else { (0, before.max(after)) };
        let first = first * inner;
        let padded = length + gap * inner;
        let total = padded * count;
        if self.layout != (length, padded) {
            self.x.clear();
            self.layout = (length, padded);
        }
        self.x.resize(total, T::default());
        self.sums.resize(total + WIDEST, T::default());
        // SAFETY: both rows hold the slabs from `first` on, so far apart, and are other memory than the slabs and their sums.
        unsafe {
            copy_slabs(length, count, (x, length), (self.x[first..].as_mut_ptr(), padded));
            if ring {
                self.x.chunks_exact_mut(padded).for_each(|slab| wrap(reach, slab, length / inner, inner));
            }
            let row = Slabs { x: self.x.as_ptr(), length: total, count: 1, ..slabs };
            window_sums::sum(row, lanes, self.sums.as_mut_ptr());
            copy_slabs(length, count, (self.sums[first..].as_ptr(), padded), (sums, length));
        }
    }
}

/// Copies `count` slabs of `slab` numbers from one place to another, each so many behind the one before.
///
/// # Safety
///
/// Both places are valid for all slabs and do not overlap.
unsafe fn copy_slabs<T: Copy>(slab: usize, count: usize, from: (*const T, usize), to: (*mut T, usize)) {
    /// A length that is known is copied without a call.
    unsafe fn known<T: Copy, const N: usize>(count: usize, from: (*const T, usize), to: (*mut T, usize)) {
        for index in 0..count {
            // SAFETY: passed on.
            unsafe {
                let slab = from.0.add(index * from.1).cast::<[T; N]>().read_unaligned();
                to.0.add(index * to.1).cast::<[T; N]>().write_unaligned(slab);
            }
        }
    }
    macro_rules! by_length {
        ($($length:literal)*) => {
            // SAFETY: passed on.
            unsafe {
                match slab {
                    $($length => known::<T, $length>(count, from, to),)*
                    _ => for index in 0..count {
                        to.0.add(index * to.1).copy_from_nonoverlapping(from.0.add(index * from.1), slab);
                    },
                }
            }
        };
    }
    by_length!(2 3 4 5 6 7 8 9 10 11 12 13 14 15)
}
