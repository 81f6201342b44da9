//! [`Layers`]: a layer of the library, and from operands of any layout to its calls.
//!
//! 1. Forward, the library takes any pair of views.
//! 2. Derivatives it takes of contiguous tensors alone. Seen in the order of the output's memory, tensors that lie alike and have no
//!    gaps are contiguous (channels-last memory seen as N, C, H, W is N, H, W, C), with another channel axis. A layer for that axis
//!    shares the code of the first one. Operands that lie otherwise are copied.
//! 3. An output that is also an input is computed in place where the library can, else apart, and copied.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lrn_jit::{BuildError, Element, Executor, LocalResponseNorm, LrnConfig, Region, ShapeError};
use ndarray::{Array, ArrayViewD, ArrayViewMutD};

use crate::memory::Memory;

/// What is computed, of how many inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Of x.
    Forward,
    /// Of x and the output's gradient.
    Backward,
    /// Of x and a tangent.
    Jvp,
    /// Of x, the output's gradient and the gradient's own.
    DoubleBackward,
}

impl Task {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "forward" => Self::Forward,
            "backward" => Self::Backward,
            "jvp" => Self::Jvp,
            "double_backward" => Self::DoubleBackward,
            _ => return None,
        })
    }

    pub(crate) const fn inputs(self) -> usize {
        match self {
            Self::Forward => 1,
            Self::Backward | Self::Jvp => 2,
            Self::DoubleBackward => 3,
        }
    }
}

/// Why nothing was computed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// A layer, and what it is along the axes of tensors that lie in other orders.
pub(crate) struct Layers<E: Element> {
    config: LrnConfig,
    layer: LocalResponseNorm<E>,
    ordered: Mutex<HashMap<Vec<isize>, LocalResponseNorm<E>>>,
}

/// A layer for tensors whose axes are taken in an order.
struct Ordered<E: Element> {
    layer: LocalResponseNorm<E>,
    order: Vec<usize>,
}

impl<E: Element> Layers<E> {
    pub(crate) fn new(config: LrnConfig) -> Result<Self, BuildError> {
        let layer = config.build_for()?;
        Ok(Self { config, layer, ordered: Mutex::default() })
    }

    pub(crate) fn layer(&self) -> &LocalResponseNorm<E> {
        &self.layer
    }

