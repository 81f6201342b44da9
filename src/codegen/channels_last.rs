//! The kernel of channels-last tensors (and of any `inner` under some vectors): vectors lie along a run of contiguous elements,
//! whatever channels they are of.
//!
//! ```text
//! rows: Σ   the window sum of each element (`jit/window_sums.rs` makes them)
//!       x
//!       y
//!
//! for each vector of elements:  y = normalize(x, Σ)
//! ```

use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;

use super::clif_lanes::{ClifLanes, ConstantTable, Operand};
use super::{Arguments, for_each_vector};
use crate::arithmetic::{Lanes as _, normalize};
use crate::plan::{Effort, Formula, Plan};

/// The rows: window sums, x and y.
const SUMS: usize = 0;
const X: usize = 1;
const Y: usize = 2;

/// Vectors side by side in the main loop; fewer of a recipe that takes long to compile.
fn group_vectors(plan: &Plan) -> i64 {
    if plan.effort() == Effort::Longest { 2 } else { 4 }
}

/// Emits the kernel's body.
pub(super) fn emit(
    plan: &Plan,
    builder: &mut FunctionBuilder<'_>,
    constants: &mut ConstantTable,
    Arguments { rows, constants: table, end }: Arguments,
    lanes: u32,
) {
    let vector = ClifLanes::<1>::new(builder, constants, table, lanes).bytes();
    let group = group_vectors(plan);
    let [middle, rest] = [vector * group, vector * 2].map(|step| builder.ins().band_imm_s(end, -step));
    let mut vectors = |range: (Option<Value>, Value), count: i64| {
        for_each_vector(builder, constants, (range.0, range.1, vector * count), |builder, constants, offset| {
            let emit = Emit { plan, builder, constants, arguments: (rows, table), lanes, offset };
            match count {
                4 => emit.vectors::<4>(),
                2 => emit.vectors::<2>(),
                _ => emit.vectors::<1>(),
            }
        });
    };
    vectors((None, middle), group);
    if group > 2 {
        vectors((Some(middle), rest), 2);
    }
    vectors((Some(rest), end), 1);
}

/// What emitting neighbouring vectors takes.
struct Emit<'a, 'b> {
    plan: &'a Plan,
    builder: &'a mut FunctionBuilder<'b>,
    constants: &'a mut ConstantTable,
    /// The rows and the table of constants.
    arguments: (Value, Value),
    lanes: u32,
    /// Bytes from the start of the rows.
    offset: Value,
}

impl Emit<'_, '_> {
    /// Emits `K` neighbouring vectors side by side.
    fn vectors<const K: usize>(self) {
        let Self { plan, builder, constants, arguments: (rows, table), lanes, offset } = self;
        let Formula::Normalize { a, k, power, .. } = &plan.formula else {
            unreachable!("only a normalizing plan has taps")
        };
        let bytes = ClifLanes::<1>::new(builder, constants, table, lanes).bytes();
        let offsets: [Value; K] =
            std::array::from_fn(|i| if i == 0 { offset } else { builder.ins().iadd_imm_s(offset, bytes * i as i64) });
        let mut group = ClifLanes::<K>::new(builder, constants, table, lanes);
        let sum = offsets.map(|offset| Operand::Value(group.load_operand(Operand::Row { rows, row: SUMS, offset })));
        let x = offsets.map(|offset| Operand::Row { rows, row: X, offset });
        let y = normalize(&mut group, (*a, *k), power, x, sum);
        group.part("store");
        for (y, offset) in y.into_iter().zip(offsets) {
            let y = Operand::Value(group.load_operand(y));
            let address = group.row_address(rows, Y, offset);
            group.store(y, address);
        }
    }
}
