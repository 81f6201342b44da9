//! Configurations: an [`LrnConfig`] behind a handle, and the constants that its setters take.

use std::mem::MaybeUninit;

use lrn_jit::{LrnConfig, Width, Window};

use crate::memory::{axes, exclusive};
use crate::status::{Failure, Status, border};

/// What a layer is to be. Opaque; used by one thread at a time.
pub struct Config(pub(crate) LrnConfig);

/// Constants that C passes as any int.
pub(crate) trait Constant: Copy + 'static {
    /// What is named by them.
    const WHAT: &'static str;
    /// Numbered from 0.
    const ALL: &'static [Self];
}

/// The constant that was passed.
pub(crate) fn constant<T: Constant>(passed: MaybeUninit<T>) -> Result<T, Failure> {
    const { assert!(size_of::<T>() == size_of::<i32>()) };
    // SAFETY: an enum of the size of an int, of which C wrote every bit.
    let number = unsafe { passed.as_ptr().cast::<i32>().read() };
    let known = usize::try_from(number).ok().and_then(|index| T::ALL.get(index));
    known.copied().ok_or_else(|| {
        let text = format!("no such {}: allowed are 0 to {}, got {number}", T::WHAT, T::ALL.len() - 1);
        Failure::new(Status::Argument, text)
    })
}

/// Whose rules a size and the defaults follow (n = size, integer division; alpha is divided by n).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// torch.nn.LocalResponseNorm: c - n/2 to c + (n-1)/2; alpha 1e-4, beta 0.75, k 1. The default.
    Torch = 0,
    /// ONNX's operator LRN: c - (n-1)/2 to c + n/2; alpha 1e-4, beta 0.75, k 1.
    Onnx = 1,
    /// tf.nn.local_response_normalization: n = 2*depth_radius + 1, odd; alpha is not divided; alpha 1, beta 0.5, k 1.
    Tensorflow = 2,
    /// Caffe: odd n; alpha 1, beta 0.75, k 1. Within a channel k is 1, whatever was set.
    Caffe = 3,
    /// cuDNN: as ONNX; k 2.
    Cudnn = 4,
    /// oneDNN: c - (n-1)/2 to c + (n-1)/2; alpha 1/8192, beta 0.75, k 1.
    Onednn = 5,
    /// ncnn, the torch.js page: c - n/2 to c + n/2; alpha 1e-4, beta 0.75, k 1.
    Symmetric = 6,
}

/// What taps beyond the first and the last channel read.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// Zero, as in every framework. The default.
    Zero = 0,
    /// The channel at the index modulo the number of channels.
    Wrap = 1,
}

/// What is done to x before it is normalized, in the same pass over memory. Gradients include it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing. The default.
    Identity = 0,
    /// max(x, 0); a NaN stays.
    Relu = 1,
}

/// What computes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Machine code compiled for the parameters. The default, where the host can run it.
    Jit = 0,
    /// The same plan run over arrays: the same bits, slower. The default elsewhere.
    Interpreter = 1,
    /// Ordinary code with all parameters at run time. Other bits.
    Generic = 2,
    /// The same with powf for every beta.
    GenericPowf = 3,
    /// The formula in double precision, rounded once. Slow.
    Reference = 4,
}

impl Constant for Convention {
    const WHAT: &'static str = "convention";
    const ALL: &'static [Self] =
        &[Self::Torch, Self::Onnx, Self::Tensorflow, Self::Caffe, Self::Cudnn, Self::Onednn, Self::Symmetric];
}

impl Constant for Boundary {
    const WHAT: &'static str = "boundary";
    const ALL: &'static [Self] = &[Self::Zero, Self::Wrap];
}

impl Constant for Activation {
    const WHAT: &'static str = "activation";
    const ALL: &'static [Self] = &[Self::Identity, Self::Relu];
}

impl Constant for Backend {
    const WHAT: &'static str = "backend";
    const ALL: &'static [Self] = &[Self::Jit, Self::Interpreter, Self::Generic, Self::GenericPowf, Self::Reference];
}

/// Changes a configuration.
///
/// # Safety
///
/// The pointer is NULL, or to a configuration that nobody else uses.
unsafe fn change(config: *mut Config, change: impl FnOnce(LrnConfig) -> Result<LrnConfig, Failure>) -> Status {
    border(|| {
        // SAFETY: the caller's.
        let config = unsafe { exclusive("config", config)? };
        config.0 = change(config.0.clone())?;
        Ok(())
    })
}

/// A configuration of a layer over `size` neighbouring channels (taps of the window along each of its axes): torch's convention and
/// defaults, the channels on axis 1, zeros beyond the edges. What is set explicitly beats a convention's default, in whatever order.
/// Values are checked by lrn_jit_build. To be freed by lrn_jit_config_free. NULL only on an internal error.
#[unsafe(no_mangle)]
pub extern "C" fn lrn_jit_config_new(size: usize) -> *mut Config {
    let mut config = std::ptr::null_mut();
    border(|| {
        config = Box::into_raw(Box::new(Config(LrnConfig::new(size))));
        Ok(())
    });
    config
}

/// Frees a configuration; of NULL, nothing. Layers built from it stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_free(config: *mut Config) {
    if !config.is_null() {
        border(|| {
            // SAFETY: made by `lrn_jit_config_new`, and not freed before.
            drop(unsafe { Box::from_raw(config) });
            Ok(())
        });
    }
}

