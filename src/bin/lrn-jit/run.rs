//! `lrn-jit run`: normalizes a .npy file.
//!
//! A Fortran-order file of shape s holds the bytes of a C-order one of the reversed shape, so nothing is transposed: the
//! shape is reversed, and the channel axis counted from the other end. Either way the tensor is `outer` slabs of
//! `channels` rows of `inner` elements, and slabs do not depend on each other: they are read, computed and written some
//! megabytes at a time, in buffers that stay in the caches. Only a tensor that is one large slab is in memory as a whole,
//! once, and is computed where it lies.

use std::fs::File;
use std::io::{self, Read, Write};
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

/// Bytes of slabs that are taken at once by one thread, where a slab is not larger.
const CHUNK_BYTES: usize = 1 << 20;
/// Buffers of such a size: one being read or written, one being computed, one waiting.
const BUFFERS: usize = 3;
/// Bytes of a read or a write between two looks at the clock.
const PIECE_BYTES: usize = 16 << 20;

/// Below the subcommand's help.
const EXAMPLES: &str = "\
Examples:
  lrn-jit run in.npy out.npy --size 5                        torch's defaults: alpha 1e-4, beta 0.75, k 1; (N, C, H, W)
  lrn-jit run in.npy out.npy --size 5 --alpha 5e-4 --k 2     other parameters
  lrn-jit run in.npy out.npy --size 5 --channel-axis=-1      (N, H, W, C)
  lrn-jit run in.npy out.npy --size 11 --convention tensorflow --channel-axis 3    depth_radius 5
  lrn-jit run a.npy a.npy --size 5 --threads 2               in its place

OUT.npy keeps the shape, the order, the type and the byte order of IN.npy. Memory: some megabytes, or once the tensor where
it is one slab (a single image, say). Exit code 2 and one line on standard error where something is wrong.";

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
    let ran = stream(slabs, &compute, arguments, &mut file, output.file())?;
    output.commit()?;
    report(arguments, out, &compute.lrn, (&shape, fortran, big_endian), slabs, (compiled, ran, begun.elapsed()))
}

/// Reads, computes and writes all slabs; gives the time that computing took. This thread reads and writes, another computes.
fn stream(
    slabs: Slabs,
    compute: &Compute,
    arguments: &Arguments,
    input: &mut File,
    output: &mut File,
) -> Result<Duration, Failure> {
    let Arguments { input: from, output: to, threads, .. } = arguments;
    if slabs.bytes() == 0 {
        return Ok(Duration::ZERO);
    }
    let slabs_at_once = slabs.chunk(*threads);
    let elements = slabs_at_once * slabs.elements();
    let chunks = slabs.outer.div_ceil(slabs_at_once);
    let mut free = (0..chunks.min(BUFFERS)).map(|_| memory(elements)).collect::<Result<Vec<_>, _>>()?;
    // A large slab is computed where it lies: there is no memory to waste.
    let mut apart = if chunks >= BUFFERS { Some(memory(elements)?) } else { None };
    let mut progress = Progress::new(2 * slabs.bytes() as u64);
    let (todo, asked) = mpsc::channel::<(Box<[f32]>, usize)>();
    let (answer, done) = mpsc::channel();

    thread::scope(|scope| {
        scope.spawn(move || {
            for (mut x, count) in asked {
                let shape = [count, slabs.channels, slabs.inner];
                let length = count * slabs.elements();
                let start = Instant::now();
                let result = match &mut apart {
                    Some(y) => compute.apart(&mut x[..length], &mut y[..length], &shape).map(|()| mem::swap(&mut x, y)),
                    None => compute.in_place(&mut x[..length], &shape),
                };
                let result = result.map(|()| (x, length, start.elapsed()));
                // Nobody listens any more where reading or writing failed.
                if answer.send(result).is_err() {
                    return;
                }
            }
        });
        let mut ran = Duration::ZERO;
        let mut read = 0;
        for _ in 0..chunks {
            while read < slabs.outer
                && let Some(mut x) = free.pop()
            {
                let count = slabs_at_once.min(slabs.outer - read);
                let bytes = bytemuck::cast_slice_mut(&mut x[..count * slabs.elements()]);
                for piece in bytes.chunks_mut(PIECE_BYTES) {
                    input.read_exact(piece).map_err(|error| cannot_read(from, &error))?;
                    progress.advance(piece.len());
                }
                read += count;
                todo.send((x, count)).map_err(|_| Failure::input("the computing thread ended"))?;
            }
            let (y, length, took) = done.recv().map_err(|_| Failure::input("the computing thread ended"))??;
            ran += took;
            for piece in bytemuck::cast_slice(&y[..length]).chunks(PIECE_BYTES) {
                output.write_all(piece).map_err(|error| output::cannot(to, &error))?;
                progress.advance(piece.len());
            }
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

    /// Elements of one slab.
    fn elements(&self) -> usize {
        self.channels * self.inner
    }

    fn bytes(&self) -> usize {
        self.outer * self.elements() * size_of::<f32>()
    }

    /// Slabs that are taken at once.
    fn chunk(&self, threads: u16) -> usize {
        let bytes = CHUNK_BYTES * usize::from(threads);
        (bytes / size_of::<f32>() / self.elements()).clamp(1, self.outer)
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
    fn apart(&self, x: &mut [f32], y: &mut [f32], shape: &[usize]) -> Result<(), Failure> {
        self.swapped(x);
        match &self.pool {
            None => self.lrn.forward_into(x, shape, y)?,
            Some(pool) => pool.install(|| self.lrn.with_executor(&CurrentRayon).forward_into(x, shape, y))?,
        }
        self.swapped(y);
        Ok(())
    }

    /// Normalizes `x` where it lies, in the file's byte order.
    fn in_place(&self, x: &mut [f32], shape: &[usize]) -> Result<(), Failure> {
        self.swapped(x);
        match &self.pool {
            None => self.lrn.forward_in_place(x, shape)?,
            Some(pool) => pool.install(|| self.lrn.with_executor(&CurrentRayon).forward_in_place(x, shape))?,
        }
        self.swapped(x);
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
