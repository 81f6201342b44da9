//! [`OnExecutor`]: from slices and a shape to parts of a tensor, and who runs them.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::element::Element;
use crate::error::ShapeError;
use crate::executor::Executor;
use crate::geometry::Geometry;
use crate::layer::LocalResponseNorm;
use crate::tensor::{Tensor, assume_init, fresh, uninit};

/// Elements below which handing work to other threads costs more than it saves.
const PARALLEL_ELEMENTS: usize = 1 << 18;
/// Parts are cut at multiples of this many positions: a cache line of f32.
const GRAIN: usize = 16;

/// A layer on an executor: see [`LocalResponseNorm::with_executor`].
#[derive(Clone, Copy)]
pub struct OnExecutor<'a, E: Element = f32> {
    layer: &'a LocalResponseNorm<E>,
    executor: &'a dyn Executor,
}

impl<'a, E: Element> OnExecutor<'a, E> {
    pub(crate) fn new(layer: &'a LocalResponseNorm<E>, executor: &'a dyn Executor) -> Self {
        Self { layer, executor }
    }

    /// As [`LocalResponseNorm::forward`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward`].
    pub fn forward(&self, x: &[E], shape: &[usize]) -> Result<Vec<E>, ShapeError> {
        let geometry = self.geometry("input", x.len(), shape)?;
        Ok(fresh(x.len(), |y| self.run(Tensor::new(x, y, geometry))))
    }

    /// As [`LocalResponseNorm::forward_into`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward`].
    pub fn forward_into(&self, x: &[E], shape: &[usize], y: &mut [E]) -> Result<(), ShapeError> {
        let geometry = self.geometry("input", x.len(), shape)?;
        geometry.check_length("output", y.len(), shape)?;
        self.run(Tensor::new(x, uninit(y), geometry));
        Ok(())
    }

    /// As [`LocalResponseNorm::forward_uninit`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward`].
    pub fn forward_uninit<'y>(
        &self,
        x: &[E],
        shape: &[usize],
        y: &'y mut [MaybeUninit<E>],
    ) -> Result<&'y mut [E], ShapeError> {
        let geometry = self.geometry("input", x.len(), shape)?;
        geometry.check_length("output", y.len(), shape)?;
        Ok(assume_init(y, |y| self.run(Tensor::new(x, y, geometry))))
    }

    /// As [`LocalResponseNorm::forward_in_place`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward`].
    pub fn forward_in_place(&self, x: &mut [E], shape: &[usize]) -> Result<(), ShapeError> {
        let geometry = self.geometry("input", x.len(), shape)?;
        self.run(Tensor::in_place(x, geometry));
        Ok(())
    }

    fn geometry(&self, what: &'static str, length: usize, shape: &[usize]) -> Result<Geometry, ShapeError> {
        let geometry = Geometry::new(shape, self.layer.channel_axis())?;
        geometry.check_length(what, length, shape)?;
        Ok(geometry)
    }

    /// Computes every part of the tensor.
    pub(crate) fn run(&self, tensor: Tensor<'_, E>) -> Complete {
        let count = self.tasks(tensor.elements());
        self.each(tensor.split(count, GRAIN), |part| self.layer.compute(part))
    }

    pub(crate) fn layer(&self) -> &'a LocalResponseNorm<E> {
        self.layer
    }

    /// How many tasks work on so many elements is cut into.
    pub(crate) fn tasks(&self, elements: usize) -> usize {
        let threads = self.executor.threads();
        if threads > 1 && elements >= PARALLEL_ELEMENTS { threads } else { 1 }
    }

    /// Does the work of every part of an output, exactly once, whatever the executor does.
    pub(crate) fn each<T: Send>(&self, mut parts: Vec<T>, work: impl Fn(&mut T) + Sync) -> Complete {
        if let [part] = &mut parts[..] {
            work(part);
            return Complete(());
        }
        let parts: Vec<_> = parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
        let done = AtomicUsize::new(0);
        let task = |index: usize| {
            let Some(part) = parts.get(index) else { return };
            let part = part.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(mut part) = part {
                work(&mut part);
                done.fetch_add(1, Ordering::Release);
            }
        };
        self.executor.run(parts.len(), &task);
        // Whatever the executor left out.
        (0..parts.len()).for_each(task);
        assert_eq!(done.load(Ordering::Acquire), parts.len(), "an executor returned before its tasks");
        Complete(())
    }
}

/// Proof that every part of an output was written: only [`OnExecutor::each`] makes one.
pub(crate) struct Complete(());
