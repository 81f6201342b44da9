//! [`Kernel`]: the layer of one node of a model.

use std::ffi::CString;

use lrn_jit::{Backend, Convention, Element, LocalResponseNorm, LrnConfig};
use ort_sys::OrtLoggingLevel;

use crate::error::Error;
use crate::executor::ParallelFor;
use crate::host::{Attributes, Context};

/// What ONNX takes where a node does not say: single precision, as its attributes are.
const ALPHA: f32 = 1e-4;
const BETA: f32 = 0.75;
const BIAS: f32 = 1.0;

/// The layer of one node, for tensors of `E`: compiled when a session is made, freed with it.
pub struct Kernel<E: Element> {
    layer: LocalResponseNorm<E>,
}

impl<E: Element> Kernel<E> {
    /// Builds the layer that a node's attributes describe: `size`, an integer of at least 1, and the floats `alpha`, `beta` and
    /// `bias`. Which backend runs is written to the session's log, as a warning if it is not compiled code.
    pub fn new(node: Attributes<'_>) -> Result<Self, Error> {
        let size = node.integer(c"size")?.ok_or(Error::NoSize)?;
        let size = usize::try_from(size).ok().filter(|&size| size > 0).ok_or(Error::Size(size))?;
        let layer = LrnConfig::new(size)
            .convention(Convention::Onnx)
            .alpha(node.float(c"alpha")?.unwrap_or(ALPHA).into())
            .beta(node.float(c"beta")?.unwrap_or(BETA).into())
            .k(node.float(c"bias")?.unwrap_or(BIAS).into())
            .build_for::<E>()?;
        let level = match layer.backend().backend {
            Backend::Jit => OrtLoggingLevel::ORT_LOGGING_LEVEL_INFO,
            _ => OrtLoggingLevel::ORT_LOGGING_LEVEL_WARNING,
        };
        let line = CString::new(format!("lrn-jit: {layer} of {}: {}", E::NAME, layer.backend()));
        node.log(level, &line.unwrap_or_default());
        Ok(Self { layer })
    }

    /// Normalizes the input of a run into its output.
    ///
    /// # Safety
    ///
    /// Input and output are tensors of `E`, and this is called once for each run.
    pub unsafe fn compute(&self, context: Context<'_>) -> Result<(), Error> {
        // SAFETY: as the caller promises.
        let (x, shape) = unsafe { context.input::<E>() }?;
        // SAFETY: as the caller promises.
        let y = unsafe { context.output::<E>(&shape) }?;
        let executor = ParallelFor::new(context, x.len());
        self.layer.with_executor(&executor).forward_uninit(x, &shape, y)?;
        Ok(())
    }
}
