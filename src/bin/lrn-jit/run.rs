//! `lrn-jit run`: normalizes a .npy file.
//!
//! A Fortran-order file of shape s holds the bytes of a C-order one of the reversed shape, so nothing is transposed: the
//! shape is reversed, and the channel axis counted from the other end. Either way the tensor is `outer` slabs of
//! `channels` rows of `inner` elements. Slabs do not depend on each other, nor do the columns of a slab; so a file is read,
//! computed and written some megabytes at a time, in buffers that stay in the caches: several slabs, or where one is larger, a
//! strip of its columns. This thread reads and writes while another computes.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytemuck::allocation::try_zeroed_slice_box;
use clap::Args;
use lrn_jit::{CurrentRayon, LocalResponseNorm};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::arguments::LayerArguments;
use crate::failure::Failure;
use crate::npy::{self, Npy, Shape};
use crate::output::{self, Output};
use crate::progress::Progress;

/// Bytes of a chunk for one thread: about what a core's share of the caches holds.
const CHUNK_BYTES: usize = 4 << 20;
/// Elements of a row that a strip has at least, so that a piece of the file is a page.
const STRIP: usize = 1024;
/// Buffers of a chunk: one being read or written, one being computed, one waiting.
const BUFFERS: usize = 3;
/// Below the subcommand's help.
const EXAMPLES: &str = "\
Examples:
  # (N, C, H, W), torch's defaults: alpha 1e-4, beta 0.75, k 1
  lrn-jit run in.npy out.npy --size 5
  # other parameters
  lrn-jit run in.npy out.npy --size 5 --alpha 5e-4 --k 2
  # (N, H, W, C)
  lrn-jit run in.npy out.npy --size 5 --channel-axis=-1
  # the same in TensorFlow's terms, depth_radius 5
  lrn-jit run in.npy out.npy --size 11 --convention tensorflow --channel-axis 3
  # in its place
  lrn-jit run a.npy a.npy --size 5 --threads 2

OUT.npy keeps the shape, the order, the type and the byte order of IN.npy.
Memory: some megabytes. Exit code 2 and one line on standard error where
something is wrong.";

/// Normalizes a .npy file (float32, C or Fortran order, either byte order) into another of the same shape, order and type.
///
/// Prints the backend, the plan, what compiling and running took, and GB/s: bytes read plus bytes written, a GB being 1e9.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The file to read.
    #[arg(value_name = "IN.npy")]
    input: PathBuf,
    /// The file to write, whole or not at all; may be the same.
    #[arg(value_name = "OUT.npy")]
    output: PathBuf,
    #[command(flatten)]
    layer: LayerArguments,
    /// Threads that compute; one more reads and writes.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
}

/// Runs the subcommand.
pub fn execute(arguments: &Arguments, out: &mut impl Write) -> Result<(), Failure> {
    let begun = Instant::now();
    let Npy { mut file, header, shape, fortran, big_endian } = npy::open(&arguments.input)?;
    let slabs = Slabs::new(&shape, fortran, arguments.layer.channel_axis)?;
    let build = Instant::now();
    // Whatever axis the channels are on, slabs have them in the middle.
    let lrn = arguments.layer.config(1).build()?;
    let compiled = build.elapsed();
    let compute = Compute::new(lrn, arguments.threads, big_endian)?;

    let mut output = Output::create(&arguments.output)?;
    output.file().write_all(&header).map_err(|error| output::cannot(&arguments.output, &error))?;
    let ran = stream(slabs, &compute, arguments, header.len() as u64, (&mut file, output.file()))?;
    output.commit()?;
    report(arguments, out, &compute.lrn, (&shape, fortran, big_endian), slabs, (compiled, ran, begun.elapsed()))
}

