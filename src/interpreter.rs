//! The interpreter: runs a [`Plan`] over arrays, with the arithmetic the code generator emits, bit for bit.
//!
//! It is the reference of the property tests and what runs where a host cannot JIT.

use std::sync::Arc;

use crate::arithmetic::cumulative::{Schedule, Step, add_square, schedule, window_sum};
use crate::arithmetic::window::PartialSums;
use crate::arithmetic::{Lanes, normalize, scale};
use crate::jit::host::vectorized;
use crate::plan::{Formula, Plan, Power, Summation};
use crate::tile::{COLUMNS, TileEngine};

/// Channels whose window sums are shared at a time.
const GROUP: usize = 32;

/// A vector of a tile's columns.
type Vector = [f32; COLUMNS];

/// Runs a plan.
pub(crate) struct Interpreter {
    plan: Arc<Plan>,
}

impl Interpreter {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self { plan }
    }
}

impl TileEngine for Interpreter {
    fn tile(&self, channels: usize, width: usize, input: &[f32], output: &mut [f32]) {
        let plan = &*self.plan;
        let mut tile = Tile { channels, width, input, output };
        vectorized(
            #[inline(always)]
            || match &plan.formula {
                Formula::Copy => tile.each(|_, x| x),
                Formula::Scale { factors } => tile.each(|lanes, x| scale(lanes, factors, x)),
                Formula::Normalize { summation: Summation::Unrolled { taps }, a, k, power } => {
                    tile.unrolled(plan, *taps, (*a, *k), power);
                }
                Formula::Normalize { summation: Summation::Cumulative, a, k, power } => {
                    tile.cumulative(&schedule(plan, channels), (*a, *k), power);
                }
            },
        );
    }
}

