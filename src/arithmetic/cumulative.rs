//! Windows of any length from sums that grow along the channels, without ever subtracting.
//!
//! Taps are numbered u = channel + before, so that the window of channel c is u = c … c + n − 1. Cut into blocks of n taps,
//! a window is the end of one block and the beginning of the next:
//!
//! ```text
//! blocks      |  0 1 2 3 4 | 5 6 7 8 9 |        n = 5
//! channel 3           └──────────┘               suffix(3) + prefix(7)
//! ```
//!
//! suffix(u) sums from u to the end of its block, from the end downwards; prefix(u) from the beginning of its block to u.
//! Suffixes are made before the first output. The prefix of a channel is that of the channel before it and one square more, so
//! one is carried from output to output. (On a ring its squares may be those of channels that in place are outputs by then:
//! there prefixes are made first, too.) Three additions an output, whatever n. The order depends on n and the channel alone:
//! taps beyond the edges would add zero and are left out.
//!
//! On a ring of C channels n taps are n / C whole turns, which weigh the sum of all channels, and a window of the n mod C
//! taps that are left, whose numbers run on past C to channel (u − before) mod C.
//!
//! [`schedule`] gives the work as [`Step`]s; who holds the rows, and in what vectors, is the caller's business.

use super::Lanes;
use crate::config::Boundary;
use crate::plan::Reach;

/// Part of the work of a long window. Sums are rows of a scratch of [`Schedule::rows`] rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// sum = the row `start` (or 0); for each of `count` channels from `channel` on, in `direction`: sum += x², into `row`,
    /// `row` + `direction`·`row_stride`, …
    Accumulate {
        start: Option<usize>,
        channel: usize,
        row: usize,
        count: usize,
        downwards: bool,
        /// All sums go to the same row: only the last matters.
        in_place: bool,
    },
    /// carry = 0 where `fresh`, else carry + x² of the channel `tap` (of none where there is no tap); output `channel` from the row
    /// `suffix` (0 where `None`) and the carry.
    Carry { channel: usize, suffix: Option<usize>, tap: Option<usize>, fresh: bool },
    /// Output `channel` from the rows (0 where `None`); `total` counts [`Schedule::turns`] times.
    Combine { channel: usize, suffix: Option<usize>, prefix: Option<usize>, total: Option<usize> },
}

/// The steps of one column of channels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schedule {
    pub(crate) steps: Vec<Step>,
    /// Rows of scratch.
    pub(crate) rows: usize,
    /// How often the window goes around the whole ring.
    pub(crate) turns: f64,
}

/// suffix + prefix + turns·total; `whole` is (total, turns).
#[inline(always)]
pub(crate) fn window_sum<L: Lanes>(
    lanes: &mut L,
    suffix: L::Float,
    prefix: L::Float,
    whole: Option<(L::Float, L::Float)>,
) -> L::Float {
    let sum = lanes.add(suffix, prefix);
    match whole {
        Some((total, turns)) => lanes.fma(total, turns, sum),
        None => sum,
    }
}

/// The work of a window over `channels` channels.
pub(crate) fn schedule(reach: Reach, channels: usize) -> Schedule {
    let taps = reach.taps();
    let (turns, block) = match reach.boundary {
        Boundary::Zero => (0, taps),
        Boundary::Wrap => (taps / channels, taps % channels),
    };
    // The taps that are read, from `low` to `high`.
    let (low, high) = match reach.boundary {
        Boundary::Zero => (reach.before, reach.before + channels),
        Boundary::Wrap if block == 0 => (0, 0),
        Boundary::Wrap => (0, channels + block - 1),
    };
    let read = high - low;
    let channel = |tap: usize| reach.tap(tap, channels).expect("taps that are read have a channel");
    let mut steps = Vec::new();
    // Suffixes stand in rows 0 … read − 1; on a ring prefixes in the next `read` rows, the total last.
    let (suffix_row, prefix_row, total_row) = (|u: usize| u - low, |u: usize| read + u - low, 2 * read);
    let ring = reach.boundary == Boundary::Wrap;
    for (first, last) in runs(low, high, block, &channel) {
        // Block 0 is never begun by a window: no prefix of it is needed.
        if ring && first >= block {
            let start = (first > low && !first.is_multiple_of(block)).then(|| prefix_row(first - 1));
            let (channel, row, count) = (channel(first), prefix_row(first), last - first + 1);
            steps.push(Step::Accumulate { start, channel, row, count, downwards: false, in_place: false });
        }
    }
    for (first, last) in runs(low, high, block, &channel).into_iter().rev() {
        let start = (last + 1 < high && !(last + 1).is_multiple_of(block)).then(|| suffix_row(last + 1));
        let (channel, row, count) = (channel(last), suffix_row(last), last - first + 1);
        steps.push(Step::Accumulate { start, channel, row, count, downwards: true, in_place: false });
    }
    if turns > 0 {
        let (start, channel, row, count) = (None, 0, total_row, channels);
        steps.push(Step::Accumulate { start, channel, row, count, downwards: false, in_place: true });
    }
    for c in 0..channels {
        let (mut suffix, mut prefix) = (None, None);
        if let Some(number) = c.checked_div(block) {
            let next = (number + 1) * block;
            let first = c.max(low);
            suffix = (first < next.min(high)).then(|| suffix_row(first));
            let last = (c + block - 1).min(high - 1);
            prefix = (last >= next.max(low)).then(|| prefix_row(last));
        }
        let total = (turns > 0).then_some(total_row);
        steps.push(if ring {
            Step::Combine { channel: c, suffix, prefix, total }
        } else {
            let newest = c + block - 1;
            let fresh = c.is_multiple_of(block);
            let tap = (!fresh && (low..high).contains(&newest)).then(|| channel(newest));
            Step::Carry { channel: c, suffix, tap, fresh }
        });
    }
    let rows = if ring { 2 * read + usize::from(turns > 0) } else { read };
    Schedule { steps, rows, turns: turns as f64 }
}

