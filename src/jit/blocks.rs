//! Drives block kernels over a plane, a block of channels at a time.
//!
//! * Out of place a block is swept over the whole plane before the next one: few long sequential streams are what memory
//!   likes best. The last block of channels overlaps the one before it and writes the same bits again.
//! * In place a block overwrites rows that the next one needs as taps (and, if it is the last and overlaps, as channels).
//!   Those rows are kept in a scratch first. Stretches come outermost, so that the scratch is some rows of one stretch. The last
//!   vector of a stretch may overlap the one before it, and would read what was written: a block computes it first, aside.
//! * Tensors beyond the caches have kernels of their own ([`Traffic`]).
//! * Taps beyond the edges read a row of zeros, or the rows at the other end of the ring.
//! * Rows that lie about a multiple of 4 KB apart share a set of a first-level cache, which holds eight or twelve of them: such
//!   planes have blocks of four channels.

use std::ops::Range;

use super::drive::{Plane, REST, SWEEP, Scratch, ZEROS, stretches};
use super::elements::ask_for;
use super::kernel::CompiledKernel;
use super::{FEW, JitEngine, Size};
use crate::codegen::Traffic;
use crate::codegen::block::{Layout, block_channels, most_block_channels};
use crate::config::Boundary;
use crate::plan::Plan;
use crate::task::Stage;

/// Bytes of a plane that a second-level cache holds, in and out.
const NEAR: usize = 1 << 19;
/// Bytes of a cache line.
const LINE: usize = 64;
/// Bytes of the shortest row that is written past the caches: its ends are not.
const SHORTEST_PAST: usize = 8 * LINE;
/// Lines of a row that its kernel does not ask for in time.
const FIRST_LINES: usize = 10;
/// Sets of a first-level cache: addresses of 4 KB repeat in it.
const SETS: usize = 64;
/// Lines of a set.
const WAYS: usize = 8;

/// The largest block of a stage of a derivative: with the sums of two terms, or of long windows, larger ones have frames of more
/// than a page.
pub(super) fn largest_of_stage(plan: &Plan, stage: Stage) -> Size {
    let short = stage.terms().len() == 1 && block_channels(plan) <= 8;
    if short { Size::Whole } else { Size::Few }
}

/// A kernel, and the channels that it computes.
pub(super) struct Block<'a> {
    kernel: &'a CompiledKernel,
    pub(super) first: usize,
    pub(super) channels: usize,
}

impl JitEngine {
    /// # Safety
    ///
    /// As [`plane`](Self::plane).
    pub(super) unsafe fn block_plane<T: Copy + Default>(&self, plane: Plane<T>, scratch: &mut Scratch<T>) {
        // SAFETY: passed on.
        unsafe {
            if plane.in_place {
                self.blocks_in_place(plane, scratch);
            } else {
                self.blocks(plane, scratch);
            }
        }
    }

    /// How the rows of a plane are best read and written.
    fn traffic<T>(&self, plane: &Plane<T>) -> Traffic {
        let line = LINE / size_of::<T>();
        if !plane.beyond || plane.in_place {
            Traffic::Cached
        } else if plane.outputs[0].stride.is_multiple_of(line) && plane.width >= SHORTEST_PAST / size_of::<T>() {
            Traffic::Past
        } else {
            Traffic::Beyond
        }
    }

