//! The window sums of slabs whose channels lie along the vectors, made in memory: squares with room for the taps beyond the
//! edges, their sums of 2, 4, 8, … taps, and of these the windows'. For processors that have no code to make them in registers
//! ([`window_sums`](super::window_sums)).

use super::host::vectorized;
use crate::activation::Activation;
use crate::arithmetic::window::runs;
use crate::config::Boundary;
use crate::lane::Lane;
use crate::plan::Plan;
use crate::task::Stage;

/// Memory of a call.
#[derive(Default)]
pub(super) struct Squares<T> {
    /// Sums of 1, 2, 4, … taps at every element of the padded slabs, each from its place on.
    levels: Vec<Vec<T>>,
}

impl<T: Lane> Squares<T> {
    /// Writes the window sums of the slabs of `length` in `x` to `sums`.
    pub(super) fn sum(&mut self, plan: &Plan, x: &[T], (length, inner): (usize, usize), sums: &mut [T]) {
        let taps = plan.before + 1 + plan.after;
        let (before, after) = (plan.before * inner, plan.after * inner);
        let padded = before + length + after;
        let total = x.len() / length * padded;
        self.levels.resize_with(taps.ilog2() as usize + 1, Vec::new);
        self.levels.iter_mut().for_each(|level| level.resize(total, T::default()));
        for (squares, x) in self.levels[0].chunks_exact_mut(padded).zip(x.chunks_exact(length)) {
            square(x, &mut squares[before..][..length], plan.input == Activation::Relu);
            if plan.boundary == Boundary::Wrap {
                wrap(plan, squares, length / inner, inner);
            }
        }
        for level in 1..self.levels.len() {
            let [half, whole] = self.levels.get_disjoint_mut([level - 1, level]).expect("two levels are two");
            add(half, half.get(inner << (level - 1)..).unwrap_or_default(), whole);
        }
        for (slab, sums) in sums.chunks_exact_mut(length).enumerate() {
            for (index, (level, tap)) in runs(taps).enumerate() {
                let run = &self.levels[level][slab * padded + tap * inner..][..length];
                if index == 0 { sums.copy_from_slice(run) } else { add_to(sums, run) }
            }
        }
    }
}

fn square<T: Lane>(x: &[T], squares: &mut [T], positive: bool) {
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
pub(super) fn wrap<T: Copy>(plan: &Plan, slab: &mut [T], channels: usize, inner: usize) {
    let &Plan { before, after, .. } = plan;
    if before.max(after) <= channels {
        slab.copy_within(channels * inner..(channels + before) * inner, 0);
        slab.copy_within(before * inner..(before + after) * inner, (before + channels) * inner);
        return;
    }
    for tap in (0..before).chain(before + channels..before + channels + after) {
        if let Some(channel) = plan.reach(Stage::Forward).tap(tap, channels) {
            let from = (before + channel) * inner;
            slab.copy_within(from..from + inner, tap * inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LrnConfig, Number, Window};

    /// In memory, in registers and as `runs` says: the same bits.
    #[test]
    fn sums_are_the_same_wherever_they_are_made() {
        for (before, after) in
            [(0, 0), (1, 0), (0, 1), (1, 1), (2, 2), (2, 3), (4, 4), (7, 7), (0, 15), (15, 0), (8, 7)]
        {
            for boundary in [Boundary::Zero, Boundary::Wrap] {
                let config = LrnConfig::window(Window { before, after, divisor: 1.0 }).boundary(boundary);
                let plan = Plan::new(&config.resolve().unwrap(), Number::F32);
                for (channels, inner) in [(2, 1), (3, 1), (17, 1), (40, 1), (5, 3), (9, 8), (3, 20), (20, 33)] {
                    check(&plan, channels, inner);
                }
            }
        }
    }

    fn check(plan: &Plan, channels: usize, inner: usize) {
        let (length, count, taps) = (channels * inner, 3, plan.before + 1 + plan.after);
        let x: Vec<f32> = (0..length * count).map(|i| ((i * 37 % 101) as f32 - 50.0) * 1.7).collect();
        let expected: Vec<u32> = (0..x.len())
            .map(|element| {
                let (slab, channel, column) = (element / length, element % length / inner, element % inner);
                let square = |tap: usize| {
                    let tap = plan.reach(Stage::Forward).tap(channel + tap, channels);
                    tap.map_or(0.0, |channel| x[slab * length + channel * inner + column].powi(2))
                };
                let halves = |level: usize, first: usize| {
                    let mut run: Vec<f32> = (first..first + (1 << level)).map(square).collect();
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
        let mut sums = vec![0.0; x.len() + 16];
        Squares::default().sum(plan, &x, (length, inner), &mut sums[..x.len()]);
        assert_eq!(bits(&sums), expected, "in memory: {plan} {channels} {inner}");
        #[cfg(target_arch = "x86_64")]
        if super::super::window_sums::possible() {
            let slabs = super::super::window_sums::Slabs {
                x: x.as_ptr(),
                length,
                count,
                inner,
                taps,
                after: plan.after,
                positive: false,
            };
            for lanes in [4, 8, 16] {
                if plan.boundary == Boundary::Zero {
                    sums.fill(f32::NAN);
                    // SAFETY: three slabs, and room for their sums and 16 more.
                    unsafe { super::super::window_sums::sum(slabs, lanes, sums.as_mut_ptr()) };
                    assert_eq!(bits(&sums), expected, "in registers: {lanes} {plan} {channels} {inner}");
                }
                sums.fill(f32::NAN);
                // SAFETY: as before.
                unsafe { super::super::short_slabs::Spread::default().sum(plan, slabs, lanes, sums.as_mut_ptr()) };
                assert_eq!(bits(&sums), expected, "spread: {lanes} {plan} {channels} {inner}");
            }
        }
    }
}
