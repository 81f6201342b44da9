//! Drives the stages of derivatives.
//!
//! Planes, with windows that were unrolled: blocks of channels where they lie, as in the forward pass ([`blocks`](super::blocks)).
//! Of two stages the first runs ahead of the second, block by block, over stretches of columns; what it makes are rows of a ring,
//! which hold the channels that a block of the second still reads.
//!
//! ```text
//! channels   0 1 2 3 4 5 6 7 8 9 …         size 5, blocks of four
//! Gradient   ■ ■ ■ ■ ■ ■ ■ ■               r, h of 0 … 7 stand in the ring
//! Gather     ■ ■ ■ ■                       0 … 3 need h of −2 … 5
//! ```
//!
//! Halves are widened first, stretch by stretch. Everything else has vectors along whole slabs ([`slabs`](super::slabs)); what does not
//! begin or end with a slab there, and planes of less than a vector, are packed into tiles ([`passes`](crate::passes)).

use super::FEW;
use super::JitEngine;
use super::blocks::Block;
use super::drive::{BEYOND, Plane, REST, Rows, SWEEP, Scratch, ZEROS, stretches};
use crate::codegen::{Sums, Traffic, backward};
use crate::config::Boundary;
use crate::element::Element;
use crate::interpreter::Interpreter;
use crate::lane::Lane;
use crate::passes::{Elementwise, Pass, run_tile};
use crate::region::run::{BoxTile, stages};
use crate::task::{Source, Stage, Task};
use crate::tensor::{INPUTS, Part};
use crate::tile::{self, Tile, TileEngine};

/// Bytes of what stands between two stages: some of a second-level cache.
const BETWEEN: usize = 1 << 19;
/// Elements of a channel's rows that are widened at a time, over all channels: with those of a gradient and of the result some of a
/// second-level cache.
const WIDENED: usize = 1 << 15;
/// Vectors of the shortest row that is worked on as a row.
const SHORTEST: usize = 6;

impl<T: Lane> TileEngine<T> for JitEngine {
    fn tile(&self, task: Task, tile: Tile<'_, T>) {
        run_tile(self.plan(), task, tile, self);
    }

    fn boxes(&self, task: Task, tile: BoxTile<'_, T>) {
        stages(self.plan(), task, tile, self);
    }
}

impl<T: Lane> Elementwise<T> for JitEngine {
    fn elementwise(&self, stage: Stage, pass: Pass<'_, T>) {
        let Some(kernel) = self.elementwise_kernel(stage, Sums::Whole, false) else {
            return Interpreter::new(self.plan().clone()).elementwise(stage, pass);
        };
        let Pass { inputs, sums, outputs, elements } = pass;
        let mut rows: Vec<*const u8> = sums.iter().chain(inputs).map(|row| row[..elements].as_ptr().cast()).collect();
        rows.extend(outputs.iter_mut().map(|row| row[..elements].as_mut_ptr().cast_const().cast::<u8>()));
        // SAFETY: the rows hold so many elements, a vector at least; outputs are borrowed alone.
        unsafe { kernel.call(&rows, elements * size_of::<T>()) };
    }
}

