//! [`BoxPart`]: a tensor of boxes under work, cut into pieces that several threads may write at once.
//!
//! Invariants: inputs and output hold `boxes.elements()` elements each for the lifetime `'a`; the numbers of pieces of the parts of one
//! tensor do not overlap, and neither do the elements that two pieces write. In place pieces are whole slabs, so that none reads what
//! another one writes.
#![allow(unsafe_code, reason = "disjoint writes from several threads into one slice")]

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use super::boxes::Boxes;
use super::tiling::{Piece, Tiling};
use crate::element::Element;
use crate::plan::Plan;
use crate::task::Task;
use crate::tensor::INPUTS;

/// Where elements come from and go to.
pub(crate) struct BoxTensor<'a, E> {
    inputs: [*const E; INPUTS],
    output: *mut E,
    boxes: Boxes,
    in_place: bool,
    slices: PhantomData<(&'a [E], &'a mut [E])>,
}

/// Some pieces of a tensor.
pub(crate) struct BoxPart<'a, E> {
    inputs: [*const E; INPUTS],
    output: *mut E,
    boxes: Boxes,
    tiling: Tiling,
    pieces: Range<usize>,
    in_place: bool,
    slices: PhantomData<(&'a [E], &'a mut [E])>,
}

// SAFETY: a part is a `&[E]` and an exclusive view of what its own pieces write of a `&mut [E]`; both may move to another thread
// when E may.
unsafe impl<E: Element> Send for BoxPart<'_, E> {}

impl<'a, E: Element> BoxTensor<'a, E> {
    /// Inputs, one at least, and an output of `boxes.elements()` elements each.
    pub(crate) fn new(inputs: &[&'a [E]], output: &'a mut [MaybeUninit<E>], boxes: &Boxes) -> Self {
        assert!(inputs.iter().all(|input| input.len() == boxes.elements()) && output.len() == boxes.elements());
        let inputs = std::array::from_fn(|i| inputs.get(i).unwrap_or(&inputs[0]).as_ptr());
        let output = output.as_mut_ptr().cast();
        Self { inputs, output, boxes: boxes.clone(), in_place: false, slices: PhantomData }
    }

    /// One slice that is both input and output.
    pub(crate) fn in_place(elements: &'a mut [E], boxes: &Boxes) -> Self {
        assert!(elements.len() == boxes.elements());
        let output = elements.as_mut_ptr();
        Self {
            inputs: [output.cast_const(); INPUTS],
            output,
            boxes: boxes.clone(),
            in_place: true,
            slices: PhantomData,
        }
    }

    /// Cuts the tensor into about `count` parts.
    pub(crate) fn split(self, plan: &Plan, task: Task, count: usize) -> Vec<BoxPart<'a, E>> {
        let Self { inputs, output, boxes, in_place, slices } = self;
        let tiling = Tiling::new(&boxes, plan, task, in_place);
        let pieces = tiling.pieces();
        let step = pieces.div_ceil(count.max(1)).max(1);
        let part = |start: usize| {
            let (boxes, tiling, pieces) = (boxes.clone(), tiling.clone(), start..pieces.min(start + step));
            BoxPart { inputs, output, boxes, tiling, pieces, in_place, slices }
        };
        (0..pieces).step_by(step).map(part).collect()
    }
}

