//! [`Pair`]: an input and an output walked together wherever their elements lie, cut into patches that several threads may
//! work on at once. All addresses of strided tensors are computed here.
//!
//! Invariants: at every index within the extents, the input's address is an element that may be read and that nobody writes
//! during `'a`, and the output's is an element's memory that nobody else touches, another one for each index. What lies
//! between them may be anybody's, so no slice is made of more than a run of the pair's own elements.
#![allow(unsafe_code, reason = "disjoint writes from several threads, between elements that are others'")]

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use super::axes::{Axes, Axis};
use super::copy::{Way, copy};
use super::grid::Grid;
use super::layout::Layout;
use crate::element::Element;
use crate::error::ShapeError;
use crate::region::Space;

/// Where elements come from and go to.
pub(super) struct Pair<'a, E> {
    input: *const E,
    output: *mut E,
    axes: Axes,
    slices: PhantomData<(&'a [E], &'a mut [E])>,
}

/// Some patches of a pair.
pub(super) struct Patches<'a, E> {
    input: *const E,
    output: *mut E,
    axes: Arc<Axes>,
    grid: Arc<Grid>,
    numbers: Range<usize>,
    slices: PhantomData<(&'a [E], &'a mut [E])>,
}

/// All channels at some indices of the other axes.
pub(super) struct Patch<'p, E> {
    input: *const E,
    output: *mut E,
    axes: &'p Axes,
    /// Of the patch, a number an axis.
    extents: Vec<usize>,
    slices: PhantomData<(&'p [E], &'p mut [E])>,
}

// SAFETY: patches are a `&[E]` and an exclusive view of their own elements of a `&mut [E]`; both may move to another thread
// when E may.
unsafe impl<E: Element> Send for Patches<'_, E> {}

impl<'a, E: Element> Pair<'a, E> {
    /// Elements of two slices, after all that can be wrong with their layouts was checked.
    pub(super) fn of_slices(
        x: (&'a [E], &Layout<'_>),
        y: (&'a mut [MaybeUninit<E>], &Layout<'_>),
        windows: &[usize],
    ) -> Result<Self, ShapeError> {
        let (input, output) = (x.1, y.1);
        input.check_within("input", x.0.len())?;
        output.check_within("output", y.0.len())?;
        output.check_distinct()?;
        let strides = (&*input.strides(), &*output.strides());
        let first =
            (x.0.as_ptr().wrapping_add(input.offset()), y.0.as_mut_ptr().cast::<E>().wrapping_add(output.offset()));
        // SAFETY: the checks; the slices are borrowed for 'a, the output's exclusively.
        Ok(unsafe { Self::new(first, input.shape(), strides, windows) })
    }

    /// Elements at addresses: the first index's, in input and output, and the strides in elements, likewise.
    ///
    /// # Safety
    ///
    /// As the module's invariants say, over all indices of `shape`; if there is none, addresses may be anything.
    pub(super) unsafe fn new(
        (input, output): (*const E, *mut E),
        shape: &[usize],
        strides: (&[isize], &[isize]),
        windows: &[usize],
    ) -> Self {
        let axes = Axes::new(shape, strides.0, strides.1, windows);
        let (input, output) = (input.wrapping_offset(axes.first.0), output.wrapping_offset(axes.first.1));
        Self { input, output, axes, slices: PhantomData }
    }

    pub(super) fn axes(&self) -> &Axes {
        &self.axes
    }

    /// Deals the patches of a grid out to about `count` tasks.
    pub(super) fn split(self, grid: Grid, count: usize) -> Vec<Patches<'a, E>> {
        let Self { input, output, axes, slices } = self;
        assert!(axes.list.iter().map(|axis| axis.extent).eq(grid.extents.iter().copied()));
        let patches = grid.patches();
        let step = patches.div_ceil(count.max(1)).max(1);
        let (axes, grid) = (Arc::new(axes), Arc::new(grid));
        let share = |start| {
            let (axes, grid) = (Arc::clone(&axes), Arc::clone(&grid));
            Patches { input, output, axes, grid, numbers: start..patches.min(start + step), slices }
        };
        (0..patches).step_by(step).map(share).collect()
    }
}

