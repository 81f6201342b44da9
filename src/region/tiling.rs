//! [`Tiling`]: how boxes are cut into pieces that a cache holds.
//!
//! Whole slabs, some at a time, where they are not too large. Else tiles: what a tile's windows reach beyond it is read as well, and
//! computed and thrown away. A derivative of two stages reaches twice as far.
//!
//! ```text
//! ┌───────────────┐  read: the tile and its margin
//! │   ┌───────┐   │
//! │   │ tile  │   │  written: the tile
//! │   └───────┘   │
//! └───────────────┘
//! ```
//!
//! Sums of long windows grow from the borders of blocks of as many indices as the window has taps: what is read begins on one.

use std::ops::Range;

use super::boxes::Boxes;
use crate::config::Boundary;
use crate::plan::{Plan, Summation};
use crate::task::Task;

/// Elements of the largest slab that is worked on whole.
pub(crate) const WHOLE: usize = 1 << 17;
/// Elements that small slabs are put together to.
const GROUP: usize = 1 << 15;
/// Elements of a tile with its margins, about: some of a second-level cache.
const TILE: usize = 1 << 16;
/// Elements of a band with its margins, at most: some of a last-level cache.
const BAND: usize = 1 << 19;
/// The shortest extents of a tile along the innermost axis and along others.
const SHORTEST: (usize, usize) = (256, 16);

/// The fewest indices of the outermost axis that are worth a band.
const SHORTEST_BAND: usize = 4;

/// How boxes are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tiling {
    extents: Vec<usize>,
    /// Extents of a piece; the last along an axis may be smaller.
    steps: Vec<usize>,
    /// How far the windows reach before and after a piece, along each axis.
    margins: Vec<(usize, usize)>,
    /// What is read begins at a multiple of this.
    grain: usize,
}

/// A piece: along each axis what is read, and what of it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) read: Vec<Range<usize>>,
    pub(crate) written: Vec<Range<usize>>,
}

impl Piece {
    /// Elements that are read.
    pub(crate) fn elements(&self) -> usize {
        self.read.iter().map(ExactSizeIterator::len).product()
    }
}

impl Tiling {
    /// The pieces of boxes for a task; `whole`: slabs are never cut, whatever that takes.
    pub(crate) fn new(boxes: &Boxes, plan: &Plan, task: Task, whole: bool) -> Self {
        let extents = boxes.extents.clone();
        let slab: usize = extents[1..].iter().product();
        let mut steps = extents.clone();
        let margin = match plan.stages(task).len() {
            1 => (plan.before, plan.after),
            // There and back again.
            _ => (plan.before + plan.after, plan.before + plan.after),
        };
        let mut margins = vec![(0, 0); extents.len()];
        boxes.windows.iter().for_each(|&axis| margins[axis] = margin);
        let grain = if plan.summation() == Some(Summation::Cumulative) { plan.reach_taps() } else { 1 };
        if slab <= WHOLE {
            steps[0] = (GROUP / slab.max(1)).clamp(1, extents[0].max(1));
            return Self { extents, steps, margins: vec![(0, 0); margins.len()], grain };
        }
        steps[0] = 1;
        let last = extents.len() - 1;
        let beside = |axis: usize| margins[axis].0 + margins[axis].1;
        let fixed = |axis: &usize| boxes.windows.contains(axis) && (whole || plan.boundary == Boundary::Wrap);
        // Bands of whole inner axes lie together: nothing is copied.
        let inner = (slab / extents[1].max(1)).max(1);
        let band = (TILE / inner).saturating_sub(beside(1)).max(2 * beside(1));
        if !fixed(&1) && band >= SHORTEST_BAND && (band + beside(1)).saturating_mul(inner) <= BAND {
            steps[1] = extents[1].div_ceil(extents[1].div_ceil(band));
            return Self { extents, steps, margins, grain };
        }
        loop {
            let read: usize = (1..=last).map(|axis| (steps[axis] + beside(axis)).min(extents[axis])).product();
            if read <= TILE {
                break;
            }
            // Axes without windows cost nothing to cut; else the one whose margin is the least of it.
            let shortest = |axis: usize| {
                let least = if axis == last { SHORTEST.0 } else { SHORTEST.1 };
                if beside(axis) == 0 && axis != last { 1 } else { least.max(2 * beside(axis)) }
            };
            let cut = (1..=last)
                .filter(|axis| !fixed(axis) && steps[*axis] > shortest(*axis))
                .max_by_key(|&axis| (beside(axis) == 0 && axis != last, steps[axis] / (1 + beside(axis))));
            let Some(axis) = cut else { break };
            steps[axis] = steps[axis].div_ceil(2).max(shortest(axis));
        }
        Self { extents, steps, margins, grain }
    }

