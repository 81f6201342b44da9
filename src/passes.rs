//! Runs the stages of a task over a tile: the sums of all windows first, as rows of their own, then the outputs element by
//! element. Sums are made here, in ordinary Rust and the order of `arithmetic`; who makes the outputs is
//! [`Elementwise`]'s business: the interpreter or a compiled kernel.

use crate::arithmetic::cumulative::{Schedule, Step, schedule, window_sum};
use crate::arithmetic::stage::{activate, add_term, term};
use crate::arithmetic::window::PartialSums;
use crate::interpreter::{ArrayLanes, vector};
use crate::jit::host::vectorized;
use crate::lane::Lane;
use crate::plan::{Plan, Reach, Summation};
use crate::task::{Source, Stage, Task, Term};
use crate::tile::{COLUMNS, Tile, zeros};

/// Channels whose window sums are shared at a time.
const GROUP: usize = 32;

/// Rows that lie one behind the other: so many elements.
pub(crate) struct Pass<'a, T> {
    pub(crate) inputs: &'a [&'a [T]],
    pub(crate) sums: &'a [&'a [T]],
    pub(crate) outputs: &'a mut [&'a mut [T]],
    /// A multiple of [`COLUMNS`].
    pub(crate) elements: usize,
}

/// Makes the outputs of a stage.
pub(crate) trait Elementwise<T> {
    fn elementwise(&self, stage: Stage, pass: Pass<'_, T>);
}

/// Runs a task over a tile.
pub(crate) fn run_tile<T: Lane>(plan: &Plan, task: Task, tile: Tile<'_, T>, engine: &impl Elementwise<T>) {
    let Tile { channels, width, inputs, output } = tile;
    run(plan, task, (inputs, output), engine, |stage, term, summation, read, sums| {
        let rows = Rows { plan, stage, term, width, read };
        sum_rows(summation, plan.reach(stage), (channels, width), &rows, sums);
    });
}

/// Runs the stages of a task: `sum` writes the sums of a term.
pub(crate) fn run<T: Lane>(
    plan: &Plan,
    task: Task,
    (inputs, output): (&[&[T]], &mut [T]),
    engine: &impl Elementwise<T>,
    mut sum: impl FnMut(Stage, Term, Summation, &[&[T]], &mut [T]),
) {
    let elements = output.len();
    let stages = plan.stages(task);
    let mut before: Vec<(Vec<T>, usize)> = vec![];
    for (number, &(stage, sources)) in stages.iter().enumerate() {
        let last = number + 1 == stages.len();
        let read: Vec<&[T]> = sources
            .iter()
            .map(|&source| match source {
                Source::Input(input) => inputs[input],
                Source::Before(output) => &before[output].0[before[output].1..][..elements],
            })
            .collect();
        let sums: Vec<(Vec<T>, usize)> = match plan.summation() {
            None => vec![],
            Some(summation) => stage
                .terms()
                .iter()
                .map(|&term| {
                    let (mut sums, first) = zeros(elements);
                    sum(stage, term, summation, &read, &mut sums[first..][..elements]);
                    (sums, first)
                })
                .collect(),
        };
        let sums: Vec<&[T]> = sums.iter().map(|(sums, first)| &sums[*first..][..elements]).collect();
        if last {
            engine.elementwise(stage, Pass { inputs: &read, sums: &sums, outputs: &mut [&mut *output], elements });
        } else {
            let mut made: Vec<(Vec<T>, usize)> = (0..stage.outputs()).map(|_| zeros(elements)).collect();
            let mut results: Vec<&mut [T]> =
                made.iter_mut().map(|(row, first)| &mut row[*first..][..elements]).collect();
            engine.elementwise(stage, Pass { inputs: &read, sums: &sums, outputs: &mut results, elements });
            before = made;
        }
    }
}

/// The rows of a tile that windows are summed of.
pub(crate) trait Terms<T> {
    /// A vector of what is summed.
    fn term(&self, lanes: &mut ArrayLanes<T, COLUMNS>, row: usize, column: usize) -> Vector<T>;
    /// A sum and one more, rounded once where that is one instruction.
    fn add(&self, lanes: &mut ArrayLanes<T, COLUMNS>, row: usize, column: usize, sum: Vector<T>) -> Vector<T>;
}

/// The terms of a stage, of its inputs.
struct Rows<'a, T> {
    plan: &'a Plan,
    stage: Stage,
    term: Term,
    width: usize,
    read: &'a [&'a [T]],
}

/// A vector of a tile's columns.
type Vector<T> = [T; COLUMNS];

