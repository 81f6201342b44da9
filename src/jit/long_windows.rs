//! Drives the kernels of long windows over a plane: sums along the channels, then outputs from two of them.
//!
//! All rows of sums of a stretch are made before its first output; what outputs carry on from there are squares of channels that
//! are not written yet, or now. So an output is written after the same element was read for the last time: this works in place as
//! well.

use std::ptr;

use super::JitEngine;
use super::drive::{Plane, REST, Rows, SWEEP, Scratch, ZEROS, stretches};
use super::kernel::CompiledKernel;
use crate::arithmetic::cumulative::{Step, schedule};
use crate::codegen::COMBINED;
use crate::codegen::constants::Slot;
use crate::codegen::cumulative::COMBINE_ROWS;
use crate::lane::Lane;
use crate::task::Stage;

/// Bytes of half the sums of a long window: an eighth of a second-level cache, so that x and the output stay in it, too.
const TILE: usize = 1 << 17;

impl JitEngine {
    /// # Safety
    ///
    /// As [`plane`](Self::plane).
    pub(super) unsafe fn long_window<T: Lane>(&self, plane: Plane<T>, scratch: &mut Scratch<T>) {
        let accumulate = self.accumulate.as_ref().expect("a long window has its sums");
        // SAFETY: passed on.
        unsafe {
            if plane.in_place && !plane.width.is_multiple_of(self.lanes::<T>()) {
                self.cumulative_plane_in_place(accumulate, plane, scratch);
            } else {
                self.cumulative_plane(accumulate, plane, scratch);
            }
        }
    }

    /// # Safety
    ///
    /// As [`plane`](Self::plane); in place the width is a whole number of vectors.
    unsafe fn cumulative_plane<T: Lane>(&self, accumulate: &CompiledKernel, plane: Plane<T>, scratch: &mut Scratch<T>) {
        let Plane { inputs: [input, ..], outputs: [output, ..], channels, width, .. } = plane;
        let Scratch { rows, spare, sums, schedule: known, .. } = scratch;
        let schedule = known.get_or_insert_with(|| schedule(self.plan.reach(Stage::Forward), channels));
        let stretch = (2 * TILE / size_of::<T>() / schedule.rows.max(1) / REST * REST).clamp(REST, SWEEP);
        let stride = (stretch + REST).min(width.next_multiple_of(REST));
        // Two more: a carry, and the next one. (They are two because the last vector overlaps the one before it.)
        sums.resize((schedule.rows + 2) * stride, T::default());
        let sums = sums.as_mut_ptr();
        let turns = Slot::of(T::FORMAT, T::FORMAT.bits_of(schedule.turns));
        let bytes = |elements: usize, downwards: bool| {
            let bytes = elements.wrapping_mul(size_of::<T>());
            ptr::without_provenance(if downwards { bytes.wrapping_neg() } else { bytes })
        };
        for columns in stretches(width, stretch) {
            // SAFETY (both closures): rows of the plane from a column on; rows of the scratch.
            let x = |channel: usize| unsafe { input.start.add(channel * input.stride + columns.start) }.cast::<u8>();
            let sum = |row: Option<usize>| match row {
                Some(row) => unsafe { sums.add(row * stride) }.cast_const().cast::<u8>(),
                None => ZEROS.as_ptr().cast(),
            };
            let mut steps = schedule.steps.as_slice();
            // Which of two rows has the carry.
            let mut turn = 0;
            while let [step, rest @ ..] = steps {
                rows.clear();
                let kernel = match *step {
                    Step::Accumulate { start, channel, row, count, downwards, in_place } => {
                        steps = rest;
                        let sums_step = if in_place { 0 } else { stride };
                        let steps = [bytes(input.stride, downwards), bytes(sums_step, downwards)];
                        let count = ptr::without_provenance(count);
                        rows.extend([sum(start), x(channel), steps[0], sum(Some(row)), steps[1], count]);
                        accumulate
                    }
                    Step::Carry { .. } | Step::Combine { .. } => {
                        let joins =
                            |step: &&Step| matches!(step, Step::Combine { .. } | Step::Carry { fresh: false, .. });
                        let together = 1 + rest.iter().take(COMBINED - 1).take_while(joins).count();
                        let (kernel, group) = match self.combine_one() {
                            Some(one) if together < COMBINED => (one, 1),
                            _ => (&self.main, COMBINED),
                        };
                        let (now, later) = steps.split_at(group.min(together));
                        steps = later;
                        for step in now {
                            let (channel, sums) = match *step {
                                Step::Accumulate { .. } => unreachable!("outputs only are together"),
                                Step::Combine { channel, suffix, prefix, total } => {
                                    (channel, [sum(suffix), sum(prefix), sum(total)])
                                }
                                Step::Carry { channel, suffix, tap, .. } => {
                                    (channel, [sum(suffix), tap.map_or(sum(None), &x), sum(None)])
                                }
                            };
                            // A channel's row, from a column of the plane on.
                            let y = output.start.wrapping_add(channel * output.stride + columns.start);
                            rows.push(x(channel));
                            rows.extend(sums);
                            rows.push(y.cast_const().cast());
                        }
                        // Where the kernel of one cannot be had, channels that are none are computed, too.
                        for _ in now.len()..group {
                            spare.resize(SWEEP + REST, T::default());
                            rows.extend([ZEROS.as_ptr().cast(); COMBINE_ROWS - 1]);
                            rows.push(spare.as_mut_ptr().cast_const().cast());
                        }
                        if let Step::Carry { fresh, .. } = *step {
                            let carries = [schedule.rows, schedule.rows + 1].map(|row| sum(Some(row)));
                            rows.extend([if fresh { sum(None) } else { carries[turn] }, carries[1 - turn]]);
                            turn = 1 - turn;
                        } else {
                            rows.push((&raw const turns).cast());
                        }
                        kernel
                    }
                };
                // SAFETY: every row is valid over the stretch: a scratch row is `stride` long, and the schedule stays
                // within its rows and the channels.
                unsafe { kernel.call(rows, columns.len() * size_of::<T>()) };
            }
        }
    }

    /// Computes a plane in place that is no whole number of vectors: its last vector, which overlaps the one before it, from a
    /// copy made before.
    ///
    /// # Safety
    ///
    /// As [`plane`](Self::plane).
    unsafe fn cumulative_plane_in_place<T: Lane>(
        &self,
        accumulate: &CompiledKernel,
        plane: Plane<T>,
        scratch: &mut Scratch<T>,
    ) {
        let Plane { inputs: [input, ..], outputs: [output, ..], channels, width, .. } = plane;
        let lanes = self.lanes::<T>();
        let whole = width / lanes * lanes;
        let mut last = std::mem::take(&mut scratch.last);
        last.clear();
        for channel in 0..channels {
            // SAFETY: a channel's last vector.
            let row =
                unsafe { std::slice::from_raw_parts(input.start.add(channel * input.stride + width - lanes), lanes) };
            last.extend_from_slice(row);
        }
        // SAFETY: the plane's whole vectors; then the copy, and where it came from, which are two.
        unsafe {
            self.cumulative_plane(accumulate, Plane { width: whole, ..plane }, scratch);
            let input = Rows::new(last.as_ptr(), lanes);
            let output = Rows { start: output.start.add(width - lanes), ..output };
            let (inputs, outputs) = ([input; _], [output; _]);
            let aside = Plane { inputs, outputs, width: lanes, in_place: false, beyond: false, ..plane };
            self.cumulative_plane(accumulate, aside, scratch);
        }
        scratch.last = last;
    }
}
