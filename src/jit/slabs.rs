//! Drives the stages of a task over contiguous slabs, vectors along them whatever their axes are: channels last, windows over several
//! axes, and derivatives of all that has no kernel of its own.
//!
//! Some thousand elements at a time: the window sums of a stage ([`box_sums`](super::box_sums)), then one call of a kernel that knows no
//! window over all elements ([`elements`](super::elements)), then the next stage. What stands between stays in the caches. Halves are
//! widened first and rounded at the end.

use std::ops::Range;

use super::JitEngine;
use super::box_sums::BoxSums;
use super::drive::{BEYOND, Scratch};
use super::elements::{Row, RowOf, Rows, WIDEST};
use super::host::fence;
use super::kernel::CompiledKernel;
use crate::codegen::Sums;
use crate::element::Element;
use crate::geometry::Geometry;
use crate::interpreter::Interpreter;
use crate::lane::Lane;
use crate::region::boxes::Boxes;
use crate::region::part::BoxPart;
use crate::region::run;
use crate::task::{Source, Stage, Task};
use crate::tensor::{INPUTS, Part};
use crate::tile;

/// Numbers at a time: they, their sums and their results stay in a first-level cache of 48 KB (with 4096 of them channels last took 2 %
/// longer), and the kernel reads sums long after they were written, so that no load waits for two stores.
const GROUP: usize = 3 << 10;
/// Numbers of an axis whose taps the kernels add, at a time: some of a second-level cache.
const BAND: usize = 1 << 15;

/// What working on slabs takes.
pub(super) struct Work<'a, T> {
    pub(super) engine: &'a JitEngine,
    task: Task,
    /// What the kernels read.
    pub(super) kind: Sums,
    /// Of each stage.
    kernels: Vec<&'a CompiledKernel>,
    pub(super) sums: BoxSums<T>,
    /// By term.
    summed: [Row<T>; Stage::MOST.1],
    /// What a first stage makes.
    between: [Row<T>; Stage::MOST.2],
    /// Sums along some rows, where they are made row by row.
    #[cfg(target_arch = "x86_64")]
    pub(super) ring: Row<T>,
    /// Inputs and output that are no lanes, or not contiguous.
    copies: [Row<T>; INPUTS + 1],
}

impl<'a, T: Lane> Work<'a, T> {
    /// None where a kernel cannot be had. `past`: the last stage's outputs go past the caches.
    fn new(engine: &'a JitEngine, task: Task, kind: Sums, past: bool) -> Option<Self> {
        let stages = engine.plan().stages(task);
        let last = stages.len() - 1;
        let kernel = |(number, &(stage, _))| engine.elementwise_kernel(stage, kind, past && number == last);
        let kernels = stages.iter().enumerate().map(kernel).collect::<Option<Vec<_>>>()?;
        let (summed, between, copies) = Default::default();
        Some(Self {
            engine,
            task,
            kind,
            kernels,
            sums: BoxSums::new(),
            summed,
            between,
            #[cfg(target_arch = "x86_64")]
            ring: Row::default(),
            copies,
        })
    }

    /// Computes boxes that lie one behind the other, or those of their elements that are `written`; one at a time where kernels add
    /// taps.
    ///
    /// # Safety
    ///
    /// Inputs are readable over the boxes' elements, and the output writable over the written ones; it is one of the inputs, at the
    /// same elements, or apart. Where it goes past the caches, `beyond` says so.
    unsafe fn boxes(
        &mut self,
        boxes: &mut Boxes,
        inputs: [*const T; INPUTS],
        output: *mut T,
        written: Range<usize>,
        beyond: bool,
    ) {
        let elements = boxes.elements();
        let stages = self.engine.plan().stages(self.task);
        for (number, &(stage, sources)) in stages.iter().enumerate() {
            let last = number + 1 == stages.len();
            let mut read = [inputs[0]; Stage::MOST.0];
            for (read, &source) in read.iter_mut().zip(sources) {
                *read = match source {
                    Source::Input(input) => inputs[input],
                    Source::Before(output) => self.between[output].start(elements).cast_const(),
                };
            }
            let mut made = [output.wrapping_sub(written.start); Stage::MOST.2];
            let computed = if last { written.clone() } else { 0..elements };
            if !last {
                made.iter_mut().zip(&mut self.between).for_each(|(made, row)| *made = row.start(elements));
            }
            let (read, made) = (&read[..sources.len()], &made[..stage.outputs()]);
            // SAFETY: passed on; what a first stage makes is read by the second alone.
            unsafe { self.stage((number, stage), boxes, (read, made), computed, beyond && last) };
        }
    }