impl<T: Lane> Rows<'_, T> {
    /// What is read over windows, of a channel.
    #[inline(always)]
    fn inputs(&self, lanes: &mut ArrayLanes<T, COLUMNS>, channel: usize, column: usize) -> [Vector<T>; 2] {
        let tapped = self.stage.tapped();
        let mut inputs = [[T::default(); COLUMNS]; 2];
        for (input, row) in inputs.iter_mut().zip(&self.read[..tapped]) {
            *input = vector(&row[channel * self.width + column..]);
        }
        activate(lanes, self.plan, self.stage, &mut inputs[..tapped]);
        inputs
    }
}

impl<T: Lane> Terms<T> for Rows<'_, T> {
    #[inline(always)]
    fn term(&self, lanes: &mut ArrayLanes<T, COLUMNS>, row: usize, column: usize) -> Vector<T> {
        let inputs = self.inputs(lanes, row, column);
        term(lanes, self.term, &inputs)
    }

    #[inline(always)]
    fn add(&self, lanes: &mut ArrayLanes<T, COLUMNS>, row: usize, column: usize, sum: Vector<T>) -> Vector<T> {
        let inputs = self.inputs(lanes, row, column);
        add_term(lanes, self.term, &inputs, sum)
    }
}

/// Writes the window sums of a tile of so many rows and columns.
pub(crate) fn sum_rows<T: Lane>(
    summation: Summation,
    reach: Reach,
    (channels, width): (usize, usize),
    terms: &impl Terms<T>,
    sums: &mut [T],
) {
    vectorized(
        #[inline(always)]
        || match summation {
            Summation::Unrolled { .. } => unrolled(reach, (channels, width), terms, sums),
            Summation::Cumulative => cumulative(&schedule(reach, channels), width, terms, sums),
        },
    );
}

#[inline(always)]
fn unrolled<T: Lane>(reach: Reach, (channels, width): (usize, usize), terms: &impl Terms<T>, result: &mut [T]) {
    let lanes = &mut ArrayLanes::<T, COLUMNS>::default();
    let mut sums = PartialSums::new(reach.taps());
    for column in (0..width).step_by(COLUMNS) {
        for first in (0..channels).step_by(GROUP) {
            sums.clear();
            for channel in first..channels.min(first + GROUP) {
                let sum = sums.window(
                    lanes,
                    channel - first,
                    #[inline(always)]
                    |lanes, row| match reach.tap(first + row, channels) {
                        None => [T::default(); COLUMNS],
                        Some(source) => terms.term(lanes, source, column),
                    },
                );
                store(result, channel * width + column, sum);
            }
        }
    }
}

#[inline(always)]
fn cumulative<T: Lane>(schedule: &Schedule, width: usize, terms: &impl Terms<T>, result: &mut [T]) {
    let lanes = &mut ArrayLanes::<T, COLUMNS>::default();
    let zero = [T::default(); COLUMNS];
    let mut sums = vec![zero; schedule.rows];
    for column in (0..width).step_by(COLUMNS) {
        let mut carry = zero;
        for step in &schedule.steps {
            match *step {
                Step::Carry { channel, suffix, tap, fresh } => {
                    if fresh {
                        carry = zero;
                    }
                    if let Some(tap) = tap {
                        carry = terms.add(lanes, tap, column, carry);
                    }
                    let suffix = suffix.map_or(zero, |row| sums[row]);
                    let sum = window_sum(lanes, suffix, carry, None);
                    store(result, channel * width + column, sum);
                }
                Step::Accumulate { start, channel, row, count, downwards, in_place } => {
                    let mut sum = start.map_or(zero, |row| sums[row]);
                    for i in 0..count {
                        let at = |from: usize| if downwards { from - i } else { from + i };
                        sum = terms.add(lanes, at(channel), column, sum);
                        sums[if in_place { row } else { at(row) }] = sum;
                    }
                }
                Step::Combine { channel, suffix, prefix, total } => {
                    let [suffix, prefix] = [suffix, prefix].map(|row| row.map_or(zero, |row| sums[row]));
                    let whole = total.map(|row| (sums[row], [T::nearest(schedule.turns); COLUMNS]));
                    let sum = window_sum(lanes, suffix, prefix, whole);
                    store(result, channel * width + column, sum);
                }
            }
        }
    }
}

#[inline(always)]
fn store<T: Lane>(row: &mut [T], at: usize, value: Vector<T>) {
    row[at..][..COLUMNS].copy_from_slice(&value);
}
