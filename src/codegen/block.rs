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
//! A plan without a window has inputs of its own channels only. A vector of words of halves is two vectors of floats, which go
//! through the arithmetic side by side. f16 are one, where the processor converts them.

use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;

use super::clif_lanes::{ClifLanes, Operand, Place};
use super::constants::ConstantTable;
use super::starts::Starts;
use super::{Arguments, for_each_vector};
use crate::activation::Activation;
use crate::arithmetic::Lanes as _;
use crate::arithmetic::half::narrow;
use crate::arithmetic::stage::{activate, of_activated, outputs, term};
use crate::arithmetic::window::PartialSums;
use crate::number::Number;
use crate::plan::{Effort, Plan, Summation};
use crate::task::{Stage, Term};

/// Channels of a plan's block, where the tensor has as many. A long window pays for its first sums once a block, which is
/// worth larger ones; a long recipe is not, for it is compiled once a channel.
pub(crate) fn block_channels(plan: &Plan) -> usize {
    let long_window = Layout::new(plan, Stage::Forward, 1).taps > 8;
    match plan.effort() {
        Effort::Short if long_window && !of_words(plan) => 16,
        Effort::Short | Effort::Long => 8,
        Effort::Longest => 4,
    }
}

/// Whether a vector can be two of floats, which would make a frame of two blocks.
fn of_words(plan: &Plan) -> bool {
    matches!(plan.number, Number::F16 | Number::Bf16)
}

