//! [`Geometry`]: a shape and a channel axis as {outer, channels, inner}.

use crate::error::ShapeError;
use crate::region::boxes::Boxes;
use crate::region::tiling::WHOLE;

/// Elements of rows that are worked on as rows, whatever the vectors.
const SHORT: usize = 128;

/// A tensor seen as `outer` slabs of `channels` rows of `inner` contiguous elements.
///
/// NCHW is {N, C, H·W}, NHWC is {N·H·W, C, 1}; every rank and axis is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) outer: usize,
    pub(crate) channels: usize,
    pub(crate) inner: usize,
}

impl Geometry {
    /// Checks that a tensor of a shape fits memory.
    pub(crate) fn check(shape: &[usize]) -> Result<(), ShapeError> {
        // An extent of 0 makes the tensor empty, whatever the others say; no product of the others is ever needed then.
        let product = || shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
        // Bytes of the largest element type must fit a signed size.
        let fits =
            shape.contains(&0) || product().is_some_and(|elements| elements <= isize::MAX as usize / size_of::<f64>());
        if fits { Ok(()) } else { Err(ShapeError::Overflow { shape: shape.to_vec() }) }
    }

    /// The geometry of a shape that was checked, with channels on `axis`.
    pub(crate) fn on_axis(shape: &[usize], axis: usize) -> Self {
        if shape.contains(&0) {
            return Self { outer: 0, channels: shape[axis], inner: 0 };
        }
        let product = |extents: &[usize]| extents.iter().product::<usize>();
        let (outer, inner) = (product(&shape[..axis]), product(&shape[axis + 1..]));
        // Slabs of one channel are one long row.
        if shape[axis] == 1 {
            return Self { outer: 1, channels: 1, inner: outer * inner };
        }
        Self { outer, channels: shape[axis], inner }
    }

    /// The geometry of a shape that was checked, where each element is its own window.
    pub(crate) fn flat(shape: &[usize]) -> Self {
        if shape.contains(&0) {
            return Self { outer: 0, channels: 1, inner: 0 };
        }
        Self { outer: 1, channels: 1, inner: shape.iter().product() }
    }

    /// Whether slabs are long, of short rows.
    pub(crate) fn is_long(&self) -> bool {
        self.inner < SHORT && self.channels * self.inner > WHOLE
    }

    /// The same as boxes.
    pub(crate) fn boxes(&self) -> Boxes {
        Boxes { extents: vec![self.outer, self.channels, self.inner], windows: vec![1] }
    }

    /// Elements of the tensor.
    pub(crate) fn elements(&self) -> usize {
        self.outer * self.channels * self.inner
    }

    /// Positions: columns of channels, numbered outer first.
    pub(crate) fn positions(&self) -> usize {
        self.outer * self.inner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(shape: &[usize], axis: usize) -> (usize, usize, usize) {
        let Geometry { outer, channels, inner } = Geometry::on_axis(shape, axis);
        (outer, channels, inner)
    }

    #[test]
    fn any_axis_is_the_middle_one() {
        assert_eq!(parts(&[2, 3, 4, 5], 1), (2, 3, 20));
        assert_eq!(parts(&[2, 3, 4, 5], 3), (24, 5, 1));
        assert_eq!(parts(&[2, 3], 0), (1, 2, 3));
        assert_eq!(parts(&[2, 1, 3], 1), (1, 1, 6));
        assert_eq!(parts(&[0, usize::MAX, 2], 1), (0, usize::MAX, 0));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for shape in [[1 << 32, 1 << 32], [1 << 31, 1 << 31]] {
            assert_eq!(Geometry::check(&shape), Err(ShapeError::Overflow { shape: shape.to_vec() }));
        }
        assert_eq!(Geometry::check(&[usize::MAX, 0, usize::MAX]), Ok(()));
    }
}