    /// The blocks that cover a plane's channels, in order, if they can be had. The last may overlap the one before it.
    pub(super) fn blocks_for<T>(&self, plane: &Plane<T>, traffic: Traffic) -> Option<Vec<Block<'_>>> {
        let largest = self.largest_block(plane);
        let mut blocks = vec![];
        let mut done = 0;
        while done < plane.channels {
            let size = match plane.channels - done {
                1 => Size::One,
                ..=FEW => largest.min(Size::Few),
                _ => largest,
            };
            let (kernel, channels) = self.block(plane.stage, size, traffic)?;
            blocks.push(Block { kernel, channels, first: done.min(plane.channels.saturating_sub(channels)) });
            done += channels;
        }
        Some(blocks)
    }

    /// The largest block that a plane is worth.
    fn largest_block<T>(&self, plane: &Plane<T>) -> Size {
        if plane.stage != Stage::Forward {
            let largest = largest_of_stage(&self.plan, plane.stage);
            let fits = |size: &Size| size.channels(&self.plan) <= plane.channels;
            return [largest, Size::Few].into_iter().find(fits).unwrap_or(Size::One);
        }
        let (whole, most) = (block_channels(&self.plan), most_block_channels(&self.plan));
        let near = plane.in_place || plane.channels.saturating_mul(plane.width).saturating_mul(size_of::<T>()) <= NEAR;
        if plane.channels < FEW {
            Size::One
        } else if near && !plane.beyond && plane.channels >= most && !self.is_crowded(plane, most) {
            Size::Most
        } else if plane.channels >= whole && !self.is_crowded(plane, whole) {
            Size::Whole
        } else {
            Size::Few
        }
    }

    /// Whether more rows of a block lie in one set of a first-level cache than it holds.
    pub(super) fn is_crowded<T>(&self, plane: &Plane<T>, channels: usize) -> bool {
        self.in_one_set(plane, channels) > WAYS
    }

    /// How many rows of a block lie in one set of a first-level cache, where most do.
    fn in_one_set<T>(&self, plane: &Plane<T>, channels: usize) -> usize {
        let line = |start: usize, stride: usize, row: usize| (start + row * stride * size_of::<T>()) / LINE % SETS;
        let &Plane { inputs: [input, ..], outputs: [output, ..], in_place, stage, .. } = plane;
        let mut rows = [0; SETS];
        (0..Layout::new(&self.plan, stage, channels).taps)
            .for_each(|row| rows[line(input.start.addr(), input.stride, row)] += 1);
        if !in_place {
            (0..channels).for_each(|row| rows[line(output.start.addr(), output.stride, row)] += 1);
        }
        rows.into_iter().max().unwrap_or(0)
    }

    /// # Safety
    ///
    /// As [`plane`](Self::plane), out of place.
    pub(super) unsafe fn blocks<T: Copy + Default>(&self, plane: Plane<T>, scratch: &mut Scratch<T>) {
        let traffic = self.traffic(&plane);
        if traffic == Traffic::Past {
            // SAFETY: passed on.
            return unsafe { self.blocks_past(plane, scratch) };
        }
        let blocks = self.blocks_for(&plane, traffic).unwrap_or_default();
        for (index, block) in blocks.iter().enumerate() {
            if let Some(next) = blocks.get(index + 1).filter(|_| plane.beyond) {
                self.ask_for_rows(next, &plane);
            }
            for columns in stretches(plane.width, SWEEP) {
                // SAFETY: passed on.
                unsafe { self.call_on(block, &plane, columns, scratch) };
            }
        }
    }

    /// Asks for how the rows begin that a block will read and none before it did: within a row a kernel asks itself.
    fn ask_for_rows<T>(&self, block: &Block<'_>, plane: &Plane<T>) {
        let after = self.plan.reach(plane.stage).after;
        let last = (block.first + block.channels + after).min(plane.channels);
        let input = plane.inputs[0];
        for channel in (block.first + after).min(last)..last {
            let row = input.start.wrapping_add(input.offset(channel)).cast::<u8>();
            (0..FIRST_LINES).for_each(|line| ask_for(row.wrapping_add(line * LINE)));
        }
    }

    /// The columns between the first and the last border of a cache line past the caches, those at the ends as always.
    ///
    /// # Safety
    ///
    /// As [`plane`](Self::plane), out of place; rows of the output are whole lines apart, and two vectors long at least.
    unsafe fn blocks_past<T: Copy + Default>(&self, plane: Plane<T>, scratch: &mut Scratch<T>) {
        let lanes = self.lanes::<T>();
        let line = LINE / size_of::<T>();
        let head = plane.outputs[0].start.align_offset(LINE);
        let lines = (plane.width - head) / line * line;
        let [blocks, ends] =
            [Traffic::Past, Traffic::Cached].map(|traffic| self.blocks_for(&plane, traffic).unwrap_or_default());
        // They differ only where a kernel could not be had: then the one that `build()` compiled does all.
        let alike =
            blocks.iter().zip(&ends).all(|(block, end)| (block.first, block.channels) == (end.first, end.channels));
        for (block, end) in if alike { &blocks } else { &ends }.iter().zip(&ends) {
            // SAFETY: passed on. The streaming stores of a block are on borders of lines, and as wide as a line or a part.
            unsafe {
                if head > 0 {
                    self.call_on(end, &plane, 0..head.max(lanes), scratch);
                }
                for columns in stretches(lines, SWEEP) {
                    self.call_on(block, &plane, head + columns.start..head + columns.end, scratch);
                }
                if head + lines < plane.width {
                    self.call_on(end, &plane, plane.width - line..plane.width, scratch);
                }
            }
        }
    }

    /// Runs a block over some columns of a plane.
    ///
    /// # Safety
    ///
    /// As [`plane`](Self::plane), out of place; the columns are a vector at least.
    pub(super) unsafe fn call_on<T: Copy + Default>(
        &self,
        block: &Block<'_>,
        plane: &Plane<T>,
        columns: Range<usize>,
        scratch: &mut Scratch<T>,
    ) {
        self.name_rows(block, plane, columns.start, scratch);
        // SAFETY: rows of the plane, from a column on.
        unsafe { block.kernel.call(&scratch.rows, columns.len() * size_of::<T>()) };
    }

    /// # Safety
    ///
    /// As [`plane`](Self::plane), in place.
    unsafe fn blocks_in_place<T: Copy + Default>(&self, plane: Plane<T>, scratch: &mut Scratch<T>) {
        let blocks = self.blocks_for(&plane, Traffic::Cached).unwrap_or_default();
        let Plane { inputs: [input, ..], channels, width, .. } = plane;
        for columns in stretches(width, SWEEP) {
            let span = columns.len();
            let [mut kept, mut next] = std::mem::take(&mut scratch.kept);
            // The channels that were kept.
            let mut held = 0..0;
            for (index, block) in blocks.iter().enumerate() {
                let end = (block.first + block.channels).min(channels);
                let kept_row = |channel: usize| kept[(channel - held.start) * span..].as_ptr();
                next.clear();
                // What the next block reads of the rows that are overwritten by then.
                let next_first = blocks.get(index + 1).map_or(end, |next| next.first.saturating_sub(self.plan.before));
                for channel in next_first..end {
                    let row = if held.contains(&channel) {
                        kept_row(channel)
                    } else {
                        input.start.wrapping_add(input.offset(channel) + columns.start)
                    };
                    // SAFETY: kept rows hold `span` elements, and so do the plane's from its columns on.
                    next.extend_from_slice(unsafe { std::slice::from_raw_parts(row, span) });
                }
                self.name_rows(block, &plane, columns.start, scratch);
                let first_row = block.first.saturating_sub(self.plan.before);
                for channel in held.start.max(first_row)..held.end {
                    scratch.rows[channel + self.plan.before - block.first] = kept_row(channel).cast();
                }
                // SAFETY: no row is read where it was overwritten.
                unsafe { self.call_in_place(block, span, channels, scratch) };
                std::mem::swap(&mut kept, &mut next);
                held = next_first..end;
            }
            scratch.kept = [kept, next];
        }
    }

    /// Calls a block's kernel on the rows of the scratch, which are written where they are read. What of them is no whole vector
    /// is computed first, aside: a vector that overlaps the one before it, and the same bits where it does.
    ///
    /// # Safety
    ///
    /// The rows are the block's and hold `span` elements, a vector at least.
    unsafe fn call_in_place<T: Copy + Default>(
        &self,
        block: &Block<'_>,
        span: usize,
        channels: usize,
        scratch: &mut Scratch<T>,
    ) {
        let lanes = self.lanes::<T>();
        let rest = span % lanes;
        let inputs = Layout::new(&self.plan, Stage::Forward, block.channels).taps;
        if rest > 0 {
            let Scratch { rows, last_rows, aside, .. } = scratch;
            aside.resize(block.channels * lanes, T::default());
            last_rows.clear();
            last_rows.extend(rows[..inputs].iter().map(|row| row.wrapping_add((span - lanes) * size_of::<T>())));
            let results = aside.as_mut_ptr();
            last_rows
                .extend((0..block.channels).map(|row| results.wrapping_add(row * lanes).cast_const().cast::<u8>()));
            // SAFETY: the last vector of every row (one of zeros is longer than any stretch), and room for as many.
            unsafe { block.kernel.call(last_rows, lanes * size_of::<T>()) };
        }
        // SAFETY: whole vectors.
        unsafe { block.kernel.call(&scratch.rows, (span - rest) * size_of::<T>()) };
        if rest > 0 {
            let outputs = &scratch.rows[inputs..][..block.channels.min(channels)];
            for (row, last) in outputs.iter().zip(scratch.aside.chunks_exact(lanes)) {
                let row = row.cast::<T>().cast_mut();
                // SAFETY: the last vector of a row.
                unsafe { copy_vector(last.as_ptr().cast(), row.add(span - lanes).cast(), size_of_val(last)) };
            }
        }
    }

    /// Puts the addresses of a block's rows, from a column of the plane on, into the scratch: in the order of [`Layout`].
    fn name_rows<T: Copy + Default>(
        &self,
        block: &Block<'_>,
        plane: &Plane<T>,
        column: usize,
        scratch: &mut Scratch<T>,
    ) {
        let &Plane { stage, ref inputs, ref outputs, channels, .. } = plane;
        let Scratch { rows, spare, .. } = scratch;
        rows.clear();
        let reach = self.plan.reach(stage);
        let taps = block.first..block.first + Layout::new(&self.plan, stage, block.channels).taps;
        let zeros = ZEROS.as_ptr().cast::<u8>();
        let (tapped, own_inputs) = inputs[..stage.inputs()].split_at(stage.tapped());
        for input in tapped {
            let row = |channel: usize| input.start.wrapping_add(input.offset(channel) + column).cast();
            let before = reach.before;
            match reach.boundary {
                Boundary::Zero => {
                    // Taps before the first channel, taps that are channels, taps behind the last one.
                    let first = before.clamp(taps.start, taps.end);
                    let last = (before + channels).clamp(first, taps.end);
                    rows.extend((taps.start..first).map(|_| zeros));
                    let rows_of = input.offsets(first - before.min(first)..last - before.min(last));
                    rows.extend(rows_of.map(|offset| input.start.wrapping_add(offset + column).cast::<u8>()));
                    rows.extend((last..taps.end).map(|_| zeros));
                }
                Boundary::Wrap => {
                    rows.extend(taps.clone().map(|tap| reach.tap(tap, channels).map_or(zeros, row)));
                }
            }
        }
        let own = block.first..(block.first + block.channels).min(channels);
        let others = block.channels - own.len();
        for input in own_inputs {
            rows.extend(
                input.offsets(own.clone()).map(|offset| input.start.wrapping_add(offset + column).cast::<u8>()),
            );
            rows.extend((0..others).map(|_| zeros));
        }
        for output in &outputs[..stage.outputs()] {
            let targets = output.offsets(own.clone()).map(|offset| output.start.wrapping_add(offset + column));
            rows.extend(targets.map(|target| target.cast_const().cast::<u8>()));
            if others > 0 {
                spare.resize(SWEEP + REST, T::default());
                rows.extend((0..others).map(|_| spare.as_mut_ptr().cast_const().cast::<u8>()));
            }
        }
    }
}

/// Copies 16, 32 or 64 bytes.
///
/// # Safety
///
/// Both are valid for as many and do not overlap.
unsafe fn copy_vector(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: passed on. A known length is copied without a call.
    unsafe {
        match bytes {
            64 => to.copy_from_nonoverlapping(from, 64),
            32 => to.copy_from_nonoverlapping(from, 32),
            _ => to.copy_from_nonoverlapping(from, bytes),
        }
    }
}
