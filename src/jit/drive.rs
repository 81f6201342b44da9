//! Drives the kernels over a part of a tensor: which rows, which bytes, in which order.
//!
//! A *plane* is the same stretch of every channel's row. Planes are worked on where they lie if input and output differ and
//! rows are contiguous; otherwise (in place, channels last, stretches shorter than a vector) columns are packed into a small
//! scratch tile, worked on there and unpacked. So input and output of a kernel never overlap, and:
//!
//! * the last vector of a stretch may overlap the one before it and write the same bits again;
//! * the last block of channels overlaps the one before it, likewise;
//! * taps beyond the edges read a row of zeros, or the rows at the other end of the ring.
//!
//! A block is swept over the whole plane before the next one: few long sequential streams are what memory likes best.

use std::ops::Range;
use std::ptr;

use super::JitEngine;
use super::kernel::CompiledKernel;
use crate::arithmetic::cumulative::{Schedule, Step, schedule};
use crate::codegen::block::{block_channels, input_rows};
use crate::codegen::clif_lanes::Slot;
use crate::tensor::Part;

/// Columns of one call of a block kernel: as far as a row of zeros reaches.
const SWEEP: usize = 4096;
/// Columns that are added to the last stretch rather than left alone, less than a vector of any width.
const REST: usize = 16;
static ZEROS: [f32; SWEEP + REST] = [0.0; SWEEP + REST];
/// f32 of a packed tile: with its result, some of a second-level cache.
const PACKED: usize = 1 << 14;
/// f32 of half the sums of a long window: a quarter of a second-level cache.
const TILE: usize = 1 << 16;

/// Rows of f32, `stride` apart.
#[derive(Clone, Copy)]
struct Rows<P> {
    start: P,
    stride: usize,
}

/// The same stretch of every channel, in and out.
#[derive(Clone, Copy)]
struct Plane {
    input: Rows<*const f32>,
    output: Rows<*mut f32>,
    channels: usize,
    width: usize,
}

/// Memory of one call, reused between planes.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) rows: Vec<*const u8>,
    spare: Vec<f32>,
    sums: Vec<f32>,
    schedule: Option<Schedule>,
}

impl JitEngine {
    /// Computes a part of a tensor.
    pub(crate) fn run(&self, part: &mut Part<'_, f32>) {
        let geometry = part.geometry();
        let positions = part.positions();
        let mut scratch = Scratch::default();
        if geometry.inner < self.lanes() {
            return self.slabs(part, &mut scratch);
        }
        let Some((input, output)) = part.pointers() else {
            return self.packed(part, positions, &mut scratch);
        };
        let mut position = positions.start;
        while position < positions.end {
            let (outer, s) = (position / geometry.inner, position % geometry.inner);
            let width = (geometry.inner - s).min(positions.end - position);
            if width < self.lanes() {
                self.packed(part, position..position + width, &mut scratch);
            } else {
                let first = outer * geometry.channels * geometry.inner + s;
                // SAFETY: the slab's rows begin at `first` and lie `inner` apart within the tensor's elements; the output
                // at these positions is this part's alone, and the input is another slice.
                unsafe {
                    let input = Rows { start: input.add(first), stride: geometry.inner };
                    let output = Rows { start: output.add(first), stride: geometry.inner };
                    self.plane(Plane { input, output, channels: geometry.channels, width }, &mut scratch);
                }
            }
            position += width;
        }
    }

