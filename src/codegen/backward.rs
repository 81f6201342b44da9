//! The kernel of the gradient on planes: both of its stages at once, a block of channels after the other.
//!
//! The gradient of a channel needs h of the channels whose windows hold it, up to `before` channels further on. So a block makes
//! r and h of its channels, and the gradients of as many channels, each `before` earlier. What the next blocks need of h and r is
//! carried in rows of a scratch.
//!
//! ```text
//! rows: x    the block's channels and the taps around them (zeros beyond the edges)
//!       g    the block's channels
//!       h    carried: the taps − 1 channels before the block
//!       r    carried: the `before` channels before the block
//!       dx   as many channels as the block has, from `before` channels before it on
//!       h    the last of the block, as many as are carried at most
//!       r    likewise
//! ```
//!
//! Channels that there are none of have zeros in x and g: their d is k, which must not be 0.

use cranelift_frontend::FunctionBuilder;

use super::block::{Emit, Layout};
use super::clif_lanes::{ClifLanes, Operand};
use super::constants::ConstantTable;
use super::{Arguments, for_each_vector};
use crate::arithmetic::Lanes as _;
use crate::arithmetic::stage::outputs;
use crate::arithmetic::window::PartialSums;
use crate::config::Boundary;
use crate::number::Number;
use crate::plan::{Formula, Guard, Plan};
use crate::task::Stage;

/// Where the rows stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    /// Rows of x.
    pub(crate) taps: usize,
    /// Channels of the block.
    pub(crate) channels: usize,
    /// Carried rows of h.
    pub(crate) carried_h: usize,
    /// Carried rows of r.
    pub(crate) carried_r: usize,
}

impl Rows {
    pub(crate) fn new(plan: &Plan, channels: usize) -> Self {
        let Plan { before, after, .. } = *plan;
        Self { taps: before + channels + after, channels, carried_h: before + after, carried_r: before }
    }

    /// Rows of h that a block leaves.
    pub(crate) fn left_h(self) -> usize {
        self.carried_h.min(self.channels)
    }

    /// Rows of r that a block leaves.
    pub(crate) fn left_r(self) -> usize {
        self.carried_r.min(self.channels)
    }
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
    let step = ClifLanes::<1>::new(builder, constants, table, lanes).bytes();
    let layout = Layout::new(plan, Stage::Gradient, channels);
    let starts = layout.starts(builder, rows);
    for_each_vector(builder, constants, (None, end, step), |builder, constants, offset| {
        let emit = Emit::new(plan, Stage::Gradient, layout, builder, constants, (table, lanes), (starts, offset));
        Block { rows: Rows::new(plan, channels), emit, r: vec![], h: vec![] }.emit();
    });
}

/// What emitting a block takes.
struct Block<'a, 'b> {
    rows: Rows,
    emit: Emit<'a, 'b>,
    /// Of the block's channels, as they are made.
    r: Vec<Operand>,
    h: Vec<Operand>,
}

impl Block<'_, '_> {
    fn emit(mut self) {
        let Rows { taps, channels, carried_h, carried_r } = self.rows;
        let squares: Vec<Operand> = self.emit.sums(Stage::Gradient.terms()[0]);
        self.in_groups(channels, |block, first, count| match count {
            4 => block.first_stage::<4>(&squares, first),
            2 => block.first_stage::<2>(&squares, first),
            _ => block.first_stage::<1>(&squares, first),
        });

        // The sums of h over the mirrored windows: rows that were carried, then the block's own.
        let first_h = taps + channels;
        let carried: Vec<Operand> = (0..carried_h).map(|row| self.emit.row(first_h + row, 0)).collect();
        let own = self.h.clone();
        let mut partial = PartialSums::new(carried_h + 1);
        let mut one = self.emit.lanes::<1>();
        one.part("window sums of h");
        let sum = |channel| {
            let [sum] = partial.window(&mut one, channel, |one, row| match carried.get(row) {
                Some(&row) => [Operand::Value(one.load_operand(row))],
                None => [own[row - carried_h]],
            });
            sum
        };
        let sums: Vec<Operand> = (0..channels).map(sum).collect();
        self.in_groups(channels, |block, first, count| match count {
            4 => block.second_stage::<4>(&sums, first),
            2 => block.second_stage::<2>(&sums, first),
            _ => block.second_stage::<1>(&sums, first),
        });

        // What is carried on.
        let first_left = first_h + carried_h + carried_r + channels;
        let (left_h, left_r) = (self.rows.left_h(), self.rows.left_r());
        for i in 0..left_h {
            self.emit.store(&[self.h[channels - left_h + i]], first_left + i, None);
        }
        for i in 0..left_r {
            self.emit.store(&[self.r[channels - left_r + i]], first_left + left_h + i, None);
        }
    }

    /// Calls `group` for the channels, four at a time while there are as many.
    fn in_groups(&mut self, channels: usize, mut group: impl FnMut(&mut Self, usize, usize)) {
        let mut first = 0;
        while first < channels {
            let count = match channels - first {
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            group(self, first, count);
            first += count;
        }
    }

    /// r and h of `K` channels.
    fn first_stage<const K: usize>(&mut self, squares: &[Operand], first: usize) {
        let Rows { taps, .. } = self.rows;
        let plan = self.emit.plan;
        let x: [Operand; K] = std::array::from_fn(|i| self.emit.row(plan.before + first + i, 0));
        let g: [Operand; K] = std::array::from_fn(|i| self.emit.row(taps + first + i, 0));
        let sum: [Operand; K] = std::array::from_fn(|i| squares[first + i]);
        let [r, h, _] = outputs(&mut self.emit.lanes::<K>(), plan, Stage::Gradient, &[x, g], &[sum]);
        self.r.extend(r);
        self.h.extend(h);
    }

    /// The gradients of `K` channels.
    fn second_stage<const K: usize>(&mut self, sums: &[Operand], first: usize) {
        let Rows { taps, channels, carried_h, carried_r } = self.rows;
        let plan = self.emit.plan;
        let first_r = taps + channels + carried_h;
        let r: [Operand; K] = std::array::from_fn(|i| match (first + i).checked_sub(carried_r) {
            None => self.emit.row(first_r + first + i, 0),
            Some(own) => self.r[own],
        });
        // `before` channels earlier: the first of the taps.
        let x: [Operand; K] = std::array::from_fn(|i| self.emit.row(first + i, 0));
        let sum: [Operand; K] = std::array::from_fn(|i| sums[first + i]);
        let [dx, ..] = outputs(&mut self.emit.lanes::<K>(), plan, Stage::Gather, &[sum, r, x], &[sum]);
        for (i, value) in dx.into_iter().enumerate() {
            let row = first_r + carried_r + first + i;
            self.emit.store(&[value], row, (i == 0).then_some((first, K)));
        }
    }
}

/// Channels of a block.
pub(crate) fn block_channels(plan: &Plan) -> usize {
    super::block::block_channels(plan).min(8)
}

/// Whether a plan has this kernel.
pub(crate) fn possible(plan: &Plan) -> bool {
    let Formula::Normalize { power, .. } = &plan.formula else { return false };
    let lanes = matches!(plan.number, Number::F32 | Number::F64);
    lanes && power.guard == Guard::AtLeastK && plan.boundary == Boundary::Zero && !plan.is_cumulative()
}
