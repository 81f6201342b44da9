//! The sums of long windows along an axis: from the ends and the beginnings of blocks of as many indices as the window has taps, as
//! [`arithmetic::cumulative`](crate::arithmetic::cumulative) says, three additions whatever the window.
//!
//! ```text
//! of each block   from its last index to its first: ends[i] = ends[i + 1] + x[i]
//!                 from its first output to its last: begin += x[the window's last], sum = ends[the window's first] + begin
//! ```
//!
//! Vectors lie beside the axis: along what is inside it, or, where that is less than a vector, along slabs, which are turned by blocks of
//! 8×8 ([`turn`](super::turn)) into a tile and back. Some vectors go side by side, since each sum waits for the one before.

use super::box_sums::Of;
use super::host::vectorized;
use super::turn;
use crate::lane::Lane;
use crate::plan::Reach;
use crate::region::boxes::Along;

/// Columns that go side by side, and those of the narrowest step.
const WIDE: usize = 64;
const NARROW: usize = 16;

/// Memory of a call.
#[derive(Default)]
pub(super) struct LongSums<T> {
    /// What is summed, where it is no element.
    terms: Vec<T>,
    /// The ends of a block.
    ends: Vec<T>,
    /// Slabs, turned, and their sums.
    tiles: [Vec<T>; 2],
}

impl<T: Lane> LongSums<T> {
    /// Writes the window sums of slabs.
    pub(super) fn sum(&mut self, along: Along, of: Of, x: &[T], sums: &mut [T]) {
        let Along { count, length, inner, reach } = along;
        let slab = length * inner;
        if inner >= NARROW {
            for (x, sums) in x.chunks_exact(slab).zip(sums.chunks_exact_mut(slab)) {
                down((reach, of), (length, inner), &mut self.ends, x, sums);
            }
            return;
        }
        // Columns of all slabs, some at a time.
        let columns = count * inner;
        let [tile, summed] = &mut self.tiles;
        [&mut *tile, &mut *summed].into_iter().for_each(|tile| tile.resize(length * WIDE, T::default()));
        for first in (0..columns).step_by(WIDE) {
            let many = WIDE.min(columns - first);
            // No wider than it has to be.
            let width = many.next_multiple_of(NARROW);
            let (tile, summed) = (&mut tile[..length * width], &mut summed[..length * width]);
            turn::into_tile((length, inner), (first, many), x, (tile, width));
            down((reach, of), (length, width), &mut self.ends, tile, summed);
            turn::from_tile((length, inner), (first, many), (summed, width), sums);
        }
    }

    /// What is summed.
    pub(super) fn terms<'a>(&'a mut self, of: Of, x: &'a [T]) -> &'a [T] {
        let Of::Squares { positive } = of else { return x };
        self.terms.resize(x.len(), T::default());
        super::squares::square(x, &mut self.terms, positive);
        &self.terms
    }
}

/// Sums down a slab of `length` rows of `inner` columns, [`NARROW`] at least.
fn down<T: Lane>(
    (reach, of): (Reach, Of),
    (length, inner): (usize, usize),
    ends: &mut Vec<T>,
    x: &[T],
    sums: &mut [T],
) {
    ends.resize(reach.taps().min(length) * WIDE, T::default());
    let zero = T::default();
    let slab = (length, inner);
    vectorized(
        #[inline(always)]
        || match of {
            Of::Plain => all_columns(reach, slab, (ends, x, sums), |x| x),
            Of::Squares { positive: false } => all_columns(reach, slab, (ends, x, sums), |x| x * x),
            Of::Squares { positive: true } => all_columns(reach, slab, (ends, x, sums), |x| {
                let x = if zero > x { zero } else { x };
                x * x
            }),
        },
    );
}