impl JitEngine {
    /// Computes a derivative of a part of a tensor. Of elements that were widened, where this engine is for others.
    pub(super) fn derivative<E: Element>(&self, task: Task, part: &mut Part<'_, E>) {
        let geometry = part.geometry();
        let rows = geometry.inner >= self.lanes::<E>() * SHORTEST && geometry.channels > 1;
        let unrolled = self.plan().summation().is_some() && !self.plan().is_cumulative();
        if !rows || !unrolled {
            return self.slabs(task, part);
        }
        let widened = E::NUMBER != self.plan().number;
        let positions = part.positions();
        let (inputs, output, _) = part.pointers();
        let beyond = geometry.elements().saturating_mul(size_of::<E>()) >= BEYOND;
        let mut work =
            Work::<E::Lane> { engine: self, task, scratch: Scratch::default(), between: vec![], widened: vec![] };
        let mut position = positions.start;
        while position < positions.end {
            let (outer, s) = (position / geometry.inner, position % geometry.inner);
            let width = (geometry.inner - s).min(positions.end - position);
            let first = outer * geometry.channels * geometry.inner + s;
            let shape = (geometry.channels, geometry.inner);
            // SAFETY: rows begin at `first` and lie `inner` apart within the tensors' elements; the output at these positions is
            // this part's alone, and the inputs are other slices.
            let done = width >= self.lanes::<E>()
                && unsafe {
                    let (inputs, output) = (inputs.map(|input| input.add(first)), output.add(first));
                    if widened {
                        work.widened_planes(inputs, output, shape, width)
                    } else {
                        work.planes(inputs.map(<*const E>::cast), output.cast(), shape, width, beyond)
                    }
                };
            if !done {
                let mut rest = part.cut(position..position + width);
                tile::run::<E>(self, task, &mut rest);
            }
            position += width;
        }
    }
}

/// What a derivative of planes takes.
struct Work<'a, T> {
    engine: &'a JitEngine,
    task: Task,
    scratch: Scratch<T>,
    /// What the first stage makes.
    between: Vec<T>,
    /// Rows of inputs and output that were widened.
    widened: Vec<T>,
}

