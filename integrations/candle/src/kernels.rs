//! [`Kernels`]: a compiled layer for each of candle's float types, and what a storage and a layout are to it.

use std::sync::OnceLock;

use candle_core::{CpuStorage, DType, Error, Layout, Result, WithDType};
use half::{bf16, f16};
use lrn_jit::{BuildError, CurrentRayon, Element, LrnConfig};

/// The operation's name in candle's graph and in errors.
pub(crate) const NAME: &str = "local-response-norm";

/// An error of the library as one of candle's.
pub(crate) fn error(error: impl std::error::Error) -> Error {
    Error::Msg(format!("{NAME}: {error}")).bt()
}

/// A derivative: what it is computed from, and the method that does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Derivative {
    /// Of the output's gradient, from x and it.
    Backward,
    /// Along a tangent, from x and it.
    Jvp,
    /// Of [`Derivative::Backward`] with respect to x, from x, the output's gradient, and the gradient of the result.
    DoubleBackward,
}

/// A layer whatever its element type.
pub(crate) trait Kernel: Send + Sync {
    /// Normalizes a tensor of any layout into a contiguous one.
    fn forward(&self, x: &CpuStorage, layout: &Layout) -> Result<CpuStorage>;

    /// A derivative from contiguous tensors of one shape.
    fn derivative(&self, derivative: Derivative, inputs: &[(&CpuStorage, &Layout)]) -> Result<CpuStorage>;
}

impl<E: Element + WithDType> Kernel for lrn_jit::LocalResponseNorm<E> {
    fn forward(&self, x: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
        let x = E::cpu_storage_as_slice(x)?;
        let (layer, shape) = (self.with_executor(&CurrentRayon), layout.dims());
        let y = match contiguous(x, layout) {
            Some(x) => layer.forward(x, shape).map_err(error)?,
            None => {
                let strides: Vec<_> = layout.stride().iter().map(|stride| stride.cast_signed()).collect();
                let input = lrn_jit::Layout::strided(shape, &strides).at(layout.start_offset());
                let mut y = vec![E::default(); layout.shape().elem_count()];
                layer.forward_strided(x, &input, &mut y, &lrn_jit::Layout::contiguous(shape)).map_err(error)?;
                y
            }
        };
        Ok(E::to_cpu_storage_owned(y))
    }

    fn derivative(&self, derivative: Derivative, inputs: &[(&CpuStorage, &Layout)]) -> Result<CpuStorage> {
        let shape = inputs[0].1.dims();
        let slice = |&(storage, layout): &(_, &Layout)| {
            if layout.dims() != shape {
                let (lhs, rhs) = (inputs[0].1.shape().clone(), layout.shape().clone());
                return Err(Error::ShapeMismatchBinaryOp { lhs, rhs, op: NAME }.bt());
            }
            contiguous(E::cpu_storage_as_slice(storage)?, layout)
                .ok_or_else(|| Error::RequiresContiguous { op: NAME }.bt())
        };
        let slices = inputs.iter().map(slice).collect::<Result<Vec<_>>>()?;
        let layer = self.with_executor(&CurrentRayon);
        let result = match (derivative, &slices[..]) {
            (Derivative::Backward, &[x, grad_y]) => layer.backward(x, grad_y, shape),
            (Derivative::Jvp, &[x, v]) => layer.jvp(x, v, shape),
            (Derivative::DoubleBackward, &[x, grad_y, v]) => layer.double_backward(x, grad_y, v, shape),
            _ => return Err(Error::OpRequiresAtLeastTwoTensors { op: NAME }.bt()),
        };
        Ok(E::to_cpu_storage_owned(result.map_err(error)?))
    }
}

/// The elements of a contiguous layout.
fn contiguous<'a, E>(slice: &'a [E], layout: &Layout) -> Option<&'a [E]> {
    let (start, end) = layout.contiguous_offsets()?;
    slice.get(start..end)
}

/// A layer that is compiled when it is first needed.
type Lazy = OnceLock<std::result::Result<Box<dyn Kernel>, BuildError>>;

/// The layers of one configuration.
pub(crate) struct Kernels {
    config: LrnConfig,
    f32: lrn_jit::LocalResponseNorm,
    f64: Lazy,
    f16: Lazy,
    bf16: Lazy,
}

impl Kernels {
    /// Validates a configuration and compiles it for f32.
    pub(crate) fn new(config: LrnConfig) -> Result<Self> {
        let f32 = config.build().map_err(error)?;
        let [f64, f16, bf16] = [const { OnceLock::new() }; 3];
        Ok(Self { config, f32, f64, f16, bf16 })
    }

    /// The layer for f32, whose parameters are those of all.
    pub(crate) fn layer(&self) -> &lrn_jit::LocalResponseNorm {
        &self.f32
    }

    /// The layer for a type.
    pub(crate) fn of(&self, dtype: DType) -> Result<&dyn Kernel> {
        match dtype {
            DType::F32 => Ok(&self.f32),
            DType::F64 => self.built::<f64>(&self.f64),
            DType::F16 => self.built::<f16>(&self.f16),
            DType::BF16 => self.built::<bf16>(&self.bf16),
            dtype => {
                Err(Error::UnsupportedDTypeForOp(dtype, NAME).context("F32, F64, F16 and BF16 can be normalized").bt())
            }
        }
    }

    fn built<'a, E: Element + WithDType>(&self, lazy: &'a Lazy) -> Result<&'a dyn Kernel> {
        let build = || self.config.build_for::<E>().map(|layer| Box::new(layer) as Box<dyn Kernel>);
        lazy.get_or_init(build).as_deref().map_err(error)
    }
}