    /// Computes `output`, of the inputs' shape.
    ///
    /// # Safety
    ///
    /// At every index of each operand there is an aligned `E`. Until this returns nobody writes those of inputs, nor reads or
    /// writes those of the output. An input is the output itself, or shares no element with it.
    #[allow(unsafe_code, reason = "views of memory that Python owns")]
    pub(crate) unsafe fn run(
        &self,
        task: Task,
        inputs: &[Memory<'_>],
        output: Memory<'_>,
        executor: &dyn Executor,
    ) -> Result<(), Error> {
        output.check_distinct()?;
        // SAFETY: elements to read. Where the output is one of them, these views are gone before it is written.
        let views: Vec<_> = inputs.iter().map(|input| unsafe { input.view::<E>() }).collect();
        if !inputs.contains(&output) {
            // SAFETY: another element for each index, none of them an input's.
            return self.apart(task, &views, unsafe { output.view_mut() }, output, executor);
        }
        let ordered = self.ordered(output)?;
        if task == Task::Forward && ordered.see(&views[0]).is_standard_layout() {
            drop(views);
            // SAFETY: another element for each index, and no other view of them is left.
            return ordered.in_place(unsafe { output.view_mut() }, executor);
        }
        let mut made = Array::default(output.shape);
        self.apart(task, &views, made.view_mut(), output, executor)?;
        drop(views);
        // SAFETY: as above.
        unsafe { output.view_mut() }.assign(&made);
        Ok(())
    }

    /// Computes an output that is no input, and lies as `like` does.
    fn apart(
        &self,
        task: Task,
        inputs: &[ArrayViewD<'_, E>],
        output: ArrayViewMutD<'_, E>,
        like: Memory<'_>,
        executor: &dyn Executor,
    ) -> Result<(), Error> {
        match (task, inputs) {
            (Task::Forward, [x]) => Ok(self.layer.with_executor(executor).forward_view_into(x.view(), output)?),
            _ => self.ordered(like)?.derivative(task, inputs, output, executor),
        }
    }

    /// The layer for tensors that lie as `memory` does. (Where it has not the axes that windows extend over, the library is to
    /// say so of the axes as they are.)
    fn ordered(&self, memory: Memory<'_>) -> Result<Ordered<E>, BuildError> {
        let order = memory.order();
        let places = if order.is_sorted() { None } else { self.places(&order) };
        let Some(places) = places else {
            return Ok(Ordered { layer: self.layer.clone(), order: (0..order.len()).collect() });
        };
        let mut layers = self.ordered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layer) = layers.get(&places) {
            return Ok(Ordered { layer: layer.clone(), order });
        }
        // Set explicitly, k holds in every region: that of Caffe's windows within a channel was 1 already.
        let layer = &self.layer;
        let config = self.config.clone().alpha(layer.alpha()).beta(layer.beta()).k(layer.k());
        let config = match layer.region() {
            Region::AcrossChannels => config.channel_axis(places[0]),
            _ => config.over_axes(&places),
        };
        let layer = config.build_for::<E>()?;
        layers.insert(places, layer.clone());
        Ok(Ordered { layer, order })
    }

    /// Where in an order the axes of the windows are, if there are such axes.
    fn places(&self, order: &[usize]) -> Option<Vec<isize>> {
        let rank = order.len().cast_signed();
        let axes: Vec<isize> = match self.layer.region() {
            Region::AcrossChannels => vec![self.layer.channel_axis()],
            Region::WithinChannel { dims } => (1..=dims.cast_signed()).map(|axis| -axis).collect(),
            Region::Axes(axes) => axes.clone(),
            _ => return None,
        };
        let place = |axis: isize| {
            let axis = if axis < 0 { axis.checked_add(rank)? } else { axis };
            order.iter().position(|&other| other.cast_signed() == axis).map(usize::cast_signed)
        };
        let mut places: Vec<_> = axes.into_iter().map(place).collect::<Option<_>>()?;
        places.sort_unstable();
        places.windows(2).all(|pair| pair[0] != pair[1]).then_some(places)
    }
}

impl<E: Element> Ordered<E> {
    fn see<'a>(&self, view: &'a ArrayViewD<'_, E>) -> ArrayViewD<'a, E> {
        view.view().permuted_axes(&self.order[..])
    }

    /// Forward where the input lies, dense in this order.
    fn in_place(&self, x: ArrayViewMutD<'_, E>, executor: &dyn Executor) -> Result<(), Error> {
        let mut x = x.permuted_axes(&self.order[..]);
        let shape = x.shape().to_vec();
        let elements = x.as_slice_mut().expect("dense in this order");
        Ok(self.layer.with_executor(executor).forward_in_place(elements, &shape)?)
    }

    /// A derivative, where the operands lie if they are dense in this order.
    fn derivative(
        &self,
        task: Task,
        inputs: &[ArrayViewD<'_, E>],
        output: ArrayViewMutD<'_, E>,
        executor: &dyn Executor,
    ) -> Result<(), Error> {
        let inputs: Vec<_> = inputs.iter().map(|input| self.see(input)).collect();
        let inputs: Vec<_> = inputs.iter().map(|input| input.as_standard_layout()).collect();
        let slices: Vec<_> = inputs.iter().map(|input| input.as_slice().expect("standard layout")).collect();
        let mut output = output.permuted_axes(&self.order[..]);
        let shape = output.shape().to_vec();
        let layer = self.layer.with_executor(executor);
        let call = |output: &mut [E]| match (task, &slices[..]) {
            (Task::Backward, [x, grad_y]) => layer.backward_into(x, grad_y, &shape, output),
            (Task::Jvp, [x, v]) => layer.jvp_into(x, v, &shape, output),
            (Task::DoubleBackward, [x, grad_y, v]) => layer.double_backward_into(x, grad_y, v, &shape, output),
            _ => unreachable!("the border counts the inputs of {task:?}"),
        };
        if let Some(output) = output.as_slice_mut() {
            return Ok(call(output)?);
        }
        let mut made = Array::default(output.raw_dim());
        call(made.as_slice_mut().expect("standard layout"))?;
        output.assign(&made);
        Ok(())
    }
}