    /// Computes columns by way of a packed copy.
    pub(super) fn packed(&self, part: &mut Part<'_, f32>, positions: Range<usize>, scratch: &mut Scratch) {
        let channels = part.geometry().channels;
        let most = (PACKED / channels / REST * REST).clamp(REST, SWEEP);
        let stride = most.min(positions.len().next_multiple_of(REST));
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
    /// The rows of input and output are readable and writable over `width` elements, and do not overlap one another.
    unsafe fn plane(&self, plane: Plane, scratch: &mut Scratch) {
        debug_assert!(plane.width >= self.lanes());
        // SAFETY: passed on.
        unsafe {
            match &self.accumulate {
                Some(accumulate) => self.cumulative_plane(accumulate, plane, scratch),
                None => self.block_plane(plane, scratch),
            }
        }
    }

    /// # Safety
    ///
    /// As [`plane`](Self::plane).
    unsafe fn block_plane(&self, plane: Plane, scratch: &mut Scratch) {
        let Plane { input, output, channels, width } = plane;
        let block = block_channels(&self.plan);
        let (kernel, block) = if channels < block { self.narrow() } else { (&self.main, block) };
        let inputs = input_rows(&self.plan, block);
        let mut channel = 0;
        while channel < channels {
            let first = channel.min(channels.saturating_sub(block));
            for columns in stretches(width, SWEEP) {
                let span = columns.len();
                scratch.rows.clear();
                for row in 0..inputs {
                    let source = match self.plan.tap(first + row, channels) {
                        // SAFETY: a channel's row, from a column of the plane on.
                        Some(source) => unsafe { input.start.add(source * input.stride + columns.start) },
                        None => ZEROS.as_ptr(),
                    };
                    scratch.rows.push(source.cast());
                }
                for row in first..first + block {
                    let target = if row < channels {
                        // SAFETY: a channel's row, from a column of the plane on.
                        unsafe { output.start.add(row * output.stride + columns.start) }
                    } else {
                        scratch.spare.resize(SWEEP + REST, 0.0);
                        scratch.spare.as_mut_ptr()
                    };
                    scratch.rows.push(target.cast_const().cast());
                }
                // SAFETY: every row is valid over `span` columns: zeros and spare rows hold the longest stretch.
                unsafe { kernel.call(&scratch.rows, span) };
            }
            channel += block;
        }
    }

    /// # Safety
    ///
    /// As [`plane`](Self::plane).
    unsafe fn cumulative_plane(&self, accumulate: &CompiledKernel, plane: Plane, scratch: &mut Scratch) {
        let Plane { input, output, channels, width } = plane;
        let Scratch { rows, sums, schedule: known, .. } = scratch;
        let schedule = known.get_or_insert_with(|| schedule(&self.plan, channels));
        let stretch = (2 * TILE / schedule.rows.max(1) / REST * REST).clamp(REST, SWEEP);
        let stride = (stretch + REST).min(width.next_multiple_of(REST));
        sums.resize(schedule.rows * stride, 0.0);
        let sums = sums.as_mut_ptr();
        let turns = Slot([schedule.turns.to_bits(); _]);
        let bytes = |elements: usize, downwards: bool| {
            let bytes = elements.wrapping_mul(size_of::<f32>());
            ptr::without_provenance(if downwards { bytes.wrapping_neg() } else { bytes })
        };
        for columns in stretches(width, stretch) {
            // SAFETY (both closures): rows of the plane from a column on; rows of the scratch.
            let x = |channel: usize| unsafe { input.start.add(channel * input.stride + columns.start) }.cast::<u8>();
            let sum = |row: Option<usize>| match row {
                Some(row) => unsafe { sums.add(row * stride) }.cast_const().cast::<u8>(),
                None => ZEROS.as_ptr().cast(),
            };
            for step in &schedule.steps {
                rows.clear();
                let kernel = match *step {
                    Step::Accumulate { start, channel, row, count, downwards, in_place } => {
                        let sums_step = if in_place { 0 } else { stride };
                        let steps = [bytes(input.stride, downwards), bytes(sums_step, downwards)];
                        let count = ptr::without_provenance(count);
                        rows.extend([sum(start), x(channel), steps[0], sum(Some(row)), steps[1], count]);
                        accumulate
                    }
                    Step::Combine { channel, suffix, prefix, total } => {
                        // SAFETY: a channel's row, from a column of the plane on.
                        let y = unsafe { output.start.add(channel * output.stride + columns.start) };
                        let turns = (&raw const turns).cast();
                        rows.extend([x(channel), sum(suffix), sum(prefix), sum(total), turns, y.cast_const().cast()]);
                        &self.main
                    }
                };
                // SAFETY: every row is valid over the stretch: a scratch row is `stride` long, and the schedule stays
                // within its rows and the channels.
                unsafe { kernel.call(rows, columns.len()) };
            }
        }
    }
}

/// Cuts `width` columns into stretches of `most`; the last is longer rather than shorter than a vector.
fn stretches(width: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
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
