//! Drives the channels-last kernel: whole slabs, some at a time, their squares in a padded copy.
//!
//! A kernel reads x only where it writes y, so this works in place too; but there the last vector of a slab must not overlap
//! the one before it, and slabs that are no whole number of vectors are packed into columns instead.

use std::ptr;

use super::JitEngine;
use super::drive::Scratch;
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
        let (input, output, in_place) = part.pointers_in_place();
        let whole_vectors = slab.is_multiple_of(self.lanes());
        let kernel = self.channels_last().filter(|_| slab >= self.lanes() && (whole_vectors || !in_place));
        let (first, last) = (positions.start.div_ceil(inner), positions.end / inner);
        let Some(kernel) = kernel.filter(|_| first < last) else {
            return self.packed(part, positions, scratch);
        };

        let (before, after) = (self.plan.before * inner, self.plan.after * inner);
        let padded = before + slab + after;
        let group = (SQUARES / padded).clamp(1, last - first);
        let mut squares = vec![0.0f32; padded * group];
        for start in (first..last).step_by(group) {
            let count = group.min(last - start);
            for (index, squares) in squares.chunks_exact_mut(padded).take(count).enumerate() {
                // SAFETY: slab `start + index` lies within the tensor, and its positions are this part's alone; the
                // kernel has not been given it yet.
                let x = unsafe { std::slice::from_raw_parts(input.add((start + index) * slab), slab) };
                for (square, x) in squares[before..].iter_mut().zip(x) {
                    *square = x * x;
                }
                for tap in (0..self.plan.before).chain(self.plan.before + channels..padded / inner) {
                    if let Some(channel) = self.plan.tap(tap, channels) {
                        let from = before + channel * inner;
                        squares.copy_within(from..from + inner, tap * inner);
                    }
                }
            }
            scratch.rows.clear();
            let taps = self.plan.before + 1 + self.plan.after;
            let tap = |tap: usize| squares[tap * inner..].as_ptr().cast::<u8>();
            scratch.rows.extend((0..taps).map(tap));
            let bytes = |elements: usize| ptr::without_provenance(elements * size_of::<f32>());
            // SAFETY: the slabs lie within the tensor.
            let (x, y) = unsafe { (input.add(start * slab), output.add(start * slab)) };
            let counts = [bytes(slab), bytes(padded), ptr::without_provenance(count)];
            scratch.rows.extend([x.cast(), y.cast_const().cast()]);
            scratch.rows.extend(counts);
            // SAFETY: tap `t` of the last element of the last slab is the last element of its padded copy. An element of
            // y is written after the same element of x is read; only out of place is one written twice.
            unsafe { kernel.call(&scratch.rows, slab) };
        }
        // The slabs that begin or end elsewhere.
        for rest in [positions.start..first * inner, last * inner..positions.end] {
            if !rest.is_empty() {
                self.packed(part, rest, scratch);
            }
        }
    }
}
