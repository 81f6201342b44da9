//! [`Grid`]: a pair of layouts cut into patches, each of all channels at some of the other axes' indices.
//!
//! 1. Inner axes that hold the channels and are dense in input and output are a contiguous tensor: if it is large enough, or
//!    all there is, each one is a patch, worked on where it lies.
//! 2. Else, if the output has the channels and all inside them in one piece that a cache holds, that is a patch. It is put
//!    together there and normalized in place.
//! 3. Else a patch is what is packed into a tile: the channels times as many columns as fit, of the output's innermost axes
//!    first. Where another axis is innermost in the input, some of its columns come before these, so that a cache line of
//!    the input serves one patch.

use std::ops::Range;

use super::axes::{Axes, Axis};

/// Elements of the smallest tensor inside a larger one that is a call of its own.
const DIRECT: usize = 1 << 11;
/// Elements of a tile, where the channels are few enough.
const TILE: usize = 1 << 16;
/// Elements of the largest slab that is put together in the output: what a second-level cache holds, or a little more.
const SLAB: usize = 1 << 19;
/// Elements of a cache line.
const LINE: usize = 16;

/// How an index space is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grid {
    /// Extents of the space.
    pub(super) extents: Vec<usize>,
    /// Extents of a patch; the last along an axis may be smaller.
    pub(super) steps: Vec<usize>,
    /// Patches are contiguous in memory, both ways.
    pub(super) direct: bool,
}

impl Grid {
    pub(super) fn new(axes: &Axes) -> Self {
        let extents: Vec<_> = axes.list.iter().map(|axis| axis.extent).collect();
        let dense = axes.dense_from();
        let inner: usize = extents[dense..].iter().product();
        let direct = dense <= axes.first_window() && (dense == 0 || inner >= DIRECT);
        let steps = if direct {
            extents.iter().enumerate().map(|(i, &extent)| if i < dense { 1 } else { extent }).collect()
        } else {
            slab(axes).unwrap_or_else(|| tile(&axes.list))
        };
        Self { extents, steps, direct }
    }

    /// How many patches there are.
    pub(super) fn patches(&self) -> usize {
        self.counts().product()
    }

    /// Elements of a patch that is not cut short.
    pub(super) fn elements(&self) -> usize {
        self.steps.iter().product()
    }

    /// The indices along each axis of one patch, the outermost axis first; patches are numbered with the innermost axis fastest.
    pub(super) fn ranges(&self, index: usize) -> Vec<Range<usize>> {
        let mut rest = index;
        let axes = self.counts().zip(self.extents.iter().zip(&self.steps)).rev();
        let mut ranges: Vec<_> = axes
            .map(|(count, (&extent, &step))| {
                let start = rest % count * step;
                rest /= count;
                start..extent.min(start + step)
            })
            .collect();
        ranges.reverse();
        ranges
    }

