//! The kernel of everything but planes: vectors lie along a run of contiguous elements, whatever channels they are of. The sums
//! of their windows are made elsewhere.
//!
//! ```text
//! rows: Σ        the window sums of each element, of each term (`jit/window_sums.rs` or `passes.rs` make them); or of windows over
//!                several axes those over all but one, a row for each tap along that, to be added here
//!       inputs   x, …; x at the first tap along the other axis, where the kernel makes sums of a later index (`Sums::Rolling`)
//!       outputs  these sums; y, …
//!
//! for each vector of elements:  outputs = stage(inputs, Σ)
//! ```

use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;

use super::clif_lanes::{ClifLanes, Operand, Place};
use super::constants::ConstantTable;
use super::starts::{Start, Starts};
use super::{Arguments, Sums, for_each_vector};
use crate::arithmetic::Lanes as _;
use crate::arithmetic::stage::{self, activate, outputs};
use crate::arithmetic::window::{PartialSums, sum_of};
use crate::plan::{Effort, Plan};
use crate::task::Stage;

/// Vectors side by side in the main loop; fewer of a recipe that takes long to compile.
fn group_vectors(plan: &Plan) -> i64 {
    if plan.effort() == Effort::Longest { 2 } else { 4 }
}

/// Emits the kernel's body.
pub(super) fn emit(
    plan: &Plan,
    (stage, sums): (Stage, Sums),
    builder: &mut FunctionBuilder<'_>,
    constants: &mut ConstantTable,
    Arguments { rows, constants: table, end }: Arguments,
    lanes: u32,
) {
    let most = sums.rows(plan) * stage.terms().len() + stage.inputs() + stage.outputs();
    let later = if sums == Sums::Rolling { 2 } else { 0 };
    let starts = Starts::new(builder, rows, 0..most + later);
    let vector = ClifLanes::<1>::new(builder, constants, table, lanes).bytes();
    let group = group_vectors(plan);
    let [middle, rest] = [vector * group, vector * 2].map(|step| builder.ins().band_imm_s(end, -step));
    let mut vectors = |range: (Option<Value>, Value), count: i64| {
        for_each_vector(builder, constants, (range.0, range.1, vector * count), |builder, constants, offset| {
            let emit = Emit { plan, stage, sums, builder, constants, starts: &starts, table, lanes, offset };
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
    stage: Stage,
    sums: Sums,
    builder: &'a mut FunctionBuilder<'b>,
    constants: &'a mut ConstantTable,
    /// Where the rows start.
    starts: &'a Starts,
    /// The table of constants.
    table: Value,
    lanes: u32,
    /// Bytes from the start of the rows.
    offset: Value,
}

impl Emit<'_, '_> {
    /// Emits `K` neighbouring vectors side by side.
    fn vectors<const K: usize>(self) {
        let Self { plan, stage, sums, builder, constants, starts, table, lanes, offset } = self;
        let bytes = ClifLanes::<1>::new(builder, constants, table, lanes).bytes();
        let offsets: [Value; K] =
            std::array::from_fn(|i| if i == 0 { offset } else { builder.ins().iadd_imm_s(offset, bytes * i as i64) });
        let mut group = ClifLanes::<K>::new(builder, constants, table, lanes);
        let (sum_rows, rolling) = (sums.rows(plan), sums == Sums::Rolling);
        let inputs = sum_rows * stage.terms().len();
        let of =
            |row: usize| offsets.map(|offset| Operand::Row(Place { start: starts.of(row), offset, positive: false }));
        let sums: Vec<[Operand; K]> =
            (0..inputs).step_by(sum_rows.max(1)).map(|first| sum(&mut group, (first, sum_rows), of)).collect();
        let read: Vec<[Operand; K]> = (0..stage.inputs()).map(|input| of(inputs + input)).collect();
        let mut next = inputs + stage.inputs();
        if rolling {
            let sums = later(&mut group, plan, stage, starts.of(next), offsets);
            store(&mut group, (starts.of(next + 1), sums), &offsets);
            next += 2;
        }
        let results = outputs(&mut group, plan, stage, &read, &sums);
        group.part("store");
        for (output, values) in results.into_iter().take(stage.outputs()).enumerate() {
            store(&mut group, (starts.of(next + output), values), &offsets);
        }
    }
}

/// Writes vectors of a row.
fn store<const K: usize>(
    group: &mut ClifLanes<'_, '_, K>,
    (start, values): (Start, [Operand; K]),
    offsets: &[Value; K],
) {
    for (value, &offset) in values.into_iter().zip(offsets) {
        let value = Operand::Value(group.load_operand(value));
        let address = group.row_address(start, offset);
        group.store(value, address);
    }
}

/// The sum of some rows of `of`, the order of a window's.
fn sum<const K: usize>(
    group: &mut ClifLanes<'_, '_, K>,
    (first, rows): (usize, usize),
    of: impl Fn(usize) -> [Operand; K],
) -> [Operand; K] {
    if rows > 1 {
        group.part("window sums, of the sums along other axes");
    }
    sum_of(group, rows, &mut |_, row| of(first + row))
}

/// The sums of a stage's first term along a row of its first input, taps a vector apart, of windows that begin with some vectors.
fn later<const K: usize>(
    group: &mut ClifLanes<'_, '_, K>,
    plan: &Plan,
    stage: Stage,
    start: Start,
    offsets: [Value; K],
) -> [Operand; K] {
    group.part("sums of a later index");
    let (term, bytes) = (stage.terms()[0], group.bytes());
    let mut one = group.one();
    let mut sums = PartialSums::new(plan.reach_taps());
    std::array::from_fn(|first| {
        let [sum] = sums.window(&mut one, first, |one, at| {
            let offset = offsets.get(at).copied();
            let offset = offset.unwrap_or_else(|| one.builder.ins().iadd_imm_s(offsets[0], bytes * at as i64));
            let x = Operand::Row(Place { start, offset, positive: false });
            let mut input = [[Operand::Value(one.load_operand(x))]];
            activate(one, plan, stage, &mut input);
            stage::term(one, term, &input)
        });
        sum
    })
}
