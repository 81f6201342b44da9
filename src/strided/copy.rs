//! Copying elements from one strided place to another.
#![allow(unsafe_code, reason = "reads and writes at strides")]

/// Rows shorter than this are copied element by element: a call of memcpy costs more.
const SHORT: usize = 16;

/// An axis of a copy: elements from one index to the next, where they come from and where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) extent: usize,
    pub(super) from: isize,
    pub(super) to: isize,
}

/// Copies all elements of an index space, its outermost axis first.
///
/// # Safety
///
/// At every index there is an element to read at `from` and memory for one at `to`, and none is both.
pub(super) unsafe fn copy<E: Copy>(from: *const E, to: *mut E, ways: &[Way]) {
    let mut ways = ways.to_vec();
    ways.retain(|way| way.extent != 1);
    ways.dedup_by(|inner, outer| {
        let extent = inner.extent.cast_signed();
        let goes_on = outer.from == inner.from * extent && outer.to == inner.to * extent;
        if goes_on {
            *outer = Way { extent: outer.extent * inner.extent, ..*inner };
        }
        goes_on
    });
    // SAFETY: passed on; axes that go on from one another are one.
    unsafe { nest(from, to, &ways) };
}

/// # Safety
///
/// As [`copy`].
unsafe fn nest<E: Copy>(from: *const E, to: *mut E, ways: &[Way]) {
    // SAFETY (all): indices within the extents.
    match *ways {
        [] => unsafe { to.write(from.read()) },
        [way] => unsafe { row(from, to, way) },
        [outer, way] => {
            for i in 0..outer.extent.cast_signed() {
                unsafe { row(from.offset(i * outer.from), to.offset(i * outer.to), way) };
            }
        }
        [outer, ref inner @ ..] => {
            for i in 0..outer.extent.cast_signed() {
                unsafe { nest(from.offset(i * outer.from), to.offset(i * outer.to), inner) };
            }
        }
    }
}

/// # Safety
///
/// As [`copy`], of one axis.
unsafe fn row<E: Copy>(from: *const E, to: *mut E, way: Way) {
    let Way { extent, from: stride, to: step } = way;
    // SAFETY (all): indices within the extent; what is read is not written.
    if (stride, step) == (1, 1) && extent >= SHORT {
        return unsafe { from.copy_to_nonoverlapping(to, extent) };
    }
    for i in 0..extent.cast_signed() {
        unsafe { to.offset(i * step).write(from.offset(i * stride).read()) };
    }
}