/// The most channels of a block, for planes that a cache near the core holds: there more rows at once cost nothing, and what a
/// block and its call cost is shared by more channels.
pub(crate) fn most_block_channels(plan: &Plan) -> usize {
    match plan.effort() {
        Effort::Short if !of_words(plan) => 16,
        _ => block_channels(plan),
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

    /// Where its rows start. The channels of the first input are read twice.
    pub(super) fn starts(&self, builder: &mut FunctionBuilder<'_>, rows: Value) -> Starts {
        Starts::new(builder, rows, self.center..self.center + self.channels)
    }

    /// The first row of an output.
    pub(crate) fn output(&self, output: usize) -> usize {
        self.own(self.stage.inputs() - self.tapped() + output)
    }
}

/// Emits the kernel's body. `convert`: f16 are converted by the processor.
pub(super) fn emit(
    plan: &Plan,
    (stage, channels, convert): (Stage, usize, bool),
    builder: &mut FunctionBuilder<'_>,
    constants: &mut ConstantTable,
    Arguments { rows, constants: table, end }: Arguments,
    lanes: u32,
) {
    let rows_of = match plan.number {
        Number::F16 if convert => RowsOf::Converted,
        Number::F16 | Number::Bf16 => RowsOf::Words,
        Number::F32 | Number::F64 => RowsOf::Lanes,
    };
    let step = ClifLanes::<1>::new(builder, constants, table, lanes).bytes();
    let step = if rows_of == RowsOf::Converted { step / 2 } else { step };
    let starts = Layout::new(plan, stage, channels).starts(builder, rows);
    for_each_vector(builder, constants, (None, end, step), |builder, constants, offset| {
        let layout = Layout::new(plan, stage, channels);
        let mut emit = Emit::new(plan, stage, layout, builder, constants, (table, lanes), (starts, offset));
        emit.rows_of = rows_of;
        emit.parts = if rows_of == RowsOf::Words { 2 } else { 1 };
        emit.channels();
    });
}

/// What the vectors of a row are.
#[derive(Clone, Copy, PartialEq)]
enum RowsOf {
    /// What is computed with.
    Lanes,
    /// Words of two halves.
    Words,
    /// f16, converted by the processor.
    Converted,
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
pub(super) struct Emit<'a, 'b> {
    pub(super) plan: &'a Plan,
    stage: Stage,
    layout: Layout,
    rows_of: RowsOf,
    /// Vectors of floats that a vector of a row is.
    parts: usize,
    builder: &'a mut FunctionBuilder<'b>,
    constants: &'a mut ConstantTable,
    table: Value,
    lanes: u32,
    /// Where the rows start.
    starts: Starts,
    /// Bytes from there to the vector.
    offset: Value,
    /// x of all taps, part by part, where it was cut off or converted for the sums.
    kept: Vec<Vec<Operand>>,
}

impl<'a, 'b> Emit<'a, 'b> {
    /// For rows of what is computed with.
    pub(super) fn new(
        plan: &'a Plan,
        stage: Stage,
        layout: Layout,
        builder: &'a mut FunctionBuilder<'b>,
        constants: &'a mut ConstantTable,
        (table, lanes): (Value, u32),
        (starts, offset): (Starts, Value),
    ) -> Self {
        let (rows_of, parts, kept) = (RowsOf::Lanes, 1, vec![]);
        Self { plan, stage, layout, rows_of, parts, builder, constants, table, lanes, starts, offset, kept }
    }

    /// A vector of a row, or part of it.
    pub(super) fn row(&self, row: usize, part: usize) -> Operand {
        let place = Place { start: self.starts.of(row), offset: self.offset, positive: false };
        match self.rows_of {
            RowsOf::Lanes => Operand::Row(place),
            RowsOf::Words => Operand::Half(place, part == 1),
            RowsOf::Converted => Operand::Converted(place),
        }
    }

    pub(super) fn lanes<const K: usize>(&mut self) -> ClifLanes<'_, 'b, K> {
        ClifLanes::new(self.builder, self.constants, self.table, self.lanes)
    }

    /// All channels of the block.
    fn channels(&mut self) {
        let sums: Vec<Vec<Operand>> = self.stage.terms().iter().map(|&term| self.sums(term)).collect();
        let channels = self.layout.channels;
        let mut first = 0;
        while first < channels {
            match (channels - first) * self.parts {
                4.. => first += self.group::<4>(&sums, first),
                2.. => first += self.group::<2>(&sums, first),
                _ => first += self.group::<1>(&sums, first),
            }
        }
    }

    /// The window sums of all channels, part by part, where the plan has any: before the first recipe, so that partial sums and
    /// a recipe's values do not want registers at the same time.
    pub(super) fn sums(&mut self, of: Term) -> Vec<Operand> {
        let Some(Summation::Unrolled { taps }) = self.plan.summation() else {
            return vec![];
        };
        let what = if of == Term::Square(0) { "squares and window sums" } else { "terms and window sums" };
        let Self { stage, layout: Layout { channels, taps: rows, .. }, plan, parts, .. } = *self;
        let keep = stage == Stage::Forward && (parts == 2 || plan.input == Activation::Relu);
        let mut sums = vec![Operand::Constant(0); channels * parts];
        for part in 0..parts {
            let input = |input| (0..rows).map(|row| self.row(input * rows + row, part)).collect();
            let operands: Vec<Vec<Operand>> = (0..stage.tapped()).map(input).collect();
            let mut partial = PartialSums::new(taps);
            let mut kept = vec![];
            let mut one = self.lanes::<1>();
            one.part_of(|| format!("{what} of {}", channels_from(0, channels)));
            for channel in 0..channels {
                let [sum] = partial.window(&mut one, channel, |one, row| {
                    let mut inputs = [[Operand::Constant(0)]; 2];
                    for (input, rows) in inputs.iter_mut().zip(&operands) {
                        *input = [Operand::Value(one.load_operand(rows[row]))];
                    }
                    activate(one, plan, stage, &mut inputs[..operands.len()]);
                    kept.push(inputs[0][0]);
                    term(one, of, &inputs)
                });
                sums[channel * parts + part] = sum;
            }
            if keep {
                self.kept.push(kept);
            }
        }
        sums
    }

    /// Emits the outputs of some channels from `first` on, `K` vectors side by side, and gives how many channels those are.
    fn group<const K: usize>(&mut self, sums: &[Vec<Operand>], first: usize) -> usize {
        let Self { stage, layout, plan, parts, .. } = *self;
        let channels = K / parts;
        let inputs: Vec<[Operand; K]> = (0..stage.inputs())
            .map(|input| std::array::from_fn(|i| self.row(layout.input(input) + first + i / parts, i % parts)))
            .collect();
        let sums: Vec<[Operand; K]> = sums
            .iter()
            .filter(|sums| !sums.is_empty())
            .map(|sums| std::array::from_fn(|i| sums[first * parts + i]))
            .collect();
        let kept = std::mem::take(&mut self.kept);
        let mut lanes = self.lanes::<K>();
        if layout.channels > channels && !sums.is_empty() {
            lanes.part_of(|| format!("{}, side by side", channels_from(first, channels)));
        }
        let results = if kept.is_empty() {
            outputs(&mut lanes, plan, stage, &inputs, &sums)
        } else {
            let x: [Operand; K] = std::array::from_fn(|i| kept[i % parts][layout.center + first + i / parts]);
            of_activated(&mut lanes, plan, stage, x, &[x], &sums)
        };
        self.kept = kept;
        for (output, values) in results.into_iter().take(stage.outputs()).enumerate() {
            for (channel, values) in values.chunks_exact(parts).enumerate() {
                self.store(
                    values,
                    layout.output(output) + first + channel,
                    (channel == 0).then_some((first, channels)),
                );
            }
        }
        channels
    }

    /// Stores a vector, or two as halves; the first of some channels says so.
    pub(super) fn store(&mut self, values: &[Operand], row: usize, named: Option<(usize, usize)>) {
        let (start, offset) = (self.starts.of(row), self.offset);
        let (number, rows_of) = (self.plan.number, self.rows_of);
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
            _ => Operand::Value(one.load_operand(values[0])),
        };
        let address = one.row_address(start, offset);
        if rows_of == RowsOf::Converted {
            one.store_converted(value, address);
        } else {
            one.store(value, address);
        }
    }
}
