//! Copying elements from one strided place to another.
//!
//! 1. Axes that go on from one another become one.
//! 2. Where elements that are neighbours in the source are not in the target, as in a transposition, the two axes are the
//!    inner ones and are copied square by square, so that a cache line is read once.
//! 3. Else rows are copied along the innermost axis; or along the longest one if that is short.
#![allow(unsafe_code, reason = "reads and writes at strides")]

use std::slice;

/// Rows shorter than this are copied across, along a longer axis.
const FEW: usize = 4;
/// Rows at least this long are copied this many elements at a time.
const RUN: usize = 16;
/// Rows as long as this are worth a call of memcpy.
const LONG: usize = 32;
/// A side of a square: elements of a cache line.
const SIDE: usize = 8;

/// An axis of a copy: elements from one index to the next, where they come from and where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) extent: usize,
    pub(super) from: isize,
    pub(super) to: isize,
}

/// Copies all elements of an index space, its outermost axis in the target first.
///
/// # Safety
///
/// At every index there is an element to read at `from` and memory for one at `to`, and none is both.
pub(super) unsafe fn copy<E: Copy>(from: *const E, to: *mut E, ways: &[Way]) {
    // SAFETY: passed on, of the same elements in another order.
    unsafe { nest(from, to, &arrange(ways)) };
}

/// The same elements along fewer axes, in the order they are best copied in.
fn arrange(ways: &[Way]) -> Vec<Way> {
    let mut ways: Vec<_> = ways.iter().copied().filter(|way| way.extent != 1).collect();
    ways.dedup_by(|inner, outer| {
        let extent = inner.extent.cast_signed();
        let goes_on = outer.from == inner.from * extent && outer.to == inner.to * extent;
        if goes_on {
            *outer = Way { extent: outer.extent * inner.extent, ..*inner };
        }
        goes_on
    });
    let Some(&last) = ways.last() else { return ways };
    let nearest = (0..ways.len()).filter(|&i| ways[i].from != 0).min_by_key(|&i| ways[i].from.unsigned_abs());
    if let Some(nearest) = nearest.filter(|&i| crosses(ways[i], last)) {
        let way = ways.remove(nearest);
        ways.insert(ways.len() - 1, way);
    } else if last.extent < FEW
        && let Some(longest) = (0..ways.len()).max_by_key(|&i| ways[i].extent)
    {
        let way = ways.remove(longest);
        ways.push(way);
    }
    ways
}

/// Whether `outer` is the inner one in the source, and it matters.
fn crosses(outer: Way, inner: Way) -> bool {
    outer.from.unsigned_abs() < inner.from.unsigned_abs() && outer.extent.min(inner.extent) >= FEW
}

/// # Safety
///
/// As [`copy`].
unsafe fn nest<E: Copy>(from: *const E, to: *mut E, ways: &[Way]) {
    // SAFETY (all): indices within the extents.
    match *ways {
        [] => unsafe { to.write(from.read()) },
        [inner] => unsafe { rows(from, to, Way { extent: 1, from: 0, to: 0 }, inner) },
        [outer, inner] if crosses(outer, inner) => unsafe { squares(from, to, outer, inner) },
        [outer, inner] => unsafe { rows(from, to, outer, inner) },
        [outer, ref inner @ ..] => {
            for i in 0..outer.extent.cast_signed() {
                unsafe { nest(from.offset(i * outer.from), to.offset(i * outer.to), inner) };
            }
        }
    }
}

/// Row by row.
///
/// # Safety
///
/// As [`copy`], of two axes.
unsafe fn rows<E: Copy>(from: *const E, to: *mut E, outer: Way, inner: Way) {
    let length = inner.extent;
    let each = Each { from, to, outer };
    // SAFETY (all): within the inner extent; what is read is not written.
    match (inner.from, inner.to) {
        (1, 1) if length >= LONG => each.row(|from, to| unsafe { from.copy_to_nonoverlapping(to, length) }),
        (1, 1) if length >= RUN => each.row(|from, to| unsafe { run::<E, RUN>(from, to, length) }),
        (1, 1) if length >= FEW => each.row(|from, to| unsafe { run::<E, FEW>(from, to, length) }),
        (-1, 1) if length >= RUN => each.row(|from, to| unsafe {
            let row = slice::from_raw_parts(from.offset(1 - length.cast_signed()), length);
            row.iter().rev().enumerate().for_each(|(i, &element)| to.add(i).write(element));
        }),
        (stride, step) => each.row(|from, to| {
            for i in 0..length.cast_signed() {
                unsafe { to.offset(i * step).write(from.offset(i * stride).read()) };
            }
        }),
    }
}

