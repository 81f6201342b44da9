//! The main kernel: a block of neighbouring channels, one vector of positions at a time.
//!
//! ```text
//! rows: in[0] … in[taps + channels − 2]   the channels of the block and the taps around it (zeros beyond the edges)
//!       out[0] … out[channels − 1]       the block's outputs
//!
//! for each vector of positions:
//!     for each channel of the block:
//!         Σ = the window's squares (each row squared once, sums shared between windows)
//!         out = normalize(in[channel], Σ)
//! ```
//!
//! A plan without a window has inputs of its own channels only.

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;

use super::clif_lanes::{ClifLanes, ConstantTable, in_bounds};
use super::{Arguments, for_each_vector};
use crate::arithmetic::Lanes as _;
use crate::arithmetic::window::PartialSums;
use crate::arithmetic::{normalize, scale};
use crate::plan::{Formula, Plan, Summation};

/// Channels of a block where the tensor has as many.
pub(crate) const BLOCK: usize = 8;

/// Input rows of the kernel: the block's channels and the taps around them.
pub(crate) fn input_rows(plan: &Plan, channels: usize) -> usize {
    plan.before + channels + plan.after
}

/// Emits the kernel's body.
pub(super) fn emit(
    plan: &Plan,
    channels: usize,
    builder: &mut FunctionBuilder<'_>,
    constants: &mut ConstantTable,
    Arguments { rows, constants: table, begin, end }: Arguments,
    lanes: u32,
) {
    let inputs = input_rows(plan, channels);
    let before = plan.before;
    let step = ClifLanes::new(builder, constants, table, lanes).bytes();
    for_each_vector(builder, (begin, end, step), |builder, offset| {
        let mut lanes = ClifLanes::new(builder, constants, table, lanes);
        let mut sums = PartialSums::new(inputs);
        for channel in 0..channels {
            let y = match &plan.formula {
                Formula::Copy => load_row(&mut lanes, rows, before + channel, offset),
                Formula::Scale { factors } => {
                    let x = load_row(&mut lanes, rows, before + channel, offset);
                    scale(&mut lanes, factors, x)
                }
                Formula::Normalize { summation: Summation::Unrolled { taps }, a, k, power } => {
                    let sum = sums.window(&mut lanes, channel, *taps, &mut |lanes: &mut ClifLanes<'_, '_>, row| {
                        let x = load_row(lanes, rows, row, offset);
                        lanes.mul(x, x)
                    });
                    let x = load_row(&mut lanes, rows, before + channel, offset);
                    normalize(&mut lanes, (*a, *k), power, x, sum)
                }
                Formula::Normalize { summation: Summation::Cumulative, .. } => {
                    unreachable!("long windows have kernels of their own")
                }
            };
            let address = row_address(&mut lanes, rows, inputs + channel, offset);
            lanes.store(y, address);
        }
    });
}

/// The address of the vector at `offset` of a row.
fn row_address(lanes: &mut ClifLanes<'_, '_>, rows: Value, row: usize, offset: Value) -> Value {
    let slot = i32::try_from(row * size_of::<u64>()).expect("a kernel has few rows");
    let start = lanes.builder.ins().load(I64, in_bounds().with_aligned(), rows, slot);
    lanes.builder.ins().iadd(start, offset)
}

/// The vector at `offset` of a row.
fn load_row(lanes: &mut ClifLanes<'_, '_>, rows: Value, row: usize, offset: Value) -> Value {
    let address = row_address(lanes, rows, row, offset);
    lanes.load(address)
}
