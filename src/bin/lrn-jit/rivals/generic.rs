//! The kernel nobody specialized: size, alpha, beta and k are run-time values, in loops that the compiler vectorizes. Reads
//! the input and writes the output where they lie, a block of channels at a time over pieces of rows that stay in the
//! first-level cache. (The library's `Backend::Generic` packs tiles instead, to serve every layout and work in place.)
//!
//! Square roots for beta ½ and ¾, a division for 1, else `powf`.

use lrn_jit::{Boundary, LocalResponseNorm, vectorized};

use super::{Rival, Slabs};

/// Channels of a block.
const BLOCK: usize = 4;
/// Columns of a piece: 4 KB.
const COLUMNS: usize = 1024;

/// Sums of a piece, on the border of a vector: stores across cache lines and loads right behind them would double the time.
#[repr(align(64))]
struct Sums([f32; COLUMNS]);

struct Generic {
    before: usize,
    after: usize,
    a: f32,
    beta: f32,
    k: f32,
}

/// The kernel for a layer; none with another boundary than zeros.
pub fn new(layer: &LocalResponseNorm) -> Option<Box<dyn Rival>> {
    let plan = layer.plan();
    let lrn_jit::plan::Formula::Normalize { a, k, .. } = plan.formula else { return None };
    let (before, after) = (plan.before, plan.after);
    (plan.boundary == Boundary::Zero).then(|| {
        Box::new(Generic { before, after, a: a as f32, beta: layer.beta() as f32, k: k as f32 }) as Box<dyn Rival>
    })
}

impl Rival for Generic {
    fn covers(&self, _: Slabs) -> bool {
        true
    }

    fn run(&self, slabs: Slabs, x: &[f32], y: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || match self.beta {
                0.5 => self.slabs(slabs, x, y, |d| d.sqrt()),
                0.75 => self.slabs(slabs, x, y, |d| {
                    let root = d.sqrt();
                    root * root.sqrt()
                }),
                1.0 => self.slabs(slabs, x, y, |d| d),
                beta => self.slabs(slabs, x, y, |d| d.powf(beta)),
            },
        );
    }
}

impl Generic {
    #[inline(always)]
    fn slabs(&self, slabs: Slabs, x: &[f32], y: &mut [f32], power: impl Fn(f32) -> f32 + Copy) {
        let slab = slabs.channels * slabs.inner;
        // Loops, not `for_each`: its closures are compiled without wide vectors where they are not inlined.
        let mut squares = vec![0.0; if slabs.inner == 1 { slab } else { 0 }];
        for (x, y) in x.chunks_exact(slab).zip(y.chunks_exact_mut(slab)) {
            if slabs.inner == 1 {
                self.pixel(&mut squares, x, y, power);
            } else {
                self.planes(slabs, x, y, power);
            }
        }
    }

    /// Channels in planes.
    #[inline(always)]
    fn planes(&self, slabs: Slabs, x: &[f32], y: &mut [f32], power: impl Fn(f32) -> f32 + Copy) {
        let Slabs { channels, inner, .. } = slabs;
        let mut sums = Sums([0.0; COLUMNS]);
        for block in (0..channels).step_by(BLOCK) {
            for start in (0..inner).step_by(COLUMNS) {
                let width = COLUMNS.min(inner - start);
                for channel in block..channels.min(block + BLOCK) {
                    let sums = &mut sums.0[..width];
                    sums.fill(0.0);
                    let first = channel.saturating_sub(self.before);
                    let last = channel.saturating_add(self.after).min(channels - 1);
                    for tap in first..=last {
                        add_squares(sums, &x[tap * inner + start..][..width]);
                    }
                    let at = channel * inner + start;
                    self.finish(&mut y[at..][..width], &x[at..][..width], sums, power);
                }
            }
        }
    }

    /// Channels last: y holds the sums first.
    #[inline(always)]
    fn pixel(&self, squares: &mut [f32], x: &[f32], y: &mut [f32], power: impl Fn(f32) -> f32 + Copy) {
        let channels = x.len();
        for (square, x) in squares.iter_mut().zip(x) {
            *square = x * x;
        }
        y.copy_from_slice(squares);
        for distance in 1..channels.min(self.before + 1) {
            for (sum, square) in y[distance..].iter_mut().zip(&*squares) {
                *sum += square;
            }
        }
        for distance in 1..channels.min(self.after + 1) {
            for (sum, square) in y.iter_mut().zip(&squares[distance..]) {
                *sum += square;
            }
        }
        for (y, x) in y.iter_mut().zip(x) {
            *y = x / power(self.k + self.a * *y);
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

#[inline(always)]
fn add_squares(sums: &mut [f32], row: &[f32]) {
    for (sum, x) in sums.iter_mut().zip(row) {
        *sum += x * x;
    }
}
