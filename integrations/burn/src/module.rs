//! [`LocalResponseNorm`]: the module that a network holds, with the fields and the rules of burn-nn's.

use burn::backend::{Dispatch, DispatchDevice};
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay};
use burn::tensor::{DType, Tensor};
use lrn_jit::{BuildError, Convention, LrnConfig, ShapeError};
use thiserror::Error;

use crate::extension::LrnOps;
use crate::layers::Layers;

/// What a [`LocalResponseNorm`] is made from: the parameters of burn-nn's module of that name, with its defaults.
#[derive(Config, Debug)]
pub struct LocalResponseNormConfig {
    /// Channels in the window, c − (size−1)/2 … c + size/2.
    pub size: usize,
    /// The weight of the squares, divided by the size. Default: 0.0001
    #[config(default = 0.0001)]
    pub alpha: f64,
    /// The exponent. Default: 0.75
    #[config(default = 0.75)]
    pub beta: f64,
    /// The additive constant. Default: 1.0
    #[config(default = 1.0)]
    pub k: f64,
}

impl LocalResponseNormConfig {
    /// Compiles the module, as burn-nn's method of that name makes its own.
    ///
    /// # Panics
    ///
    /// Where [`try_init`](Self::try_init) gives an error, with its words.
    pub fn init(&self) -> LocalResponseNorm {
        self.try_init().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Compiles the module: code for f32 now, for another type when a tensor of it is met.
    ///
    /// # Errors
    ///
    /// [`BuildError`] for size 0, for an alpha, beta or k that is not finite, and if the host cannot run compiled code.
    pub fn try_init(&self) -> Result<LocalResponseNorm, BuildError> {
        let Self { size, alpha, beta, k } = *self;
        let config = LrnConfig::new(size).convention(Convention::Onnx).alpha(alpha).beta(beta).k(k);
        let layers = Layers::new(config);
        layers.build(DType::F32)?;
        Ok(LocalResponseNorm { size, alpha, beta, k, layers })
    }
}

/// Local Response Normalization over the channels, axis 1, of a tensor on burn's CPU backend Flex, with or without gradients:
///
/// `y = x / (k + alpha/size · Σ x²)^beta`
///
/// summed from channel c − (size−1)/2 to c + size/2, as burn-nn and ONNX have it. It has no parameters to learn. Clones share the
/// compiled code.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct LocalResponseNorm {
    size: usize,
    alpha: f64,
    beta: f64,
    k: f64,
    #[module(skip)]
    layers: Layers,
}

impl LocalResponseNorm {
    /// Normalizes a tensor of shape (N, C, …) and rank 2 or more, f64, f32, f16 or bf16. The result has its shape and type.
    ///
    /// # Panics
    ///
    /// As burn's operators do: where [`try_forward`](Self::try_forward) gives an error, with its words.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        self.try_forward(input).unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`forward`](Self::forward), with errors.
    ///
    /// # Errors
    ///
    /// [`ForwardError`] if the tensor is not on Flex, has a rank under 2, or is of another type, as quantized ones are.
    pub fn try_forward<const D: usize>(&self, input: Tensor<D>) -> Result<Tensor<D>, ForwardError> {
        let device = input.device().inner();
        let device = device.as_dispatch();
        if !matches!(device, DispatchDevice::Flex(_)) {
            return Err(ForwardError::Device { device: format!("{device:?}") });
        }
        if D < 2 {
            return Err(ShapeError::Rank { rank: D, shape: input.dims().to_vec() }.into());
        }
        let dtype = input.dtype();
        if !self.layers.build(dtype)? {
            return Err(ForwardError::Type { dtype });
        }
        let output = <Dispatch as LrnOps>::local_response_norm(input.into_dispatch(), self.layers.clone());
        Ok(Tensor::from_dispatch(output))
    }
}

impl ModuleDisplay for LocalResponseNorm {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let content = content.add("size", &self.size).add("alpha", &self.alpha);
        content.add("beta", &self.beta).add("k", &self.k).optional()
    }
}

/// Why a tensor cannot be normalized.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// The tensor is elsewhere.
    #[error("compiled LRN runs on burn's CPU backend Flex, but the tensor is on {device}")]
    Device {
        /// Where it is.
        device: String,
    },
    /// The tensor's elements are of a type that has no layer.
    #[error("the elements must be f64, f32, f16 or bf16, got {dtype:?}")]
    Type {
        /// The type.
        dtype: DType,
    },
    /// The tensor has not the axes.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The layer of this type could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}
