//! Drives block kernels over a plane, a block of channels at a time.
//!
//! * Out of place a block is swept over the whole plane before the next one: few long sequential streams are what memory
//!   likes best. The last block of channels overlaps the one before it and writes the same bits again.
//! * In place a block overwrites rows that the next one needs as taps (and, if it is the last and overlaps, as channels).
//!   Those rows are kept in a scratch first. Stretches come outermost, so that the scratch is some rows of one stretch.
//! * Tensors beyond the caches have kernels of their own ([`Traffic`]).
//! * Taps beyond the edges read a row of zeros, or the rows at the other end of the ring.
//! * Rows that lie a multiple of 4 KB apart share one set of a first-level cache, which holds eight or twelve of them: blocks
//!   of four channels fit.

use std::ops::Range;

use super::drive::{Plane, REST, SAME_SET, SWEEP, Scratch, ZEROS, stretches};
use super::kernel::CompiledKernel;
use super::{FEW, JitEngine, Size};
use crate::codegen::Traffic;
use crate::codegen::block::{block_channels, input_rows};

/// Bytes of a cache line.
const LINE: usize = 64;

/// A kernel, and the channels that it computes.
struct Block<'a> {
    kernel: &'a CompiledKernel,
    first: usize,
    channels: usize,
}

impl JitEngine {
    /// # Safety
    ///
    /// As [`plane`](Self::plane).
    pub(super) unsafe fn block_plane(&self, plane: Plane, scratch: &mut Scratch) {
        let blocks = self.blocks_for(&plane);
        // SAFETY: passed on.
        unsafe {
            if plane.in_place {
                self.blocks_in_place(&blocks, plane, scratch);
            } else {
                self.blocks(&blocks, plane, scratch);
            }
        }
    }

    /// The blocks that cover a plane's channels, in order. The last may overlap the one before it.
    fn blocks_for(&self, plane: &Plane) -> Vec<Block<'_>> {
        let whole = block_channels(&self.plan);
        let traffic = if !plane.beyond || plane.in_place {
            Traffic::Cached
        } else if self.on_lines(plane) {
            Traffic::Past
        } else {
            Traffic::Beyond
        };
        let same_set = plane.input.stride.is_multiple_of(SAME_SET);
        let mut blocks = vec![];
        let mut done = 0;
        while done < plane.channels {
            let left = plane.channels - done;
            let size = match plane.channels {
                ..FEW => Size::One,
                _ if left == 1 => Size::One,
                _ if left <= FEW || plane.channels < whole || same_set => Size::Few,
                _ => Size::Whole,
            };
            let (kernel, channels) = self.block(size, traffic);
            blocks.push(Block { kernel, channels, first: done.min(plane.channels.saturating_sub(channels)) });
            done += channels;
        }
        blocks
    }

    /// Whether every row of the output begins on a cache line and holds a whole number of vectors.
    fn on_lines(&self, plane: &Plane) -> bool {
        let line = LINE / size_of::<f32>();
        plane.output.start.addr().is_multiple_of(LINE)
            && plane.output.stride.is_multiple_of(line)
            && plane.width.is_multiple_of(line)
            && SWEEP.is_multiple_of(self.lanes())
    }

    /// # Safety
    ///
    /// As [`plane`](Self::plane), out of place.
    unsafe fn blocks(&self, blocks: &[Block<'_>], plane: Plane, scratch: &mut Scratch) {
        for block in blocks {
            for columns in stretches(plane.width, SWEEP) {
                let source = |channel: usize| {
                    // SAFETY: a channel's row, from a column of the plane on.
                    unsafe { plane.input.start.add(channel * plane.input.stride + columns.start) }
                };
                // SAFETY: passed on.
                unsafe { self.run_block(block, columns.clone(), plane, source, scratch) };
            }
        }
    }

    /// # Safety
    ///
    /// As [`plane`](Self::plane), in place.
    unsafe fn blocks_in_place(&self, blocks: &[Block<'_>], plane: Plane, scratch: &mut Scratch) {
        let Plane { input, channels, .. } = plane;
        for columns in stretches(plane.width, SWEEP) {
            let span = columns.len();
            let [mut kept, mut next] = std::mem::take(&mut scratch.kept);
            let (mut kept_first, mut done) = (0, 0);
            for (index, block) in blocks.iter().enumerate() {
                let end = (block.first + block.channels).min(channels);
                // SAFETY: a channel's row, from a column of the plane on.
                let row = |channel: usize| unsafe { input.start.add(channel * input.stride + columns.start) };
                let source = |channel: usize| match channel.checked_sub(kept_first) {
                    Some(place) if channel < done => kept[place * span..].as_ptr(),
                    _ => row(channel),
                };
                next.clear();
                // What the next block reads of the rows that are overwritten by then.
                let next_first = blocks.get(index + 1).map_or(end, |next| next.first.saturating_sub(self.plan.before));
                for channel in next_first..end {
                    // SAFETY: kept rows hold `span` elements, and so do the plane's from its columns on.
                    next.extend_from_slice(unsafe { std::slice::from_raw_parts(source(channel), span) });
                }
                // SAFETY: passed on; no row is read where it was overwritten.
                unsafe { self.run_block(block, columns.clone(), plane, source, scratch) };
                std::mem::swap(&mut kept, &mut next);
                (kept_first, done) = (next_first, end);
            }
            scratch.kept = [kept, next];
        }
    }

    /// Runs a block over some columns; `source` gives a channel's row.
    ///
    /// # Safety
    ///
    /// As [`plane`](Self::plane); rows of `source` are readable over the columns.
    unsafe fn run_block(
        &self,
        &Block { kernel, first, channels: block }: &Block<'_>,
        columns: Range<usize>,
        Plane { output, channels, .. }: Plane,
        source: impl Fn(usize) -> *const f32,
        scratch: &mut Scratch,
    ) {
        scratch.rows.clear();
        for row in 0..input_rows(&self.plan, block) {
            let start = self.plan.tap(first + row, channels).map_or(ZEROS.as_ptr(), &source);
            scratch.rows.push(start.cast());
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
        // SAFETY: every row is valid over the columns: zeros and spare rows hold the longest stretch.
        unsafe { kernel.call(&scratch.rows, columns.len()) };
    }
}
