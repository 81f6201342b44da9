//! Drives the kernels over a part of a tensor: which rows, which bytes, in which order.
//!
//! A *plane* is the same stretch of every channel's row. Planes are worked on where they lie ([`blocks`](super::blocks), or
//! [`long_windows`](super::long_windows)), at least a vector wide: the last vector of a stretch may overlap the one before it
//! and write the same bits again. In place it must not, since it would read what was written: it is computed aside.
//!
//! What is left (stretches shorter than a vector, rings in place) is packed into the rows of a small scratch tile, worked on
//! there and unpacked. Tensors whose `inner` is less than a vector have vectors
//! along the channels instead ([`channels_last`](super::channels_last)).

use std::ops::Range;

use super::host::fence;
use super::{FEW, JitEngine};
use crate::arithmetic::cumulative::Schedule;
use crate::config::Boundary;
use crate::geometry::Geometry;
use crate::tensor::Part;

/// Columns of one call of a block kernel: as far as a row of zeros reaches.
pub(super) const SWEEP: usize = 4096;
/// Columns that are added to the last stretch rather than left alone, less than a vector of any width.
pub(super) const REST: usize = 16;
pub(super) static ZEROS: [f32; SWEEP + REST] = [0.0; SWEEP + REST];
/// Elements of a tensor that most last-level caches do not hold beside its output.
pub(super) const BEYOND: usize = 1 << 22;
/// Vectors of the shortest row that is worked on as a row, out of place and in place (where its last vector is a call of its own).
const SHORT_ROWS: (usize, usize) = (6, 20);
/// The longest slab, in f32, whose squares a second-level cache holds.
const LONGEST_SLAB: usize = 1 << 17;
/// f32 of a packed tile: with its result, some of a second-level cache.
const PACKED: usize = 1 << 14;
/// Rows this many f32 apart, or a multiple, share one set of a first-level cache.
const SAME_SET: usize = 1024;

/// Rows of f32, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<P> {
    pub(super) start: P,
    pub(super) stride: usize,
}

/// The same stretch of every channel, in and out.
#[derive(Clone, Copy)]
pub(super) struct Plane {
    pub(super) input: Rows<*const f32>,
    pub(super) output: Rows<*mut f32>,
    pub(super) channels: usize,
    pub(super) width: usize,
    /// Input and output are the same rows.
    pub(super) in_place: bool,
    /// No cache holds the tensor.
    pub(super) beyond: bool,
}

/// Memory of one call, reused between planes.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) rows: Vec<*const u8>,
    pub(super) spare: Vec<f32>,
    pub(super) sums: Vec<f32>,
    pub(super) schedule: Option<Schedule>,
    /// Rows of channels that were overwritten, and those that the next block will need of them.
    pub(super) kept: [Vec<f32>; 2],
    /// The last vector of every row of a block in place, and its results.
    pub(super) last_rows: Vec<*const u8>,
    pub(super) aside: Vec<f32>,
    /// The last vector of every channel of a plane.
    pub(super) last: Vec<f32>,
}

impl JitEngine {
    /// Computes a part of a tensor.
    pub(crate) fn run(&self, part: &mut Part<'_, f32>) {
        let geometry = part.geometry();
        if geometry.channels == 2
            && let Some(engine) = self.of_two_channels()
        {
            return engine.run(part);
        }
        let positions = part.positions();
        let mut scratch = Scratch::default();
        let (input, output, in_place) = part.pointers();
        if geometry.channels > 1 && geometry.inner < self.shortest_row(geometry, in_place) {
            return self.slabs(part, &mut scratch);
        }
        let ring = matches!(self.plan.boundary, Boundary::Wrap) && self.accumulate.is_none();
        if in_place && ring {
            return self.packed(part, positions, &mut scratch);
        }
        let mut position = positions.start;
        while position < positions.end {
            let (outer, s) = (position / geometry.inner, position % geometry.inner);
            let width = (geometry.inner - s).min(positions.end - position);
            if width < self.lanes() {
                self.packed(part, position..position + width, &mut scratch);
            } else {
                let first = outer * geometry.channels * geometry.inner + s;
                let beyond = geometry.elements() >= BEYOND;
                // SAFETY: the slab's rows begin at `first` and lie `inner` apart within the tensor's elements; the output
                // at these positions is this part's alone, and the input is another slice, or the same positions.
                unsafe {
                    let input = Rows { start: input.add(first), stride: geometry.inner };
                    let output = Rows { start: output.add(first), stride: geometry.inner };
                    let plane = Plane { input, output, channels: geometry.channels, width, in_place, beyond };
                    self.plane(plane, &mut scratch);
                }
            }
            position += width;
        }
        if geometry.elements() >= BEYOND {
            fence();
        }
    }

    /// The shortest rows that are worked on as rows. Shorter ones are better off with vectors along the whole slab: there is
    /// less of a last vector, and one call serves many slabs.
    fn shortest_row(&self, geometry: Geometry, in_place: bool) -> usize {
        let long = geometry.channels.saturating_mul(geometry.inner) > LONGEST_SLAB || self.accumulate.is_some();
        match geometry.channels {
            _ if long => self.lanes(),
            // A block of one channel is slow: one chain of instructions at a time.
            ..FEW => usize::MAX,
            _ => self.lanes() * if in_place { SHORT_ROWS.1 } else { SHORT_ROWS.0 },
        }
    }

    /// Computes columns by way of a packed copy.
    pub(super) fn packed(&self, part: &mut Part<'_, f32>, positions: Range<usize>, scratch: &mut Scratch) {
        let channels = part.geometry().channels;
        let most = (PACKED / channels / REST * REST).clamp(REST, SWEEP);
        let stride = most.min(positions.len().next_multiple_of(REST));
        let stride = if stride.is_multiple_of(SAME_SET / 4) { stride - REST } else { stride };
        let mut tile = vec![0.0; channels * stride];
        let mut result = vec![0.0; channels * stride];
        for start in positions.clone().step_by(stride) {
            let columns = start..positions.end.min(start + stride);
            part.read(columns.clone(), &mut tile, stride);
            let plane = Plane {
                input: Rows { start: tile.as_ptr(), stride },
                output: Rows { start: result.as_mut_ptr(), stride },
                channels,
                width: columns.len().next_multiple_of(self.lanes()),
                in_place: false,
                beyond: false,
            };
            // SAFETY: both tiles hold `channels` rows of `stride` ≥ `width` elements; they are two vectors.
            unsafe { self.plane(plane, scratch) };
            part.write(columns, &result, stride);
        }
    }

    /// Computes a plane at least a vector wide.
    ///
    /// # Safety
    ///
    /// The rows of input and output are readable and writable over `width` elements. They do not overlap one another; or they
    /// are the same, and `in_place` says so.
    unsafe fn plane(&self, plane: Plane, scratch: &mut Scratch) {
        debug_assert!(plane.width >= self.lanes());
        // SAFETY: passed on.
        unsafe {
            match &self.accumulate {
                Some(accumulate) if plane.in_place && !plane.width.is_multiple_of(self.lanes()) => {
                    self.cumulative_plane_in_place(accumulate, plane, scratch);
                }
                Some(accumulate) => self.cumulative_plane(accumulate, plane, scratch),
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
        for most in [16, 64, 4096] {
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
