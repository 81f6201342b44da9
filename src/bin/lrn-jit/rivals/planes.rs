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
        // Sums begin where windows do: that of an element is where its first tap was.
        let padded = (rows + reach) * stride;
        let (mut terms, mut sums) = (vec![0.0; padded + reach], vec![0.0; padded]);
        let (mut from, mut spare) = (vec![0.0; padded + reach * stride], vec![0.0; padded + reach * stride]);
        for (x, y) in x.chunks_exact(rows * columns).zip(y.chunks_exact_mut(rows * columns)) {
            for (row, x) in x.chunks_exact(columns).enumerate() {
                let to = &mut terms[(row + self.before) * stride + self.before..][..columns];
                to.iter_mut().zip(x).for_each(|(term, x)| *term = x * x);
            }
            let inside = self.before * stride..(self.before + rows) * stride;
            from.fill(0.0);
            self.sum(&terms[inside.start..inside.end + reach], 1, &mut sums[..rows * stride], &mut spare);
            from[inside].copy_from_slice(&sums[..rows * stride]);
            self.sum(&from, stride, &mut sums[..rows * stride], &mut spare);
            for (row, (x, y)) in x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)).enumerate() {
                for ((y, x), sum) in y.iter_mut().zip(x).zip(&sums[row * stride..]) {
                    *y = x / power(self.k + self.a * sum);
                }
            }
        }
    }

    /// Sums of as many terms as a window has taps, `step` apart.
    #[inline(always)]
    fn sum(&self, terms: &[f32], step: usize, sums: &mut [f32], run: &mut [f32]) {
        let taps = self.before + self.after + 1;
        let length = sums.len();
        let (mut first, mut width) = (true, 1);
        let mut done = 0;
        let run = &mut run[..length + (taps - 1) * step];
        run.copy_from_slice(&terms[..run.len()]);
        loop {
            if taps & width != 0 {
                let part = &run[done * step..][..length];
                if first {
                    sums.copy_from_slice(part);
                } else {
                    add(sums, part);
                }
                (first, done) = (false, done + width);
            }
            if 2 * width > taps {
                return;
            }
            // In place: what is read lies further on than what is written.
            for at in 0..run.len() - width * step {
                run[at] += run[at + width * step];
            }
            width *= 2;
        }
    }
}

#[inline(always)]
fn add(sums: &mut [f32], terms: &[f32]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += term;
    }
}
