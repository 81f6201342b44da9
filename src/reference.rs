//! The judge: Local Response Normalization and its derivatives in f64, straight from the formulas, sharing no code with what it
//! judges.
//!
//! With d[c] = k + a·Σ x[j]², a = alpha/divisor, j in W(c) from c − before to c + after (along every axis of a box), each tap read by
//! itself:
//!
//! ```text
//! y[c]   = x[c]·d[c]^(−β)
//! Jv[c]  = v[c]·d[c]^(−β) − 2aβ·x[c]·d[c]^(−β−1)·Σ x[j]·v[j]              j in W(c)
//! Jᵀg[i] = g[i]·d[i]^(−β) − 2aβ·x[i]·Σ g[c]·x[c]·d[c]^(−β−1)              c with i in W(c)
//! ```

use crate::activation::Activation;
use crate::config::{Boundary, Parameters};
use crate::lane::Lane;
use crate::region::boxes::Boxes;
use crate::region::run::BoxTile;
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

    /// How often the window of c holds j, along an axis of so many.
    fn met(&self, j: usize, c: usize, extent: usize) -> f64 {
        let Parameters { window, boundary, .. } = self.parameters;
        match boundary {
            Boundary::Zero => {
                let inside = j.saturating_add(window.before) >= c && j <= c.saturating_add(window.after);
                f64::from(u8::from(inside))
            }
            Boundary::Wrap => {
                // j is met at c + t for every t in −before ..= after with c + t ≡ j (mod the extent).
                let (j, c, count) = (j as i128, c as i128, extent as i128);
                let (first, last) = (c - window.before as i128, c + window.after as i128);
                ((last - j).div_euclid(count) - (first - 1 - j).div_euclid(count)) as f64
            }
        }
    }

    /// Σ over the elements that the window of an element holds, or else over those whose windows hold it, as often as they do; of
    /// terms that are only looked at where they count.
    fn sum(&self, boxes: &Boxes, at: usize, holders: bool, term: &impl Fn(usize) -> f64) -> f64 {
        // Along every axis the indices that count, with how often; the same one where there are no windows.
        let mut stride = boxes.elements();
        let mut axes = vec![];
        for (axis, &extent) in boxes.extents.iter().enumerate() {
            stride /= extent;
            let here = at / stride % extent;
            let counting: Vec<(usize, f64)> = if boxes.windows.contains(&axis) {
                let met = |there| if holders { self.met(here, there, extent) } else { self.met(there, here, extent) };
                (0..extent).map(|there| (there * stride, met(there))).filter(|&(_, met)| met > 0.0).collect()
            } else {
                vec![(here * stride, 1.0)]
            };
            axes.push(counting);
        }
        fn over(axes: &[Vec<(usize, f64)>], (at, times): (usize, f64), term: &impl Fn(usize) -> f64) -> f64 {
            match axes {
                [] => times * term(at),
                [first, rest @ ..] => {
                    first.iter().map(|&(offset, met)| over(rest, (at + offset, times * met), term)).sum()
                }
            }
        }
        over(&axes, (0, 1.0), term)
    }

    /// Some boxes, one behind the other.
    fn compute(&self, task: Task, boxes: &Boxes, read: &[Vec<f64>]) -> Vec<f64> {
        let Parameters { beta, k, input, .. } = self.parameters;
        let a = self.parameters.weight();
        let relu = input == Activation::Relu;
        let x: Vec<f64> = read[0].iter().map(|&x| if relu && x < 0.0 { 0.0 } else { x }).collect();
        let elements = x.len();
        let cut = |i: usize, value: f64| if relu && read[0][i] <= 0.0 { 0.0 } else { value };
        let over_window = |c: usize, term: &dyn Fn(usize) -> f64| self.sum(boxes, c, false, &term);
        let over_holders = |i: usize, term: &dyn Fn(usize) -> f64| self.sum(boxes, i, true, &term);
        let d: Vec<f64> = (0..elements).map(|c| k + a * over_window(c, &|j| x[j] * x[j])).collect();
        let power = |c: usize, more: f64| d[c].powf(-beta - more);
        let tangent = |v: &[f64], c| over_window(c, &|j| x[j] * cut(j, v[j]));
        // Without a window nothing but the power is left: none of what is multiplied by 0 counts.
        let factor = if a == 0.0 || beta == 0.0 { None } else { Some(-2.0 * a * beta) };
        let and = |first: f64, second: &dyn Fn(f64) -> f64| factor.map_or(first, |factor| first + second(factor));
        let all = |value: &dyn Fn(usize) -> f64| (0..elements).map(value).collect();
        match task {
            Task::Forward => all(&|c| x[c] * power(c, 0.0)),
            Task::Jvp => {
                let v = &read[1];
                all(&|c| and(cut(c, v[c]) * power(c, 0.0), &|factor| factor * x[c] * power(c, 1.0) * tangent(v, c)))
            }
            Task::Backward => {
                let g = &read[1];
                let h: Vec<f64> = (0..elements).map(|c| g[c] * x[c] * power(c, 1.0)).collect();
                all(&|i| {
                    let sum = || over_holders(i, &|c| h[c]);
                    cut(i, and(g[i] * power(i, 0.0), &|factor| factor * x[i] * sum()))
                })
            }
            Task::DoubleBackward => {
                let (g, u) = (&read[1], &read[2]);
                let e: Vec<f64> = (0..elements).map(|c| g[c] * power(c, 1.0)).collect();
                let s: Vec<f64> = (0..elements).map(|c| tangent(u, c)).collect();
                all(&|i| {
                    let first =
                        || over_holders(i, &|c| e[c] * (cut(c, u[c]) - 2.0 * a * (beta + 1.0) * x[c] * s[c] / d[c]));
                    let second = || over_holders(i, &|c| e[c] * x[c]);
                    let whole = |factor: f64| factor * (x[i] * first() + e[i] * s[i] + cut(i, u[i]) * second());
                    cut(i, and(0.0, &whole))
                })
            }
        }
    }
}

impl<T: Lane> TileEngine<T> for Reference {
    fn tile(&self, task: Task, Tile { channels, width, inputs, output }: Tile<'_, T>) {
        let boxes = Boxes { extents: vec![1, channels], windows: vec![1] };
        for column in 0..width {
            let read: Vec<Vec<f64>> =
                inputs.iter().map(|input| (0..channels).map(|c| input[c * width + column].value()).collect()).collect();
            for (c, y) in self.compute(task, &boxes, &read).into_iter().enumerate() {
                output[c * width + column] = T::nearest(y);
            }
        }
    }

    fn boxes(&self, task: Task, BoxTile { boxes, inputs, output }: BoxTile<'_, T>) {
        let read: Vec<Vec<f64>> =
            inputs.iter().map(|input| input[..boxes.elements()].iter().map(|x| x.value()).collect()).collect();
        for (to, y) in output.iter_mut().zip(self.compute(task, boxes, &read)) {
            *to = T::nearest(y);
        }
    }
}
