//! [`Layout`]: a shape, strides and an offset, and what is checked about them before an address is computed.

use std::borrow::Cow;

use crate::error::ShapeError;

/// How a tensor lies in a slice: the element with index (i₀, i₁, …) is the slice's element offset + i₀·stride₀ + i₁·stride₁ + …
///
/// Strides and offset count elements. A stride may be negative (the axis is flipped; the offset is that of index 0, not of the
/// lowest address) or, in an input, zero (every index of the axis is the same element).
///
/// ```
/// use lrn_jit::Layout;
///
/// // Columns 1 to 3 of five rows of seven, the last row first.
/// let layout = Layout::strided(&[5, 3], &[-7, 1]).at(4 * 7 + 1);
/// assert_eq!(Layout::contiguous(&[5, 7]).at(2).offset(), 2);
/// # assert_eq!((layout.shape(), layout.offset()), (&[5, 3][..], 29));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout<'a> {
    shape: &'a [usize],
    /// None: contiguous.
    strides: Option<&'a [isize]>,
    offset: usize,
}

impl<'a> Layout<'a> {
    /// A tensor without gaps, the last axis innermost, that begins with the slice.
    #[must_use]
    pub const fn contiguous(shape: &'a [usize]) -> Self {
        Self { shape, strides: None, offset: 0 }
    }

    /// A tensor with a stride for each axis, index 0 at the slice's first element.
    #[must_use]
    pub const fn strided(shape: &'a [usize], strides: &'a [isize]) -> Self {
        Self { shape, strides: Some(strides), offset: 0 }
    }

    /// The same with index 0 at another element of the slice.
    #[must_use]
    pub const fn at(self, offset: usize) -> Self {
        Self { offset, ..self }
    }

    /// The extent of each axis.
    #[must_use]
    pub const fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// The stride of each axis.
    #[must_use]
    pub fn strides(&self) -> Cow<'a, [isize]> {
        match self.strides {
            Some(strides) => Cow::Borrowed(strides),
            None => Cow::Owned(contiguous(self.shape)),
        }
    }

    /// The element at index 0.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Checks that every element lies in a slice of `length`.
    pub(super) fn check_within(&self, what: &'static str, length: usize) -> Result<(), ShapeError> {
        let (shape, strides) = (self.shape, self.strides());
        if strides.len() != shape.len() {
            return Err(ShapeError::Strides { what, strides: strides.into(), shape: shape.into() });
        }
        if shape.contains(&0) {
            return Ok(());
        }
        let Some((first, last)) = self.reach(&strides) else {
            let offset = self.offset;
            return Err(ShapeError::Address { what, shape: shape.into(), strides: strides.into(), offset });
        };
        if first < 0 || last.cast_unsigned() >= length {
            return Err(ShapeError::Bounds { what, first, last, length });
        }
        Ok(())
    }

    /// The first and the last element in memory, unless they are beyond all memory.
    fn reach(&self, strides: &[isize]) -> Option<(isize, isize)> {
        let offset = isize::try_from(self.offset).ok()?;
        let (mut first, mut last) = (offset, offset);
        for (&extent, &stride) in self.shape.iter().zip(strides) {
            if extent > 1 {
                let span = isize::try_from(extent - 1).ok()?.checked_mul(stride)?;
                let end = if span < 0 { &mut first } else { &mut last };
                *end = end.checked_add(span)?;
            }
        }
        Some((first, last))
    }

    /// Checks that no two indices are the same element, of a layout that lies within a slice.
    ///
    /// Each stride must exceed the span of all axes of smaller strides. That is sufficient, and necessary unless axes are
    /// interlaced (extents 2 and 3 with strides 3 and 2), which no slicing of a tensor gives.
    pub(super) fn check_distinct(&self) -> Result<(), ShapeError> {
        if self.shape.contains(&0) {
            return Ok(());
        }
        let strides = self.strides();
        let mut axes: Vec<_> = (0..self.shape.len()).filter(|&axis| self.shape[axis] > 1).collect();
        axes.sort_by_key(|&axis| strides[axis].unsigned_abs());
        let mut span = 0;
        for axis in axes {
            let (extent, stride) = (self.shape[axis], strides[axis]);
            if stride.unsigned_abs() <= span {
                return Err(ShapeError::Overlap { axis, extent, stride, least: span + 1 });
            }
            span += (extent - 1) * stride.unsigned_abs();
        }
        Ok(())
    }
}

/// The strides of a tensor without gaps.
fn contiguous(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        // Wraps only where another extent is 0, and then no stride is used.
        strides[axis - 1] = strides[axis].wrapping_mul(shape[axis].cast_signed());
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reach_of_negative_and_zero_strides() {
        let layout = Layout::strided(&[3, 4, 5], &[-10, 2, 0]).at(20);
        assert_eq!(layout.reach(&layout.strides()), Some((0, 26)));
        assert_eq!(layout.check_within("input", 27), Ok(()));
        let error = layout.check_within("input", 26).unwrap_err();
        assert_eq!(error, ShapeError::Bounds { what: "input", first: 0, last: 26, length: 26 });
        assert!(layout.at(19).check_within("input", 27).is_err());
    }

    /// Against every pair of indices: what passes is distinct, and what does not is, or is interlaced.
    #[test]
    fn distinct_layouts_are_distinct() {
        let (mut passed, mut refused) = (0, 0);
        for extents in [[2, 3], [3, 3], [1, 4], [4, 2]] {
            for strides in (-8..=8).flat_map(|a| (-8..=8).map(move |b| [a, b])) {
                let layout = Layout::strided(&extents, &strides).at(100);
                let indices = (0..extents[0]).flat_map(|i| (0..extents[1]).map(move |j| [i, j]));
                let mut elements: Vec<_> =
                    indices.map(|[i, j]| i.cast_signed() * strides[0] + j.cast_signed() * strides[1]).collect();
                elements.sort_unstable();
                let distinct = elements.windows(2).all(|pair| pair[0] != pair[1]);
                if layout.check_distinct().is_ok() {
                    assert!(distinct, "{layout:?}");
                    passed += 1;
                } else {
                    let [a, b] = strides.map(isize::unsigned_abs);
                    assert!(!distinct || a.max(b) % a.min(b) != 0, "{layout:?}");
                    refused += 1;
                }
            }
        }
        assert!(passed > 100 && refused > 100, "{passed} {refused}");
    }
}
