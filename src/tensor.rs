//! A tensor under work, cut into parts that several threads may write at once: the one room for disjoint writes.
//!
//! A [`Tensor`] is some inputs and an output (or one slice that is both) of the same [`Geometry`]. [`Tensor::split`] cuts it by
//! *positions*: position p = outer·inner + s is the column of all channels at that place. A [`Part`] owns the output of its
//! positions; nobody else reads or writes them, so parts may go to different threads. Engines see columns through
//! [`Part::read`] and [`Part::write`], which gather and scatter any layout into rows of channels.
//!
//! Invariants: input and output hold `geometry.elements()` elements each for the lifetime `'a`; the position ranges of the
//! parts of one tensor do not overlap; in place, a part reads its own positions only.
#![allow(unsafe_code, reason = "disjoint writes from several threads into one slice")]

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use crate::element::Element;
use crate::forward::Complete;
use crate::geometry::Geometry;

/// Rows shorter than this are gathered element by element rather than run by run.
const SHORT: usize = 16;

/// The most inputs of a task.
pub(crate) const INPUTS: usize = 3;

/// The first elements of the inputs; of those that a task does not have, again of the first.
type Inputs<E> = [*const E; INPUTS];

/// Where elements come from and go to.
pub(crate) struct Tensor<'a, E> {
    inputs: Inputs<E>,
    output: *mut E,
    geometry: Geometry,
    in_place: bool,
    slices: PhantomData<(&'a [E], &'a mut [E])>,
}

/// The columns at some positions of a tensor.
pub(crate) struct Part<'a, E> {
    inputs: Inputs<E>,
    output: *mut E,
    geometry: Geometry,
    in_place: bool,
    positions: Range<usize>,
    slices: PhantomData<(&'a [E], &'a mut [E])>,
}

// SAFETY: a part is a `&[E]` and an exclusive view of its own positions of a `&mut [E]`; both may move to another thread
// when E may.
unsafe impl<E: Element> Send for Part<'_, E> {}

impl<'a, E: Element> Tensor<'a, E> {
    /// Inputs, one at least, and an output of `geometry.elements()` elements each.
    pub(crate) fn new(inputs: &[&'a [E]], output: &'a mut [MaybeUninit<E>], geometry: Geometry) -> Self {
        assert!(inputs.iter().all(|input| input.len() == geometry.elements()) && output.len() == geometry.elements());
        let inputs = std::array::from_fn(|i| inputs.get(i).unwrap_or(&inputs[0]).as_ptr());
        let output = output.as_mut_ptr().cast();
        Self { inputs, output, geometry, in_place: false, slices: PhantomData }
    }

    /// One slice that is both input and output.
    pub(crate) fn in_place(elements: &'a mut [E], geometry: Geometry) -> Self {
        assert!(elements.len() == geometry.elements());
        let output = elements.as_mut_ptr();
        Self { inputs: [output.cast_const(); INPUTS], output, geometry, in_place: true, slices: PhantomData }
    }

    /// Cuts the positions into about `count` parts; a cut falls on a multiple of `grain`.
    pub(crate) fn split(self, count: usize, grain: usize) -> Vec<Part<'a, E>> {
        let positions = self.geometry.positions();
        let step = positions.div_ceil(count.max(1)).next_multiple_of(grain).max(1);
        let Self { inputs, output, geometry, in_place, slices } = self;
        let starts = (0..positions).step_by(step);
        let part =
            |start| Part { inputs, output, geometry, in_place, positions: start..positions.min(start + step), slices };
        starts.map(part).collect()
    }
}