/// The weight of the squares, divided by the convention's divisor (once for each axis of the window). Any finite number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_alpha(config: *mut Config, alpha: f64) -> Status {
    // SAFETY: the caller's.
    unsafe { change(config, |config| Ok(config.alpha(alpha))) }
}

/// The exponent. Any finite number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_beta(config: *mut Config, beta: f64) -> Status {
    // SAFETY: the caller's.
    unsafe { change(config, |config| Ok(config.beta(beta))) }
}

/// The additive constant, also called bias. Any finite number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_k(config: *mut Config, k: f64) -> Status {
    // SAFETY: the caller's.
    unsafe { change(config, |config| Ok(config.k(k))) }
}

/// Whose rules and defaults hold. Of lrn_jit_config_set_convention and lrn_jit_config_set_window the later call counts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_convention(
    config: *mut Config,
    convention: MaybeUninit<Convention>,
) -> Status {
    use lrn_jit::Convention as To;
    let change_to = |config: LrnConfig| {
        Ok(config.convention(match constant(convention)? {
            Convention::Torch => To::Torch,
            Convention::Onnx => To::Onnx,
            Convention::Tensorflow => To::TensorFlow,
            Convention::Caffe => To::Caffe,
            Convention::Cudnn => To::Cudnn,
            Convention::Onednn => To::OneDnn,
            Convention::Symmetric => To::Symmetric,
        }))
    };
    // SAFETY: the caller's.
    unsafe { change(config, change_to) }
}

/// A window of one's own, from c - before to c + after, alpha divided by `divisor` (finite and not 0), in place of a size and a
/// convention. The defaults are torch's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_window(
    config: *mut Config,
    before: usize,
    after: usize,
    divisor: f64,
) -> Status {
    let window = lrn_jit::Convention::Window(Window { before, after, divisor });
    // SAFETY: the caller's.
    unsafe { change(config, |config| Ok(config.convention(window))) }
}

/// What taps beyond the edges read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_boundary(config: *mut Config, boundary: MaybeUninit<Boundary>) -> Status {
    let change_to = |config: LrnConfig| {
        Ok(config.boundary(match constant(boundary)? {
            Boundary::Zero => lrn_jit::Boundary::Zero,
            Boundary::Wrap => lrn_jit::Boundary::Wrap,
        }))
    };
    // SAFETY: the caller's.
    unsafe { change(config, change_to) }
}

/// What is done to x before it is normalized.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_input_activation(
    config: *mut Config,
    activation: MaybeUninit<Activation>,
) -> Status {
    let change_to = |config: LrnConfig| {
        Ok(config.input_activation(match constant(activation)? {
            Activation::Identity => lrn_jit::Activation::Identity,
            Activation::Relu => lrn_jit::Activation::Relu,
        }))
    };
    // SAFETY: the caller's.
    unsafe { change(config, change_to) }
}

/// The axis of the channels; negative counts from the end (-1: channels last). Default 1. Which axes windows extend over, this leaves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_channel_axis(config: *mut Config, axis: isize) -> Status {
    // SAFETY: the caller's.
    unsafe { change(config, |config| Ok(config.channel_axis(axis))) }
}

/// Windows along the channel axis: the default. Of this, lrn_jit_config_set_within_channel and lrn_jit_config_set_axes the last call
/// counts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_across_channels(config: *mut Config) -> Status {
    // SAFETY: the caller's.
    unsafe { change(config, |config| Ok(config.across_channels())) }
}

/// Windows within a channel, over the last `dims` axes, 1 to 3: a box of `size` in each, alpha divided by size^dims.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_within_channel(config: *mut Config, dims: usize) -> Status {
    // SAFETY: the caller's.
    unsafe { change(config, |config| Ok(config.within_channel(dims))) }
}

/// Windows over any axes, `count` of them (at most LRN_JIT_MAX_RANK), negative from the end, in any order. Over none (`axes` may be
/// NULL) each element is its own window. The axes are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_axes(config: *mut Config, axes: *const isize, count: usize) -> Status {
    // SAFETY: the caller's.
    unsafe { change(config, |config| Ok(config.over_axes(self::axes("axes", axes, count)?))) }
}

/// Insists on a backend. Without this the JIT runs, or where the host cannot, the interpreter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_backend(config: *mut Config, backend: MaybeUninit<Backend>) -> Status {
    let change_to = |config: LrnConfig| {
        Ok(config.backend(match constant(backend)? {
            Backend::Jit => lrn_jit::Backend::Jit,
            Backend::Interpreter => lrn_jit::Backend::Interpreter,
            Backend::Generic => lrn_jit::Backend::Generic,
            Backend::GenericPowf => lrn_jit::Backend::GenericPowf,
            Backend::Reference => lrn_jit::Backend::Reference,
        }))
    };
    // SAFETY: the caller's.
    unsafe { change(config, change_to) }
}

/// Insists on a width of the vectors of compiled code, in bits: 128, 256 or 512; 0 is the widest that the host runs well, the default.
/// (The environment variable LRN_JIT_WIDTH takes the place of 0.) The bits of results do not depend on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_config_set_width(config: *mut Config, bits: usize) -> Status {
    let change_to = |config: LrnConfig| {
        Ok(config.width(match bits {
            0 => Width::Auto,
            128 => Width::W128,
            256 => Width::W256,
            512 => Width::W512,
            _ => {
                let text = format!("width must be 0 (auto), 128, 256 or 512, got {bits}");
                return Err(Failure::new(Status::Argument, text));
            }
        }))
    };
    // SAFETY: the caller's.
    unsafe { change(config, change_to) }
}
