//! [`LocalResponseNorm`]: the module, and the operation it applies.

use std::fmt;
use std::sync::Arc;

use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Error, Layout, MetalStorage, Module, Result, Shape, Tensor};
use lrn_jit::LrnConfig;

use crate::config::LocalResponseNormConfig;
use crate::gradient::Gradient;
use crate::kernels::{Kernels, NAME};

/// Local Response Normalization, as `torch.nn.LocalResponseNorm`:
///
/// `y[n,c,s] = x[n,c,s] · (k + alpha/size · Σ x[n,j,s]²)^(−beta)`, j from c − size/2 to c + (size−1)/2.
///
/// It maps a tensor of any shape of rank 2 or more to one of the same shape and type, contiguous. There are no weights, and
/// train and eval do not differ. Cheap to clone and free to share between threads; code is compiled when a module is built (F32)
/// and when another type or a gradient is first met.
///
/// It is a [`Module`] and a [`CustomOp1`]: `norm.forward(&x)` and `x.apply_op1(norm.clone())` are the same.
#[derive(Clone)]
pub struct LocalResponseNorm {
    kernels: Arc<Kernels>,
}

/// A module over `size` neighbouring channels, or within them over boxes of `size` along each axis.
///
/// ```
/// use lrn_jit_candle::{Activation, LocalResponseNormConfig, local_response_norm};
///
/// let norm = local_response_norm(5, LocalResponseNormConfig::default())?;
/// assert_eq!(norm.to_string(), "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)");
///
/// // AlexNet's ReLU and LRN in one pass, NHWC.
/// let config = LocalResponseNormConfig { channel_axis: -1, input_activation: Activation::Relu, ..Default::default() };
/// let norm = local_response_norm(5, config)?;
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
///
/// If the size is 0, or even in a convention of odd sizes, if a number is not finite, or if windows within a channel extend over
/// none or more than 3 axes.
pub fn local_response_norm(size: usize, config: LocalResponseNormConfig) -> Result<LocalResponseNorm> {
    LocalResponseNorm::new(config.with_size(size))
}

impl LocalResponseNorm {
    /// A module of any configuration that the library has: a convention with its own defaults, a ring of channels, windows over
    /// any axes.
    ///
    /// ```
    /// use lrn_jit_candle::{Convention, LocalResponseNorm, LrnConfig};
    ///
    /// let norm = LocalResponseNorm::new(LrnConfig::new(5).convention(Convention::Cudnn))?; // k is 2 there
    /// assert_eq!(norm.layer().k(), 2.0);
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the configuration makes no sense, or asks for a backend or a width that the host lacks.
    pub fn new(config: LrnConfig) -> Result<Self> {
        Ok(Self { kernels: Arc::new(Kernels::new(config)?) })
    }

    /// The library's layer for F32: its parameters, its plan, its code and which backend runs.
    #[must_use]
    pub fn layer(&self) -> &lrn_jit::LocalResponseNorm {
        self.kernels.layer()
    }
}

impl Module for LocalResponseNorm {
    /// Normalizes `xs`.
    ///
    /// # Errors
    ///
    /// If `xs` is not F32, F64, F16 or BF16, not on the CPU, or lacks the axes that windows extend over (across channels: rank
    /// under 2, or no such channel axis).
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        xs.apply_op1(self.clone())
    }
}

impl CustomOp1 for LocalResponseNorm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = self.kernels.of(storage.dtype())?.forward(storage, layout)?;
        Ok((y, layout.shape().clone()))
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        Err(Error::Cuda(elsewhere("CUDA").into()).bt())
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        Err(Error::Msg(elsewhere("Metal")).bt())
    }

    fn bwd(&self, arg: &Tensor, _res: &Tensor, grad_res: &Tensor) -> Result<Option<Tensor>> {
        Gradient::new(&self.kernels).apply(arg, grad_res).map(Some)
    }
}

/// What is said about a tensor that is not on the CPU.
fn elsewhere(device: &str) -> String {
    format!("{NAME} runs on the CPU only, and the tensor is on {device}: to_device(&Device::Cpu) brings it here")
}

/// As torch's repr: `LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)`.
impl fmt::Display for LocalResponseNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.layer(), f)
    }
}

impl fmt::Debug for LocalResponseNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.layer(), f)
    }
}
