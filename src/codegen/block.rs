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

use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;

use super::clif_lanes::{ClifLanes, ConstantTable, Operand};
use super::{Arguments, for_each_vector};
use crate::arithmetic::Lanes as _;
use crate::arithmetic::window::PartialSums;
use crate::arithmetic::{normalize, scale};
use crate::plan::{Effort, Formula, Plan, Summation};

/// Channels of a plan's block, where the tensor has as many. A long window pays for its first sums once a block, which is
/// worth larger ones; a long recipe is not, for it is compiled once a channel.
pub(crate) fn block_channels(plan: &Plan) -> usize {
    let long_window = input_rows(plan, 1) > 8;
    match plan.effort() {
        Effort::Short if long_window => 16,
        Effort::Short | Effort::Long => 8,
        Effort::Longest => 4,
    }
}

/// The most channels of a block, for planes that a cache near the core holds: there more rows at once cost nothing, and what a
/// block and its call cost is shared by more channels.
pub(crate) fn most_block_channels(plan: &Plan) -> usize {
    match plan.effort() {
        Effort::Short => 16,
        Effort::Long | Effort::Longest => block_channels(plan),
    }
}

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
    Arguments { rows, constants: table, end }: Arguments,
    lanes: u32,
) {
    let inputs = input_rows(plan, channels);
    let step = ClifLanes::<1>::new(builder, constants, table, lanes).bytes();
    for_each_vector(builder, constants, (None, end, step), |builder, constants, offset| {
        let mut emit = Emit { plan, builder, constants, table, lanes, inputs, row: (rows, offset) };
        let sums = emit.sums(channels);
        let mut channel = 0;
        while channel < channels {
            let first = channel;
            match channels - channel {
                4.. => channel += emit.group::<4>(&sums, first),
                2.. => channel += emit.group::<2>(&sums, first),
                _ => channel += emit.group::<1>(&sums, first),
            }
        }
    });
}

/// Channels of a block as a listing names them.
fn channels_from(first: usize, count: usize) -> String {
    let channel = |at: usize| if at == 0 { "c".into() } else { format!("c+{at}") };
    match count {
        1 => channel(first),
        _ => format!("{} … {}", channel(first), channel(first + count - 1)),
    }
}

/// What emitting a block takes.
struct Emit<'a, 'b> {
    plan: &'a Plan,
    builder: &'a mut FunctionBuilder<'b>,
    constants: &'a mut ConstantTable,
    table: Value,
    lanes: u32,
    /// Input rows.
    inputs: usize,
    /// The rows' addresses, and the offset of the vector.
    row: (Value, Value),
}

impl Emit<'_, '_> {
    fn row(&self, row: usize) -> Operand {
        let (rows, offset) = self.row;
        Operand::Row { rows, row, offset }
    }

    /// The window sums of all channels, where the plan has any: before the first recipe, so that partial sums and a recipe's
    /// values do not want registers at the same time.
    fn sums(&mut self, channels: usize) -> Vec<Operand> {
        let Formula::Normalize { summation: Summation::Unrolled { taps }, .. } = self.plan.formula else {
            return vec![];
        };
        let mut partial = PartialSums::new(taps);
        let (rows, offset) = self.row;
        let mut one = ClifLanes::<1>::new(self.builder, self.constants, self.table, self.lanes);
        one.part_of(|| format!("squares and window sums of {}", channels_from(0, channels)));
        let sum = |channel| {
            let [sum] = partial.window(&mut one, channel, |one, row| {
                let x = [Operand::Value(one.load_operand(Operand::Row { rows, row, offset }))];
                one.mul(x, x)
            });
            sum
        };
        (0..channels).map(sum).collect()
    }

    /// Emits the outputs of `K` channels from `first` on, side by side, and gives K.
    fn group<const K: usize>(&mut self, sums: &[Operand], first: usize) -> usize {
        let x = std::array::from_fn(|i| self.row(self.plan.before + first + i));
        let mut lanes = ClifLanes::<K>::new(self.builder, self.constants, self.table, self.lanes);
        let y: [Operand; K] = match &self.plan.formula {
            Formula::Copy => x,
            Formula::Scale { factors } => scale(&mut lanes, factors, x),
            Formula::Normalize { summation: Summation::Unrolled { .. }, a, k, power } => {
                if sums.len() > K {
                    lanes.part_of(|| format!("{}, side by side", channels_from(first, K)));
                }
                normalize(&mut lanes, (*a, *k), power, x, std::array::from_fn(|i| sums[first + i]))
            }
            Formula::Normalize { summation: Summation::Cumulative, .. } => {
                unreachable!("long windows have kernels of their own")
            }
        };
        for (i, y) in y.into_iter().enumerate() {
            let Operand::Row { rows, row, offset } = self.row(self.inputs + first + i) else {
                unreachable!("a row is a row")
            };
            let mut one = ClifLanes::<1>::new(self.builder, self.constants, self.table, self.lanes);
            if i == 0 {
                one.part_of(|| format!("store {}", channels_from(first, K)));
            }
            let y = Operand::Value(one.load_operand(y));
            let address = one.row_address(rows, row, offset);
            one.store(y, address);
        }
        K
    }
}
