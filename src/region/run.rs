//! Runs tasks over boxes in ordinary Rust: pieces are copied, widened, computed by a [`TileEngine`] and rounded back.

use super::boxes::Boxes;
use super::part::BoxPart;
use super::sums::{each_vector, sum};
use crate::arithmetic::stage::{activate, term};
use crate::element::Element;
use crate::lane::Lane;
use crate::passes::{self, Elementwise};
use crate::plan::{Plan, Summation};
use crate::task::{Stage, Task, Term};
use crate::tile::{COLUMNS, TileEngine, zeros};

/// Elements of boxes, in and out, one behind the other. There may be more at the end, to a whole number of vectors.
pub(crate) struct BoxTile<'a, T> {
    pub(crate) boxes: &'a Boxes,
    /// As many as the task reads.
    pub(crate) inputs: &'a [&'a [T]],
    pub(crate) output: &'a mut [T],
}

/// Computes a part of a tensor piece by piece.
pub(crate) fn run<E: Element>(engine: &dyn TileEngine<E::Lane>, task: Task, part: &mut BoxPart<'_, E>) {
    for (piece, boxes) in part.pieces() {
        let elements = boxes.elements();
        let padded = elements.next_multiple_of(COLUMNS);
        let inputs: Vec<_> = (0..task.inputs())
            .map(|input| {
                let (mut lanes, first) = zeros(padded);
                part.read(input, &piece, &mut lanes[first..][..elements], E::widen);
                (lanes, first)
            })
            .collect();
        let inputs: Vec<_> = inputs.iter().map(|(lanes, first)| &lanes[*first..][..padded]).collect();
        let (mut output, first) = zeros(padded);
        let output = &mut output[first..][..padded];
        engine.boxes(task, BoxTile { boxes: &boxes, inputs: &inputs, output });
        part.write(&piece, &output[..elements], E::narrow);
    }
}

/// Runs the stages of a task over boxes.
pub(crate) fn stages<T: Lane>(plan: &Plan, task: Task, tile: BoxTile<'_, T>, engine: &impl Elementwise<T>) {
    let BoxTile { boxes, inputs, output } = tile;
    let elements = boxes.elements();
    let mut between = [vec![T::default(); elements], vec![T::default(); elements]];
    passes::run(plan, task, (inputs, output), engine, |stage, of, summation, read, sums| {
        sum_boxes(plan, boxes, (stage, of), summation, read, &mut sums[..elements], &mut between);
    });
}

/// Sums the terms of a stage over the windows of boxes: of elements each, with two rows of memory as long.
fn sum_boxes<T: Lane>(
    plan: &Plan,
    boxes: &Boxes,
    (stage, of): (Stage, Term),
    summation: Summation,
    read: &[&[T]],
    sums: &mut [T],
    [from, to]: &mut [Vec<T>; 2],
) {
    terms(plan, (stage, of), read, from);
    let passes = boxes.passes(plan.reach(stage));
    let last = passes.len() - 1;
    for (number, along) in passes.enumerate() {
        if number == last {
            sum(summation, along, from, sums);
        } else {
            sum(summation, along, from, to);
            std::mem::swap(from, to);
        }
    }
}

/// What a stage sums, element by element.
pub(crate) fn terms<T: Lane>(plan: &Plan, (stage, of): (Stage, Term), read: &[&[T]], terms: &mut [T]) {
    let second = read[usize::from(stage.tapped() > 1)];
    each_vector(
        [read[0], second],
        terms,
        #[inline(always)]
        |lanes, mut inputs| {
            activate(lanes, plan, stage, &mut inputs[..stage.tapped()]);
            term(lanes, of, &inputs)
        },
    );
}
