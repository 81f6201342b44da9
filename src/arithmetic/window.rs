//! The sum of a window's squares, by doubling.
//!
//! A window of n taps is cut along the binary digits of n, the largest power of two first; a run of 2^k taps is the sum
//! of its two halves:
//!
//! ```text
//! n = 5:  ((q0+q1) + (q2+q3)) + q4          n = 7:  (((q0+q1) + (q2+q3)) + (q4+q5)) + q6
//! ```
//!
//! The order depends on n alone, so it is the same in every block, layout and tail; a tap outside the tensor adds +0,
//! which changes no bit. Neighbouring windows share their halves: beside a block of outputs each new window costs
//! about log2 n additions instead of n − 1. Nothing is ever subtracted.

use super::Lanes;

/// The longest window that is unrolled; longer ones are summed by [cumulative rows](crate::plan::Window).
pub(crate) const MAX_UNROLLED: usize = 16;

/// Levels of doubling: runs of 1, 2, 4, 8 and 16 taps.
const LEVELS: usize = MAX_UNROLLED.ilog2() as usize + 1;

/// Partial sums already known, by level and first row.
pub(crate) struct PartialSums<F> {
    rows: usize,
    known: Vec<Option<F>>,
}

impl<F: Copy> PartialSums<F> {
    /// Sums over `rows` consecutive rows of squares, none known yet.
    pub(crate) fn new(rows: usize) -> Self {
        Self { rows, known: vec![None; rows * LEVELS] }
    }

    /// Forgets all sums: other data follows.
    pub(crate) fn clear(&mut self) {
        self.known.fill(None);
    }

    /// The sum of the `taps` rows from `first` on; `square` gives a row's square and is asked once a row.
    #[inline(always)]
    pub(crate) fn window<L: Lanes<Float = F>>(
        &mut self,
        lanes: &mut L,
        first: usize,
        taps: usize,
        square: &mut impl FnMut(&mut L, usize) -> F,
    ) -> F {
        debug_assert!((1..=MAX_UNROLLED).contains(&taps) && first + taps <= self.rows);
        let mut sum = None;
        let mut row = first;
        for level in (0..LEVELS).rev().filter(|level| taps >> level & 1 == 1) {
            let run = self.run(lanes, level, row, square);
            sum = Some(match sum {
                Some(sum) => lanes.add(sum, run),
                None => run,
            });
            row += 1 << level;
        }
        sum.expect("a window has at least one tap")
    }

    /// The sum of 2^level rows.
    fn run<L: Lanes<Float = F>>(
        &mut self,
        lanes: &mut L,
        level: usize,
        row: usize,
        square: &mut impl FnMut(&mut L, usize) -> F,
    ) -> F {
        let slot = level * self.rows + row;
        if let Some(known) = self.known[slot] {
            return known;
        }
        let value = match level {
            0 => square(lanes, row),
            _ => {
                let low = self.run(lanes, level - 1, row, square);
                let high = self.run(lanes, level - 1, row + (1 << (level - 1)), square);
                lanes.add(low, high)
            }
        };
        self.known[slot] = Some(value);
        value
    }
}