/// Reads, computes and writes all chunks behind headers of `header` bytes; gives the time that computing took.
fn stream(
    slabs: Slabs,
    compute: &Compute,
    arguments: &Arguments,
    header: u64,
    (input, output): (&mut File, &mut File),
) -> Result<Duration, Failure> {
    let Arguments { input: from, output: to, threads, .. } = arguments;
    let (chunks, elements) = slabs.chunks(*threads);
    let mut free = (0..chunks.len().min(BUFFERS)).map(|_| memory(elements)).collect::<Result<Vec<_>, _>>()?;
    let mut y = memory(elements)?;
    let mut progress = Progress::new(2 * slabs.bytes() as u64);
    let (todo, asked) = mpsc::channel::<(Box<[f32]>, Chunk)>();
    let (answer, done) = mpsc::channel();
    let stopped = || Failure::input("the thread that computes stopped");

    thread::scope(|scope| {
        scope.spawn(move || {
            for (mut x, chunk) in asked {
                let length = chunk.elements();
                let start = Instant::now();
                let result = compute.run(&mut x[..length], &mut y[..length], &chunk.shape());
                mem::swap(&mut x, &mut y);
                // Nobody listens any more where reading or writing failed.
                if answer.send(result.map(|()| (x, start.elapsed()))).is_err() {
                    return;
                }
            }
        });
        let mut ran = Duration::ZERO;
        let mut unread = chunks.iter();
        for chunk in &chunks {
            while let Some(mut x) = free.pop() {
                let Some(next) = unread.next() else { break };
                next.pieces(&mut x, |offset, piece| {
                    input.seek(SeekFrom::Start(header + offset))?;
                    input.read_exact(bytemuck::cast_slice_mut(piece))
                })
                .map_err(|error| cannot_read(from, &error))?;
                progress.advance(next.elements() * size_of::<f32>());
                todo.send((x, *next)).map_err(|_| stopped())?;
            }
            let (mut y, took) = done.recv().map_err(|_| stopped())??;
            ran += took;
            chunk
                .pieces(&mut y, |offset, piece| {
                    output.seek(SeekFrom::Start(header + offset))?;
                    output.write_all(bytemuck::cast_slice(piece))
                })
                .map_err(|error| output::cannot(to, &error))?;
            progress.advance(chunk.elements() * size_of::<f32>());
            free.push(y);
        }
        drop(todo);
        Ok(ran)
    })
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::input(format_args!("{path} became shorter while it was read")),
        _ => Failure::input(format_args!("cannot read {path}: {error}")),
    }
}

/// Fresh memory for `elements` elements, which the system gives zeroed.
fn memory(elements: usize) -> Result<Box<[f32]>, Failure> {
    try_zeroed_slice_box(elements)
        .map_err(|()| Failure::input(format_args!("there is no memory for {elements} elements")))
}

/// A tensor as `outer` slabs of `channels` rows of `inner` elements.
#[derive(Debug, Clone, Copy)]
struct Slabs {
    outer: usize,
    channels: usize,
    inner: usize,
}

