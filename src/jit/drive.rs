//! Drives the kernels over a part of a tensor: which rows, which bytes, in which order.
//!
//! A *plane* is the same stretch of every channel's row. Planes are worked on where they lie ([`blocks`](super::blocks), or
//! [`long_windows`](super::long_windows)), at least a vector wide: the last vector of a stretch may overlap the one before it
//! and write the same bits again. In place it must not, since it would read what was written: it is computed aside.
//!
//! What is left (stretches shorter than a vector, rings in place) is packed into the rows of a small scratch tile, worked on
//! there and unpacked. Tensors whose `inner` is less than some vectors have vectors
//! along whole slabs instead ([`slabs`](super::slabs)).

use std::ops::Range;

use super::host::fence;
use super::{FEW, JitEngine};
use crate::arithmetic::cumulative::Schedule;
use crate::config::Boundary;
use crate::element::Element;
use crate::geometry::Geometry;
use crate::interpreter::Interpreter;
use crate::lane::Lane;
use crate::task::{Stage, Task};
use crate::tensor::Part;
use crate::tile;

/// Columns of one call of a block kernel: as far as a row of zeros reaches.
pub(super) const SWEEP: usize = 4096;
/// Columns that are added to the last stretch rather than left alone, less than a vector of any width.
pub(super) const REST: usize = 32;
/// Zeros, of whatever type.
pub(super) static ZEROS: [f64; SWEEP + REST] = [0.0; SWEEP + REST];
/// Bytes of a tensor that most last-level caches do not hold beside its output.
pub(super) const BEYOND: usize = 1 << 24;
/// Vectors of the shortest row that is worked on as a row, out of place and in place (where its last vector is a call of its own).
const SHORT_ROWS: (usize, usize) = (6, 20);
/// The longest slab, in bytes, whose squares a second-level cache holds.
const LONGEST_SLAB: usize = 1 << 19;
/// Numbers of a packed tile: with its result, some of a second-level cache.
const PACKED: usize = 1 << 14;
/// Rows this many numbers apart, or a multiple, share one set of a first-level cache.
const SAME_SET: usize = 1024;

/// Rows, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<P> {
    pub(super) start: P,
    pub(super) stride: usize,
    /// After so many rows the first comes again.
    pub(super) ring: usize,
}

impl<P> Rows<P> {
    /// Rows of a tensor.
    pub(super) fn new(start: P, stride: usize) -> Self {
        Self { start, stride, ring: usize::MAX }
    }

    /// How far from the first a row begins.
    pub(super) fn offset(&self, row: usize) -> usize {
        (if row < self.ring { row } else { row % self.ring }) * self.stride
    }

    /// The same of rows that follow one another.
    pub(super) fn offsets(&self, rows: Range<usize>) -> impl Iterator<Item = usize> + use<P> {
        let (stride, ring) = (self.stride, self.ring);
        let first = if rows.start < ring { rows.start } else { rows.start % ring };
        let next = move |&at: &usize| Some(if at + 1 == ring { 0 } else { at + 1 });
        std::iter::successors(Some(first), next).take(rows.len()).map(move |at| at * stride)
    }
}

/// The same stretch of every channel, in and out.
#[derive(Clone, Copy)]
pub(super) struct Plane<T> {
    pub(super) stage: Stage,
    /// As many as the stage has, and more that are not looked at.
    pub(super) inputs: [Rows<*const T>; Stage::MOST.0],
    pub(super) outputs: [Rows<*mut T>; Stage::MOST.2],
    pub(super) channels: usize,
    pub(super) width: usize,
    /// Input and output are the same rows.
    pub(super) in_place: bool,
    /// No cache holds the tensor.
    pub(super) beyond: bool,
}

impl<T> Plane<T> {
    /// The same rows by another name of their type.
    fn cast<U>(self) -> Plane<U> {
        let Self { stage, inputs, outputs, channels, width, in_place, beyond } = self;
        let inputs = inputs.map(|Rows { start, stride, ring }| Rows { start: start.cast(), stride, ring });
        let outputs = outputs.map(|Rows { start, stride, ring }| Rows { start: start.cast(), stride, ring });
        Plane { stage, inputs, outputs, channels, width, in_place, beyond }
    }

    /// A plane of the forward pass.
    fn forward(
        input: Rows<*const T>,
        output: Rows<*mut T>,
        (channels, width): (usize, usize),
        in_place: bool,
        beyond: bool,
    ) -> Self
    where
        T: Copy,
    {
        let (inputs, outputs) = ([input; Stage::MOST.0], [output; Stage::MOST.2]);
        Self { stage: Stage::Forward, inputs, outputs, channels, width, in_place, beyond }
    }
}

/// Memory of one call, reused between planes.
#[derive(Default)]
pub(super) struct Scratch<T> {
    pub(super) rows: Vec<*const u8>,
    pub(super) spare: Vec<T>,
    pub(super) sums: Vec<T>,
    pub(super) schedule: Option<Schedule>,
    /// Rows of channels that were overwritten, and those that the next block will need of them.
    pub(super) kept: [Vec<T>; 2],
    /// The last vector of every row of a block in place, and its results.
    pub(super) last_rows: Vec<*const u8>,
    pub(super) aside: Vec<T>,
    /// The last vector of every channel of a plane.
    pub(super) last: Vec<T>,
}

impl JitEngine {
    /// Computes a part of a tensor.
    pub(crate) fn run<E: Element>(&self, task: Task, part: &mut Part<'_, E>) {
        let geometry = part.geometry();
        // Of derivatives the zeros beyond the edges count: −0 + 0 is 0.
        if task == Task::Forward
            && geometry.channels == 2
            && let Some(engine) = self.of_two_channels()
        {
            return engine.run(task, part);
        }
        match (task, self.of_lanes()) {
            (Task::Forward, Some(engine)) => self.forward(part, engine),
            (_, Some(engine)) => engine.derivative(task, part),
            // The compiler denied what it gave before: the same bits, slowly.
            _ => tile::run(&Interpreter::new(self.plan.clone()), task, part),
        }
    }