    /// Computes a stage, elements from each input to each output.
    ///
    /// # Safety
    ///
    /// As [`boxes`](Self::boxes).
    unsafe fn stage(
        &mut self,
        (number, stage): (usize, Stage),
        boxes: &mut Boxes,
        (inputs, outputs): (&[*const T], &[*mut T]),
        computed: Range<usize>,
        beyond: bool,
    ) {
        let (plan, lanes) = (self.engine.plan(), self.engine.lanes::<T>());
        let (elements, length, reach) = (boxes.elements(), boxes.extents[1], plan.reach(stage));
        // What the kernel adds are rows of the same sums, with zeros beyond the ends of the axis; some indices of that at a time.
        let by_tap = self.kind == Sums::ByTap;
        let inner = if by_tap { elements / length } else { 0 };
        #[cfg(target_arch = "x86_64")]
        if by_tap && !beyond {
            let wanted = computed.start / inner..computed.end / inner;
            // SAFETY: passed on.
            if unsafe { self.roll(stage, boxes, (inputs[0], outputs[0]), wanted) } {
                return;
            }
        }
        let (before, after) = (reach.before * inner, reach.after * inner);
        let step = if by_tap { (BAND / inner).max(1) } else { length };
        let margin = before.next_multiple_of(WIDEST);

        let mut rows = Rows::default();
        let terms = if plan.summation().is_some() { stage.terms() } else { &[] };
        let mut sums = [std::ptr::null_mut(); Stage::MOST.1];
        for (sums, summed) in sums.iter_mut().zip(&mut self.summed).take(terms.len()) {
            *sums = summed.start(margin + elements + after).wrapping_add(margin);
            let first = sums.wrapping_sub(before).cast_const();
            let taps = self.kind.rows(plan);
            (0..taps).for_each(|tap| rows.push(RowOf::Sums(first.wrapping_add(tap * inner))));
            // SAFETY: there is room around the sums.
            unsafe { sums.sub(before).write_bytes(0, before) };
        }
        inputs.iter().for_each(|&input| rows.push(RowOf::Input(input)));
        outputs.iter().for_each(|&output| rows.push(RowOf::Output(output)));

        let (mut start, mut done) = (computed.start, 0);
        while start < computed.end {
            let end = if by_tap { computed.end.min(start + step * inner) } else { computed.end };
            let needed = if by_tap { length.min(end / inner + reach.after) } else { length };
            boxes.extents[1] = needed - done;
            let at = done * inner;
            let mut from = [std::ptr::null(); Stage::MOST.0];
            from.iter_mut().zip(inputs).for_each(|(from, input)| *from = input.wrapping_add(at));
            for (&term, sums) in terms.iter().zip(sums) {
                // SAFETY: passed on; sums are rows of their own.
                unsafe {
                    let of = (&**plan, &*boxes, lanes);
                    self.sums.sum(of, (stage, term), &from[..inputs.len()], (self.kind, sums.add(at)));
                    if needed == length {
                        sums.add(elements).write_bytes(0, after);
                    }
                }
            }
            done = needed;
            // SAFETY: passed on; the sums were made.
            unsafe { self.engine.on_elements(self.kernels[number], &rows, start..end, beyond) };
            start = end;
        }
        boxes.extents[1] = length;
    }

    /// Computes slabs of a tensor, or where they are no lanes, copies of them.
    ///
    /// # Safety
    ///
    /// As [`boxes`](Self::boxes).
    unsafe fn slabs<E: Element<Lane = T>>(
        &mut self,
        boxes: &mut Boxes,
        inputs: [*const E; INPUTS],
        output: *mut E,
        written: Range<usize>,
        beyond: bool,
    ) {
        if E::NUMBER == self.engine.plan().number {
            // SAFETY: passed on; the lanes of these elements are their type.
            return unsafe { self.boxes(boxes, inputs.map(<*const E>::cast), output.cast(), written, beyond) };
        }
        let elements = boxes.elements();
        let mut lanes = [std::ptr::null(); INPUTS];
        for (input, lanes) in lanes.iter_mut().enumerate().take(self.task.inputs()) {
            let copy = self.copies[input].start(elements);
            // SAFETY: passed on; a copy has room.
            unsafe {
                let from = std::slice::from_raw_parts(inputs[input], elements);
                E::widen(from, std::slice::from_raw_parts_mut(copy, elements));
            }
            *lanes = copy.cast_const();
        }
        let result = self.copies[INPUTS].start(elements);
        // SAFETY: passed on; the kernels write every element of the result.
        unsafe {
            let count = written.len();
            self.boxes(boxes, lanes, result, written, false);
            let to = std::slice::from_raw_parts_mut(output.cast(), count);
            E::narrow(std::slice::from_raw_parts(result, count), to);
        }
    }
}

