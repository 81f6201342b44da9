//! The kernels of long windows: sums that grow along the channels, and outputs from two of them.
//!
//! [`schedule`](crate::arithmetic::cumulative) says which sums are needed and which two make a window.
//!
//! ```text
//! accumulate: rows = start, x, step of x, sums, step of sums, count (steps in bytes, negative for downwards)
//!     for each vector of positions:  sum = start;  count times: sum += x²; store; next channel
//! combine:    rows = x, suffix, tap, –, y of each channel of a group, carry, next carry
//!     for each vector of positions:  carry += tap², and y = normalize(x, suffix + carry), channel after channel; store the carry
//!             rows = x, suffix, prefix, total, y of each channel of a group, turns (one vector for all positions)
//!     on a ring:                     y = normalize(x, suffix + prefix + turns·total)
//! ```
//!
//! The powers of a group are computed side by side.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;

use super::clif_lanes::{ClifLanes, Operand, Place, in_bounds};
use super::constants::ConstantTable;
use super::starts::{Start, Starts};
use super::{Arguments, for_each_vector};
use crate::arithmetic::Lanes as _;
use crate::arithmetic::cumulative::window_sum;
use crate::arithmetic::stage::{activate, add_term, outputs};
use crate::config::Boundary;
use crate::plan::Plan;
use crate::task::{Stage, Term};

/// Entry `index` of the rows.
fn row(builder: &mut FunctionBuilder<'_>, rows: Value, index: usize) -> Value {
    Start::At(rows, index).value(builder)
}

/// Emits the body of the accumulating kernel.
pub(super) fn emit_accumulate(
    plan: &Plan,
    builder: &mut FunctionBuilder<'_>,
    constants: &mut ConstantTable,
    Arguments { rows, constants: table, end }: Arguments,
    lanes: u32,
) {
    let [start, x, x_step, sums, sums_step, count] = [0, 1, 2, 3, 4, 5].map(|index| row(builder, rows, index));
    let step = ClifLanes::<1>::new(builder, constants, table, lanes).bytes();
    for_each_vector(builder, constants, (None, end, step), |builder, constants, offset| {
        let ty = ClifLanes::<1>::new(builder, constants, table, lanes).float_type();
        let start = builder.ins().iadd(start, offset);
        let x = builder.ins().iadd(x, offset);
        let sums = builder.ins().iadd(sums, offset);
        let start = builder.ins().load(ty, in_bounds(), start, 0);
        let (channel, done) = (builder.create_block(), builder.create_block());
        let [x_now, sums_now, left] = [I64; 3].map(|ty| builder.append_block_param(channel, ty));
        let sum = builder.append_block_param(channel, ty);
        builder.ins().jump(channel, &[x.into(), sums.into(), count.into(), start.into()]);
        builder.switch_to_block(channel);
        let mut lanes = ClifLanes::<1>::new(builder, constants, table, lanes);
        lanes.part("the next channel's square joins the sum");
        let value = lanes.load(x_now);
        let [sum] = add_square(&mut lanes, plan, Operand::Value(sum), value);
        let sum = lanes.load_operand(sum);
        lanes.store(Operand::Value(sum), sums_now);
        let x_next = builder.ins().iadd(x_now, x_step);
        let sums_next = builder.ins().iadd(sums_now, sums_step);
        let left = builder.ins().iadd_imm_s(left, -1);
        let more = builder.ins().icmp_imm_u(IntCC::NotEqual, left, 0);
        builder.ins().brif(more, channel, &[x_next.into(), sums_next.into(), left.into(), sum.into()], done, &[]);
        builder.switch_to_block(done);
    });
}

/// sum + x², of an x as it is read.
fn add_square(lanes: &mut ClifLanes<'_, '_, 1>, plan: &Plan, sum: Operand, x: Operand) -> [Operand; 1] {
    let mut inputs = [[x]];
    activate(lanes, plan, Stage::Forward, &mut inputs);
    add_term(lanes, Term::Square(0), &inputs, [sum])
}

/// Rows of one channel of the combining kernel.
pub(crate) const COMBINE_ROWS: usize = 5;

/// Emits the body of the combining kernel for `K` channels.
pub(super) fn emit_combine<const K: usize>(
    plan: &Plan,
    builder: &mut FunctionBuilder<'_>,
    constants: &mut ConstantTable,
    Arguments { rows, constants: table, end }: Arguments,
    lanes: u32,
) {
    let [turns, next] = [0, 1].map(|index| K * COMBINE_ROWS + index);
    let step = ClifLanes::<1>::new(builder, constants, table, lanes).bytes();
    // Totals are of rings alone.
    let read = (0..K * COMBINE_ROWS).filter(|row| row % COMBINE_ROWS != 3 || plan.boundary == Boundary::Wrap);
    let starts = Starts::new(builder, rows, read);
    for_each_vector(builder, constants, (None, end, step), |builder, constants, offset| {
        let [x, suffix, prefix, total, y] = [0, 1, 2, 3, 4].map(|index| {
            let place = |channel| {
                Operand::Row(Place { start: starts.of(channel * COMBINE_ROWS + index), offset, positive: false })
            };
            std::array::from_fn::<Operand, K, _>(place)
        });
        let sum = if plan.boundary == Boundary::Wrap {
            let turns = row(builder, rows, turns);
            let mut lanes = ClifLanes::<K>::new(builder, constants, table, lanes);
            lanes.part("window sum: the end of one block and the beginning of the next");
            let turns = lanes.load(turns);
            window_sum(&mut lanes, suffix, prefix, Some((total, [turns; K])))
        } else {
            let mut one = ClifLanes::<1>::new(builder, constants, table, lanes);
            one.part("window sum: the end of one block and the carried beginning of the next");
            let mut carry = Operand::Value(one.load_operand(Operand::Row(Place {
                start: starts.of(turns),
                offset,
                positive: false,
            })));
            let carries = prefix.map(|tap| {
                let tap = Operand::Value(one.load_operand(tap));
                [carry] = add_square(&mut one, plan, carry, tap);
                carry
            });
            let address = one.row_address(starts.of(next), offset);
            one.store(carry, address);
            window_sum(&mut ClifLanes::<K>::new(builder, constants, table, lanes), suffix, carries, None)
        };
        let mut lanes = ClifLanes::<K>::new(builder, constants, table, lanes);
        let [values, ..] = outputs(&mut lanes, plan, Stage::Forward, &[x], &[sum]);
        lanes.part("store");
        for (value, y) in values.into_iter().zip(y) {
            let Some(Place { start, offset, .. }) = y.place() else { unreachable!("a row is a row") };
            let value = lanes.load_operand(value);
            let address = lanes.row_address(start, offset);
            lanes.store(Operand::Value(value), address);
        }
    });
}
