//! Calls elementwise kernels on runs of contiguous elements, whatever channels these are of.
//!
//! A kernel reads inputs only where it writes outputs, and the elements that are no whole vector go by way of a vector aside: an output
//! may be an input.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::kernel::CompiledKernel;
pub(super) use super::rows::Row;
use super::{JitEngine, MOST_BY_TAP};
use crate::lane::Lane;
use crate::task::Stage;

/// Elements beyond the caches: how many are asked for at a time while as many are computed, and how far ahead. Sums are made in
/// bursts of loads, during which memory would else be waited for, and not while the kernel runs.
const STEP: usize = 512;
const AHEAD: usize = 1 << 13;
/// Bytes of a cache line.
const LINE: usize = 64;
/// f32 of the widest vector, or of two of f64.
pub(super) const WIDEST: usize = 16;
/// Rows of the stage that has most; of a kernel that makes sums of a later index they are fewer.
pub(super) const ROWS: usize = Stage::MOST.0 + Stage::MOST.1 * MOST_BY_TAP + Stage::MOST.2;

/// A row of elements of a stage.
#[derive(Clone, Copy)]
pub(super) enum RowOf<T> {
    /// Sums: readable over a vector more.
    Sums(*const T),
    Input(*const T),
    Output(*mut T),
}

/// The rows of a stage, in its order.
pub(super) struct Rows<T> {
    list: [RowOf<T>; ROWS],
    count: usize,
}

impl<T: Copy> Default for Rows<T> {
    fn default() -> Self {
        Self { list: [RowOf::Input(std::ptr::null()); ROWS], count: 0 }
    }
}

impl<T: Copy> Rows<T> {
    pub(super) fn push(&mut self, row: RowOf<T>) {
        self.list[self.count] = row;
        self.count += 1;
    }
}

impl<T> RowOf<T> {
    /// The row from an element on.
    fn from(self, element: usize) -> Self {
        match self {
            Self::Sums(row) => Self::Sums(row.wrapping_add(element)),
            Self::Input(row) => Self::Input(row.wrapping_add(element)),
            Self::Output(row) => Self::Output(row.wrapping_add(element)),
        }
    }

    fn address(self) -> *const u8 {
        match self {
            Self::Sums(row) | Self::Input(row) => row.cast(),
            Self::Output(row) => row.cast_const().cast(),
        }
    }
}

impl JitEngine {
    /// Calls a kernel on some elements of the rows of a stage; `beyond`: outputs go past the caches, and inputs are asked for.
    ///
    /// # Safety
    ///
    /// Inputs are readable and outputs writable over so many elements; an output is an input or apart from all. The sums were made.
    pub(super) unsafe fn on_elements<T: Lane>(
        &self,
        kernel: &CompiledKernel,
        rows: &Rows<T>,
        elements: Range<usize>,
        beyond: bool,
    ) {
        let mut list = rows.list;
        let (rows, first, elements) = (&mut list[..rows.count], elements.start, elements.len());
        rows.iter_mut().for_each(|row| *row = row.from(first));
        let rows = &*rows;
        let lanes = self.lanes::<T>();
        // What goes past the caches goes to the borders of vectors.
        let output = rows.last().map_or(0, |row| row.address().addr());
        let border = output.next_multiple_of(lanes * size_of::<T>());
        let before = if beyond { ((border - output) / size_of::<T>()).min(elements) } else { 0 };
        let behind = (elements - before) % lanes;
        let whole = elements - before - behind;
        // SAFETY: elements of all rows; of the output on the border of a vector where that is asked for.
        unsafe {
            self.part_of_vector(kernel, rows, 0, before);
            let step = if beyond { STEP } else { whole.max(1) };
            for start in (before..before + whole).step_by(step) {
                let elements = step.min(before + whole - start);
                let mut addresses = [std::ptr::null(); ROWS];
                for (address, row) in addresses.iter_mut().zip(rows) {
                    if beyond && let RowOf::Input(input) = row {
                        ask_for_all(input.wrapping_add(start + AHEAD), elements);
                    }
                    *address = row.from(start).address();
                }
                kernel.call(&addresses[..rows.len()], elements * size_of::<T>());
            }
            self.part_of_vector(kernel, rows, before + whole, behind);
        }
    }

    /// Calls the kernel on less than a vector, by way of vectors aside.
    ///
    /// # Safety
    ///
    /// As [`on_elements`](Self::on_elements), from an element on.
    unsafe fn part_of_vector<T: Lane>(
        &self,
        kernel: &CompiledKernel,
        rows: &[RowOf<T>],
        first: usize,
        elements: usize,
    ) {
        if elements == 0 {
            return;
        }
        let mut aside: [Vector<T>; ROWS] = [const { Vector([MaybeUninit::uninit(); WIDEST]) }; ROWS];
        let mut addresses = [std::ptr::null(); ROWS];
        for ((aside, address), row) in aside.iter_mut().zip(&mut addresses).zip(rows) {
            let vector = aside.0.as_mut_ptr().cast::<T>();
            *address = match row.from(first) {
                RowOf::Sums(sums) => sums.cast(),
                RowOf::Input(input) => {
                    // SAFETY: passed on; a vector has room for less than one, and holds numbers all over.
                    unsafe {
                        vector.write_bytes(0, WIDEST);
                        vector.copy_from_nonoverlapping(input, elements);
                    }
                    vector.cast_const().cast()
                }
                RowOf::Output(_) => vector.cast_const().cast(),
            };
        }
        // SAFETY: a vector of each row.
        unsafe { kernel.call(&addresses[..rows.len()], self.lanes::<T>() * size_of::<T>()) };
        for (aside, row) in aside.iter().zip(rows) {
            if let RowOf::Output(output) = row.from(first) {
                // SAFETY: passed on; the kernel wrote a vector.
                unsafe { output.copy_from_nonoverlapping(aside.0.as_ptr().cast(), elements) };
            }
        }
    }
}

/// Asks for elements that will be read, if they are there.
fn ask_for_all<T>(x: *const T, elements: usize) {
    for line in (0..elements).step_by(LINE / size_of::<T>()) {
        ask_for(x.wrapping_add(line).cast());
    }
}

/// Asks for a cache line that will be read, if it is there.
pub(super) fn ask_for(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and asking for memory that is not there does nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _: *const u8 = line;
}

/// A widest vector, on its border.
#[repr(align(64))]
struct Vector<T>([MaybeUninit<T>; WIDEST]);
