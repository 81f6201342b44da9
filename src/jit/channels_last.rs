//! Drives the channels-last kernel: whole slabs, some at a time, their squares in a padded copy.
//!
//! A kernel reads x only where it writes y, so this works in place too; but the last vector of a slab overlaps the one before
//! it, so that in place slabs that are no whole number of vectors are copied first.

use std::ptr;

use super::JitEngine;
use super::drive::Scratch;
use super::squares::{BORDER, Squares, bytes};
use crate::config::Boundary;
use crate::geometry::Geometry;
use crate::tensor::Part;

/// f32 of padded squares at a time: they stay in the first-level cache, and the kernel reads them long after they were
/// written, so that no load waits for two stores.
const SQUARES: usize = 1 << 12;

impl JitEngine {
    /// Computes a part whose `inner` is less than a vector.
    pub(super) fn slabs(&self, part: &mut Part<'_, f32>, scratch: &mut Scratch) {
        let Geometry { channels, inner, .. } = part.geometry();
        let positions = part.positions();
        let slab = channels * inner;
        let (input, output, in_place) = part.pointers();
        let whole_vectors = slab.is_multiple_of(self.lanes());
        let kernel = self.channels_last();
        let (first, last) = (positions.start.div_ceil(inner), positions.end / inner);
        let Some(kernel) = kernel.filter(|_| first < last) else {
            return self.packed(part, positions, scratch);
        };

        // The slabs that begin or end elsewhere.
        for rest in [positions.start..first * inner, last * inner..positions.end] {
            if !rest.is_empty() {
                self.packed(part, rest, scratch);
            }
        }
        if self.spreads(part.geometry()) {
            return self.short_slabs(kernel, part, first..last, scratch);
        }
        let (before, after) = (self.plan.before * inner, self.plan.after * inner);
        // Squares begin on the border of a widest vector, and so do those of every slab after it.
        let padded = (before + slab + after).next_multiple_of(BORDER);
        let group = (SQUARES / Squares::levels(&self.plan) / padded).clamp(1, last - first);
        let mut squares = Squares::new(&self.plan, padded * group, before, inner);
        let mut copy = vec![];
        for start in (first..last).step_by(group) {
            let count = group.min(last - start);
            for index in 0..count {
                // SAFETY: slab `start + index` lies within the tensor, and its positions are this part's alone; the
                // kernel has not been given it yet.
                let x = unsafe { std::slice::from_raw_parts(input.add((start + index) * slab), slab) };
                squares.square(index * padded + before, x);
            }
            if self.plan.boundary == Boundary::Wrap {
                squares.squares().chunks_exact_mut(padded).for_each(|squares| self.wrap(squares, channels, inner));
            }
            squares.sum_up(count * padded);
            scratch.rows.clear();
            scratch.rows.extend(squares.rows(&self.plan));
            // SAFETY: the slabs lie within the tensor.
            let (mut x, y) = unsafe { (input.add(start * slab), output.add(start * slab)) };
            if in_place && !whole_vectors {
                copy.clear();
                // SAFETY: the slabs lie within the tensor, and their positions are this part's alone.
                copy.extend_from_slice(unsafe { std::slice::from_raw_parts(x, count * slab) });
                x = copy.as_ptr();
            }
            let counts = [bytes(slab), bytes(padded), ptr::without_provenance(count)];
            scratch.rows.extend([x.cast(), y.cast_const().cast()]);
            scratch.rows.extend(counts);
            // SAFETY: tap `t` of the last element of the last slab is the last element of its padded copy. An element of
            // y is written after the same element of x is read; only out of place is one written twice.
            unsafe { kernel.call(&scratch.rows, slab) };
        }
    }

    /// Fills the room around a slab's squares from the other end of its ring.
    pub(super) fn wrap(&self, squares: &mut [f32], channels: usize, inner: usize) {
        let taps = self.plan.before + channels + self.plan.after;
        for tap in (0..self.plan.before).chain(self.plan.before + channels..taps) {
            if let Some(channel) = self.plan.tap(tap, channels) {
                let from = (self.plan.before + channel) * inner;
                squares.copy_within(from..from + inner, tap * inner);
            }
        }
    }
}