    /// How many pieces there are.
    pub(crate) fn pieces(&self) -> usize {
        self.counts().product()
    }

    /// A piece; the innermost axis is the fastest.
    pub(crate) fn piece(&self, number: usize) -> Piece {
        let mut rest = number;
        let (mut read, mut written) = (vec![], vec![]);
        for (axis, count) in self.counts().enumerate().rev() {
            let start = rest % count * self.steps[axis];
            rest /= count;
            let end = self.extents[axis].min(start + self.steps[axis]);
            let (before, after) = self.margins[axis];
            let first = start.saturating_sub(before);
            let first = if before + after > 0 { first / self.grain * self.grain } else { first };
            read.push(first..self.extents[axis].min(end.saturating_add(after)));
            written.push(start..end);
        }
        read.reverse();
        written.reverse();
        Piece { read, written }
    }

    fn counts(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator {
        self.extents.iter().zip(&self.steps).map(|(&extent, &step)| extent.div_ceil(step.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LrnConfig, Number};

    fn tiling(shape: &[usize], axes: &[usize], size: usize, task: Task) -> Tiling {
        let signed: Vec<isize> = axes.iter().map(|axis| axis.cast_signed()).collect();
        let plan = Plan::new(&LrnConfig::new(size).over_axes(&signed).resolve().unwrap(), Number::F32);
        Tiling::new(&Boxes::new(shape, axes), &plan, task, false)
    }

    #[test]
    fn every_element_is_written_once_and_its_window_is_read() {
        for (shape, axes, size) in [
            (&[3, 700, 900][..], &[1, 2][..], 5),
            (&[3000, 2000], &[0, 1], 31),
            (&[5, 8, 13, 13], &[2, 3], 3),
            (&[70, 80, 9, 90], &[0, 3], 40),
            (&[2, 600, 700, 3], &[1, 2], 200),
        ] {
            for task in [Task::Forward, Task::Backward] {
                let tiling = tiling(shape, axes, size, task);
                let total: usize = (0..tiling.pieces())
                    .map(|number| {
                        let piece = tiling.piece(number);
                        for (axis, (read, written)) in piece.read.iter().zip(&piece.written).enumerate() {
                            let (before, after) = tiling.margins[axis];
                            assert!(read.start <= written.start.saturating_sub(before), "{piece:?}");
                            assert!(read.end >= tiling.extents[axis].min(written.end + after), "{piece:?}");
                            assert!(read.start == written.start || read.start.is_multiple_of(tiling.grain));
                        }
                        piece.written.iter().map(ExactSizeIterator::len).product::<usize>()
                    })
                    .sum();
                assert_eq!(total, shape.iter().product::<usize>());
            }
        }
    }

    #[test]
    fn a_slab_that_a_cache_holds_is_whole() {
        let planes = tiling(&[4, 96, 112, 112], &[2, 3], 3, Task::Backward);
        assert!((0..planes.pieces()).map(|number| planes.piece(number)).all(|piece| piece.read == piece.written));
        assert_eq!(planes.pieces(), 4 * 96 / 2);
        let small = tiling(&[4, 32, 8, 8], &[2, 3], 3, Task::Forward);
        assert_eq!(small.pieces(), 1);
    }
}
