//! The sums of windows along one axis of contiguous slabs, in ordinary Rust: columns are packed into the rows of a tile, as many as a
//! vector has lanes at a time, and summed in the order of `arithmetic` ([`passes`](crate::passes)).

use super::boxes::Along;
use crate::interpreter::ArrayLanes;
use crate::jit::host::vectorized;
use crate::lane::Lane;
use crate::passes::{Terms, sum_rows};
use crate::plan::Summation;
use crate::tile::{COLUMNS, zeros};

/// Numbers of a tile: it stays in the first-level cache.
const TILE: usize = 1 << 12;

/// Writes the sums of windows along an axis.
pub(crate) fn sum<T: Lane>(summation: Summation, along: Along, x: &[T], sums: &mut [T]) {
    let Along { count, length, inner, reach } = along;
    let columns = count * inner;
    let width = (TILE / length / COLUMNS * COLUMNS).clamp(COLUMNS, columns.next_multiple_of(COLUMNS));
    let (mut tile, from) = zeros(length * width);
    let (mut summed, to) = zeros(length * width);
    let (tile, summed) = (&mut tile[from..][..length * width], &mut summed[to..][..length * width]);
    let start = |column: usize| column / inner * length * inner + column % inner;
    for first in (0..columns).step_by(width) {
        let count = width.min(columns - first);
        for (row, lanes) in tile.chunks_exact_mut(width).enumerate() {
            for (lane, column) in lanes.iter_mut().zip(first..first + count) {
                *lane = x[start(column) + row * inner];
            }
        }
        sum_rows(summation, reach, (length, width), &PlainTerms { rows: tile, width }, summed);
        for (row, lanes) in summed.chunks_exact(width).enumerate() {
            for (&lane, column) in lanes.iter().zip(first..first + count) {
                sums[start(column) + row * inner] = lane;
            }
        }
    }
}

/// Terms that were made before.
struct PlainTerms<'a, T> {
    rows: &'a [T],
    width: usize,
}

impl<T: Lane> Terms<T> for PlainTerms<'_, T> {
    #[inline(always)]
    fn term(&self, _: &mut ArrayLanes<T, COLUMNS>, row: usize, column: usize) -> [T; COLUMNS] {
        crate::interpreter::vector(&self.rows[row * self.width + column..])
    }

    #[inline(always)]
    fn add(&self, lanes: &mut ArrayLanes<T, COLUMNS>, row: usize, column: usize, sum: [T; COLUMNS]) -> [T; COLUMNS] {
        let term = self.term(lanes, row, column);
        crate::arithmetic::Lanes::add(lanes, sum, term)
    }
}

/// Makes the terms of windows, vector by vector, of so many elements; what is behind the last whole vector goes by way of another.
pub(crate) fn each_vector<T: Lane, const N: usize>(
    rows: [&[T]; N],
    terms: &mut [T],
    term: impl Fn(&mut ArrayLanes<T, COLUMNS>, [[T; COLUMNS]; N]) -> [T; COLUMNS],
) {
    vectorized(
        #[inline(always)]
        || {
            let lanes = &mut ArrayLanes::<T, COLUMNS>::default();
            let (whole, rest) = terms.as_chunks_mut::<COLUMNS>();
            for (index, to) in whole.iter_mut().enumerate() {
                *to = term(lanes, rows.map(|row| crate::interpreter::vector(&row[index * COLUMNS..])));
            }
            if !rest.is_empty() {
                let first = whole.len() * COLUMNS;
                let aside = rows.map(|row| {
                    let mut vector = [T::default(); COLUMNS];
                    vector[..rest.len()].copy_from_slice(&row[first..][..rest.len()]);
                    vector
                });
                rest.copy_from_slice(&term(lanes, aside)[..rest.len()]);
            }
        },
    );
}
