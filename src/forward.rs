//! [`OnExecutor`]: from slices and a shape to parts of a tensor, and who runs them.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::element::Element;
use crate::error::ShapeError;
use crate::executor::Executor;
use crate::layer::LocalResponseNorm;
use crate::region::Space;
use crate::region::part::BoxTensor;
use crate::task::Task;
use crate::tensor::{Tensor, assume_init, fresh, uninit};

/// Elements below which handing work to other threads costs more than it saves.
const PARALLEL_ELEMENTS: usize = 1 << 18;
/// Parts are cut at multiples of this many positions: a cache line of f32.
const GRAIN: usize = 16;

/// What is worked on.
pub(crate) enum Slices<'a, E> {
    /// Inputs, and an output.
    Apart(&'a [&'a [E]], &'a mut [MaybeUninit<E>]),
    /// One slice that is both.
    InPlace(&'a mut [E]),
}

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
        self.compute(Task::Forward, &[("input", x)], shape)
    }

    /// As [`LocalResponseNorm::forward_into`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward`].
    pub fn forward_into(&self, x: &[E], shape: &[usize], y: &mut [E]) -> Result<(), ShapeError> {
        self.compute_into(Task::Forward, &[("input", x)], shape, ("output", y))
    }

    /// As [`LocalResponseNorm::backward`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward`].
    pub fn backward(&self, x: &[E], grad_y: &[E], shape: &[usize]) -> Result<Vec<E>, ShapeError> {
        self.compute(Task::Backward, &[("input", x), ("grad_y", grad_y)], shape)
    }

    /// As [`LocalResponseNorm::backward_into`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward`].
    pub fn backward_into(&self, x: &[E], grad_y: &[E], shape: &[usize], grad_x: &mut [E]) -> Result<(), ShapeError> {
        self.compute_into(Task::Backward, &[("input", x), ("grad_y", grad_y)], shape, ("grad_x", grad_x))
    }

    /// As [`LocalResponseNorm::jvp`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward`].
    pub fn jvp(&self, x: &[E], v: &[E], shape: &[usize]) -> Result<Vec<E>, ShapeError> {
        self.compute(Task::Jvp, &[("input", x), ("v", v)], shape)
    }

    /// As [`LocalResponseNorm::jvp_into`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward`].
    pub fn jvp_into(&self, x: &[E], v: &[E], shape: &[usize], y: &mut [E]) -> Result<(), ShapeError> {
        self.compute_into(Task::Jvp, &[("input", x), ("v", v)], shape, ("output", y))
    }

    /// As [`LocalResponseNorm::double_backward`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward`].
    pub fn double_backward(&self, x: &[E], grad_y: &[E], v: &[E], shape: &[usize]) -> Result<Vec<E>, ShapeError> {
        self.compute(Task::DoubleBackward, &[("input", x), ("grad_y", grad_y), ("v", v)], shape)
    }

    /// As [`LocalResponseNorm::double_backward_into`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward`].
    pub fn double_backward_into(
        &self,
        x: &[E],
        grad_y: &[E],
        v: &[E],
        shape: &[usize],
        grad_x: &mut [E],
    ) -> Result<(), ShapeError> {
        let inputs = [("input", x), ("grad_y", grad_y), ("v", v)];
        self.compute_into(Task::DoubleBackward, &inputs, shape, ("grad_x", grad_x))
    }

    fn compute(&self, task: Task, inputs: &[(&'static str, &[E])], shape: &[usize]) -> Result<Vec<E>, ShapeError> {
        let space = self.space(inputs, shape)?;
        let inputs: Vec<_> = inputs.iter().map(|&(_, input)| input).collect();
        Ok(fresh(space.elements(), |y| self.run(task, Slices::Apart(&inputs, y), &space)))
    }

    fn compute_into(
        &self,
        task: Task,
        inputs: &[(&'static str, &[E])],
        shape: &[usize],
        (what, y): (&'static str, &mut [E]),
    ) -> Result<(), ShapeError> {
        let space = self.space(inputs, shape)?;
        space.check_length(what, y.len(), shape)?;
        let inputs: Vec<_> = inputs.iter().map(|&(_, input)| input).collect();
        self.run(task, Slices::Apart(&inputs, uninit(y)), &space);
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
        let space = self.space(&[("input", x)], shape)?;
        space.check_length("output", y.len(), shape)?;
        Ok(assume_init(y, |y| self.run(Task::Forward, Slices::Apart(&[x], y), &space)))
    }

    /// As [`LocalResponseNorm::forward_in_place`].
    ///
    /// # Errors
    ///
    /// As [`LocalResponseNorm::forward`].
    pub fn forward_in_place(&self, x: &mut [E], shape: &[usize]) -> Result<(), ShapeError> {
        let space = self.space(&[("input", x)], shape)?;
        self.run(Task::Forward, Slices::InPlace(x), &space);
        Ok(())
    }

    fn space(&self, inputs: &[(&'static str, &[E])], shape: &[usize]) -> Result<Space, ShapeError> {
        let space = self.layer.space(shape)?;
        for (what, input) in inputs {
            space.check_length(what, input.len(), shape)?;
        }
        Ok(space)
    }

    /// Computes every part of a tensor.
    pub(crate) fn run(&self, task: Task, slices: Slices<'_, E>, space: &Space) -> Complete {
        let count = self.tasks(space.elements());
        // Derivatives of long windows have no kernels of their own, nor have those of short rows, which would be worked on slab by
        // slab: of boxes slabs are cut.
        let boxes = match space {
            Space::Columns(geometry)
                if task != Task::Forward && (self.layer.plan().is_cumulative() || geometry.is_long()) =>
            {
                &Space::Boxes(geometry.boxes())
            }
            space => space,
        };
        match boxes {
            &Space::Columns(geometry) => {
                let tensor = match slices {
                    Slices::Apart(inputs, output) => Tensor::new(inputs, output, geometry),
                    Slices::InPlace(elements) => Tensor::in_place(elements, geometry),
                };
                self.each(tensor.split(count, GRAIN), |part| self.layer.compute(task, part))
            }
            Space::Boxes(boxes) => {
                let tensor = match slices {
                    Slices::Apart(inputs, output) => BoxTensor::new(inputs, output, boxes),
                    Slices::InPlace(elements) => BoxTensor::in_place(elements, boxes),
                };
                let parts = tensor.split(self.layer.plan(), task, count);
                self.each(parts, |part| self.layer.compute_boxes(task, part))
            }
        }
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