impl<T: Lane> Work<'_, T> {
    /// The same as [`planes`](Self::planes) of elements that are widened: stretch by stretch of columns, in copies.
    ///
    /// # Safety
    ///
    /// As there.
    unsafe fn widened_planes<E: Element<Lane = T>>(
        &mut self,
        inputs: [*const E; INPUTS],
        output: *mut E,
        (channels, inner): (usize, usize),
        width: usize,
    ) -> bool {
        let most = (WIDENED / channels / REST * REST).clamp(REST, SWEEP);
        for columns in stretches(width, most) {
            let stride = row_stride::<T>(columns.len());
            let copy = channels * stride;
            let mut widened = std::mem::take(&mut self.widened);
            widened.resize((INPUTS + 1) * copy, T::default());
            let (copies, result) = widened.split_at_mut(INPUTS * copy);
            for (copy, input) in copies.chunks_exact_mut(copy).zip(inputs).take(self.task.inputs()) {
                for (channel, row) in copy.chunks_exact_mut(stride).enumerate() {
                    // SAFETY: a stretch of a row of the input.
                    let from = unsafe {
                        std::slice::from_raw_parts(input.add(channel * inner + columns.start), columns.len())
                    };
                    E::widen(from, &mut row[..columns.len()]);
                }
            }
            let start = copies.as_ptr();
            let inputs = std::array::from_fn(|input| start.wrapping_add(input * copy));
            // SAFETY: rows of copies, and of the result, which is none of them.
            let done = unsafe { self.planes(inputs, result.as_mut_ptr(), (channels, stride), columns.len(), false) };
            if done {
                for (channel, row) in result.chunks_exact(stride).enumerate() {
                    // SAFETY: a stretch of a row of the output.
                    let to = unsafe {
                        let row = output.add(channel * inner + columns.start);
                        std::slice::from_raw_parts_mut(row.cast(), columns.len())
                    };
                    E::narrow(&row[..columns.len()], to);
                }
            }
            self.widened = widened;
            // A kernel is had for every stretch, or for none.
            if !done {
                return false;
            }
        }
        true
    }

    /// Computes planes; false, and nothing done, where a kernel cannot be had.
    ///
    /// # Safety
    ///
    /// Inputs and output are rows of `width` elements, a vector at least, `inner` apart; the output is none of the inputs.
    unsafe fn planes(
        &mut self,
        inputs: [*const T; INPUTS],
        output: *mut T,
        (channels, inner): (usize, usize),
        width: usize,
        beyond: bool,
    ) -> bool {
        let stages = self.engine.plan().stages(self.task);
        let empty = Plane {
            stage: Stage::Forward,
            inputs: [Rows::new(inputs[0], inner); _],
            outputs: [Rows::new(output, inner); _],
            channels,
            width,
            in_place: false,
            beyond,
        };
        let row = |input: usize| Rows::new(inputs[input], inner);
        let &[(first, sources), ref second @ ..] = stages else { unreachable!("a task has stages") };
        let mut plane = Plane { stage: first, ..empty };
        for (input, source) in plane.inputs.iter_mut().zip(sources) {
            let Source::Input(number) = *source else { unreachable!("a first stage has none before it") };
            *input = row(number);
        }
        let traffic = if beyond { Traffic::Beyond } else { Traffic::Cached };
        let crowded = self.engine.is_crowded(&plane, backward::block_channels(self.engine.plan()));
        if self.task == Task::Backward
            && backward::possible(self.engine.plan())
            // SAFETY: passed on.
            && unsafe { self.backward([inputs[0], inputs[1]], output, (channels, inner), width, (traffic, crowded)) }
        {
            return true;
        }
        let [(stage, sources)] = *second else {
            if self.engine.blocks_for(&plane, traffic).is_none() {
                return false;
            }
            // SAFETY: passed on.
            unsafe { self.engine.blocks(plane, &mut self.scratch) };
            return true;
        };
        // What the first makes is read soon.
        let last = Plane { stage, ..empty };
        let (Some(ahead), Some(behind)) =
            (self.engine.blocks_for(&plane, Traffic::Cached), self.engine.blocks_for(&last, traffic))
        else {
            return false;
        };
        let largest = |blocks: &[Block<'_>]| blocks.iter().map(|block| block.channels).max().unwrap_or(0);
        let reach = self.engine.plan().reach(stage);
        let ring = match reach.boundary {
            Boundary::Zero => channels.min(reach.before + reach.after + largest(&ahead) + largest(&behind)),
            Boundary::Wrap => channels,
        };
        let made = first.outputs();
        let most = (BETWEEN / size_of::<T>() / (made * ring) / REST * REST).clamp(REST, SWEEP);
        for columns in stretches(width, most) {
            let stride = row_stride::<T>(columns.len() + REST);
            self.between.resize(made * ring * stride, T::default());
            let between = self.between.as_mut_ptr();
            let rows = |output: usize| Rows { start: between.wrapping_add(output * ring * stride), stride, ring };
            // Of the stretch alone: the ring's rows begin with its first column.
            let from = |rows: Rows<*const T>| Rows { start: rows.start.wrapping_add(columns.start), ..rows };
            let mut first_plane = Plane { width: columns.len(), ..plane };
            first_plane.inputs = plane.inputs.map(from);
            let mut last_plane = Plane { width: columns.len(), ..last };
            for (number, output) in first_plane.outputs.iter_mut().enumerate().take(made) {
                *output = rows(number);
            }
            for (input, source) in last_plane.inputs.iter_mut().zip(sources) {
                *input = match *source {
                    Source::Input(number) => from(row(number)),
                    Source::Before(number) => {
                        let Rows { start, stride, ring } = rows(number);
                        Rows { start: start.cast_const(), stride, ring }
                    }
                };
            }
            last_plane.outputs =
                last.outputs.map(|rows| Rows { start: rows.start.wrapping_add(columns.start), ..rows });
            let mut ahead = ahead.iter();
            let mut done = 0;
            for block in &behind {
                let needed = match reach.boundary {
                    Boundary::Zero => channels.min(block.first + block.channels + reach.after),
                    Boundary::Wrap => channels,
                };
                while done < needed {
                    let Some(block) = ahead.next() else { break };
                    // SAFETY: rows of the plane and of the ring, all of the stretch's width.
                    unsafe { self.engine.call_on(block, &first_plane, 0..columns.len(), &mut self.scratch) };
                    done = block.first + block.channels;
                }
                // SAFETY: as before; what is read of the ring was made.
                unsafe { self.engine.call_on(block, &last_plane, 0..columns.len(), &mut self.scratch) };
            }
        }
        true
    }

    /// Both stages of the gradient at once, in blocks of few channels where rows crowd a set of the cache; false, and nothing done,
    /// where a kernel cannot be had.
    ///
    /// # Safety
    ///
    /// As [`planes`](Self::planes).
    unsafe fn backward(
        &mut self,
        [x, g]: [*const T; 2],
        output: *mut T,
        (channels, inner): (usize, usize),
        width: usize,
        (traffic, crowded): (Traffic, bool),
    ) -> bool {
        let plan = self.engine.plan();
        let (before, after) = (plan.before, plan.after);
        // The gradients of the last channels come `before` channels later.
        let end = channels + before;
        let mut blocks = vec![];
        let mut first = 0;
        while first < end {
            let Some((kernel, count)) = self.engine.backward(crowded || end - first <= FEW, traffic) else {
                return false;
            };
            blocks.push((kernel, first, backward::Rows::new(plan, count)));
            first += count;
        }
        let largest = blocks.iter().map(|(_, _, rows)| rows.channels).max().unwrap_or(0);
        let ring = before + after + largest;
        let most = (BETWEEN / size_of::<T>() / (2 * ring) / REST * REST).clamp(REST, SWEEP);
        let zeros = ZEROS.as_ptr().cast::<u8>();
        for columns in stretches(width, most) {
            let line = 64 / size_of::<T>();
            let stride = row_stride::<T>(columns.len());
            self.between.resize(2 * ring * stride + line, T::default());
            self.scratch.spare.resize(SWEEP + REST, T::default());
            let spare = self.scratch.spare.as_mut_ptr().cast_const().cast::<u8>();
            let start = self.between.as_mut_ptr();
            let start = start.wrapping_add(start.align_offset(64).min(line));
            let carried = [0, 1].map(|which| Rows { start: start.wrapping_add(which * ring * stride), stride, ring });
            // Rows of a tensor: zeros, or a row to be forgotten, beyond the edges.
            let of = |start: *const u8, channel: usize, beyond: *const u8| match channel.checked_sub(before) {
                Some(channel) if channel < channels => {
                    start.wrapping_add((channel * inner + columns.start) * size_of::<T>())
                }
                _ => beyond,
            };
            for &(kernel, first, block) in &blocks {
                let rows = &mut self.scratch.rows;
                rows.clear();
                let last = first + block.channels;
                // Channels are numbered from `before` on, here and below.
                rows.extend((first..first + block.taps).map(|channel| of(x.cast(), channel, zeros)));
                rows.extend((first..last).map(|channel| of(g.cast(), channel + before, zeros)));
                for (which, count) in [(0, block.carried_h), (1, block.carried_r)] {
                    let missing = count.saturating_sub(first);
                    rows.extend((0..missing).map(|_| zeros));
                    let ring = carried[which].offsets(first + missing - count..first);
                    rows.extend(ring.map(|offset| carried[which].start.wrapping_add(offset).cast_const().cast::<u8>()));
                }
                rows.extend((first..last).map(|channel| of(output.cast_const().cast(), channel, spare)));
                for (which, count) in [(0, block.left_h()), (1, block.left_r())] {
                    let ring = carried[which].offsets(last - count..last);
                    rows.extend(ring.map(|offset| carried[which].start.wrapping_add(offset).cast_const().cast::<u8>()));
                }
                // SAFETY: rows of the tensors from a column on, of the ring, of zeros and of what is forgotten, all at least so
                // long.
                unsafe { kernel.call(rows, columns.len() * size_of::<T>()) };
            }
        }
        true
    }
}

/// How far apart rows of so many numbers are: an odd number of cache lines, so that they do not share a set of the first-level cache.
fn row_stride<T>(width: usize) -> usize {
    let line = 64 / size_of::<T>();
    (width.div_ceil(line) | 1) * line
}