impl JitEngine {
    /// Computes a part of a tensor whose windows go along channels.
    pub(super) fn slabs<E: Element>(&self, task: Task, part: &mut Part<'_, E>) {
        let Geometry { channels, inner, .. } = part.geometry();
        let positions = part.positions();
        let slab = channels * inner;
        let (inputs, output, in_place) = part.pointers();
        let beyond = E::NUMBER == self.plan.number && part.geometry().elements() * size_of::<E>() >= BEYOND;
        let possible = self.accumulate.is_none() && self.plan.summation().is_some();
        let work = possible.then(|| Work::<E::Lane>::new(self, task, Sums::Whole, beyond && !in_place)).flatten();
        let (first, last) = (positions.start.div_ceil(inner), positions.end / inner);
        let Some(mut work) = work.filter(|_| first < last) else {
            return self.in_tiles(task, part, positions);
        };

        // The slabs that begin or end elsewhere.
        for rest in [positions.start..first * inner, last * inner..positions.end] {
            if !rest.is_empty() {
                self.in_tiles(task, part, rest);
            }
        }
        // Whole vectors at a time, where that is not too much.
        let unit = WIDEST >> slab.trailing_zeros().min(WIDEST.trailing_zeros());
        let group = if slab * unit > 2 * GROUP { 1 } else { (GROUP / slab / unit).max(1) * unit };
        let group = group.min(last - first);
        let mut boxes = Boxes { extents: vec![group, channels, inner], windows: vec![1] };
        for start in (first..last).step_by(group) {
            let count = group.min(last - start);
            boxes.extents[0] = count;
            let at = start * slab;
            // SAFETY: the slabs lie within the tensor, and their positions are this part's alone.
            unsafe {
                work.slabs::<E>(&mut boxes, inputs.map(|input| input.add(at)), output.add(at), 0..count * slab, beyond)
            };
        }
        if beyond {
            fence();
        }
    }

    /// Computes columns by way of packed tiles.
    fn in_tiles<E: Element>(&self, task: Task, part: &mut Part<'_, E>, positions: Range<usize>) {
        if task == Task::Forward {
            self.packed(part, positions, &mut Scratch::default());
        } else {
            tile::run::<E>(self, task, &mut part.cut(positions));
        }
    }

    /// Computes a part of a tensor of boxes.
    pub(crate) fn run_boxes<E: Element>(&self, task: Task, part: &mut BoxPart<'_, E>) {
        let Some(engine) = self.of_lanes() else { return self.interpret(task, part) };
        let (elements, in_place) = part.whole();
        let beyond = E::NUMBER == engine.plan.number && elements * size_of::<E>() >= BEYOND;
        let (slab, kind) = (part.slab(), engine.sums(part.inner()));
        let Some(mut work) = Work::<E::Lane>::new(engine, task, kind, false) else { return self.interpret(task, part) };
        // None where they cannot be had: then everything goes through the caches.
        let mut past = (beyond && !in_place).then(|| Work::<E::Lane>::new(engine, task, kind, true)).flatten();
        let together = if kind == Sums::ByTap { 1 } else { (GROUP / slab.max(1)).max(1) };
        for (piece, mut boxes) in part.pieces() {
            if let Some(written) = part.run(&piece) {
                let (inputs, output) = part.pointers(&piece);
                let beyond = beyond && (in_place || past.is_some());
                let work = past.as_mut().unwrap_or(&mut work);
                let slabs = boxes.extents[0];
                for start in (0..slabs).step_by(together) {
                    boxes.extents[0] = together.min(slabs - start);
                    let at = start * slab;
                    let written = if slabs == 1 { written.clone() } else { 0..boxes.extents[0] * slab };
                    // SAFETY: whole slabs of the tensor, or a band of one, whose output is this part's alone.
                    unsafe {
                        work.slabs::<E>(&mut boxes, inputs.map(|input| input.add(at)), output.add(at), written, beyond);
                    }
                }
                continue;
            }
            let elements = boxes.elements();
            let mut lanes = [std::ptr::null(); INPUTS];
            for (input, lanes) in lanes.iter_mut().enumerate().take(task.inputs()) {
                let copy = work.copies[input].start(elements);
                // SAFETY: a copy has room.
                let to = unsafe { std::slice::from_raw_parts_mut(copy, elements) };
                part.read(input, &piece, to, E::widen);
                *lanes = copy.cast_const();
            }
            let result = work.copies[INPUTS].start(elements);
            // SAFETY: copies of all that is read; the kernels write every element of the result.
            let result = unsafe {
                work.boxes(&mut boxes, lanes, result, 0..elements, false);
                std::slice::from_raw_parts(result, elements)
            };
            part.write(&piece, result, E::narrow);
        }
        if past.is_some() {
            fence();
        }
    }

    /// The same without code of its own: the compiler denied what it gave before.
    fn interpret<E: Element>(&self, task: Task, part: &mut BoxPart<'_, E>) {
        run::run::<E>(&Interpreter::new(self.plan.clone()), task, part);
    }
}
