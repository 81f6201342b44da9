//! [`Place`]: where a strided tensor lies in a slice, drawn at random.

use lrn_jit::Layout;

use super::rng::Rng;

/// A layout of some elements, and the length of the slice it lies in.
#[derive(Debug, Clone)]
pub struct Place {
    pub shape: Vec<usize>,
    pub strides: Vec<isize>,
    pub offset: usize,
    pub length: usize,
}

impl Place {
    pub fn layout(&self) -> Layout<'_> {
        Layout::strided(&self.shape, &self.strides).at(self.offset)
    }

    /// The index in the slice of every element, in the order of a contiguous tensor.
    pub fn elements(&self) -> Vec<usize> {
        let mut elements = vec![self.offset.cast_signed()];
        for (&extent, &stride) in self.shape.iter().zip(&self.strides) {
            let along = |first: isize| (0..extent.cast_signed()).map(move |i| first + i * stride);
            elements = elements.into_iter().flat_map(along).collect();
        }
        elements.into_iter().map(isize::cast_unsigned).collect()
    }

    /// The same in a slice that begins and ends with it.
    pub fn tight(mut self) -> Self {
        let elements = self.elements();
        let first = elements.iter().min().expect("an element");
        self.length = elements.iter().max().expect("an element") + 1 - first;
        self.offset -= first;
        self
    }

    /// A part of a larger tensor: its axes in any order in memory, with gaps, steps and flips, and now and then something
    /// before and after; inputs are broadcast along some axes.
    pub fn draw(rng: &mut Rng, shape: &[usize], broadcasts: bool) -> Self {
        let mut order: Vec<_> = (0..shape.len()).collect();
        if rng.one_in(2) {
            (1..order.len()).for_each(|i| order.swap(i, rng.below(i + 1)));
        }
        let plain = rng.one_in(4);
        let (mut strides, mut offset, mut length) = (vec![0; shape.len()], 0, 1);
        for &axis in order.iter().rev() {
            let broadcast = broadcasts && rng.one_in(8);
            let step = if rng.one_in(6) && !plain { rng.between(2, 3) } else { 1 };
            let gap = if rng.one_in(4) && !plain { rng.between(1, 3) } else { 0 };
            let first = rng.below(gap + 1);
            if broadcast {
                continue;
            }
            let last = first + (shape[axis] - 1) * step;
            let flipped = rng.one_in(6) && !plain;
            strides[axis] = (step * length).cast_signed() * if flipped { -1 } else { 1 };
            offset += length * if flipped { last } else { first };
            length *= last + 1 + (gap - first);
        }
        let before = if rng.one_in(3) { rng.between(1, 9) } else { 0 };
        let after = if rng.one_in(3) { rng.between(1, 9) } else { 0 };
        Self { shape: shape.to_vec(), strides, offset: offset + before, length: before + length + after }
    }
}

/// A shape of rank 2 to 6 with at most so many elements.
pub fn shape(rng: &mut Rng, most: usize) -> Vec<usize> {
    let mut shape = vec![1; rng.between(2, 6)];
    for axis in 0..shape.len() {
        let room = most / shape.iter().product::<usize>();
        shape[axis] = rng.pick(&[1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 33, 70, 300]).min(room.max(1));
    }
    (1..shape.len()).for_each(|i| shape.swap(i, rng.below(i + 1)));
    shape
}
