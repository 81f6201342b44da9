//! The main kernel: a block of neighbouring channels, one vector of positions at a time.
//!
//! ```text
//! rows: of each input that is read over windows: the channels of the block and the taps around it (zeros beyond the edges)
//!       of each other input: the channels of the block
//!       of each output: the channels of the block
//!
//! for each vector of positions:
//!     for each channel of the block:
//!         Σ = the window's terms (each row's term made once, sums shared between windows)
//!         outputs = stage(inputs[channel], Σ)
//! ```
//!
//! A plan without a window has inputs of its own channels only. A vector of words of halves is two vectors of floats; they go
//! through the arithmetic side by side.

use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;

use super::clif_lanes::{ClifLanes, ConstantTable, Operand};
use super::{Arguments, for_each_vector};
use crate::arithmetic::Lanes as _;
use crate::arithmetic::half::narrow;
use crate::arithmetic::stage::{activate, outputs, term};
use crate::arithmetic::window::PartialSums;
use crate::number::Number;
use crate::plan::{Effort, Plan, Summation};
use crate::task::{Stage, Term};

/// Channels of a plan's block, where the tensor has as many. A long window pays for its first sums once a block, which is
/// worth larger ones; a long recipe is not, for it is compiled once a channel.
pub(crate) fn block_channels(plan: &Plan) -> usize {
    let long_window = Layout::new(plan, Stage::Forward, 1).taps > 8;
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

/// Where the rows of a block stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    stage: Stage,
    channels: usize,
    /// Rows of an input that is read over windows.
    pub(crate) taps: usize,
    /// Which of them is the block's first channel.
    pub(crate) center: usize,
}

impl Layout {
    pub(crate) fn new(plan: &Plan, stage: Stage, channels: usize) -> Self {
        let reach = plan.reach(stage);
        Self { stage, channels, taps: reach.before + channels + reach.after, center: reach.before }
    }

    /// Rows that are read over windows: of an input without any, too, where the stage has none.
    fn tapped(&self) -> usize {
        self.stage.tapped()
    }

    /// The first row of the channels of an input.
    fn input(&self, input: usize) -> usize {
        match input.checked_sub(self.tapped()) {
            None => input * self.taps + self.center,
            Some(own) => self.own(own),
        }
    }

    /// The first row of an input that is not read over windows.
    pub(crate) fn own(&self, own: usize) -> usize {
        self.tapped() * self.taps + own * self.channels
    }

    /// The first row of an output.
    pub(crate) fn output(&self, output: usize) -> usize {
        self.own(self.stage.inputs() - self.tapped() + output)
    }
}