#[inline(always)]
fn all_columns<T: Lane>(
    reach: Reach,
    (length, inner): (usize, usize),
    (ends, x, sums): (&mut [T], &[T], &mut [T]),
    term: impl Fn(T) -> T + Copy,
) {
    let mut column = 0;
    while column + WIDE <= inner {
        columns::<T, WIDE>(reach, (length, inner), ends, (&x[column..], &mut sums[column..]), term);
        column += WIDE;
    }
    while column < inner {
        // The last ones overlap those before, and are the same again.
        let start = column.min(inner - NARROW);
        columns::<T, NARROW>(reach, (length, inner), ends, (&x[start..], &mut sums[start..]), term);
        column += NARROW;
    }
}

/// The sums of `N` columns.
#[inline(always)]
fn columns<T: Lane, const N: usize>(
    reach: Reach,
    (length, inner): (usize, usize),
    ends: &mut [T],
    (x, sums): (&[T], &mut [T]),
    term: impl Fn(T) -> T,
) {
    let (ends, _) = ends.as_chunks_mut::<N>();
    let (taps, before) = (reach.taps(), reach.before);
    // Taps are numbered from the first output's first: index i is tap i + before.
    let (low, high) = (before, before + length);
    for first in (0..length).step_by(taps) {
        let next = first.saturating_add(taps);
        // The ends of the block: those of its taps that are there.
        let there = first.max(low)..next.min(high);
        let mut sum = [T::default(); N];
        for tap in there.clone().rev() {
            add(&mut sum, &x[(tap - before) * inner..], &term);
            ends[tap - there.start] = sum;
        }
        let mut begin = [T::default(); N];
        for output in first..length.min(next) {
            let newest = output + taps - 1;
            if output > first && (low..high).contains(&newest) {
                add(&mut begin, &x[(newest - before) * inner..], &term);
            }
            let mut sum = match output.max(there.start) {
                tap if tap < there.end => ends[tap - there.start],
                _ => [T::default(); N],
            };
            add(&mut sum, &begin, &|x| x);
            sums[output * inner..][..N].copy_from_slice(&sum);
        }
    }
}

/// Adds the terms of a row's first columns.
#[inline(always)]
fn add<T: Lane, const N: usize>(sum: &mut [T; N], row: &[T], term: &impl Fn(T) -> T) {
    let row: &[T; N] = row.first_chunk().expect("a row has its columns");
    for (sum, &x) in sum.iter_mut().zip(row) {
        *sum = *sum + term(x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Boundary;
    use crate::plan::Summation;
    use crate::region::sums::sum;

    #[test]
    fn sums_are_the_interpreters() {
        for (before, after) in [(8, 8), (15, 15), (31, 32), (0, 17), (20, 0), (99, 3), (1 << 40, 1 << 40)] {
            for (count, length, inner) in [(3, 5, 1), (70, 100, 1), (2, 40, 3), (3, 33, 16), (1, 64, 100), (9, 1, 1)] {
                let reach = Reach { before, after, boundary: Boundary::Zero };
                let along = Along { count, length, inner, reach };
                let x: Vec<f32> = (0..along.elements()).map(|i| ((i * 37 % 101) as f32 - 50.0) * 1.7).collect();
                let (mut got, mut expected) = (vec![f32::NAN; x.len()], vec![0.0; x.len()]);
                LongSums::default().sum(along, Of::Plain, &x, &mut got);
                sum(Summation::Cumulative, along, &x, &mut expected);
                assert!(got.iter().map(|y| y.to_bits()).eq(expected.iter().map(|y| y.to_bits())), "{along:?}");
                let wide: Vec<f64> = x.iter().map(|&x| x.into()).collect();
                let (mut got, mut expected) = (vec![f64::NAN; x.len()], vec![0.0; x.len()]);
                LongSums::default().sum(along, Of::Squares { positive: true }, &wide, &mut got);
                let squares: Vec<f64> = wide.iter().map(|&x| x.max(0.0).powi(2)).collect();
                sum(Summation::Cumulative, along, &squares, &mut expected);
                assert_eq!(got, expected, "{along:?}");
            }
        }
    }
}
