//! Tensors that need not be contiguous: views of larger ones, permuted, flipped, sliced, broadcast.
//!
//! 1. [`layout`]: what an input and an output are said to be is checked.
//! 2. [`axes`]: the two are walked together, along as few axes as possible, in the order of the output's memory. A permuted
//!    pair is contiguous again by then, with another channel axis.
//! 3. [`grid`]: patches that are contiguous are worked on where they lie, by the same kernels as everything else. If there
//!    are none, patches are small enough for a cache.
//! 4. [`pair`], [`copy`]: such a patch is put together in a tile, normalized there and written where it belongs; or put
//!    together in its place in the output and normalized there.
//!
//! What becomes of a column does not depend on where it is, so the bits are those of a contiguous tensor.

mod axes;
mod copy;
mod grid;
mod layout;
#[cfg(feature = "ndarray")]
mod ndarray;
mod pair;

use crate::element::Element;
use crate::error::ShapeError;
use crate::executor::Serial;
use crate::forward::{Complete, OnExecutor, Slices};
use crate::layer::LocalResponseNorm;
use crate::task::Task;
use crate::tensor::{assume_init, uninit};

use grid::Grid;
pub use layout::Layout;
use pair::{Pair, Patch};

impl<E: Element> LocalResponseNorm<E> {
    /// Normalizes elements of `x` that lie as `x_layout` says into elements of `y` that lie as `y_layout` says: views of
    /// larger tensors, permuted, flipped, sliced or, the input, broadcast. The channel axis counts axes of the layouts.
    ///
    /// The bits are those of [`forward`](Self::forward) on a contiguous copy, but no more than a small tile is ever copied:
    /// of layouts that are dense and ordered alike in memory (NHWC memory seen as NCHW) nothing is. Elements of `y` outside
    /// the layout stay as they are; on an error, all do.
    ///
    /// ```
    /// use lrn_jit::{Layout, LocalResponseNorm};
    ///
    /// // The middle of 5×5 planes, into planes of 3×3.
    /// let (x, mut y) = (vec![1.0f32; 2 * 8 * 5 * 5], vec![0.0; 2 * 8 * 3 * 3]);
    /// let shape = [2, 8, 3, 3];
    /// let middle = Layout::strided(&shape, &[8 * 25, 25, 5, 1]).at(5 + 1);
    /// LocalResponseNorm::new(5)?.forward_strided(&x, &middle, &mut y, &Layout::contiguous(&shape))?;
    /// # assert!(y.iter().all(|&y| y > 0.9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if the shapes differ, have rank under 2 or no such channel axis; if there is not a stride for each axis;
    /// if a layout leaves its slice; or if the output's elements may lie upon one another: sorted by size, each of its strides
    /// must exceed the span of the axes with smaller ones.
    pub fn forward_strided(
        &self,
        x: &[E],
        x_layout: &Layout<'_>,
        y: &mut [E],
        y_layout: &Layout<'_>,
    ) -> Result<(), ShapeError> {
        self.with_executor(&Serial).forward_strided(x, x_layout, y, y_layout)
    }
}

impl<E: Element> OnExecutor<'_, E> {
    /// As [`LocalResponseNorm::forward_strided`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward_strided`].
    pub fn forward_strided(
        &self,
        x: &[E],
        x_layout: &Layout<'_>,
        y: &mut [E],
        y_layout: &Layout<'_>,
    ) -> Result<(), ShapeError> {
        let windows = self.common_windows(x_layout.shape(), y_layout.shape())?;
        let pair = Pair::of_slices((x, x_layout), (uninit(y), y_layout), &windows)?;
        self.run_pair(pair);
        Ok(())
    }

    /// Checks two shapes, and gives the axes that windows extend over, in the order of their sums.
    fn common_windows(&self, input: &[usize], output: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let windows = self.layer().windows(input)?;
        if input != output {
            return Err(ShapeError::Shapes { input: input.into(), output: output.into() });
        }
        Ok(windows)
    }

    /// Computes every element of a pair.
    fn run_pair(&self, pair: Pair<'_, E>) -> Complete {
        let grid = Grid::new(pair.axes());
        let (patch, all) = (grid.elements(), grid.extents.iter().product());
        // Either each patch is cut for the threads, or the patches are dealt out to them.
        if grid.direct && (grid.patches() == 1 || self.tasks(patch) > 1) {
            let one_by_one = self.layer().with_executor(&Serial);
            return one_by_one.each(pair.split(grid, 1), |patches| patches.each(|patch| self.run_direct(patch)));
        }
        let (tasks, direct) = (self.tasks(all), grid.direct);
        let alone = self.layer().with_executor(&Serial);
        self.each(pair.split(grid, tasks), |patches| {
            let mut tile = vec![];
            patches.each(|patch| if direct { alone.run_direct(patch) } else { alone.run_packed(patch, &mut tile) });
        })
    }

    /// Computes a contiguous patch where it lies.
    fn run_direct(&self, mut patch: Patch<'_, E>) {
        let space = patch.space();
        let (x, y) = patch.contiguous();
        self.run(Task::Forward, Slices::Apart(&[x], y), &space);
    }

    /// Computes a patch by way of a tile, or of its own output, if that can be one.
    fn run_packed(&self, mut patch: Patch<'_, E>, tile: &mut Vec<E>) {
        let space = patch.space();
        if let Some(y) = patch.gather_in_output() {
            self.run(Task::Forward, Slices::InPlace(y), &space);
            return;
        }
        tile.reserve(patch.elements());
        let tile = &mut tile.spare_capacity_mut()[..patch.elements()];
        let y = if let Some(x) = patch.dense_input() {
            assume_init(tile, |tile| self.run(Task::Forward, Slices::Apart(&[x], tile), &space))
        } else {
            let elements = patch.gather(tile);
            self.run(Task::Forward, Slices::InPlace(elements), &space);
            elements
        };
        patch.scatter(y);
    }
}
