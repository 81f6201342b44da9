//! The window sums of slabs whose channels lie along the vectors, made in memory: squares (or what else is summed) with room for the taps beyond the
//! edges, their sums of 2, 4, 8, … taps, and of these the windows'. For processors that have no code to make them in registers
//! ([`window_sums`](super::window_sums)).

use super::box_sums::Of;
use super::host::vectorized;
use crate::arithmetic::window::runs;
use crate::config::Boundary;
use crate::lane::Lane;
use crate::plan::Reach;
use crate::region::boxes::Along;

/// Memory of a call.
#[derive(Default)]
pub(super) struct Squares<T> {
    /// Sums of 1, 2, 4, … taps at every element of the padded slabs, each from its place on.
    levels: Vec<Vec<T>>,
}

impl<T: Lane> Squares<T> {
    /// Writes the window sums of slabs.
    pub(super) fn sum(&mut self, along: Along, of: Of, x: &[T], sums: &mut [T]) {
        let Along { count, length, inner, reach } = along;
        let (taps, slab) = (reach.taps(), length * inner);
        let (before, after) = (reach.before * inner, reach.after * inner);
        let padded = before + slab + after;
        let total = count * padded;
        self.levels.resize_with(taps.ilog2() as usize + 1, Vec::new);
        self.levels.iter_mut().for_each(|level| level.resize(total, T::default()));
        for (terms, x) in self.levels[0].chunks_exact_mut(padded).zip(x.chunks_exact(slab)) {
            match of {
                Of::Plain => terms[before..][..slab].copy_from_slice(x),
                Of::Squares { positive } => square(x, &mut terms[before..][..slab], positive),
            }
            match reach.boundary {
                Boundary::Wrap => wrap(reach, terms, length, inner),
                // Memory of another call.
                Boundary::Zero => {
                    terms[..before].fill(T::default());
                    terms[before + slab..].fill(T::default());
                }
            }
        }
        for level in 1..self.levels.len() {
            let [half, whole] = self.levels.get_disjoint_mut([level - 1, level]).expect("two levels are two");
            add(half, half.get(inner << (level - 1)..).unwrap_or_default(), whole);
        }
        for (number, sums) in sums.chunks_exact_mut(slab).enumerate() {
            for (index, (level, tap)) in runs(taps).enumerate() {
                let run = &self.levels[level][number * padded + tap * inner..][..slab];
                if index == 0 { sums.copy_from_slice(run) } else { add_to(sums, run) }
            }
        }
    }
}

pub(super) fn square<T: Lane>(x: &[T], squares: &mut [T], positive: bool) {
    let zero = T::default();
    vectorized(
        #[inline(always)]
        || {
            for (square, &x) in squares.iter_mut().zip(x) {
                let x = if positive && zero > x { zero } else { x };
                *square = x * x;
            }
        },
    );
}

fn add<T: Lane>(lower: &[T], upper: &[T], sums: &mut [T]) {
    vectorized(
        #[inline(always)]
        || {
            for ((sum, &lower), &upper) in sums.iter_mut().zip(lower).zip(upper) {
                *sum = lower + upper;
            }
        },
    );
}

fn add_to<T: Lane>(sums: &mut [T], run: &[T]) {
    vectorized(
        #[inline(always)]
        || {
            for (sum, &run) in sums.iter_mut().zip(run) {
                *sum = *sum + run;
            }
        },
    );
}

