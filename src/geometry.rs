//! [`Geometry`]: a shape and a channel axis as {outer, channels, inner}, with lengths checked once and for all.

use crate::error::ShapeError;

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
    /// The geometry of `shape` with channels on `axis` (negative from the end).
    pub(crate) fn new(shape: &[usize], axis: isize) -> Result<Self, ShapeError> {
        let rank = shape.len();
        if rank < 2 {
            return Err(ShapeError::Rank { rank, shape: shape.to_vec() });
        }
        let from_start = if axis < 0 { axis.checked_add_unsigned(rank) } else { Some(axis) };
        let index = from_start.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank);
        let Some(index) = index else {
            return Err(ShapeError::ChannelAxis { axis, rank });
        };
        // An extent of 0 makes the tensor empty, whatever the others say; no product of the others is ever needed then.
        if shape.contains(&0) {
            return Ok(Self { outer: 0, channels: shape[index], inner: 0 });
        }
        let product =
            |extents: &[usize]| extents.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
        // Bytes of the largest element type must fit a signed size.
        let fits = product(shape).is_some_and(|elements| elements <= isize::MAX as usize / size_of::<f64>());
        match (fits, product(&shape[..index]), product(&shape[index + 1..])) {
            // Slabs of one channel are one long row.
            (true, Some(outer), Some(inner)) if shape[index] == 1 => {
                Ok(Self { outer: 1, channels: 1, inner: outer * inner })
            }
            (true, Some(outer), Some(inner)) => Ok(Self { outer, channels: shape[index], inner }),
            _ => Err(ShapeError::Overflow { shape: shape.to_vec() }),
        }
    }

    /// Elements of the tensor.
    pub(crate) fn elements(&self) -> usize {
        self.outer * self.channels * self.inner
    }

    /// Positions: columns of channels, numbered outer first.
    pub(crate) fn positions(&self) -> usize {
        self.outer * self.inner
    }

    /// Checks a slice's length.
    pub(crate) fn check_length(&self, what: &'static str, actual: usize, shape: &[usize]) -> Result<(), ShapeError> {
        let expected = self.elements();
        if actual == expected {
            Ok(())
        } else {
            Err(ShapeError::Length { what, actual, expected, shape: shape.to_vec() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(shape: &[usize], axis: isize) -> (usize, usize, usize) {
        let Geometry { outer, channels, inner } = Geometry::new(shape, axis).unwrap();
        (outer, channels, inner)
    }

    #[test]
    fn axes_from_either_end() {
        assert_eq!(parts(&[2, 3, 4, 5], 1), (2, 3, 20));
        assert_eq!(parts(&[2, 3, 4, 5], -3), (2, 3, 20));
        assert_eq!(parts(&[2, 3, 4, 5], -1), (24, 5, 1));
        assert_eq!(parts(&[2, 3], 0), (1, 2, 3));
        assert_eq!(parts(&[0, usize::MAX, 2], 1), (0, usize::MAX, 0));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(Geometry::new(&[3], 0), Err(ShapeError::Rank { rank: 1, shape: vec![3] }));
        for axis in [2, -3, isize::MAX, isize::MIN] {
            assert_eq!(Geometry::new(&[2, 3], axis), Err(ShapeError::ChannelAxis { axis, rank: 2 }));
        }
        let shape = [1 << 32, 1 << 32];
        assert_eq!(Geometry::new(&shape, 1), Err(ShapeError::Overflow { shape: shape.to_vec() }));
        assert_eq!(
            Geometry::new(&[1 << 31, 1 << 31], 1).unwrap_err(),
            ShapeError::Overflow { shape: vec![1 << 31; 2] }
        );
    }
}
