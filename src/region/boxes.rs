//! [`Boxes`]: a contiguous tensor as few axes, some of which windows extend over.

use crate::plan::Reach;

/// Extents from the outermost axis to the innermost, the first of which has no windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boxes {
    /// Axes without windows that follow one another are one.
    pub(crate) extents: Vec<usize>,
    /// The axes that windows extend over, in the order in which they are summed.
    pub(crate) windows: Vec<usize>,
}

/// The windows along one axis of a contiguous run of slabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Along {
    /// Slabs.
    pub(crate) count: usize,
    /// The axis's extent.
    pub(crate) length: usize,
    /// Elements from one index to the next.
    pub(crate) inner: usize,
    pub(crate) reach: Reach,
}

impl Along {
    /// Elements of all slabs.
    pub(crate) fn elements(&self) -> usize {
        self.count * self.length * self.inner
    }
}

impl Boxes {
    /// The boxes of a shape whose windows extend over `axes`, in the order of the sums.
    pub(crate) fn new(shape: &[usize], axes: &[usize]) -> Self {
        // An empty tensor's other extents need not have a product.
        let empty: Vec<usize>;
        let shape = if shape.contains(&0) {
            empty = vec![0; shape.len()];
            &empty
        } else {
            shape
        };
        let mut extents = vec![1];
        let mut windows = vec![0; axes.len()];
        let mut merges = true;
        for (axis, &extent) in shape.iter().enumerate() {
            let place = axes.iter().position(|&window| window == axis);
            match place {
                None if merges => *extents.last_mut().expect("one at least") *= extent,
                _ => extents.push(extent),
            }
            if let Some(place) = place {
                windows[place] = extents.len() - 1;
            }
            merges = place.is_none();
        }
        Self { extents, windows }
    }

    /// Elements of all boxes.
    pub(crate) fn elements(&self) -> usize {
        self.extents.iter().product()
    }

    /// The passes that sum a window, in order.
    pub(crate) fn passes(&self, reach: Reach) -> impl ExactSizeIterator<Item = Along> {
        self.windows.iter().map(move |&axis| Along {
            count: self.extents[..axis].iter().product(),
            length: self.extents[axis],
            inner: self.extents[axis + 1..].iter().product(),
            reach,
        })
    }

    /// The same windows over other extents.
    pub(crate) fn with_extents(&self, extents: Vec<usize>) -> Self {
        Self { extents, windows: self.windows.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_without_windows_are_merged() {
        let boxes = Boxes::new(&[2, 3, 4, 5], &[3, 2]);
        assert_eq!((&boxes.extents[..], &boxes.windows[..]), (&[6, 4, 5][..], &[2, 1][..]));
        let boxes = Boxes::new(&[2, 3, 4, 5, 6], &[3, 1]);
        assert_eq!((&boxes.extents[..], &boxes.windows[..]), (&[2, 3, 4, 5, 6][..], &[3, 1][..]));
        let boxes = Boxes::new(&[4, 5, 6, 7], &[1, 0]);
        assert_eq!((&boxes.extents[..], &boxes.windows[..]), (&[1, 4, 5, 42][..], &[2, 1][..]));
    }
}