/// The rows of a copy.
struct Each<E> {
    from: *const E,
    to: *mut E,
    outer: Way,
}

impl<E> Each<E> {
    /// Hands the first element's addresses of each row to `row`.
    #[inline(always)]
    fn row(&self, row: impl Fn(*const E, *mut E)) {
        for i in 0..self.outer.extent.cast_signed() {
            row(self.from.wrapping_offset(i * self.outer.from), self.to.wrapping_offset(i * self.outer.to));
        }
    }
}

/// `length` ≥ N neighbours, N at a time; the last N overlap those before them.
///
/// # Safety
///
/// As [`copy`].
#[inline]
unsafe fn run<E: Copy, const N: usize>(from: *const E, to: *mut E, length: usize) {
    let last = length - N;
    for i in (0..last).step_by(N).chain([last]) {
        // SAFETY: within the length.
        unsafe { to.add(i).cast::<[E; N]>().write_unaligned(from.add(i).cast::<[E; N]>().read_unaligned()) };
    }
}

/// Square by square.
///
/// # Safety
///
/// As [`copy`], of two axes.
unsafe fn squares<E: Copy>(from: *const E, to: *mut E, outer: Way, inner: Way) {
    for i in (0..outer.extent).step_by(SIDE) {
        for j in (0..inner.extent).step_by(SIDE) {
            let (height, width) = (SIDE.min(outer.extent - i), SIDE.min(inner.extent - j));
            let (i, j) = (i.cast_signed(), j.cast_signed());
            // SAFETY (all): within the extents.
            unsafe {
                let from = from.offset(i * outer.from + j * inner.from);
                let to = to.offset(i * outer.to + j * inner.to);
                if (height, width, outer.from, inner.to) == (SIDE, SIDE, 1, 1) {
                    square(from, to, inner.from, outer.to);
                } else {
                    rows(from, to, Way { extent: height, ..outer }, Way { extent: width, ..inner });
                }
            }
        }
    }
}

/// The transpose of a square: rows `stride` apart become columns of rows `step` apart.
///
/// # Safety
///
/// As [`copy`].
#[inline]
unsafe fn square<E: Copy>(from: *const E, to: *mut E, stride: isize, step: isize) {
    // Pairs of a load and a store: a square held in registers spills.
    let columns: [*const E; SIDE] = std::array::from_fn(|j| from.wrapping_offset(j.cast_signed() * stride));
    for i in 0..SIDE {
        let row = to.wrapping_offset(i.cast_signed() * step);
        for (j, column) in columns.iter().enumerate() {
            // SAFETY: SIDE rows of SIDE neighbours, in source and target.
            unsafe { row.add(j).write(column.add(i).read()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every axis order, sign and extent around the borders, against element by element.
    #[test]
    fn every_element_is_copied() {
        let extents = [1, 2, 15, 16, 17, 33];
        for shape in extents.iter().flat_map(|&a| extents.map(|b| [a, b, 3])) {
            let [a, b, c] = shape.map(usize::cast_signed);
            for (from, to) in [
                ([b * c, c, 1], [b * c, c, 1]),
                ([b * c, c, 1], [1, a, a * b]),
                ([1, a, a * b], [b * c, c, 1]),
                ([b * c, c, -1], [b * c, c, 1]),
                ([c, a * c, 1], [b * c, c, 1]),
                ([c, -a * c, 1], [1, a * c, a]),
                ([0, -1, 0], [2 * b * c, 2 * c, 2]),
            ] {
                let ways: Vec<_> = (0..3).map(|i| Way { extent: shape[i], from: from[i], to: to[i] }).collect();
                let elements: Vec<u32> = (0..30_000).collect();
                let (mut copied, mut expected) = (vec![u32::MAX; 30_000], vec![u32::MAX; 30_000]);
                let first = 10_000;
                for (i, j, k) in (0..a).flat_map(|i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k)))) {
                    let at = |s: [isize; 3]| (i * s[0] + j * s[1] + k * s[2] + first).cast_unsigned();
                    expected[at(to)] = elements[at(from)];
                }
                let (source, target) = (elements.as_ptr(), copied.as_mut_ptr());
                // SAFETY: all indices lie within the vectors, by far.
                unsafe { copy(source.offset(first), target.offset(first), &ways) };
                assert!(copied == expected, "{ways:?}");
            }
        }
    }
}
