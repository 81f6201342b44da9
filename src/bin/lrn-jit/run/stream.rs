//! From files to files, chunk by chunk, while another thread computes.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytemuck::allocation::try_zeroed_slice_box;

use super::compute::{Buffer, Compute};
use super::slabs::{Chunk, Slabs};
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// Chunks in memory: one being read or written, one being computed, one waiting.
const CHUNKS: usize = 3;

/// A file that a tensor is read from or written to, behind a header.
pub struct Tensor<'a> {
    pub file: &'a mut File,
    pub path: &'a Path,
    /// Bytes of the header.
    pub header: u64,
}

/// Tensors of the same shape and type.
pub struct Tensors<'a> {
    pub slabs: &'a Slabs,
    /// Bytes of an element.
    pub size: usize,
    /// The input, perhaps a gradient.
    pub read: Vec<Tensor<'a>>,
    /// What each of these becomes, if it is wanted.
    pub written: [Option<Tensor<'a>>; 2],
}

/// Reads, computes and writes all chunks; gives the time that computing took.
pub fn run(tensors: Tensors<'_>, compute: &dyn Compute, threads: u16) -> Result<Duration, Failure> {
    let Tensors { slabs, size, mut read, mut written } = tensors;
    let (chunks, most) = slabs.chunks(size, threads);
    let set = || -> Result<Vec<Buffer>, Failure> { read.iter().map(|_| memory(most, size)).collect() };
    let mut free = (0..chunks.len().min(CHUNKS)).map(|_| set()).collect::<Result<Vec<_>, _>>()?;
    let mut spare = memory(most, size)?;
    let files = read.len() + written.iter().flatten().count();
    let mut progress = Progress::new((files * slabs.elements() * size) as u64);
    let (todo, asked) = mpsc::channel::<(Vec<Buffer>, Chunk<'_>)>();
    let (answer, done) = mpsc::channel();
    let stopped = || Failure::input("the thread that computes stopped");

    thread::scope(|scope| {
        scope.spawn(move || {
            for (mut buffers, chunk) in asked {
                let start = Instant::now();
                let result = compute.run(&chunk, &mut buffers, &mut spare);
                // Nobody listens any more where reading or writing failed.
                if answer.send(result.map(|()| (buffers, start.elapsed()))).is_err() {
                    return;
                }
            }
        });
        let mut ran = Duration::ZERO;
        let mut unread = chunks.iter();
        for chunk in &chunks {
            while let Some(mut buffers) = free.pop() {
                let Some(next) = unread.next() else { break };
                for (tensor, buffer) in read.iter_mut().zip(&mut buffers) {
                    fill(tensor, next, bytes(buffer, next, size))?;
                    progress.advance(next.elements() * size);
                }
                todo.send((buffers, *next)).map_err(|_| stopped())?;
            }
            let (mut buffers, took) = done.recv().map_err(|_| stopped())??;
            ran += took;
            for (tensor, buffer) in written.iter_mut().zip(&mut buffers) {
                let Some(tensor) = tensor else { continue };
                empty(tensor, chunk, bytes(buffer, chunk, size))?;
                progress.advance(chunk.elements() * size);
            }
            free.push(buffers);
        }
        drop(todo);
        Ok(ran)
    })
}

/// Reads a chunk.
fn fill(tensor: &mut Tensor<'_>, chunk: &Chunk<'_>, bytes: &mut [u8]) -> Result<(), Failure> {
    let Tensor { file, path, header } = tensor;
    chunk
        .pieces(bytes, |offset, piece| {
            file.seek(SeekFrom::Start(*header + offset))?;
            file.read_exact(piece)
        })
        .map_err(|error| cannot_read(path, &error))
}

/// Writes a chunk.
fn empty(tensor: &mut Tensor<'_>, chunk: &Chunk<'_>, bytes: &mut [u8]) -> Result<(), Failure> {
    let Tensor { file, path, header } = tensor;
    chunk
        .pieces(bytes, |offset, piece| {
            file.seek(SeekFrom::Start(*header + offset))?;
            file.write_all(piece)
        })
        .map_err(|error| output::cannot(path, &error))
}

/// A chunk's bytes in a buffer.
fn bytes<'a>(buffer: &'a mut Buffer, chunk: &Chunk<'_>, size: usize) -> &'a mut [u8] {
    &mut bytemuck::cast_slice_mut(buffer)[..chunk.elements() * size]
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::input(format_args!("{path} became shorter while it was read")),
        _ => Failure::input(format_args!("cannot read {path}: {error}")),
    }
}

/// Fresh memory for `elements` elements, which the system gives zeroed.
fn memory(elements: usize, size: usize) -> Result<Buffer, Failure> {
    try_zeroed_slice_box((elements * size).div_ceil(size_of::<u64>()))
        .map_err(|()| Failure::input(format_args!("there is no memory for {elements} elements")))
}
