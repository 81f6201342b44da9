//! Which elements of a file are computed together.

use std::io;

use crate::npy::Shape;

/// Bytes of a chunk of one tensor for one thread: about what a core's share of the caches holds.
const CHUNK_BYTES: usize = 4 << 20;
/// Bytes of a row that a strip has at least: a page.
const STRIP_BYTES: usize = 4096;

/// A tensor as `outer` slabs of some axes, and `inner` elements at every place of these: what windows extend over is within a slab.
///
/// ```text
/// shape      2 × 3 × 8 × 8 × 4
/// windows            ^   ^
/// slabs      (6)   8 × 8  (4)
/// ```
///
/// Each element its own window: every element is a slab.
#[derive(Debug, Clone)]
pub struct Slabs {
    outer: usize,
    /// The extents from the outermost axis of the windows to the innermost.
    slab: Vec<usize>,
    /// Which of these windows extend over.
    windows: Vec<usize>,
    inner: usize,
}

impl Slabs {
    /// The slabs of a file whose elements were counted, with windows over some axes of `shape`, in order.
    pub fn new(shape: &Shape, fortran: bool, windows: &[usize]) -> Self {
        let (mut extents, mut windows) = (shape.0.clone(), windows.to_vec());
        if fortran {
            extents.reverse();
            windows.reverse();
            windows.iter_mut().for_each(|axis| *axis = extents.len() - 1 - *axis);
        }
        let (first, end) = match windows[..] {
            [] => (extents.len(), extents.len()),
            [first, ..] => (first, windows[windows.len() - 1] + 1),
        };
        windows.iter_mut().for_each(|axis| *axis -= first);
        if extents.contains(&0) {
            return Self { outer: 0, slab: vec![0; end - first], windows, inner: 0 };
        }
        let product = |extents: &[usize]| extents.iter().product();
        Self {
            outer: product(&extents[..first]),
            slab: extents[first..end].to_vec(),
            windows,
            inner: product(&extents[end..]),
        }
    }

    /// The axes of a chunk's shape that windows extend over.
    pub fn windows(&self) -> Vec<isize> {
        self.windows.iter().map(|axis| 1 + axis.cast_signed()).collect()
    }

    /// Columns of `inner` elements in a slab.
    fn columns(&self) -> usize {
        self.slab.iter().product()
    }

    pub fn elements(&self) -> usize {
        self.outer * self.columns() * self.inner
    }

    /// All of a tensor of elements of `size` bytes in chunks for that many threads, and the elements of the largest.
    pub fn chunks(&self, size: usize, threads: u16) -> (Vec<Chunk<'_>>, usize) {
        if self.elements() == 0 {
            return (Vec::new(), 0);
        }
        let (room, rows) = (CHUNK_BYTES * usize::from(threads) / size, self.columns());
        let count = (room / (rows * self.inner)).clamp(1, self.outer);
        // Four times the chunk: longer pieces of the file are worth more than the caches.
        let width = (4 * room / rows).max(STRIP_BYTES / size).min(self.inner);
        let mut chunks = Vec::new();
        for first in (0..self.outer).step_by(count) {
            let count = count.min(self.outer - first);
            // Several slabs are as wide as they are.
            let width = if count > 1 { self.inner } else { width };
            for column in (0..self.inner).step_by(width) {
                chunks.push(Chunk { slabs: self, first, count, column, width: width.min(self.inner - column) });
            }
        }
        let elements = chunks.iter().map(Chunk::elements).max().unwrap_or(0);
        (chunks, elements)
    }
}

/// `width` columns of `count` slabs. Where there are several slabs, they are whole.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    slabs: &'a Slabs,
    first: usize,
    count: usize,
    column: usize,
    width: usize,
}

impl Chunk<'_> {
    pub fn shape(&self) -> Vec<usize> {
        [&[self.count], &self.slabs.slab[..], &[self.width]].concat()
    }

    pub fn elements(&self) -> usize {
        self.count * self.slabs.columns() * self.width
    }

    /// Calls `each` with the parts of `bytes` that lie together in the file, and their offset from the first element.
    pub fn pieces(&self, bytes: &mut [u8], mut each: impl FnMut(u64, &mut [u8]) -> io::Result<()>) -> io::Result<()> {
        let (rows, inner) = (self.slabs.columns(), self.slabs.inner);
        let size = bytes.len() / self.elements();
        let piece = if self.width == inner { bytes.len() } else { self.width * size };
        let start = self.first * rows * inner + self.column;
        for (row, piece) in bytes.chunks_mut(piece).enumerate() {
            each(((start + row * inner) * size) as u64, piece)?;
        }
        Ok(())
    }
}
