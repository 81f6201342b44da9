//! The judge: Local Response Normalization and its derivatives in f64, straight from the formulas, sharing no code with what it
//! judges.
//!
//! With d[c] = k + a·Σ x[j]², a = alpha/divisor, j in W(c) from c − before to c + after, each tap read by itself:
//!
//! ```text
//! y[c]   = x[c]·d[c]^(−β)
//! Jv[c]  = v[c]·d[c]^(−β) − 2aβ·x[c]·d[c]^(−β−1)·Σ x[j]·v[j]              j in W(c)
//! Jᵀg[i] = g[i]·d[i]^(−β) − 2aβ·x[i]·Σ g[c]·x[c]·d[c]^(−β−1)              c with i in W(c)
//! ```

use crate::activation::Activation;
use crate::config::{Boundary, Parameters};
use crate::lane::Lane;
use crate::task::Task;
use crate::tile::{Tile, TileEngine};

/// The formula's parameters.
pub(crate) struct Reference {
    parameters: Parameters,
}

impl Reference {
    pub(crate) fn new(parameters: Parameters) -> Self {
        Self { parameters }
    }

    /// How often channel j is met by the window of c.
    fn met(&self, j: usize, c: usize, channels: usize) -> f64 {
        let Parameters { window, boundary, .. } = self.parameters;
        match boundary {
            Boundary::Zero => {
                let inside = j.saturating_add(window.before) >= c && j <= c.saturating_add(window.after);
                f64::from(u8::from(inside))
            }
            Boundary::Wrap => {
                // Channel j is met at c + t for every t in −before ..= after with c + t ≡ j (mod C).
                let (j, c, count) = (j as i128, c as i128, channels as i128);
                let (first, last) = (c - window.before as i128, c + window.after as i128);
                ((last - j).div_euclid(count) - (first - 1 - j).div_euclid(count)) as f64
            }
        }
    }

    /// Σ over the window of c, of terms that are only looked at where they count.
    fn over_window(&self, c: usize, channels: usize, term: impl Fn(usize) -> f64) -> f64 {
        let weighted = |j| (self.met(j, c, channels), j);
        (0..channels).map(weighted).filter(|&(met, _)| met > 0.0).map(|(met, j)| met * term(j)).sum()
    }

    /// Σ over the channels whose windows hold i.
    fn over_holders(&self, i: usize, channels: usize, term: impl Fn(usize) -> f64) -> f64 {
        let weighted = |c| (self.met(i, c, channels), c);
        (0..channels).map(weighted).filter(|&(met, _)| met > 0.0).map(|(met, c)| met * term(c)).sum()
    }

    /// One column of channels.
    fn column(&self, task: Task, read: &[Vec<f64>]) -> Vec<f64> {
        let Parameters { alpha, beta, k, window, input, .. } = self.parameters;
        let a = alpha / window.divisor;
        let relu = input == Activation::Relu;
        let x: Vec<f64> = read[0].iter().map(|&x| if relu && x < 0.0 { 0.0 } else { x }).collect();
        let channels = x.len();
        let cut = |i: usize, value: f64| if relu && read[0][i] <= 0.0 { 0.0 } else { value };
        let d: Vec<f64> = (0..channels).map(|c| k + a * self.over_window(c, channels, |j| x[j] * x[j])).collect();
        let power = |c: usize, more: f64| d[c].powf(-beta - more);
        let tangent = |v: &[f64], c| self.over_window(c, channels, |j| x[j] * cut(j, v[j]));
        // Without a window nothing but the power is left: none of what is multiplied by 0 counts.
        let factor = if a == 0.0 || beta == 0.0 { None } else { Some(-2.0 * a * beta) };
        let and = |first: f64, second: &dyn Fn(f64) -> f64| factor.map_or(first, |factor| first + second(factor));
        let all = |value: &dyn Fn(usize) -> f64| (0..channels).map(value).collect();
        match task {
            Task::Forward => all(&|c| x[c] * power(c, 0.0)),
            Task::Jvp => {
                let v = &read[1];
                all(&|c| and(cut(c, v[c]) * power(c, 0.0), &|factor| factor * x[c] * power(c, 1.0) * tangent(v, c)))
            }
            Task::Backward => {
                let g = &read[1];
                all(&|i| {
                    let sum = || self.over_holders(i, channels, |c| g[c] * x[c] * power(c, 1.0));
                    cut(i, and(g[i] * power(i, 0.0), &|factor| factor * x[i] * sum()))
                })
            }
            Task::DoubleBackward => {
                let (g, u) = (&read[1], &read[2]);
                let e: Vec<f64> = (0..channels).map(|c| g[c] * power(c, 1.0)).collect();
                let s: Vec<f64> = (0..channels).map(|c| tangent(u, c)).collect();
                all(&|i| {
                    let first = || {
                        self.over_holders(i, channels, |c| {
                            e[c] * (cut(c, u[c]) - 2.0 * a * (beta + 1.0) * x[c] * s[c] / d[c])
                        })
                    };
                    let second = || self.over_holders(i, channels, |c| e[c] * x[c]);
                    let whole = |factor: f64| factor * (x[i] * first() + e[i] * s[i] + cut(i, u[i]) * second());
                    cut(i, and(0.0, &whole))
                })
            }
        }
    }
}

impl<T: Lane> TileEngine<T> for Reference {
    fn tile(&self, task: Task, Tile { channels, width, inputs, output }: Tile<'_, T>) {
        for column in 0..width {
            let read: Vec<Vec<f64>> =
                inputs.iter().map(|input| (0..channels).map(|c| input[c * width + column].value()).collect()).collect();
            for (c, y) in self.column(task, &read).into_iter().enumerate() {
                output[c * width + column] = T::nearest(y);
            }
        }
    }
}