impl<E: Element> Part<'_, E> {
    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    pub(crate) fn positions(&self) -> Range<usize> {
        self.positions.clone()
    }

    /// The first elements of inputs and output, and whether they are the same: for compiled kernels. Those may read all of the
    /// input (in place, this part's positions only) and write this part's positions of the output.
    pub(crate) fn pointers(&mut self) -> ([*const E; INPUTS], *mut E, bool) {
        (self.inputs, self.output, self.in_place)
    }

    /// Some of this part's positions, while it waits.
    pub(crate) fn cut(&mut self, positions: Range<usize>) -> Part<'_, E> {
        self.check(&positions, usize::MAX, positions.len());
        let &mut Self { inputs, output, geometry, in_place, .. } = self;
        Part { inputs, output, geometry, in_place, positions, slices: PhantomData }
    }

    /// Copies the columns at `positions` of an input into rows of channels, `stride` apart: row c holds channel c of each position.
    pub(crate) fn read(&self, input: usize, positions: Range<usize>, rows: &mut [E::Lane], stride: usize) {
        self.check(&positions, rows.len(), stride);
        let input = self.inputs[input];
        let Geometry { channels, inner, .. } = self.geometry;
        // SAFETY (all): positions were checked, so these are elements of the tensor. In place they are this part's own,
        // which nobody else writes; else the input is shared and not written.
        if inner == 1 {
            let start = positions.start * channels;
            for (channel, row) in rows.chunks_mut(stride).take(channels).enumerate() {
                for (place, lane) in row[..positions.len()].iter_mut().enumerate() {
                    *lane = unsafe { input.add(start + channel + place * channels).read() }.to_lane();
                }
            }
        } else if inner < SHORT {
            let starts = self.starts(positions);
            for (channel, row) in rows.chunks_mut(stride).take(channels).enumerate() {
                for (lane, start) in row.iter_mut().zip(&starts) {
                    *lane = unsafe { input.add(start + channel * inner).read() }.to_lane();
                }
            }
        } else {
            self.each_run(positions, |at, start, length| {
                for (channel, row) in rows.chunks_mut(stride).take(channels).enumerate() {
                    for (offset, lane) in row[at..][..length].iter_mut().enumerate() {
                        *lane = unsafe { input.add(start + channel * inner + offset).read() }.to_lane();
                    }
                }
            });
        }
    }

    /// Writes rows of channels, `stride` apart, to the columns at `positions`.
    pub(crate) fn write(&mut self, positions: Range<usize>, rows: &[E::Lane], stride: usize) {
        self.check(&positions, rows.len(), stride);
        let Geometry { channels, inner, .. } = self.geometry;
        // SAFETY (all): positions were checked, so these are elements of the tensor, of positions that are this part's alone.
        if inner == 1 {
            let start = positions.start * channels;
            for (channel, row) in rows.chunks(stride).take(channels).enumerate() {
                for (place, &lane) in row[..positions.len()].iter().enumerate() {
                    unsafe { self.output.add(start + channel + place * channels).write(E::from_lane(lane)) };
                }
            }
        } else if inner < SHORT {
            let starts = self.starts(positions);
            for (channel, row) in rows.chunks(stride).take(channels).enumerate() {
                for (&lane, start) in row.iter().zip(&starts) {
                    unsafe { self.output.add(start + channel * inner).write(E::from_lane(lane)) };
                }
            }
        } else {
            self.each_run(positions, |at, start, length| {
                for (channel, row) in rows.chunks(stride).take(channels).enumerate() {
                    for (offset, &lane) in row[at..][..length].iter().enumerate() {
                        unsafe { self.output.add(start + channel * inner + offset).write(E::from_lane(lane)) };
                    }
                }
            });
        }
    }

    /// The index of channel 0 at each of some positions.
    fn starts(&self, positions: Range<usize>) -> Vec<usize> {
        let Geometry { channels, inner, .. } = self.geometry;
        positions.map(|position| position / inner * channels * inner + position % inner).collect()
    }

    fn check(&self, positions: &Range<usize>, length: usize, stride: usize) {
        let within = self.positions.start <= positions.start && positions.end <= self.positions.end;
        assert!(within && positions.len() <= stride && length >= self.geometry.channels.saturating_mul(stride));
    }

    /// Calls `run(at, index, length)` for each stretch of positions within one slab: where it starts among `positions`, the
    /// index of its first element in channel 0, and its length.
    fn each_run(&self, positions: Range<usize>, mut run: impl FnMut(usize, usize, usize)) {
        let Geometry { channels, inner, .. } = self.geometry;
        let mut position = positions.start;
        while position < positions.end {
            let (outer, s) = (position / inner, position % inner);
            let length = (inner - s).min(positions.end - position);
            run(position - positions.start, outer * channels * inner + s, length);
            position += length;
        }
    }
}

/// A vector of `length` elements that `write` fills.
pub(crate) fn fresh<E: Element>(length: usize, write: impl FnOnce(&mut [MaybeUninit<E>]) -> Complete) -> Vec<E> {
    let mut elements = Vec::with_capacity(length);
    let Complete { .. } = write(&mut elements.spare_capacity_mut()[..length]);
    // SAFETY: `Complete` says that all `length` elements are written.
    unsafe { elements.set_len(length) };
    elements
}

/// A slice once `write` has filled it.
pub(crate) fn assume_init<E: Element>(
    elements: &mut [MaybeUninit<E>],
    write: impl FnOnce(&mut [MaybeUninit<E>]) -> Complete,
) -> &mut [E] {
    let Complete { .. } = write(elements);
    // SAFETY: `Complete` says that all elements are written.
    unsafe { elements.assume_init_mut() }
}

/// An initialized slice as one to write to. Tensors only ever write initialized elements.
pub(crate) fn uninit<E: Element>(elements: &mut [E]) -> &mut [MaybeUninit<E>] {
    // SAFETY: the layout is the same, and nothing in this crate writes uninitialized elements into a `MaybeUninit`.
    unsafe { &mut *(std::ptr::from_mut(elements) as *mut [MaybeUninit<E>]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_where_they_came_from() {
        for (outer, channels, inner) in [(3, 4, 5), (7, 3, 1), (1, 2, 9), (4, 5, 2)] {
            let geometry = Geometry { outer, channels, inner };
            let x: Vec<f32> = (0..geometry.elements()).map(|i| i as f32).collect();
            let mut y = vec![MaybeUninit::new(f32::NAN); x.len()];
            for mut part in Tensor::new(&[&x], &mut y, geometry).split(3, 2) {
                let positions = part.positions();
                let stride = positions.len() + 3;
                let mut rows = vec![0.0; channels * stride];
                part.read(0, positions.clone(), &mut rows, stride);
                for (at, position) in positions.clone().enumerate() {
                    for channel in 0..channels {
                        let expected = (position / inner * channels + channel) * inner + position % inner;
                        assert_eq!(rows[channel * stride + at], expected as f32);
                    }
                }
                part.write(positions, &rows, stride);
            }
            // SAFETY: every element was initialized at the start.
            let y: Vec<f32> = y.into_iter().map(|element| unsafe { element.assume_init() }).collect();
            assert_eq!(x, y);
        }
    }

    #[test]
    #[should_panic(expected = "within")]
    fn a_part_does_not_write_elsewhere() {
        let geometry = Geometry { outer: 1, channels: 1, inner: 8 };
        let mut x = [0.0; 8];
        let mut parts = Tensor::in_place(&mut x, geometry).split(2, 1);
        parts[0].write(3..5, &[1.0; 2], 2);
    }
}