/// Stretches of taps (first, last) within one block whose channels follow one another.
fn runs(low: usize, high: usize, block: usize, channel: &impl Fn(usize) -> usize) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for u in low..high {
        match runs.last_mut() {
            Some((_, last)) if !u.is_multiple_of(block) && channel(u) != 0 => *last = u,
            _ => runs.push((u, u)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a schedule on the channels' numbers as powers: how often each channel counts for each output.
    fn counts(before: usize, after: usize, boundary: Boundary, channels: usize) -> Vec<Vec<u64>> {
        let schedule = schedule(Reach { before, after, boundary }, channels);
        let zero = vec![0u64; channels];
        let mut rows = vec![vec![u64::MAX; channels]; schedule.rows];
        let mut outputs = vec![zero.clone(); channels];
        let mut carry = zero.clone();
        for step in schedule.steps {
            match step {
                Step::Carry { channel, suffix, tap, fresh } => {
                    if fresh {
                        carry.clone_from(&zero);
                    }
                    if let Some(tap) = tap {
                        carry[tap] += 1;
                    }
                    let suffix = suffix.map_or(&zero, |row| &rows[row]);
                    outputs[channel] = carry.iter().zip(suffix).map(|(a, b)| a + b).collect();
                }
                Step::Accumulate { start, channel, row, count, downwards, in_place } => {
                    let mut sum = start.map_or(zero.clone(), |row| rows[row].clone());
                    for i in 0..count {
                        let step = |from: usize| if downwards { from - i } else { from + i };
                        sum[step(channel)] += 1;
                        let row = if in_place { row } else { step(row) };
                        rows[row].clone_from(&sum);
                    }
                }
                Step::Combine { channel, suffix, prefix, total } => {
                    let parts = [suffix, prefix].into_iter().flatten().map(|row| (row, 1));
                    for (row, times) in parts.chain(total.map(|row| (row, schedule.turns as u64))) {
                        for (count, add) in outputs[channel].iter_mut().zip(&rows[row]) {
                            *count += add * times;
                        }
                    }
                }
            }
        }
        outputs
    }

    #[test]
    fn every_tap_counts_once_and_no_other() {
        for channels in 1..12 {
            for before in 0..15 {
                for after in 0..15 {
                    for boundary in [Boundary::Zero, Boundary::Wrap] {
                        let mut expected = vec![vec![0u64; channels]; channels];
                        for (c, counts) in expected.iter_mut().enumerate() {
                            for tap in 0..=before + after {
                                let at = (c + tap) as isize - before as isize;
                                let ring = at.rem_euclid(channels as isize);
                                if boundary == Boundary::Wrap || at == ring {
                                    counts[ring as usize] += 1;
                                }
                            }
                        }
                        let got = counts(before, after, boundary, channels);
                        assert_eq!(got, expected, "{channels} channels, {before}+1+{after} taps, {boundary:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_huge_window_costs_no_more_than_the_channels() {
        let reach = Reach { before: 1 << 40, after: 1 << 40, boundary: Boundary::Zero };
        assert!(schedule(reach, 100).steps.len() <= 102);
    }
}