/// Rows of channels, in and out.
struct Tile<'a> {
    channels: usize,
    width: usize,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Tile<'_> {
    #[inline(always)]
    fn load(&self, channel: usize, column: usize) -> Vector {
        vector(&self.input[channel * self.width + column..])
    }

    #[inline(always)]
    fn store(&mut self, channel: usize, column: usize, y: Vector) {
        self.output[channel * self.width + column..][..COLUMNS].copy_from_slice(&y);
    }

    /// Every vector on its own.
    #[inline(always)]
    fn each(&mut self, compute: impl Fn(&mut ArrayLanes<COLUMNS>, Vector) -> Vector) {
        for channel in 0..self.channels {
            for column in (0..self.width).step_by(COLUMNS) {
                let y = compute(&mut ArrayLanes, self.load(channel, column));
                self.store(channel, column, y);
            }
        }
    }

    #[inline(always)]
    fn unrolled(&mut self, plan: &Plan, taps: usize, base: (f32, f32), power: &Power) {
        let lanes = &mut ArrayLanes::<COLUMNS>;
        let mut sums = PartialSums::new(taps);
        for column in (0..self.width).step_by(COLUMNS) {
            for first in (0..self.channels).step_by(GROUP) {
                sums.clear();
                for channel in first..self.channels.min(first + GROUP) {
                    let sum = sums.window(
                        lanes,
                        channel - first,
                        #[inline(always)]
                        |lanes, row| {
                            let source = plan.tap(first + row, self.channels);
                            let x = source.map_or([0.0; COLUMNS], |source| self.load(source, column));
                            lanes.mul(x, x)
                        },
                    );
                    let y = normalize(lanes, base, power, self.load(channel, column), sum);
                    self.store(channel, column, y);
                }
            }
        }
    }

    #[inline(always)]
    fn cumulative(&mut self, schedule: &Schedule, base: (f32, f32), power: &Power) {
        let lanes = &mut ArrayLanes::<COLUMNS>;
        let mut sums = vec![[0.0; COLUMNS]; schedule.rows];
        for column in (0..self.width).step_by(COLUMNS) {
            let mut carry = [0.0; COLUMNS];
            for step in &schedule.steps {
                match *step {
                    Step::Carry { channel, suffix, tap, fresh } => {
                        if fresh {
                            carry = [0.0; COLUMNS];
                        }
                        if let Some(tap) = tap {
                            carry = add_square(lanes, carry, self.load(tap, column));
                        }
                        let suffix = suffix.map_or([0.0; COLUMNS], |row| sums[row]);
                        let sum = window_sum(lanes, suffix, carry, None);
                        let y = normalize(lanes, base, power, self.load(channel, column), sum);
                        self.store(channel, column, y);
                    }
                    Step::Accumulate { start, channel, row, count, downwards, in_place } => {
                        let mut sum = start.map_or([0.0; COLUMNS], |row| sums[row]);
                        for i in 0..count {
                            let at = |from: usize| if downwards { from - i } else { from + i };
                            sum = add_square(lanes, sum, self.load(at(channel), column));
                            sums[if in_place { row } else { at(row) }] = sum;
                        }
                    }
                    Step::Combine { channel, suffix, prefix, total } => {
                        let [suffix, prefix] = [suffix, prefix].map(|row| row.map_or([0.0; COLUMNS], |row| sums[row]));
                        let whole = total.map(|row| (sums[row], [schedule.turns; COLUMNS]));
                        let sum = window_sum(lanes, suffix, prefix, whole);
                        let y = normalize(lanes, base, power, self.load(channel, column), sum);
                        self.store(channel, column, y);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn vector(row: &[f32]) -> Vector {
    *row.first_chunk().expect("a tile's width is a multiple of a vector")
}

/// Lanes that compute: `N` floats in an array. Every method is inlined into a caller that enables the host's vectors.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ArrayLanes<const N: usize>;

#[inline(always)]
fn map<const N: usize, A: Copy, B: Copy, C>(a: [A; N], b: [B; N], f: impl Fn(A, B) -> C) -> [C; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

#[rustfmt::skip]
impl<const N: usize> Lanes for ArrayLanes<N> {
    type Float = [f32; N];
    type Bits = [u32; N];

    #[inline(always)] fn float(&mut self, value: f32) -> [f32; N] { [value; N] }
    #[inline(always)] fn bits(&mut self, value: u32) -> [u32; N] { [value; N] }
    #[inline(always)] fn add(&mut self, a: [f32; N], b: [f32; N]) -> [f32; N] { map(a, b, |a, b| a + b) }
    #[inline(always)] fn sub(&mut self, a: [f32; N], b: [f32; N]) -> [f32; N] { map(a, b, |a, b| a - b) }
    #[inline(always)] fn mul(&mut self, a: [f32; N], b: [f32; N]) -> [f32; N] { map(a, b, |a, b| a * b) }
    #[inline(always)] fn div(&mut self, a: [f32; N], b: [f32; N]) -> [f32; N] { map(a, b, |a, b| a / b) }
    #[inline(always)] fn sqrt(&mut self, a: [f32; N]) -> [f32; N] { a.map(f32::sqrt) }
    #[inline(always)] fn min(&mut self, a: [f32; N], b: [f32; N]) -> [f32; N] { map(a, b, |a, b| if a < b { a } else { b }) }
    #[inline(always)] fn max(&mut self, a: [f32; N], b: [f32; N]) -> [f32; N] { map(a, b, |a, b| if a > b { a } else { b }) }
    #[inline(always)] fn iadd(&mut self, a: [u32; N], b: [u32; N]) -> [u32; N] { map(a, b, u32::wrapping_add) }
    #[inline(always)] fn isub(&mut self, a: [u32; N], b: [u32; N]) -> [u32; N] { map(a, b, u32::wrapping_sub) }
    #[inline(always)] fn and(&mut self, a: [u32; N], b: [u32; N]) -> [u32; N] { map(a, b, |a, b| a & b) }
    #[inline(always)] fn or(&mut self, a: [u32; N], b: [u32; N]) -> [u32; N] { map(a, b, |a, b| a | b) }
    #[inline(always)] fn xor(&mut self, a: [u32; N], b: [u32; N]) -> [u32; N] { map(a, b, |a, b| a ^ b) }
    #[inline(always)] fn shl(&mut self, a: [u32; N], count: u8) -> [u32; N] { a.map(|a| a << count) }
    #[inline(always)] fn shr(&mut self, a: [u32; N], count: u8) -> [u32; N] { a.map(|a| a >> count) }
    #[inline(always)] fn sar(&mut self, a: [u32; N], count: u8) -> [u32; N] { a.map(|a| (a.cast_signed() >> count).cast_unsigned()) }
    #[inline(always)] fn to_bits(&mut self, a: [f32; N]) -> [u32; N] { a.map(f32::to_bits) }
    #[inline(always)] fn bits_to_float(&mut self, a: [u32; N]) -> [f32; N] { a.map(f32::from_bits) }
    #[inline(always)] fn int_to_float(&mut self, a: [u32; N]) -> [f32; N] { a.map(|a| a.cast_signed() as f32) }

    #[inline(always)]
    fn fma(&mut self, a: [f32; N], b: [f32; N], c: [f32; N]) -> [f32; N] {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
}
