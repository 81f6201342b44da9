//! The kernel nobody specialized: ordinary Rust with size, alpha, beta and k as run-time values, tiled and written so that
//! the compiler vectorizes it. The rival of the benchmarks, and available as a backend.
//!
//! Its power is either `powf` for every beta, or with the shortcuts a careful author adds: square roots for ½ and ¾, a
//! division for 1. Derivatives are the interpreter's.

use std::sync::Arc;

use crate::activation::Activation;
use crate::config::{Boundary, Parameters};
use crate::interpreter::Interpreter;
use crate::jit::host::vectorized;
use crate::lane::Lane;
use crate::passes::{Elementwise, Pass};
use crate::plan::Plan;
use crate::region::run::{BoxTile, stages};
use crate::task::{Stage, Task};
use crate::tile::{Tile, TileEngine};

/// Run-time parameters.
pub(crate) struct Generic<T> {
    before: usize,
    after: usize,
    boundary: Boundary,
    input: Activation,
    a: T,
    beta: T,
    k: T,
    /// Square roots where they serve, instead of `powf`.
    shortcuts: bool,
    derivatives: Interpreter,
}

impl<T: Lane> Generic<T> {
    pub(crate) fn new(parameters: &Parameters, plan: Arc<Plan>, shortcuts: bool) -> Self {
        let window = parameters.window;
        Self {
            before: window.before,
            after: window.after,
            boundary: parameters.boundary,
            input: parameters.input,
            a: T::nearest(parameters.weight()),
            beta: T::nearest(parameters.beta),
            k: T::nearest(parameters.k),
            shortcuts,
            derivatives: Interpreter::new(plan),
        }
    }

    /// Adds `weight` times the squares of a row.
    #[inline(always)]
    fn add(sums: &mut [T], row: &[T], weight: T) {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum = *sum + weight * (x * x);
        }
    }

    #[inline(always)]
    fn outputs(&self, y: &mut [T], x: &[T], sums: &[T]) {
        match self.beta.value() {
            0.5 if self.shortcuts => self.finish(y, x, sums, T::root),
            0.75 if self.shortcuts => self.finish(y, x, sums, |d| d.root() * d.root().root()),
            1.0 if self.shortcuts => self.finish(y, x, sums, |d| d),
            _ => self.finish(y, x, sums, |d| d.power(self.beta)),
        }
    }

    /// y = x / d^beta with d = k + a·Σ.
    #[inline(always)]
    fn finish(&self, y: &mut [T], x: &[T], sums: &[T], power: impl Fn(T) -> T) {
        for ((y, &x), &sum) in y.iter_mut().zip(x).zip(sums) {
            *y = x / power(self.k + self.a * sum);
        }
    }
}

impl<T: Lane> TileEngine<T> for Generic<T> {
    fn tile(&self, task: Task, tile: Tile<'_, T>) {
        if task != Task::Forward {
            return self.derivatives.tile(task, tile);
        }
        let Tile { channels, width, inputs: &[input], output } = tile else { unreachable!("one input") };
        let zero = T::default();
        let cut: Vec<T>;
        let input = if self.input == Activation::Relu {
            cut = input.iter().map(|&x| if x < zero { zero } else { x }).collect();
            &cut
        } else {
            input
        };
        let rows = |channel: usize| channel * width..(channel + 1) * width;
        let taps = self.before + self.after + 1;
        let mut sums = vec![zero; width];
        vectorized(
            #[inline(always)]
            || {
                for channel in 0..channels {
                    sums.fill(zero);
                    match self.boundary {
                        Boundary::Zero => {
                            let first = channel.saturating_sub(self.before);
                            let last = channel.saturating_add(self.after).min(channels - 1);
                            for tap in first..=last {
                                Self::add(&mut sums, &input[rows(tap)], T::nearest(1.0));
                            }
                        }
                        Boundary::Wrap => {
                            let first = channel + channels - self.before % channels;
                            for tap in 0..taps.min(channels) {
                                // Tap, tap + C, tap + 2·C, … of the window are one channel.
                                let times = (taps - 1 - tap) / channels + 1;
                                Self::add(&mut sums, &input[rows((first + tap) % channels)], T::nearest(times as f64));
                            }
                        }
                    }
                    self.outputs(&mut output[rows(channel)], &input[rows(channel)], &sums);
                }
            },
        );
    }

    fn boxes(&self, task: Task, tile: BoxTile<'_, T>) {
        stages(&self.derivatives.plan().clone(), task, tile, self);
    }
}

/// The sums of boxes are those of the interpreter.
impl<T: Lane> Elementwise<T> for Generic<T> {
    fn elementwise(&self, stage: Stage, pass: Pass<'_, T>) {
        let (Stage::Forward, &[sums]) = (stage, pass.sums) else { return self.derivatives.elementwise(stage, pass) };
        let [y] = pass.outputs else { unreachable!("one output") };
        let zero = T::default();
        let relu = self.input == Activation::Relu;
        vectorized(
            #[inline(always)]
            || {
                if relu {
                    let x: Vec<T> = pass.inputs[0].iter().map(|&x| if x < zero { zero } else { x }).collect();
                    self.outputs(y, &x, sums);
                } else {
                    self.outputs(y, pass.inputs[0], sums);
                }
            },
        );
    }
}