    fn counts(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator {
        self.extents.iter().zip(&self.steps).map(|(&extent, &step)| extent.div_ceil(step.max(1)))
    }
}

/// The extents of a tile.
fn tile(axes: &[Axis]) -> Vec<usize> {
    let mut steps: Vec<_> = axes.iter().map(|axis| if axis.window.is_some() { axis.extent } else { 1 }).collect();
    let columns = |i: &usize| axes[*i].window.is_none();
    let mut room = (TILE / steps.iter().product::<usize>().max(1)).max(1);
    let mut widen = |i: usize, most: usize| {
        let times = axes[i].extent.div_ceil(steps[i]).min(most).min(room);
        steps[i] = axes[i].extent.min(steps[i] * times);
        room /= times;
    };
    let along = |i: &usize| axes[*i].input.unsigned_abs();
    if let Some(i) = (0..axes.len()).filter(|i| along(i) > 0).min_by_key(along).filter(columns) {
        widen(i, LINE);
    }
    (0..axes.len()).rev().filter(columns).for_each(|i| widen(i, usize::MAX));
    // Patches of about the same size.
    axes.iter().zip(steps).map(|(axis, step)| axis.extent.div_ceil(axis.extent.div_ceil(step.max(1)).max(1))).collect()
}

/// The extents of a slab, the channels and all inside them, if its output is one piece, too large for a tile and not for a
/// cache.
fn slab(axes: &Axes) -> Option<Vec<usize>> {
    let channels = axes.first_window();
    let mut elements = 1;
    let dense = axes.list[channels..].iter().rev().all(|axis| {
        let dense = axis.output.cast_unsigned() == elements;
        elements *= axis.extent;
        dense
    });
    let extent = |(i, axis): (usize, &Axis)| if i < channels { 1 } else { axis.extent };
    (dense && elements > TILE && elements <= SLAB).then(|| axes.list.iter().enumerate().map(extent).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(shape: &[usize], input: &[isize], output: &[isize], window: usize) -> Grid {
        Grid::new(&Axes::new(shape, input, output, &[window]))
    }

    #[test]
    fn what_is_contiguous_is_one_patch() {
        let grid = grid(&[2, 3, 4], &[12, 4, 1], &[12, 4, 1], 1);
        assert_eq!((grid.direct, grid.patches(), grid.elements()), (true, 1, 24));
    }

    #[test]
    fn large_tensors_in_a_larger_one_are_patches_and_small_ones_are_not() {
        let strides = [96 * 100, 100, 1];
        assert_eq!(grid(&[7, 48, 100], &strides, &strides, 1).steps, [1, 48, 100]);
        let small = grid(&[7, 3, 100], &strides, &strides, 1);
        assert_eq!((small.direct, &small.steps[..]), (false, &[7, 3, 100][..]));
    }

    #[test]
    fn slabs_of_the_output_are_patches_where_a_cache_holds_them() {
        let (cropped, whole) = ([96 * 3025, 3025, 55, 1], |c: isize| [c * 2809, 2809, 53, 1]);
        assert_eq!(grid(&[5, 96, 53, 53], &cropped, &whole(96), 1).steps, [1, 96, 53, 53]);
        assert_eq!(grid(&[5, 1, 53, 53], &cropped, &whole(1), 1).steps, [5, 53, 53, 1]);
        assert!(grid(&[5, 960, 53, 53], &cropped, &whole(960), 1).elements() <= TILE);
    }

    #[test]
    fn tiles_hold_every_channel_and_not_much_more_than_they_should() {
        for (shape, input) in [
            ([5, 96, 53, 53], [96 * 3025, 3025, 55, 1]),
            ([5, 96, 53, 53], [96 * 3025, 3025, 1, 55]),
            ([5, 96, 53, 53], [96 * 3025, 1, 55 * 96, 96]),
            ([5, 100_000, 3, 3], [0, 9, 3, 0]),
            ([1000, 2, 100, 100], [0, -1, 0, 0]),
        ] {
            let [_, c, h, w] = shape.map(usize::cast_signed);
            // Rows of the output with a gap behind.
            let grid = grid(&shape, &input, &[c * h * (w + 1), h * (w + 1), w + 1, 1], 1);
            assert!(!grid.direct && grid.elements() <= TILE.max(shape[1]), "{grid:?}");
            assert!(grid.elements() >= TILE / 4, "{grid:?}");
        }
    }

    #[test]
    fn every_index_is_in_one_patch() {
        let grid = Grid { extents: vec![3, 5, 7], steps: vec![2, 5, 3], direct: false };
        let mut seen = vec![0; 3 * 5 * 7];
        for index in 0..grid.patches() {
            let ranges = grid.ranges(index);
            for (a, b) in ranges[0].clone().flat_map(|a| ranges[1].clone().map(move |b| (a, b))) {
                ranges[2].clone().for_each(|c| seen[(a * 5 + b) * 7 + c] += 1);
            }
        }
        assert_eq!((grid.patches(), seen), (6, vec![1; 105]));
        assert_eq!(Grid { extents: vec![0], steps: vec![0], direct: false }.patches(), 0);
    }
}
