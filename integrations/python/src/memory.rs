//! [`Memory`]: a tensor in memory that Python lends for a call, and views of it. All addresses become pointers here.
#![allow(unsafe_code, reason = "views of memory that Python owns")]

use std::cmp::Reverse;
use std::ptr::NonNull;

use lrn_jit::{Element, ShapeError};
use ndarray::{
    ArrayBase, ArrayViewD, ArrayViewMutD, Axis, IxDyn, RawArrayView, RawArrayViewMut, RawData, ShapeBuilder,
    StrideShape,
};

/// Where the elements of a shape lie: that of index 0, and elements from one index of an axis to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory<'a> {
    pub(crate) address: usize,
    pub(crate) shape: &'a [usize],
    pub(crate) strides: &'a [isize],
}

impl<'a> Memory<'a> {
    /// A view to read from.
    ///
    /// # Safety
    ///
    /// At every index of the shape there is an aligned `E` that nobody writes during `'v`.
    pub(crate) unsafe fn view<'v, E: Element>(&self) -> ArrayViewD<'v, E> {
        let (shape, lowest) = self.upright::<E>();
        // SAFETY: passed on; the same elements, with their axes turned.
        self.turned(unsafe { RawArrayView::from_shape_ptr(shape, lowest).deref_into_view() })
    }

    /// A view to write to.
    ///
    /// # Safety
    ///
    /// At every index of the shape there is an aligned `E`, another one for each index ([`check_distinct`](Self::check_distinct)),
    /// that nobody else reads or writes during `'v`.
    pub(crate) unsafe fn view_mut<'v, E: Element>(&self) -> ArrayViewMutD<'v, E> {
        let (shape, lowest) = self.upright::<E>();
        // SAFETY: as above.
        self.turned(unsafe { RawArrayViewMut::from_shape_ptr(shape, lowest).deref_into_view_mut() })
    }

    /// The shape with all axes running forwards, from the lowest address: ndarray takes no others.
    fn upright<E>(&self) -> (StrideShape<IxDyn>, *mut E) {
        if self.is_empty() {
            // Its address may be 0 and its strides anything; no element is ever touched.
            return (IxDyn(self.shape).into(), NonNull::dangling().as_ptr());
        }
        let lowest = self.backwards().fold(self.address as *mut E, |first, axis| {
            first.wrapping_offset((self.shape[axis].cast_signed() - 1).wrapping_mul(self.strides[axis]))
        });
        let strides: Vec<_> = self.strides.iter().map(|stride| stride.unsigned_abs()).collect();
        (IxDyn(self.shape).strides(IxDyn(&strides)), lowest)
    }

    /// A view of [`upright`](Self::upright) with the axes in their own directions.
    fn turned<S: RawData>(&self, mut view: ArrayBase<S, IxDyn>) -> ArrayBase<S, IxDyn> {
        self.backwards().for_each(|axis| view.invert_axis(Axis(axis)));
        view
    }

    fn backwards(&self) -> impl Iterator<Item = usize> {
        let runs = |&axis: &usize| self.strides[axis] < 0 && self.shape[axis] > 1 && !self.is_empty();
        (0..self.shape.len()).filter(runs)
    }

    /// Checks that no two indices may be the same element, by the library's rule for outputs.
    pub(crate) fn check_distinct(&self) -> Result<(), ShapeError> {
        if self.is_empty() {
            return Ok(());
        }
        let mut span = 0usize;
        for axis in self.order().into_iter().rev().filter(|&axis| self.shape[axis] > 1) {
            let (extent, stride) = (self.shape[axis], self.strides[axis]);
            if stride.unsigned_abs() <= span {
                return Err(ShapeError::Overlap { axis, extent, stride, least: span + 1 });
            }
            span += (extent - 1) * stride.unsigned_abs();
        }
        Ok(())
    }

    /// The axes from the outermost in memory to the innermost. One of a single index lies anywhere: it stays before its neighbour.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut apart: Vec<_> = self.strides.iter().map(|stride| stride.unsigned_abs()).collect();
        for axis in (0..apart.len()).rev().filter(|&axis| self.shape[axis] <= 1) {
            apart[axis] = apart.get(axis + 1).copied().unwrap_or(0);
        }
        let mut order: Vec<_> = (0..apart.len()).collect();
        order.sort_by_key(|&axis| Reverse(apart[axis]));
        order
    }

    fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }
}
