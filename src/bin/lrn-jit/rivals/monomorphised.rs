//! The best a Rust author gets without a code generator: the size, the beta and the degree of the polynomial are constants of
//! the type, the arithmetic is the plan's own recipe, and the compiler makes a kernel of each combination at build time.
//!
//! Covers beta ¾ with sizes 3, 5, 7 and 9, beta ½ and 1 with size 5; k > 0, zeros beyond the edges; planes of at least a
//! vector, and channels last. Planes: a block of channels is swept over the whole plane, from the input straight to the
//! output. Channels last: a pixel's squares go to a padded row, taps are overlapping loads.

use std::array::from_fn;
use std::hint::black_box;
use std::marker::PhantomData;

use lrn_jit::plan::{self, Formula, Fraction, Guard, Plan};
use lrn_jit::{Boundary, vectorized};

use super::lanes::{Lanes, add, at_least_zero, bits, div, fma, mul, splat, sub};
use super::{Rival, Slabs, has_avx512};

/// Channels of a block.
const BLOCK: usize = 4;
/// Pixels of channels-last tensors whose squares are made together.
const PIXELS: usize = 16;
/// Constants of a recipe, the longest: a, k, two magic numbers and five coefficients.
const CONSTANTS: usize = 9;

/// Constants, each in all lanes. In memory, where instructions take them from: kept in registers as scalars they would be
/// spread anew for every output.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct Table<const L: usize>([Lanes<L>; CONSTANTS]);

/// x·d^(−beta) on lanes.
trait Recipe: Send + Sync {
    fn apply<const L: usize>(table: &Table<L>, x: Lanes<L>, d: Lanes<L>) -> Lanes<L>;
}

/// beta 1.
struct Division;

impl Recipe for Division {
    #[inline(always)]
    fn apply<const L: usize>(_: &Table<L>, x: Lanes<L>, d: Lanes<L>) -> Lanes<L> {
        div(x, d)
    }
}

/// beta ½ or ¾: estimate by bits, measure, correct, as the plan's recipe does, with a polynomial of N coefficients.
struct Root<const QUARTERS: u8, const N: usize>;

impl<const QUARTERS: u8, const N: usize> Recipe for Root<QUARTERS, N> {
    #[inline(always)]
    fn apply<const L: usize>(table: &Table<L>, x: Lanes<L>, d: Lanes<L>) -> Lanes<L> {
        let [_, _, first, second, coefficients @ ..] = &table.0;
        let shift = if QUARTERS == 2 { 1 } else { 2 };
        let line = |magic| bits(magic, |i, magic| magic.wrapping_sub(d[i].to_bits() >> shift));
        let y = add(line(first), line(second));
        let p = if QUARTERS == 2 { y } else { mul(mul(y, y), y) };
        let g = fma(mul(d, y), p, splat(-1.0));
        let q = if QUARTERS == 2 {
            fma(fma(coefficients[2], g, coefficients[1]), g, coefficients[0])
        } else {
            // The last coefficient is −1.
            let first = sub(coefficients[N - 2], g);
            coefficients[..N - 2].iter().rev().fold(first, |q, &next| fma(q, g, next))
        };
        mul(x, at_least_zero(fma(mul(p, g), q, p)))
    }
}

/// The kernel for `SIZE` taps; `ROWS` is `SIZE` + 3.
struct Kernel<const SIZE: usize, const ROWS: usize, R> {
    constants: [f32; CONSTANTS],
    recipe: PhantomData<R>,
}

/// The kernel for a plan; none where this rival does not compete.
pub fn new(plan: &Plan) -> Option<Box<dyn Rival>> {
    let &Formula::Normalize { a, k, ref power, .. } = &plan.formula else { return None };
    if plan.boundary != Boundary::Zero || power.guard != Guard::AtLeastK || plan.before != plan.after {
        return None;
    }
    let mut constants = [0.0; CONSTANTS];
    constants[..2].copy_from_slice(&[a as f32, k as f32]);
    let degree = match &power.fraction {
        Fraction::Root(plan::Root { magic, coefficients, quarters, .. }) => {
            let &[first, second] = magic.as_slice() else { return None };
            constants[2..4].copy_from_slice(&[first, second].map(|bits| f32::from_bits(bits as u32)));
            let places = constants[4..].get_mut(..coefficients.len())?;
            places.iter_mut().zip(coefficients).for_each(|(place, &coefficient)| *place = coefficient as f32);
            Some((*quarters, coefficients.len()))
        }
        Fraction::None => None,
        _ => return None,
    };
    Some(match (2 * plan.before + 1, power.whole, degree) {
        (3, 0, Some((3, 5))) => kernel::<3, 6, Root<3, 5>>(constants),
        (5, 0, Some((3, 5))) => kernel::<5, 8, Root<3, 5>>(constants),
        (7, 0, Some((3, 5))) => kernel::<7, 10, Root<3, 5>>(constants),
        (9, 0, Some((3, 5))) => kernel::<9, 12, Root<3, 5>>(constants),
        (5, 0, Some((2, 3))) => kernel::<5, 8, Root<2, 3>>(constants),
        (5, 1, None) => kernel::<5, 8, Division>(constants),
        _ => return None,
    })
}

fn kernel<const SIZE: usize, const ROWS: usize, R: Recipe + 'static>(constants: [f32; CONSTANTS]) -> Box<dyn Rival> {
    Box::new(Kernel::<SIZE, ROWS, R> { constants, recipe: PhantomData })
}