    /// The forward pass; `lanes`: the engine of widened elements.
    fn forward<E: Element>(&self, part: &mut Part<'_, E>, lanes: &Self) {
        let geometry = part.geometry();
        let positions = part.positions();
        let ([input, ..], output, in_place) = part.pointers();
        if geometry.channels > 1 && geometry.inner < self.shortest_row::<E>(geometry, in_place) {
            return lanes.slabs(Task::Forward, part);
        }
        let ring = matches!(self.plan.boundary, Boundary::Wrap) && self.accumulate.is_none();
        if in_place && ring || self.plan.number != E::NUMBER {
            return lanes.packed(part, positions, &mut Scratch::default());
        }
        let (mut scratch, mut packed) = (Scratch::default(), Scratch::default());
        let beyond = geometry.elements().saturating_mul(size_of::<E>()) >= BEYOND;
        let mut position = positions.start;
        while position < positions.end {
            let (outer, s) = (position / geometry.inner, position % geometry.inner);
            let width = (geometry.inner - s).min(positions.end - position);
            if width < self.lanes::<E>() {
                lanes.packed(part, position..position + width, &mut packed);
            } else {
                let first = outer * geometry.channels * geometry.inner + s;
                // SAFETY: the slab's rows begin at `first` and lie `inner` apart within the tensor's elements; the output
                // at these positions is this part's alone, and the input is another slice, or the same positions.
                unsafe {
                    let input = Rows::new(input.add(first), geometry.inner);
                    let output = Rows::new(output.add(first), geometry.inner);
                    let plane = Plane::forward(input, output, (geometry.channels, width), in_place, beyond);
                    if self.accumulate.is_some() {
                        // Its plan is for what is computed with: so are the elements.
                        self.long_window(plane.cast(), &mut packed);
                    } else {
                        self.block_plane(plane, &mut scratch);
                    }
                }
            }
            position += width;
        }
        if beyond {
            fence();
        }
    }

    /// The shortest rows that are worked on as rows. Shorter ones are better off with vectors along the whole slab: there is
    /// less of a last vector, and one call serves many slabs.
    fn shortest_row<E>(&self, geometry: Geometry, in_place: bool) -> usize {
        let slab = geometry.channels.saturating_mul(geometry.inner).saturating_mul(size_of::<E>());
        match geometry.channels {
            _ if slab > LONGEST_SLAB || self.accumulate.is_some() => self.lanes::<E>(),
            // A block of one channel is slow: one chain of instructions at a time.
            ..FEW => usize::MAX,
            _ => self.lanes::<E>() * if in_place { SHORT_ROWS.1 } else { SHORT_ROWS.0 },
        }
    }

    /// Computes columns by way of a packed copy.
    pub(super) fn packed<E: Element>(
        &self,
        part: &mut Part<'_, E>,
        positions: Range<usize>,
        scratch: &mut Scratch<E::Lane>,
    ) {
        let channels = part.geometry().channels;
        let most = (PACKED / channels / REST * REST).clamp(REST, SWEEP);
        let stride = most.min(positions.len().next_multiple_of(REST));
        let stride = if stride.is_multiple_of(SAME_SET / 4) { stride - REST } else { stride };
        let mut tile = vec![E::Lane::default(); channels * stride];
        let mut result = vec![E::Lane::default(); channels * stride];
        for start in positions.clone().step_by(stride) {
            let columns = start..positions.end.min(start + stride);
            part.read(0, columns.clone(), &mut tile, stride);
            let (input, output) = (Rows::new(tile.as_ptr(), stride), Rows::new(result.as_mut_ptr(), stride));
            let width = columns.len().next_multiple_of(self.lanes::<E::Lane>());
            let plane = Plane::forward(input, output, (channels, width), false, false);
            // SAFETY: both tiles hold `channels` rows of `stride` ≥ `width` elements; they are two vectors.
            unsafe { self.plane(plane, scratch) };
            part.write(columns, &result, stride);
        }
    }

    /// Computes a plane of the forward pass at least a vector wide.
    ///
    /// # Safety
    ///
    /// The rows of input and output are readable and writable over `width` elements. They do not overlap one another; or they
    /// are the same, and `in_place` says so.
    unsafe fn plane<T: Lane>(&self, plane: Plane<T>, scratch: &mut Scratch<T>) {
        debug_assert!(plane.width >= self.lanes::<T>());
        // SAFETY: passed on.
        unsafe {
            match &self.accumulate {
                Some(_) => self.long_window(plane, scratch),
                None => self.block_plane(plane, scratch),
            }
        }
    }
}

/// Cuts `width` columns into stretches of `most`; the last is longer rather than shorter than a vector.
pub(super) fn stretches(width: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = if width < most + REST { 1 } else { (width - (REST - 1)).div_ceil(most) };
    (0..count).map(move |i| i * most..if i + 1 == count { width } else { (i + 1) * most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_cover_the_width_and_are_never_short() {
        for most in [32, 64, 4096] {
            for width in (1..300).chain(4000..4200).chain(8100..8300) {
                let mut next = 0;
                for stretch in stretches(width, most) {
                    assert_eq!(stretch.start, next);
                    assert!(stretch.len() < most + REST && (stretch.len() >= REST || width < REST), "{width} {most}");
                    next = stretch.end;
                }
                assert_eq!(next, width);
            }
        }
    }
}
