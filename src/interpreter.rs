//! The interpreter: runs a [`Plan`] over arrays, with the arithmetic the code generator emits, bit for bit.
//!
//! It is the reference of the property tests and what runs where a host cannot JIT.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::arithmetic::Lanes;
use crate::arithmetic::format::Format;
use crate::arithmetic::stage::outputs;
use crate::jit::host::vectorized;
use crate::lane::Lane;
use crate::passes::{Elementwise, Pass, run_tile};
use crate::plan::Plan;
use crate::region::run::{BoxTile, stages};
use crate::task::{Stage, Task};
use crate::tile::{COLUMNS, Tile, TileEngine};

/// Runs a plan.
pub(crate) struct Interpreter {
    plan: Arc<Plan>,
}

impl Interpreter {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self { plan }
    }

    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }
}

impl<T: Lane> TileEngine<T> for Interpreter {
    fn tile(&self, task: Task, tile: Tile<'_, T>) {
        run_tile(&self.plan, task, tile, self);
    }

    fn boxes(&self, task: Task, tile: BoxTile<'_, T>) {
        stages(&self.plan, task, tile, self);
    }
}

impl<T: Lane> Elementwise<T> for Interpreter {
    fn elementwise(&self, stage: Stage, Pass { inputs, sums, outputs: results, elements }: Pass<'_, T>) {
        let (many_inputs, many_sums) = (inputs.len(), sums.len());
        vectorized(
            #[inline(always)]
            || {
                let lanes = &mut ArrayLanes::<T, COLUMNS>::default();
                let mut values = ([[T::default(); COLUMNS]; Stage::MOST.0], [[T::default(); COLUMNS]; Stage::MOST.1]);
                for at in (0..elements).step_by(COLUMNS) {
                    for (value, row) in values.0.iter_mut().zip(inputs) {
                        *value = vector(&row[at..]);
                    }
                    for (value, row) in values.1.iter_mut().zip(sums) {
                        *value = vector(&row[at..]);
                    }
                    let computed = outputs(lanes, &self.plan, stage, &values.0[..many_inputs], &values.1[..many_sums]);
                    for (row, value) in results.iter_mut().zip(computed) {
                        row[at..][..COLUMNS].copy_from_slice(&value);
                    }
                }
            },
        );
    }
}

/// The first columns of a row.
#[inline(always)]
pub(crate) fn vector<T: Lane>(row: &[T]) -> [T; COLUMNS] {
    *row.first_chunk().expect("a tile's width is a multiple of a vector")
}

/// Lanes that compute: `N` numbers in an array. Every method is inlined into a caller that enables the host's vectors.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ArrayLanes<T, const N: usize>(PhantomData<T>);

#[inline(always)]
fn map<const N: usize, A: Copy, B: Copy, C>(a: [A; N], b: [B; N], f: impl Fn(A, B) -> C) -> [C; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

#[rustfmt::skip]
impl<T: Lane, const N: usize> Lanes for ArrayLanes<T, N> {
    type Float = [T; N];
    type Bits = [T::Bits; N];

    #[inline(always)] fn format(&self) -> &'static Format { T::FORMAT }
    #[inline(always)] fn float(&mut self, value: impl Into<f64>) -> [T; N] { [T::nearest(value.into()); N] }
    #[inline(always)] fn bits(&mut self, value: impl Into<u64>) -> [T::Bits; N] { [T::low_bits(value.into()); N] }
    #[inline(always)] fn add(&mut self, a: [T; N], b: [T; N]) -> [T; N] { map(a, b, |a, b| a + b) }
    #[inline(always)] fn sub(&mut self, a: [T; N], b: [T; N]) -> [T; N] { map(a, b, |a, b| a - b) }
    #[inline(always)] fn mul(&mut self, a: [T; N], b: [T; N]) -> [T; N] { map(a, b, |a, b| a * b) }
    #[inline(always)] fn div(&mut self, a: [T; N], b: [T; N]) -> [T; N] { map(a, b, |a, b| a / b) }
    #[inline(always)] fn sqrt(&mut self, a: [T; N]) -> [T; N] { a.map(T::root) }
    #[inline(always)] fn min(&mut self, a: [T; N], b: [T; N]) -> [T; N] { map(a, b, |a, b| if a < b { a } else { b }) }
    #[inline(always)] fn max(&mut self, a: [T; N], b: [T; N]) -> [T; N] { map(a, b, |a, b| if a > b { a } else { b }) }
    #[inline(always)] fn iadd(&mut self, a: [T::Bits; N], b: [T::Bits; N]) -> [T::Bits; N] { map(a, b, T::wrapping_add) }
    #[inline(always)] fn isub(&mut self, a: [T::Bits; N], b: [T::Bits; N]) -> [T::Bits; N] { map(a, b, T::wrapping_sub) }
    #[inline(always)] fn and(&mut self, a: [T::Bits; N], b: [T::Bits; N]) -> [T::Bits; N] { map(a, b, |a, b| a & b) }
    #[inline(always)] fn or(&mut self, a: [T::Bits; N], b: [T::Bits; N]) -> [T::Bits; N] { map(a, b, |a, b| a | b) }
    #[inline(always)] fn xor(&mut self, a: [T::Bits; N], b: [T::Bits; N]) -> [T::Bits; N] { map(a, b, |a, b| a ^ b) }
    #[inline(always)] fn shl(&mut self, a: [T::Bits; N], count: u8) -> [T::Bits; N] { a.map(|a| a << count) }
    #[inline(always)] fn shr(&mut self, a: [T::Bits; N], count: u8) -> [T::Bits; N] { a.map(|a| a >> count) }
    #[inline(always)] fn sar(&mut self, a: [T::Bits; N], count: u8) -> [T::Bits; N] { a.map(|a| T::arithmetic_shift(a, count)) }
    #[inline(always)] fn to_bits(&mut self, a: [T; N]) -> [T::Bits; N] { a.map(T::bits) }
    #[inline(always)] fn bits_to_float(&mut self, a: [T::Bits; N]) -> [T; N] { a.map(T::of_bits) }
    #[inline(always)] fn int_to_float(&mut self, a: [T::Bits; N]) -> [T; N] { a.map(T::of_int) }

    #[inline(always)]
    fn fma(&mut self, a: [T; N], b: [T; N], c: [T; N]) -> [T; N] {
        std::array::from_fn(|i| a[i].fused(b[i], c[i]))
    }
}
