//! Arrays of the crate ndarray: views of any rank, order and sign of strides, as pairs.
#![allow(unsafe_code, reason = "a view's elements by address, and an array initialized by a layer")]

use std::cmp::Reverse;
use std::mem::MaybeUninit;

use ndarray::{Array, ArrayView, ArrayViewMut, Axis, Dimension};

use super::pair::Pair;
use crate::element::Element;
use crate::error::ShapeError;
use crate::executor::Serial;
use crate::forward::OnExecutor;
use crate::layer::LocalResponseNorm;

impl<E: Element> LocalResponseNorm<E> {
    /// Normalizes a view into a new array. Where the view is dense in memory, the array lies as it does (as with ndarray's own
    /// `map`), and nothing is copied on the way; else it has the standard layout. The feature `ndarray` has this.
    ///
    /// ```
    /// use lrn_jit::LocalResponseNorm;
    /// use ndarray::{Array4, s};
    ///
    /// let x = Array4::<f32>::ones((2, 8, 5, 5));
    /// let y = LocalResponseNorm::new(5)?.forward_view(x.slice(s![.., .., 1..4, 1..4]))?;
    /// assert_eq!(y.shape(), [2, 8, 3, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if the view has rank under 2 or no such channel axis.
    pub fn forward_view<D: Dimension>(&self, x: ArrayView<'_, E, D>) -> Result<Array<E, D>, ShapeError> {
        self.with_executor(&Serial).forward_view(x)
    }

    /// Normalizes a view into another one of the same shape, wherever both lie; by the rules of
    /// [`forward_strided`](Self::forward_strided). The feature `ndarray` has this.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if the shapes differ, have rank under 2 or no such channel axis.
    pub fn forward_view_into<D: Dimension>(
        &self,
        x: ArrayView<'_, E, D>,
        y: ArrayViewMut<'_, E, D>,
    ) -> Result<(), ShapeError> {
        self.with_executor(&Serial).forward_view_into(x, y)
    }
}

impl<E: Element> OnExecutor<'_, E> {
    /// As [`LocalResponseNorm::forward_view`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward_view`].
    pub fn forward_view<D: Dimension>(&self, x: ArrayView<'_, E, D>) -> Result<Array<E, D>, ShapeError> {
        let windows = self.common_windows(x.shape(), x.shape())?;
        let mut y = like(&x);
        let first = (x.as_ptr(), y.as_mut_ptr().cast());
        // SAFETY: a view's elements may be read while it lives; the array has the view's shape, and its elements are its own.
        let pair = unsafe { Pair::new(first, x.shape(), (x.strides(), y.strides()), &windows) };
        self.run_pair(pair);
        // SAFETY: every element of the pair was written.
        Ok(unsafe { y.assume_init() })
    }

    /// As [`LocalResponseNorm::forward_view_into`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward_view_into`].
    pub fn forward_view_into<D: Dimension>(
        &self,
        x: ArrayView<'_, E, D>,
        mut y: ArrayViewMut<'_, E, D>,
    ) -> Result<(), ShapeError> {
        let windows = self.common_windows(x.shape(), y.shape())?;
        let first = (x.as_ptr(), y.as_mut_ptr());
        // SAFETY: a view's elements may be read while it lives; those of a mutable view are its own, and another for each
        // index. Both views live to the end of this function.
        let pair = unsafe { Pair::new(first, x.shape(), (x.strides(), y.strides()), &windows) };
        self.run_pair(pair);
        Ok(())
    }
}

/// An array that lies in memory as a view does, if that has no gaps; else one of the standard layout.
fn like<E: Element, D: Dimension>(view: &ArrayView<'_, E, D>) -> Array<MaybeUninit<E>, D> {
    let (shape, strides) = (view.shape(), view.strides());
    let order = if view.is_standard_layout() { None } else { memory_order(shape, strides) };
    let Some(order) = order else { return Array::uninit(view.raw_dim()) };
    // Place by place in memory, and back.
    let (mut extents, mut places) = (view.raw_dim(), view.raw_dim());
    for (place, &axis) in order.iter().enumerate() {
        (extents[place], places[axis]) = (shape[axis], place);
    }
    let mut array = Array::uninit(extents).permuted_axes(places);
    for axis in (0..shape.len()).filter(|&axis| strides[axis] < 0 && shape[axis] > 1) {
        array.invert_axis(Axis(axis));
    }
    array
}

/// The axes from the outermost in memory to the innermost, if there are no gaps.
fn memory_order(shape: &[usize], strides: &[isize]) -> Option<Vec<usize>> {
    let mut order: Vec<_> = (0..shape.len()).collect();
    // Axes of one index and empty tensors lie anywhere.
    let apart = |axis: usize| if shape[axis] > 1 { strides[axis].unsigned_abs() } else { 0 };
    order.sort_by_key(|&axis| Reverse(apart(axis)));
    let mut elements = 1;
    let dense = order.iter().rev().filter(|&&axis| shape[axis] != 1).all(|&axis| {
        let dense = apart(axis) == elements;
        elements *= shape[axis];
        dense
    });
    dense.then_some(order)
}