/// Fills the room around a slab, or its squares, from the other end of its ring.
pub(super) fn wrap<T: Copy>(reach: Reach, slab: &mut [T], channels: usize, inner: usize) {
    let Reach { before, after, .. } = reach;
    if before.max(after) <= channels {
        slab.copy_within(channels * inner..(channels + before) * inner, 0);
        slab.copy_within(before * inner..(before + after) * inner, (before + channels) * inner);
        return;
    }
    for tap in (0..before).chain(before + channels..before + channels + after) {
        if let Some(channel) = reach.tap(tap, channels) {
            let from = (before + channel) * inner;
            slab.copy_within(from..from + inner, tap * inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// In memory, in registers and as `runs` says: the same bits.
    #[test]
    fn sums_are_the_same_wherever_they_are_made() {
        for (before, after) in
            [(0, 0), (1, 0), (0, 1), (1, 1), (2, 2), (2, 3), (4, 4), (7, 7), (0, 15), (15, 0), (8, 7)]
        {
            for boundary in [Boundary::Zero, Boundary::Wrap] {
                let reach = Reach { before, after, boundary };
                for (channels, inner) in [(2, 1), (3, 1), (17, 1), (40, 1), (5, 3), (9, 8), (3, 20), (20, 33)] {
                    check(reach, channels, inner, Of::Squares { positive: false });
                    check(reach, channels, inner, Of::Squares { positive: true });
                    check(reach, channels, inner, Of::Plain);
                }
            }
        }
    }

    fn check(reach: Reach, channels: usize, inner: usize, of: Of) {
        let (length, count, taps) = (channels * inner, 3, reach.taps());
        let x: Vec<f32> = (0..length * count).map(|i| ((i * 37 % 101) as f32 - 50.0) * 1.7).collect();
        let of_one = |x: f32| match of {
            Of::Plain => x,
            Of::Squares { positive } => (if positive { x.max(0.0) } else { x }).powi(2),
        };
        let expected: Vec<u32> = (0..x.len())
            .map(|element| {
                let (slab, channel, column) = (element / length, element % length / inner, element % inner);
                let term = |tap: usize| {
                    let tap = reach.tap(channel + tap, channels);
                    tap.map_or(0.0, |channel| of_one(x[slab * length + channel * inner + column]))
                };
                let halves = |level: usize, first: usize| {
                    let mut run: Vec<f32> = (first..first + (1 << level)).map(term).collect();
                    while run.len() > 1 {
                        run = run.chunks(2).map(|pair| pair[0] + pair[1]).collect();
                    }
                    run[0]
                };
                let sums = runs(taps).map(|(level, first)| halves(level, first));
                sums.reduce(|sum, run| sum + run).unwrap().to_bits()
            })
            .collect();
        let bits = |sums: &[f32]| sums[..x.len()].iter().map(|sum| sum.to_bits()).collect::<Vec<_>>();
        let what = format!("{reach:?} {channels} {inner} {of:?}");
        let mut sums = vec![0.0; x.len() + 16];
        let mut squares = Squares::default();
        // Memory of another call before.
        squares.sum(Along { count: 5, length: 7, inner: 3, reach }, Of::Plain, &[9.0; 105], &mut [0.0; 105]);
        squares.sum(Along { count, length: channels, inner, reach }, of, &x, &mut sums[..x.len()]);
        assert_eq!(bits(&sums), expected, "in memory: {what}");
        #[cfg(target_arch = "x86_64")]
        if super::super::window_sums::possible() {
            let slabs = super::super::window_sums::Slabs {
                x: x.as_ptr(),
                length,
                count,
                inner,
                taps,
                after: reach.after,
                of,
                edges: false,
            };
            for lanes in [4, 8, 16] {
                if reach.boundary == Boundary::Zero {
                    sums.fill(f32::NAN);
                    // SAFETY: three slabs, and room for their sums and 16 more.
                    unsafe { super::super::window_sums::sum(slabs, lanes, sums.as_mut_ptr()) };
                    assert_eq!(bits(&sums), expected, "in registers: {lanes} {what}");
                }
                sums.fill(f32::NAN);
                // SAFETY: as before.
                unsafe { super::super::short_slabs::Spread::default().sum(reach, slabs, lanes, sums.as_mut_ptr()) };
                assert_eq!(bits(&sums), expected, "spread: {lanes} {what}");
            }
        }
    }
}
