//! Which elements of a file are computed together.

use std::io;

use crate::failure::Failure;
use crate::npy::Shape;

/// Bytes of a chunk of one tensor for one thread: about what a core's share of the caches holds.
const CHUNK_BYTES: usize = 4 << 20;
/// Bytes of a row that a strip has at least: a page.
const STRIP_BYTES: usize = 4096;

/// A tensor as `outer` slabs of `channels` rows of `inner` elements.
#[derive(Debug, Clone, Copy)]
pub struct Slabs {
    outer: usize,
    channels: usize,
    inner: usize,
}

impl Slabs {
    /// The slabs of a file whose elements were counted, with channels on the axis `axis` of `shape`, negative from the end.
    pub fn new(shape: &Shape, fortran: bool, axis: isize) -> Result<Self, Failure> {
        let mut extents = shape.0.clone();
        let rank = extents.len();
        if rank < 2 {
            return Err(Failure::input(format_args!(
                "the shape {shape} has rank {rank}: a batch and a channel axis at least are needed"
            )));
        }
        let from_start = if axis < 0 { axis.checked_add_unsigned(rank) } else { Some(axis) };
        let index = from_start.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank);
        let Some(mut index) = index else {
            return Err(Failure::input(format_args!(
                "channel axis {axis} does not exist in the shape {shape}: allowed are -{rank} to {}",
                rank - 1
            )));
        };
        if extents.contains(&0) {
            return Ok(Self { outer: 0, channels: 0, inner: 0 });
        }
        if fortran {
            extents.reverse();
            index = rank - 1 - index;
        }
        let product = |extents: &[usize]| extents.iter().product();
        Ok(Self { outer: product(&extents[..index]), channels: extents[index], inner: product(&extents[index + 1..]) })
    }

    pub fn elements(&self) -> usize {
        self.outer * self.channels * self.inner
    }

    /// All of a tensor of elements of `size` bytes in chunks for that many threads, and the elements of the largest.
    pub fn chunks(self, size: usize, threads: u16) -> (Vec<Chunk>, usize) {
        if self.elements() == 0 {
            return (Vec::new(), 0);
        }
        let room = CHUNK_BYTES * usize::from(threads) / size;
        let count = (room / (self.channels * self.inner)).clamp(1, self.outer);
        // Four times the chunk: longer pieces of the file are worth more than the caches.
        let width = (4 * room / self.channels).max(STRIP_BYTES / size).min(self.inner);
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
pub struct Chunk {
    slabs: Slabs,
    first: usize,
    count: usize,
    column: usize,
    width: usize,
}

impl Chunk {
    pub fn shape(&self) -> [usize; 3] {
        [self.count, self.slabs.channels, self.width]
    }

    pub fn elements(&self) -> usize {
        self.shape().iter().product()
    }

    /// Calls `each` with the parts of `bytes` that lie together in the file, and their offset from the first element.
    pub fn pieces(&self, bytes: &mut [u8], mut each: impl FnMut(u64, &mut [u8]) -> io::Result<()>) -> io::Result<()> {
        let Slabs { channels, inner, .. } = self.slabs;
        let size = bytes.len() / self.elements();
        let piece = if self.width == inner { bytes.len() } else { self.width * size };
        let start = self.first * channels * inner + self.column;
        for (row, piece) in bytes.chunks_mut(piece).enumerate() {
            each(((start + row * inner) * size) as u64, piece)?;
        }
        Ok(())
    }
}
