//! The kernel nobody specialized: ordinary Rust with size, alpha, beta and k as run-time values, tiled and written so that
//! the compiler vectorizes it. The rival of the benchmarks, and available as a backend.
//!
//! Its power is either `powf` for every beta, or with the shortcuts a careful author adds: square roots for ½ and ¾, a
//! division for 1.

use crate::config::{Boundary, Parameters};
use crate::jit::host::vectorized;
use crate::tile::TileEngine;

/// Run-time parameters.
pub(crate) struct Generic {
    before: usize,
    after: usize,
    boundary: Boundary,
    a: f32,
    beta: f32,
    k: f32,
    /// Square roots where they serve, instead of `powf`.
    shortcuts: bool,
}

impl Generic {
    pub(crate) fn new(parameters: &Parameters, shortcuts: bool) -> Self {
        let window = parameters.window;
        Self {
            before: window.before,
            after: window.after,
            boundary: parameters.boundary,
            a: (parameters.alpha / window.divisor) as f32,
            beta: parameters.beta as f32,
            k: parameters.k as f32,
            shortcuts,
        }
    }

    /// Adds `weight` times the squares of a row.
    #[inline(always)]
    fn add(sums: &mut [f32], row: &[f32], weight: f32) {
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum += weight * (x * x);
        }
    }

    /// y = x / d^beta with d = k + a·Σ.
    #[inline(always)]
    fn finish(&self, y: &mut [f32], x: &[f32], sums: &[f32], power: impl Fn(f32) -> f32) {
        for ((y, x), sum) in y.iter_mut().zip(x).zip(sums) {
            *y = x / power(self.k + self.a * sum);
        }
    }
}

impl TileEngine for Generic {
    fn tile(&self, channels: usize, width: usize, input: &[f32], output: &mut [f32]) {
        let rows = |channel: usize| channel * width..(channel + 1) * width;
        let taps = self.before + self.after + 1;
        let mut sums = vec![0.0; width];
        vectorized(
            #[inline(always)]
            || {
                for channel in 0..channels {
                    sums.fill(0.0);
                    match self.boundary {
                        Boundary::Zero => {
                            let first = channel.saturating_sub(self.before);
                            let last = channel.saturating_add(self.after).min(channels - 1);
                            for tap in first..=last {
                                Self::add(&mut sums, &input[rows(tap)], 1.0);
                            }
                        }
                        Boundary::Wrap => {
                            let first = channel + channels - self.before % channels;
                            for tap in 0..taps.min(channels) {
                                // Tap, tap + C, tap + 2·C, … of the window are one channel.
                                let times = (taps - 1 - tap) / channels + 1;
                                Self::add(&mut sums, &input[rows((first + tap) % channels)], times as f32);
                            }
                        }
                    }
                    let (x, y) = (&input[rows(channel)], &mut output[rows(channel)]);
                    match self.beta {
                        0.5 if self.shortcuts => self.finish(y, x, &sums, f32::sqrt),
                        0.75 if self.shortcuts => {
                            self.finish(y, x, &sums, |d| d.sqrt() * d.sqrt().sqrt());
                        }
                        1.0 if self.shortcuts => self.finish(y, x, &sums, |d| d),
                        beta => self.finish(y, x, &sums, |d| d.powf(beta)),
                    }
                }
            },
        );
    }
}