/// Emits the kernel's body.
pub(super) fn emit(
    plan: &Plan,
    stage: Stage,
    channels: usize,
    builder: &mut FunctionBuilder<'_>,
    constants: &mut ConstantTable,
    Arguments { rows, constants: table, end }: Arguments,
    lanes: u32,
) {
    let step = ClifLanes::<1>::new(builder, constants, table, lanes).bytes();
    let halves = matches!(plan.number, Number::F16 | Number::Bf16);
    for_each_vector(builder, constants, (None, end, step), |builder, constants, offset| {
        let layout = Layout::new(plan, stage, channels);
        let parts = if halves { 2 } else { 1 };
        let mut emit = Emit { plan, stage, layout, parts, builder, constants, table, lanes, row: (rows, offset) };
        let sums: Vec<Vec<Operand>> = stage.terms().iter().map(|&term| emit.sums(term)).collect();
        let mut channel = 0;
        while channel < channels {
            let first = channel;
            match (channels - channel) * parts {
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
    stage: Stage,
    layout: Layout,
    /// Vectors of floats that a vector of a row is.
    parts: usize,
    builder: &'a mut FunctionBuilder<'b>,
    constants: &'a mut ConstantTable,
    table: Value,
    lanes: u32,
    /// The rows' addresses, and the offset of the vector.
    row: (Value, Value),
}

impl<'b> Emit<'_, 'b> {
    fn row(&self, row: usize, part: usize) -> Operand {
        let (rows, offset) = self.row;
        match self.parts {
            1 => Operand::Row { rows, row, offset },
            _ => Operand::Half { rows, row, offset, upper: part == 1 },
        }
    }

    fn lanes<const K: usize>(&mut self) -> ClifLanes<'_, 'b, K> {
        ClifLanes::new(self.builder, self.constants, self.table, self.lanes)
    }

    /// The window sums of all channels, part by part, where the plan has any: before the first recipe, so that partial sums and
    /// a recipe's values do not want registers at the same time.
    fn sums(&mut self, of: Term) -> Vec<Operand> {
        let Some(Summation::Unrolled { taps }) = self.plan.summation() else {
            return vec![];
        };
        let Self { stage, layout: Layout { channels, taps: rows, .. }, parts, plan, .. } = *self;
        let what = if of == Term::Square(0) { "squares and window sums" } else { "terms and window sums" };
        let mut sums = vec![Operand::Constant(0); channels * parts];
        for part in 0..parts {
            let operands: Vec<_> =
                (0..stage.tapped()).map(|input| (0..rows).map(|row| self.row(input * rows + row, part)).collect()).collect::<Vec<Vec<_>>>();
            let mut partial = PartialSums::new(taps);
            let mut one = self.lanes::<1>();
            one.part_of(|| format!("{what} of {}", channels_from(0, channels)));
            for channel in 0..channels {
                let [sum] = partial.window(&mut one, channel, |one, row| {
                    let mut inputs = [[Operand::Constant(0)]; 2];
                    for (input, rows) in inputs.iter_mut().zip(&operands) {
                        *input = [Operand::Value(one.load_operand(rows[row]))];
                    }
                    activate(one, plan, stage, &mut inputs[..operands.len()]);
                    term(one, of, &inputs)
                });
                sums[channel * parts + part] = sum;
            }
        }
        sums
    }

    /// Emits the outputs of some channels from `first` on, `K` vectors side by side, and gives how many channels those are.
    fn group<const K: usize>(&mut self, sums: &[Vec<Operand>], first: usize) -> usize {
        let Self { stage, layout, parts, plan, .. } = *self;
        let channels = K / parts;
        let inputs: Vec<[Operand; K]> = (0..stage.inputs())
            .map(|input| std::array::from_fn(|i| self.row(layout.input(input) + first + i / parts, i % parts)))
            .collect();
        let sums: Vec<[Operand; K]> = sums
            .iter()
            .filter(|sums| !sums.is_empty())
            .map(|sums| std::array::from_fn(|i| sums[first * parts + i]))
            .collect();
        let mut lanes = self.lanes::<K>();
        if layout.channels > channels && !sums.is_empty() {
            lanes.part_of(|| format!("{}, side by side", channels_from(first, channels)));
        }
        let results = outputs(&mut lanes, plan, stage, &inputs, &sums);
        for (output, values) in results.into_iter().take(stage.outputs()).enumerate() {
            for channel in 0..channels {
                let row = layout.output(output) + first + channel;
                self.store(&values[channel * parts..][..parts], row, (channel == 0).then_some((first, channels)));
            }
        }
        channels
    }

    /// Stores a vector, or two as halves; the first of some channels says so.
    fn store(&mut self, values: &[Operand], row: usize, named: Option<(usize, usize)>) {
        let (rows, offset) = self.row;
        let number = self.plan.number;
        let mut one = self.lanes::<1>();
        if let Some((first, channels)) = named {
            one.part_of(|| format!("store {}", channels_from(first, channels)));
        }
        let value = match *values {
            [low, high] => {
                let low = narrow(&mut one, number, [low], false);
                let high = narrow(&mut one, number, [high], true);
                let [words] = one.or(low, high);
                words
            }
            _ => values[0],
        };
        let value = Operand::Value(one.load_operand(value));
        let address = one.row_address(rows, row, offset);
        one.store(value, address);
    }
}