impl Slabs {
    /// The slabs of a file whose elements were counted, with channels on the axis `axis` of `shape`, negative from the end.
    fn new(shape: &Shape, fortran: bool, axis: isize) -> Result<Self, Failure> {
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

    fn bytes(&self) -> usize {
        self.outer * self.channels * self.inner * size_of::<f32>()
    }

    /// All of the tensor in chunks for that many threads, and the elements of the largest.
    fn chunks(self, threads: u16) -> (Vec<Chunk>, usize) {
        if self.bytes() == 0 {
            return (Vec::new(), 0);
        }
        let room = CHUNK_BYTES * usize::from(threads) / size_of::<f32>();
        let count = (room / (self.channels * self.inner)).clamp(1, self.outer);
        // Four times the chunk: longer pieces of the file are worth more than the caches.
        let width = (4 * room / self.channels).max(STRIP).min(self.inner);
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
struct Chunk {
    slabs: Slabs,
    first: usize,
    count: usize,
    column: usize,
    width: usize,
}

impl Chunk {
    fn shape(&self) -> [usize; 3] {
        [self.count, self.slabs.channels, self.width]
    }

    fn elements(&self) -> usize {
        self.shape().iter().product()
    }

    /// Calls `each` with the parts of `buffer` that lie together in the file, and their offset in bytes from the first element.
    fn pieces(&self, buffer: &mut [f32], mut each: impl FnMut(u64, &mut [f32]) -> io::Result<()>) -> io::Result<()> {
        let Slabs { channels, inner, .. } = self.slabs;
        let buffer = &mut buffer[..self.elements()];
        let piece = if self.width == inner { buffer.len() } else { self.width };
        let start = self.first * channels * inner + self.column;
        for (row, piece) in buffer.chunks_mut(piece).enumerate() {
            each(((start + row * inner) * size_of::<f32>()) as u64, piece)?;
        }
        Ok(())
    }
}

/// A layer, the threads it runs on, and the byte order around it.
struct Compute {
    lrn: LocalResponseNorm,
    pool: Option<ThreadPool>,
    swap: bool,
}

impl Compute {
    fn new(lrn: LocalResponseNorm, threads: u16, big_endian: bool) -> Result<Self, Failure> {
        let pool = match threads {
            1 => None,
            _ => Some(
                ThreadPoolBuilder::new()
                    .num_threads(threads.into())
                    .build()
                    .map_err(|error| Failure::input(format_args!("cannot start {threads} threads: {error}")))?,
            ),
        };
        Ok(Self { lrn, pool, swap: big_endian != cfg!(target_endian = "big") })
    }

    /// Normalizes `x` into `y`, both in the file's byte order; `x` is spoilt.
    fn run(&self, x: &mut [f32], y: &mut [f32], shape: &[usize]) -> Result<(), Failure> {
        self.swapped(x);
        match &self.pool {
            None => self.lrn.forward_into(x, shape, y)?,
            Some(pool) => pool.install(|| self.lrn.with_executor(&CurrentRayon).forward_into(x, shape, y))?,
        }
        self.swapped(y);
        Ok(())
    }

    /// Between the file's byte order and the processor's.
    fn swapped(&self, elements: &mut [f32]) {
        if self.swap {
            for bits in bytemuck::cast_slice_mut::<f32, u32>(elements) {
                *bits = bits.swap_bytes();
            }
        }
    }
}

/// Says what ran and how fast.
fn report(
    arguments: &Arguments,
    out: &mut impl Write,
    lrn: &LocalResponseNorm,
    (shape, fortran, big_endian): (&Shape, bool, bool),
    slabs: Slabs,
    (compiled, ran, whole): (Duration, Duration, Duration),
) -> Result<(), Failure> {
    let order = if fortran { "Fortran" } else { "C" };
    let endian = if big_endian { "big-endian" } else { "little-endian" };
    let axis = arguments.layer.channel_axis;
    writeln!(out, "input      {}: float32 {shape}, {order} order, {endian}", arguments.input.display())?;
    writeln!(out, "layer      {lrn}, channels on axis {axis}")?;
    writeln!(out, "backend    {}", lrn.backend())?;
    writeln!(out, "plan       {}", lrn.plan().to_string().replace('\n', "\n           "))?;
    writeln!(out, "compiled   in {:.2} ms", milliseconds(compiled))?;
    if slabs.bytes() == 0 {
        writeln!(out, "ran        on nothing: an extent is 0")?;
    } else {
        let threads = match arguments.threads {
            1 => "one thread".into(),
            threads => format!("{threads} threads"),
        };
        let rate = |time: Duration| 2.0 * slabs.bytes() as f64 / time.as_secs_f64() / 1e9;
        writeln!(
            out,
            "ran        in {:.2} ms, {threads}: {:.2} GB/s, reading and writing",
            milliseconds(ran),
            rate(ran)
        )?;
        writeln!(out, "file       to file in {:.2} ms: {:.2} GB/s", milliseconds(whole), rate(whole))?;
    }
    writeln!(out, "output     {}", arguments.output.display())?;
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