impl<const SIZE: usize, const ROWS: usize, R: Recipe> Rival for Kernel<SIZE, ROWS, R> {
    fn covers(&self, slabs: Slabs) -> bool {
        slabs.inner >= 16 || slabs.inner == 1 && slabs.channels >= 16
    }

    fn run(&self, slabs: Slabs, x: &[f32], y: &mut [f32]) {
        let wide = has_avx512();
        vectorized(
            #[inline(always)]
            || if wide { self.slabs::<16>(slabs, x, y) } else { self.slabs::<8>(slabs, x, y) },
        );
    }
}

impl<const SIZE: usize, const ROWS: usize, R: Recipe> Kernel<SIZE, ROWS, R> {
    #[inline(always)]
    fn slabs<const L: usize>(&self, slabs: Slabs, x: &[f32], y: &mut [f32]) {
        let Slabs { channels, inner, .. } = slabs;
        let table = &black_box(Table(self.constants.map(splat::<L>)));
        if inner == 1 {
            return Self::pixels::<L>(channels, table, x, y);
        }
        let zeros = vec![0.0; inner];
        for (x, y) in x.chunks_exact(channels * inner).zip(y.chunks_exact_mut(channels * inner)) {
            let whole = channels / BLOCK * BLOCK;
            let (head, rest) = y.split_at_mut(whole * inner);
            let row = |channel: usize, tap: usize| match (channel + tap).checked_sub(SIZE / 2) {
                Some(channel) if channel < channels => &x[channel * inner..][..inner],
                _ => &zeros,
            };
            for (i, y) in head.chunks_exact_mut(BLOCK * inner).enumerate() {
                Self::block::<L, BLOCK, ROWS>(from_fn(|tap| row(i * BLOCK, tap)), y, table);
            }
            for (i, y) in rest.chunks_exact_mut(inner).enumerate() {
                Self::block::<L, 1, SIZE>(from_fn(|tap| row(whole + i, tap)), y, table);
            }
        }
    }

    /// `B` channels over a whole plane, a vector of columns at a time; the last vector overlaps the one before it.
    #[inline(always)]
    fn block<const L: usize, const B: usize, const N: usize>(rows: [&[f32]; N], y: &mut [f32], table: &Table<L>) {
        let inner = rows[0].len();
        let mut y = y.chunks_exact_mut(inner);
        let mut y: [&mut [f32]; B] = from_fn(|_| y.next().expect("a row a channel"));
        for tail in [false, true] {
            let start = if tail { inner - L } else { 0 };
            let rows = rows.map(|row| row[start..].as_chunks::<L>().0);
            let mut y = y.each_mut().map(|row| row[start..].as_chunks_mut::<L>().0);
            Self::sweep(rows, &mut y, table);
            if inner.is_multiple_of(L) {
                break;
            }
        }
    }

    #[inline(always)]
    fn sweep<const L: usize, const B: usize, const N: usize>(
        rows: [&[Lanes<L>]; N],
        y: &mut [&mut [Lanes<L>]; B],
        table: &Table<L>,
    ) {
        let length = rows[0].len();
        let rows = rows.map(|row| &row[..length]);
        let y = y.each_mut().map(|row| &mut row[..length]);
        for i in 0..length {
            // Keeps the compiler from running vectors of columns side by side, by gathers and scatters.
            black_box(());
            let squares: [Lanes<L>; N] = from_fn(|row| mul(rows[row][i], rows[row][i]));
            // Spelled out, since the compiler does not unroll a loop as long as this.
            macro_rules! channels {
                ($($channel:literal)*) => { $(
                    if $channel < B {
                        let mut sum = squares[$channel];
                        for tap in 1..SIZE {
                            sum = add(sum, squares[$channel + tap]);
                        }
                        let d = fma(sum, table.0[0], table.0[1]);
                        y[$channel][i] = R::apply(table, rows[$channel + SIZE / 2][i], d);
                    }
                )* };
            }
            channels!(0 1 2 3);
        }
    }

    /// Channels last: the squares of some pixels first, so that no load waits for the stores it overlaps.
    #[inline(always)]
    fn pixels<const L: usize>(channels: usize, table: &Table<L>, x: &[f32], y: &mut [f32]) {
        let lanes = |values: &[f32]| *values.first_chunk::<L>().expect("a vector");
        let stride = channels + SIZE - 1;
        let mut squares = vec![0.0; PIXELS * stride];
        for (x, y) in x.chunks(PIXELS * channels).zip(y.chunks_mut(PIXELS * channels)) {
            for (squares, x) in squares.chunks_exact_mut(stride).zip(x.chunks_exact(channels)) {
                for (square, x) in squares[SIZE / 2..].iter_mut().zip(x) {
                    *square = x * x;
                }
            }
            let pixels = x.chunks_exact(channels).zip(y.chunks_exact_mut(channels));
            for (squares, (x, y)) in squares.chunks_exact(stride).zip(pixels) {
                let mut start = 0;
                while start < channels {
                    black_box(());
                    // The last vector overlaps the one before it.
                    let at = start.min(channels - L);
                    let mut sum = lanes(&squares[at..]);
                    for tap in 1..SIZE {
                        sum = add(sum, lanes(&squares[at + tap..]));
                    }
                    let d = fma(sum, table.0[0], table.0[1]);
                    y[at..][..L].copy_from_slice(&R::apply(table, lanes(&x[at..]), d));
                    start += L;
                }
            }
        }
    }
}
