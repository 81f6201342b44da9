//! The squares of slabs whose channels lie along the vectors, with room for the taps beyond their edges, and for longer
//! windows the sums of 2, 4, 8, … taps: what the channels-last kernel loads.

use std::ptr;

use super::host::vectorized;
use crate::codegen::channels_last::tap_rows;
use crate::plan::Plan;

/// f32 of the widest vector.
pub(super) const BORDER: usize = 16;

/// Sums of 1, 2, 4, … taps at every element, each from its place on, `inner` apart.
pub(super) struct Squares {
    levels: Vec<Vec<f32>>,
    /// Where in each level the first element stands.
    first: usize,
    length: usize,
    inner: usize,
}

impl Squares {
    /// Room for `length` squares, the one at `aligned` on the border of a vector.
    pub(super) fn new(plan: &Plan, length: usize, aligned: usize, inner: usize) -> Self {
        let top = tap_rows(plan).iter().map(|&(level, _)| level).max().unwrap_or(0);
        let levels: Vec<Vec<f32>> = (0..=top).map(|_| vec![0.0; length + BORDER]).collect();
        let first = levels[0][aligned..].as_ptr().align_offset(BORDER * size_of::<f32>()).min(BORDER);
        Self { levels, first, length, inner }
    }

    /// How many levels a plan's windows need.
    pub(super) fn levels(plan: &Plan) -> usize {
        1 + tap_rows(plan).iter().map(|&(level, _)| level).max().unwrap_or(0)
    }

    /// The squares themselves.
    pub(super) fn squares(&mut self) -> &mut [f32] {
        &mut self.levels[0][self.first..][..self.length]
    }

    /// Squares `x` into the squares from `at` on.
    pub(super) fn square(&mut self, at: usize, x: &[f32]) {
        let squares = &mut self.squares()[at..];
        vectorized(
            #[inline(always)]
            || {
                for (square, x) in squares.iter_mut().zip(x) {
                    *square = x * x;
                }
            },
        );
    }

    /// Makes the sums of the first `length` squares: each of two halves, in the order of `arithmetic::window`.
    pub(super) fn sum_up(&mut self, length: usize) {
        let (first, inner) = (self.first, self.inner);
        for level in 1..self.levels.len() {
            let step = inner << (level - 1);
            let [half, sums] = self.levels.get_disjoint_mut([level - 1, level]).expect("two levels are two");
            let half = &half[first..][..length];
            let (sums, upper) = (&mut sums[first..][..length], half.get(step..).unwrap_or_default());
            vectorized(
                #[inline(always)]
                || {
                    for ((sum, lower), upper) in sums.iter_mut().zip(half).zip(upper) {
                        *sum = lower + upper;
                    }
                },
            );
        }
    }

    /// Where the kernel's taps begin.
    pub(super) fn rows(&self, plan: &Plan) -> impl Iterator<Item = *const u8> {
        tap_rows(plan)
            .into_iter()
            .map(|(level, tap)| self.levels[level][self.first + tap * self.inner..].as_ptr().cast())
    }
}

/// A number of bytes, as a row of the kernel.
pub(super) fn bytes(elements: usize) -> *const u8 {
    ptr::without_provenance(elements * size_of::<f32>())
}