impl<E: Element> BoxPart<'_, E> {
    /// The pieces of this part, each with the boxes of what is read.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (Piece, Boxes)> + use<E> {
        let (tiling, boxes) = (self.tiling.clone(), self.boxes.clone());
        self.pieces.clone().map(move |number| {
            let piece = tiling.piece(number);
            let extents = piece.read.iter().map(ExactSizeIterator::len).collect();
            let boxes = boxes.with_extents(extents);
            (piece, boxes)
        })
    }

    /// Which elements of those that a piece reads it writes, where both are runs: whole slabs, or bands of one.
    pub(crate) fn run(&self, piece: &Piece) -> Option<Range<usize>> {
        let inner: usize = self.boxes.extents[2..].iter().product();
        let slab = self.boxes.extents[1];
        let (read, written) = (&piece.read, &piece.written);
        let whole = |axis: usize| read[axis].len() == self.boxes.extents[axis] && read[axis] == written[axis];
        let one = read[0] == written[0] && (read[0].len() == 1 || read[1].len() == slab && whole(1));
        let first = (written[1].start - read[1].start) * inner;
        ((2..read.len()).all(whole) && one).then(|| first..first + written[0].len() * written[1].len() * inner)
    }

    /// Elements of a slab.
    pub(crate) fn slab(&self) -> usize {
        self.boxes.extents[1..].iter().product()
    }

    /// Elements from an index of a slab's outermost axis to the next, where the last sums are along that.
    pub(crate) fn inner(&self) -> Option<usize> {
        (self.boxes.windows.last() == Some(&1)).then(|| self.boxes.extents[2..].iter().product())
    }

    /// Elements of the whole tensor, and whether inputs and output are the same.
    pub(crate) fn whole(&self) -> (usize, bool) {
        (self.boxes.elements(), self.in_place)
    }

    /// The first elements that a piece reads and writes which are both runs.
    pub(crate) fn pointers(&mut self, piece: &Piece) -> ([*const E; INPUTS], *mut E) {
        let run = self.run(piece).expect("a piece that is a run");
        let inner: usize = self.boxes.extents[2..].iter().product();
        let first = (piece.read[0].start * self.boxes.extents[1] + piece.read[1].start) * inner;
        // A piece lies within the tensor.
        (self.inputs.map(|input| input.wrapping_add(first)), self.output.wrapping_add(first + run.start))
    }

    /// Copies what a piece reads of an input, with `copy` from a run of elements to as many lanes.
    pub(crate) fn read(&self, input: usize, piece: &Piece, lanes: &mut [E::Lane], copy: impl Fn(&[E], &mut [E::Lane])) {
        assert_eq!(lanes.len(), piece.elements());
        self.each_run(&piece.read, &piece.read, |at, start, length| {
            // SAFETY: ranges within the extents, so these are elements of the tensor, which nobody writes: in place a piece is of
            // whole slabs, and all are this part's own.
            copy(
                unsafe { std::slice::from_raw_parts(self.inputs[input].add(start), length) },
                &mut lanes[at..][..length],
            );
        });
    }

    /// Writes what a piece writes, of lanes of all that it reads.
    pub(crate) fn write(&mut self, piece: &Piece, lanes: &[E::Lane], copy: impl Fn(&[E::Lane], &mut [MaybeUninit<E>])) {
        assert_eq!(lanes.len(), piece.elements());
        assert!(
            piece
                .read
                .iter()
                .zip(&piece.written)
                .all(|(read, written)| { read.start <= written.start && written.end <= read.end })
        );
        self.each_run(&piece.written, &piece.read, |at, start, length| {
            // SAFETY: as above; what pieces write does not overlap.
            let to = unsafe { std::slice::from_raw_parts_mut(self.output.add(start).cast(), length) };
            copy(&lanes[at..][..length], to);
        });
    }

    /// Calls `run(at, start, length)` for each run of elements that lie together within `ranges`: where it stands in a copy of
    /// `copied`, where in the tensor.
    fn each_run(&self, ranges: &[Range<usize>], copied: &[Range<usize>], mut run: impl FnMut(usize, usize, usize)) {
        let extents = &self.boxes.extents;
        assert!(ranges.iter().chain(copied).zip(extents.iter().chain(extents)).all(|(r, &e)| r.end <= e));
        if ranges.iter().any(Range::is_empty) {
            return;
        }
        // Inner axes that are whole, and one more, are one run.
        let last = extents.len() - 1;
        let whole = |axis: usize| ranges[axis].len() == extents[axis] && copied[axis].len() == extents[axis];
        let axis = (1..=last).rev().find(|&axis| !whole(axis)).unwrap_or(0);
        let inner: usize = extents[axis + 1..].iter().product();
        let strides = |extent: &dyn Fn(usize) -> usize| -> Vec<usize> {
            (0..=last).map(|axis| (axis + 1..=last).map(extent).product()).collect()
        };
        let (from, to) = (strides(&|axis| extents[axis]), strides(&|axis| copied[axis].len()));
        let mut index: Vec<usize> = ranges[..axis].iter().map(|range| range.start).collect();
        loop {
            let outer = |strides: &[usize], first: &dyn Fn(usize) -> usize| -> usize {
                index.iter().chain([&ranges[axis].start]).enumerate().map(|(i, at)| (at - first(i)) * strides[i]).sum()
            };
            run(outer(&to, &|i| copied[i].start), outer(&from, &|_| 0), ranges[axis].len() * inner);
            // The next index, the innermost axis first.
            let Some(next) = (0..axis).rev().find(|&i| index[i] + 1 < ranges[i].end) else { return };
            index[next] += 1;
            (next + 1..axis).for_each(|i| index[i] = ranges[i].start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LrnConfig, Number};

    #[test]
    fn pieces_come_back_where_they_came_from() {
        for (shape, axes) in [(&[2, 5, 300, 400][..], &[2isize, 3][..]), (&[600, 500], &[0, 1]), (&[3, 4, 5], &[0, 2])]
        {
            let boxes = Boxes::new(shape, &axes.iter().map(|axis| axis.unsigned_abs()).collect::<Vec<_>>());
            let x: Vec<f32> = (0..boxes.elements()).map(|i| i as f32).collect();
            let mut y = vec![f32::NAN; x.len()];
            let plan = Plan::new(&LrnConfig::new(5).over_axes(axes).resolve().unwrap(), Number::F32);
            let tensor = BoxTensor::new(&[&x], crate::tensor::uninit(&mut y), &boxes);
            for mut part in tensor.split(&plan, Task::Backward, 3) {
                for (piece, boxes) in part.pieces() {
                    let mut lanes = vec![0.0; boxes.elements()];
                    part.read(0, &piece, &mut lanes, |from, to| to.copy_from_slice(from));
                    part.write(&piece, &lanes, |from, to| {
                        to.iter_mut().zip(from).for_each(|(to, from)| _ = to.write(*from));
                    });
                }
            }
            assert_eq!(x, y);
        }
    }
}
