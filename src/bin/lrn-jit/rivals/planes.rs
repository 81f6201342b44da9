//! Windows over the last two axes in ordinary Rust, with everything at run time: the sums along the rows of a plane, of these the sums
//! down its columns, both by doubling.
//!
//! A plane lies in rows that end in as many zeros as a window reaches beyond its element, with as many rows of zeros above and below.
//! So no window sees the next row, and each step of either sum is one addition of two long runs:
//!
//! ```text
//! 5 taps:  s2 = s1 + s1 one further,  s4 = s2 + s2 two further,  sum = s4 + s1 four further
//! ```

use lrn_jit::plan::Formula;
use lrn_jit::{Boundary, LocalResponseNorm, vectorized};

use super::{Rival, Slabs};

struct Planes {
    before: usize,
    after: usize,
    a: f32,
    beta: f32,
    k: f32,
}

/// The kernel for a layer; none with another boundary than zeros, or without windows.
pub fn new(layer: &LocalResponseNorm) -> Option<Box<dyn Rival>> {
    let plan = layer.plan();
    let Formula::Normalize { a, k, .. } = plan.formula else { return None };
    let (before, after, beta) = (plan.before, plan.after, layer.beta() as f32);
    (plan.boundary == Boundary::Zero)
        .then(|| Box::new(Planes { before, after, a: a as f32, beta, k: k as f32 }) as Box<dyn Rival>)
}

impl Rival for Planes {
    /// Where zeros around a plane are no more than the plane.
    fn covers(&self, planes: Slabs) -> bool {
        self.before.saturating_add(self.after) < planes.channels.min(planes.inner)
    }

    /// Here a slab is a plane: so many rows of so many elements.
    fn run(&self, planes: Slabs, x: &[f32], y: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || match self.beta {
                0.5 => self.planes(planes, x, y, |d| d.sqrt()),
                0.75 => self.planes(planes, x, y, |d| {
                    let root = d.sqrt();
                    root * root.sqrt()
                }),
                1.0 => self.planes(planes, x, y, |d| d),
                beta => self.planes(planes, x, y, |d| d.powf(beta)),
            },
        );
    }
}

impl Planes {
    #[inline(always)]
    fn planes(&self, planes: Slabs, x: &[f32], y: &mut [f32], power: impl Fn(f32) -> f32 + Copy) {
        let Slabs { channels: rows, inner: columns, .. } = planes;
        let reach = self.before + self.after;
        let stride = columns + reach;
        // A sum is where the first tap of its window was.
        let (inside, end) = (self.before * stride, rows * stride);
        let mut squares = vec![0.0; end + reach];
        let (mut along, mut sums) = (vec![0.0; (rows + reach) * stride], vec![0.0; end]);
        let mut runs = [vec![0.0; along.len()], vec![0.0; along.len()]];
        // Loops, not `for_each`: its closures are compiled without wide vectors where they are not inlined.
        for (x, y) in x.chunks_exact(rows * columns).zip(y.chunks_exact_mut(rows * columns)) {
            for (row, x) in x.chunks_exact(columns).enumerate() {
                for (square, x) in squares[row * stride + self.before..].iter_mut().zip(x) {
                    *square = x * x;
                }
            }
            self.sum(&squares, 1, &mut along[inside..][..end], &mut runs);
            self.sum(&along, stride, &mut sums, &mut runs);
            for (row, (x, y)) in x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)).enumerate() {
                for ((y, x), sum) in y.iter_mut().zip(x).zip(&sums[row * stride..]) {
                    *y = x / power(self.k + self.a * sum);
                }
            }
        }
    }

    /// Sums of as many terms as a window has taps, `step` apart. Sums of 1, 2, 4, … of them are the terms, then each of `runs` in turn.
    #[inline(always)]
    fn sum(&self, terms: &[f32], step: usize, sums: &mut [f32], [odd, even]: &mut [Vec<f32>; 2]) {
        let taps = self.before + self.after + 1;
        let (mut length, mut done) = (sums.len() + (taps - 1) * step, 0);
        for level in 0..=taps.ilog2() {
            let (run, next): (&[f32], &mut [f32]) = match level {
                0 => (terms, odd),
                _ if level % 2 == 1 => (odd, even),
                _ => (even, odd),
            };
            if taps >> level & 1 == 1 {
                let part = &run[done * step..][..sums.len()];
                if done == 0 {
                    sums.copy_from_slice(part);
                } else {
                    add(sums, part);
                }
                done += 1 << level;
            }
            let ahead = step << level;
            if 2 << level <= taps {
                length -= ahead;
                for ((next, one), other) in next[..length].iter_mut().zip(&run[..length]).zip(&run[ahead..][..length]) {
                    *next = one + other;
                }
            }
        }
    }
}

#[inline(always)]
fn add(sums: &mut [f32], terms: &[f32]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += term;
    }
}
