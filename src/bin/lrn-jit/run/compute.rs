//! What is computed of a chunk, for every type of elements that a file holds.

use half::bf16;
use half::slice::HalfFloatSliceExt as _;
use lrn_jit::{CurrentRayon, Executor, LocalResponseNorm, LrnConfig, Serial, ShapeError};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::slabs::Chunk;
use crate::failure::Failure;
use crate::values::{Value, words};

/// Memory of a chunk of one tensor.
pub type Buffer = Box<[u64]>;

/// Which results are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub output: bool,
    pub gradient: bool,
}

/// A layer as it prints.
#[derive(Debug, Clone)]
pub struct Description {
    pub layer: String,
    pub backend: String,
    pub plan: String,
}

/// Computes chunks.
pub trait Compute: Sync {
    /// Replaces the input in the first of `tensors` by the output, and the gradient in the second by that of the input, if they are
    /// wanted; all in the byte orders of their files. `spare` is as long as they are.
    fn run(&self, chunk: &Chunk<'_>, tensors: &mut [Buffer], spare: &mut Buffer) -> Result<(), Failure>;

    fn description(&self) -> Description;
}

/// Something that computes on slices of `F`.
trait Layer<F>: Sync {
    fn forward(&self, x: &[F], shape: &[usize], y: &mut [F], executor: &dyn Executor) -> Result<(), ShapeError>;

    fn backward(
        &self,
        x: &[F],
        g: &[F],
        shape: &[usize],
        dx: &mut [F],
        executor: &dyn Executor,
    ) -> Result<(), ShapeError>;

    fn description(&self) -> Description;
}

impl<E: Value> Layer<E> for LocalResponseNorm<E> {
    fn forward(&self, x: &[E], shape: &[usize], y: &mut [E], executor: &dyn Executor) -> Result<(), ShapeError> {
        self.with_executor(executor).forward_into(x, shape, y)
    }

    fn backward(
        &self,
        x: &[E],
        g: &[E],
        shape: &[usize],
        dx: &mut [E],
        executor: &dyn Executor,
    ) -> Result<(), ShapeError> {
        self.with_executor(executor).backward_into(x, g, shape, dx)
    }

    fn description(&self) -> Description {
        let plan = self.plan().to_string();
        Description { layer: self.to_string(), backend: self.backend().to_string(), plan }
    }
}

/// f32 that is computed as bf16.
struct Rounded(LocalResponseNorm<bf16>);

fn rounded(elements: &[f32]) -> Vec<bf16> {
    let mut result = vec![bf16::ZERO; elements.len()];
    result.convert_from_f32_slice(elements);
    result
}

impl Layer<f32> for Rounded {
    fn forward(&self, x: &[f32], shape: &[usize], y: &mut [f32], executor: &dyn Executor) -> Result<(), ShapeError> {
        let mut x = rounded(x);
        self.0.with_executor(executor).forward_in_place(&mut x, shape)?;
        x.convert_to_f32_slice(y);
        Ok(())
    }

    fn backward(
        &self,
        x: &[f32],
        g: &[f32],
        shape: &[usize],
        dx: &mut [f32],
        executor: &dyn Executor,
    ) -> Result<(), ShapeError> {
        let gradient = self.0.with_executor(executor).backward(&rounded(x), &rounded(g), shape)?;
        gradient.convert_to_f32_slice(dx);
        Ok(())
    }

    fn description(&self) -> Description {
        self.0.description()
    }
}

/// The layer of a configuration on elements of `E`; `big_endian`: of the input's file, and of the gradient's.
pub fn direct<E: Value>(
    config: &LrnConfig,
    threads: u16,
    wanted: Wanted,
    big_endian: [bool; 2],
) -> Result<Box<dyn Compute>, Failure> {
    Computing::<E>::begin(Box::new(config.build_for::<E>()?), threads, wanted, big_endian)
}

/// The same on f32, rounded to bf16 and computed as that.
pub fn as_bf16(
    config: &LrnConfig,
    threads: u16,
    wanted: Wanted,
    big_endian: [bool; 2],
) -> Result<Box<dyn Compute>, Failure> {
    Computing::<f32>::begin(Box::new(Rounded(config.build_for::<bf16>()?)), threads, wanted, big_endian)
}

/// A layer, the threads it runs on, and the byte orders around it.
struct Computing<F> {
    layer: Box<dyn Layer<F>>,
    pool: Option<ThreadPool>,
    wanted: Wanted,
    swap: [bool; 2],
}

impl<F: Value> Computing<F> {
    fn begin(
        layer: Box<dyn Layer<F>>,
        threads: u16,
        wanted: Wanted,
        big_endian: [bool; 2],
    ) -> Result<Box<dyn Compute>, Failure>
    where
        Self: Compute,
    {
        let pool = match threads {
            1 => None,
            _ => Some(
                ThreadPoolBuilder::new()
                    .num_threads(threads.into())
                    .build()
                    .map_err(|error| Failure::input(format_args!("cannot start {threads} threads: {error}")))?,
            ),
        };
        let swap = big_endian.map(|big_endian| big_endian != cfg!(target_endian = "big"));
        Ok(Box::new(Self { layer, pool, wanted, swap }))
    }

    /// On the threads there are.
    fn on_threads(&self, work: impl FnOnce(&dyn Executor) -> Result<(), ShapeError> + Send) -> Result<(), ShapeError> {
        match &self.pool {
            None => work(&Serial),
            Some(pool) => pool.install(|| work(&CurrentRayon)),
        }
    }
}

impl<F: Value> Compute for Computing<F> {
    fn run(&self, chunk: &Chunk<'_>, tensors: &mut [Buffer], spare: &mut Buffer) -> Result<(), Failure> {
        let (shape, count) = (&chunk.shape(), chunk.elements());
        for (tensor, swap) in tensors.iter_mut().zip(self.swap) {
            swapped(&mut elements::<F>(tensor, count)[..], swap);
        }
        // Results have the byte order of the input's file. The output takes the input's place, so the gradient goes first.
        let [swap, _] = self.swap;
        if let ([x, g], true) = (&mut *tensors, self.wanted.gradient) {
            let (x, gradient, dx) = (elements::<F>(x, count), elements(g, count), elements(spare, count));
            self.on_threads(|executor| self.layer.backward(x, gradient, shape, dx, executor))?;
            swapped(dx, swap);
            std::mem::swap(g, spare);
        }
        if self.wanted.output {
            let (x, y) = (elements::<F>(&mut tensors[0], count), elements(spare, count));
            self.on_threads(|executor| self.layer.forward(x, shape, y, executor))?;
            swapped(y, swap);
            std::mem::swap(&mut tensors[0], spare);
        }
        Ok(())
    }

    fn description(&self) -> Description {
        self.layer.description()
    }
}

/// The first `count` elements of a buffer.
fn elements<F: Value>(buffer: &mut Buffer, count: usize) -> &mut [F] {
    &mut F::view(&mut buffer[..words::<F>(count)])[..count]
}

fn swapped<F: Value>(elements: &mut [F], swap: bool) {
    if swap {
        F::swap(elements);
    }
}
