//! The kernel of channels-last tensors (and of any `inner` under a vector): vectors lie along a slab's contiguous elements.
//!
//! Element (c, s) of a slab stands at c·inner + s, its taps `inner` apart; so with the squares of a slab in a padded copy, a
//! vector's taps are overlapping loads, and the padding is the edge.
//!
//! Of windows over [`DIRECT`] taps the squares are added up beforehand, by doubling as everywhere: a tap is then a run of 1, 2,
//! 4, … of them.
//!
//! ```text
//! rows: tap[0] … tap[taps − 1]   the padded squares (or their sums) from each tap on
//!       x, y                     the slabs
//!       bytes of a slab, bytes of a padded slab, number of slabs
//!
//! for each slab:  for each vector of its elements:  y = normalize(x, Σ taps)
//! ```
//!
//! The kernel's bytes are those of a slab.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;

use super::clif_lanes::{ClifLanes, ConstantTable, Operand};
use super::cumulative::row;
use super::{Arguments, for_each_vector};
use crate::arithmetic::window::{PartialSums, runs};
use crate::arithmetic::{Lanes as _, normalize};
use crate::plan::{Effort, Formula, Plan};

/// The longest window whose taps are loaded one by one.
const DIRECT: usize = 5;

/// What the kernel adds up: the level (a run of 2^level taps) and the first tap of each.
pub(crate) fn tap_rows(plan: &Plan) -> Vec<(usize, usize)> {
    let taps = plan.before + 1 + plan.after;
    if taps <= DIRECT { (0..taps).map(|tap| (0, tap)).collect() } else { runs(taps).collect() }
}

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
    let taps = tap_rows(plan).len();
    let [slab_bytes, padded_bytes, count] = [2, 3, 4].map(|place| row(builder, rows, taps + place));
    let vector = ClifLanes::<1>::new(builder, constants, table, lanes).bytes();
    let group = group_vectors(plan);
    let [middle, rest] = [vector * group, vector * 2].map(|step| builder.ins().band_imm_s(end, -step));

    let (slab, done) = (builder.create_block(), builder.create_block());
    let [start, padded, left] = [I64; 3].map(|ty| builder.append_block_param(slab, ty));
    let zero = builder.ins().iconst(I64, 0);
    let any = builder.ins().icmp_imm_u(IntCC::NotEqual, count, 0);
    builder.ins().brif(any, slab, &[zero.into(), zero.into(), count.into()], done, &[]);
    builder.switch_to_block(slab);
    let vectors = |builder: &mut FunctionBuilder<'_>, constants: &mut _, range: (Option<Value>, Value), count: i64| {
        for_each_vector(builder, constants, (range.0, range.1, vector * count), |builder, constants, offset| {
            let offsets = (builder.ins().iadd(start, offset), builder.ins().iadd(padded, offset));
            let emit = Emit { plan, builder, constants, arguments: (rows, table), lanes, offsets };
            match count {
                4 => emit.vectors::<4>(),
                2 => emit.vectors::<2>(),
                _ => emit.vectors::<1>(),
            }
        });
    };
    vectors(builder, constants, (None, middle), group);
    if group > 2 {
        vectors(builder, constants, (Some(middle), rest), 2);
    }
    vectors(builder, constants, (Some(rest), end), 1);
    constants.part(builder, || "the next slab".into());
    let start = builder.ins().iadd(start, slab_bytes);
    let padded = builder.ins().iadd(padded, padded_bytes);
    let left = builder.ins().iadd_imm_s(left, -1);
    let more = builder.ins().icmp_imm_u(IntCC::NotEqual, left, 0);
    builder.ins().brif(more, slab, &[start.into(), padded.into(), left.into()], done, &[]);
    builder.switch_to_block(done);
}

/// What emitting neighbouring vectors takes.
struct Emit<'a, 'b> {
    plan: &'a Plan,
    builder: &'a mut FunctionBuilder<'b>,
    constants: &'a mut ConstantTable,
    /// The rows and the table of constants.
    arguments: (Value, Value),
    lanes: u32,
    /// Bytes from the start of the slabs, and of the padded squares.
    offsets: (Value, Value),
}

impl Emit<'_, '_> {
    /// Emits `K` neighbouring vectors side by side.
    fn vectors<const K: usize>(self) {
        let Self { plan, builder, constants, arguments: (rows, table), lanes, offsets } = self;
        let Formula::Normalize { a, k, power, .. } = &plan.formula else {
            unreachable!("only a normalizing plan has taps")
        };
        let taps = tap_rows(plan).len();
        let bytes = ClifLanes::<1>::new(builder, constants, table, lanes).bytes();
        let mut shifted = |base: Value| -> [Value; K] {
            std::array::from_fn(|i| if i == 0 { base } else { builder.ins().iadd_imm_s(base, bytes * i as i64) })
        };
        let (elements, squares) = (shifted(offsets.0), shifted(offsets.1));
        let mut group = ClifLanes::<K>::new(builder, constants, table, lanes);
        let load = |group: &mut ClifLanes<'_, '_, K>, tap: usize| {
            squares.map(|offset| Operand::Value(group.load_operand(Operand::Row { rows, row: tap, offset })))
        };
        let sum = if plan.before + 1 + plan.after <= DIRECT {
            PartialSums::new(taps).window(&mut group, 0, load)
        } else {
            let runs: Vec<_> = (0..taps).map(|tap| load(&mut group, tap)).collect();
            runs.into_iter().reduce(|sum, run| group.add(sum, run)).expect("a window has at least one tap")
        };
        let x = elements.map(|offset| Operand::Row { rows, row: taps, offset });
        let y = normalize(&mut group, (*a, *k), power, x, sum);
        group.part("store");
        for (y, offset) in y.into_iter().zip(elements) {
            let y = Operand::Value(group.load_operand(y));
            let address = group.row_address(rows, taps + 1, offset);
            group.store(y, address);
        }
    }
}
