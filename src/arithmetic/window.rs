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

/// The longest window that is unrolled; longer ones are summed by [`cumulative`](super::cumulative) rows.
pub(crate) const MAX_UNROLLED: usize = 16;

/// The runs that a window of `taps` is cut into, in the order in which they are added: the level (2^level taps) and first tap.
pub(crate) fn runs(taps: usize) -> impl Iterator<Item = (usize, usize)> {
    let levels = (0..=taps.ilog2() as usize).rev().filter(move |level| taps >> level & 1 == 1);
    levels.scan(0, |next, level| {
        let first = *next;
        *next += 1 << level;
        Some((level, first))
    })
}

/// The sum of one window of `taps` rows. `row` gives each once; what it gives may still stand in memory.
#[inline(always)]
pub(crate) fn sum_of<L: Lanes>(
    lanes: &mut L,
    taps: usize,
    row: &mut impl FnMut(&mut L, usize) -> L::Float,
) -> L::Float {
    let mut sum = None;
    for (level, first) in runs(taps) {
        let run = sum_of_run(lanes, level, first, row);
        sum = Some(sum.map_or(run, |sum| lanes.add(sum, run)));
    }
    sum.expect("a window has at least one tap")
}

/// The sum of 2^`level` rows from the first on.
fn sum_of_run<L: Lanes>(
    lanes: &mut L,
    level: usize,
    first: usize,
    row: &mut impl FnMut(&mut L, usize) -> L::Float,
) -> L::Float {
    let Some(half) = level.checked_sub(1) else { return row(lanes, first) };
    let lower = sum_of_run(lanes, half, first, row);
    let upper = sum_of_run(lanes, half, first + (1 << half), row);
    lanes.add(lower, upper)
}

/// Sums of 1, 2, 4, … consecutive rows' squares, each computed as soon as its last row is known: few are alive at a time.
pub(crate) struct PartialSums<F> {
    taps: usize,
    /// By level, then by first row.
    levels: Vec<Vec<F>>,
}

impl<F: Copy> PartialSums<F> {
    /// For windows of `taps` rows.
    pub(crate) fn new(taps: usize) -> Self {
        debug_assert!((1..=MAX_UNROLLED).contains(&taps));
        Self { taps, levels: vec![Vec::new(); taps.ilog2() as usize + 1] }
    }

    /// Forgets all sums: other data follows.
    pub(crate) fn clear(&mut self) {
        self.levels.iter_mut().for_each(Vec::clear);
    }

    /// The sum of the window from row `first` on. `square` gives a row's square and is asked once a row, in order.
    #[inline(always)]
    pub(crate) fn window<L: Lanes<Float = F>>(
        &mut self,
        lanes: &mut L,
        first: usize,
        mut square: impl FnMut(&mut L, usize) -> F,
    ) -> F {
        while self.levels[0].len() < first + self.taps {
            let row = self.levels[0].len();
            let value = square(lanes, row);
            self.push(lanes, value);
        }
        // A loop, not `runs`: closures of iterators are not always inlined, and then computed without the host's vectors.
        let mut row = first;
        let mut sum = None;
        for (level, runs) in self.levels.iter().enumerate().rev() {
            if self.taps >> level & 1 == 1 {
                let run = runs[row];
                sum = Some(sum.map_or(run, |sum| lanes.add(sum, run)));
                row += 1 << level;
            }
        }
        sum.expect("a window has at least one tap")
    }

    /// Adds a row's square and every sum that ends with it.
    #[inline(always)]
    fn push<L: Lanes<Float = F>>(&mut self, lanes: &mut L, square: F) {
        self.levels[0].push(square);
        let rows = self.levels[0].len();
        for level in 1..self.levels.len() {
            let Some(start) = rows.checked_sub(1 << level) else { break };
            let half = &self.levels[level - 1];
            let sum = lanes.add(half[start], half[start + (1 << (level - 1))]);
            self.levels[level].push(sum);
        }
    }
}