impl<E: Element> Patches<'_, E> {
    /// Hands every patch to `work`, one at a time.
    pub(super) fn each(&mut self, mut work: impl FnMut(Patch<'_, E>)) {
        for number in self.numbers.clone() {
            let ranges = self.grid.ranges(number);
            let starts = || ranges.iter().map(|range| range.start.cast_signed()).zip(&self.axes.list);
            // Within the extents, so these are addresses of elements.
            let input = self.input.wrapping_offset(starts().map(|(start, axis)| start * axis.input).sum());
            let output = self.output.wrapping_offset(starts().map(|(start, axis)| start * axis.output).sum());
            let extents = ranges.iter().map(ExactSizeIterator::len).collect();
            work(Patch { input, output, axes: &self.axes, extents, slices: PhantomData });
        }
    }
}

impl<E: Element> Patch<'_, E> {
    pub(super) fn elements(&self) -> usize {
        self.extents.iter().product()
    }

    /// The patch as windows see it once it is contiguous, in the order of its axes.
    pub(super) fn space(&self) -> Space {
        let windows = self.axes.list.iter().enumerate().filter_map(|(axis, of)| Some((of.window?, axis)));
        let mut windows: Vec<_> = windows.collect();
        windows.sort_unstable();
        let windows: Vec<_> = windows.into_iter().map(|(_, axis)| axis).collect();
        Space::of_windows(&self.extents, &windows)
    }

    /// The elements of a patch that is contiguous in memory, both ways.
    pub(super) fn contiguous(&mut self) -> (&[E], &mut [MaybeUninit<E>]) {
        assert!(self.is_dense(|axis| axis.input) && self.is_dense(|axis| axis.output));
        // SAFETY: all of these elements are the patch's own.
        unsafe {
            (
                slice::from_raw_parts(self.input, self.elements()),
                slice::from_raw_parts_mut(self.output.cast(), self.elements()),
            )
        }
    }

    /// The input, if it is contiguous in the order of the axes.
    pub(super) fn dense_input(&self) -> Option<&[E]> {
        // SAFETY: all of these elements are the patch's own.
        self.is_dense(|axis| axis.input).then(|| unsafe { slice::from_raw_parts(self.input, self.elements()) })
    }

    /// The output, if it is contiguous in the order of the axes, after the input was copied there.
    pub(super) fn gather_in_output(&mut self) -> Option<&mut [E]> {
        if !self.is_dense(|axis| axis.output) {
            return None;
        }
        // SAFETY: all of these elements are the patch's own; input and output are not the same memory.
        unsafe {
            copy(self.input, self.output, &self.ways(|_, axis| axis));
            Some(slice::from_raw_parts_mut(self.output, self.elements()))
        }
    }

    /// Packs the input into a tile, in the order of the axes.
    pub(super) fn gather<'t>(&self, tile: &'t mut [MaybeUninit<E>]) -> &'t mut [E] {
        assert_eq!(tile.len(), self.elements());
        // SAFETY: reads elements of the patch; the tile is other memory, has room for as many, and gets them all.
        unsafe {
            copy(self.input, tile.as_mut_ptr().cast(), &self.ways(|packed, axis| (axis.0, packed)));
            tile.assume_init_mut()
        }
    }

    /// Writes a tile to the output.
    pub(super) fn scatter(&mut self, tile: &[E]) {
        assert_eq!(tile.len(), self.elements());
        // SAFETY: writes elements of the patch; the tile is other memory and has as many.
        unsafe { copy(tile.as_ptr(), self.output, &self.ways(|packed, axis| (packed, axis.1))) };
    }

    fn is_dense(&self, stride: impl Fn(&Axis) -> isize) -> bool {
        let mut elements = 1;
        self.extents.iter().zip(&self.axes.list).rev().all(|(&extent, axis)| {
            let dense = extent == 1 || stride(axis) == elements;
            elements *= extent.cast_signed();
            dense
        })
    }

    /// The extents with strides that `strides` chooses of the tile's and (the input's, the output's).
    fn ways(&self, strides: impl Fn(isize, (isize, isize)) -> (isize, isize)) -> Vec<Way> {
        let mut packed = 1;
        let axes = self.extents.iter().zip(&self.axes.list).rev();
        let mut ways: Vec<_> = axes
            .map(|(&extent, axis)| {
                let (from, to) = strides(packed, (axis.input, axis.output));
                packed *= extent.cast_signed();
                Way { extent, from, to }
            })
            .collect();
        ways.reverse();
        ways
    }
}
