//! The gradient as an operation of candle's graph, so that it can be differentiated in turn.
//!
//! ```text
//! grad_x = backward(x, grad_y)                              Gradient
//!   given v, the gradient with respect to grad_x:
//!   with respect to grad_y: jvp(x, v)                       Tangent
//!   with respect to x: double_backward(x, grad_y, v)        SecondGradient
//! ```
//!
//! The last two have no gradient: candle reports `BackwardNotSupported`. The library takes derivatives of contiguous tensors, so
//! candle makes the others contiguous first, which its graph sees.

use std::sync::Arc;

use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use crate::kernels::{Derivative, Kernels};

/// The gradient with respect to x, of x and the output's gradient.
pub(crate) struct Gradient(Arc<Kernels>);

/// The derivative along a tangent, of x and the tangent.
struct Tangent(Arc<Kernels>);

/// The gradient of [`Gradient`] with respect to x, of x, the output's gradient, and the gradient of the result.
struct SecondGradient(Arc<Kernels>);

impl Gradient {
    pub(crate) fn new(kernels: &Arc<Kernels>) -> Self {
        Self(Arc::clone(kernels))
    }

    /// The gradient with respect to `x`, of the shape and type of `x`.
    pub(crate) fn apply(self, x: &Tensor, grad_y: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op2(&grad_y.contiguous()?, self)
    }
}

/// Computes a derivative of the shape of its inputs.
fn compute(
    kernels: &Kernels,
    derivative: Derivative,
    inputs: &[(&CpuStorage, &Layout)],
) -> Result<(CpuStorage, Shape)> {
    let (x, layout) = inputs[0];
    Ok((kernels.of(x.dtype())?.derivative(derivative, inputs)?, layout.shape().clone()))
}

impl CustomOp2 for Gradient {
    fn name(&self) -> &'static str {
        "local-response-norm-gradient"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, grad_y: &CpuStorage, lg: &Layout) -> Result<(CpuStorage, Shape)> {
        compute(&self.0, Derivative::Backward, &[(x, lx), (grad_y, lg)])
    }

    fn bwd(&self, x: &Tensor, grad_y: &Tensor, _: &Tensor, v: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        // Both inputs are contiguous already.
        let v = v.contiguous()?;
        let grad_x = x.apply_op3(grad_y, &v, SecondGradient(Arc::clone(&self.0)))?;
        let grad_grad_y = x.apply_op2(&v, Tangent(Arc::clone(&self.0)))?;
        Ok((Some(grad_x), Some(grad_grad_y)))
    }
}

impl CustomOp2 for Tangent {
    fn name(&self) -> &'static str {
        "local-response-norm-tangent"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, v: &CpuStorage, lv: &Layout) -> Result<(CpuStorage, Shape)> {
        compute(&self.0, Derivative::Jvp, &[(x, lx), (v, lv)])
    }
}

impl CustomOp3 for SecondGradient {
    fn name(&self) -> &'static str {
        "local-response-norm-second-gradient"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        grad_y: &CpuStorage,
        lg: &Layout,
        v: &CpuStorage,
        lv: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        compute(&self.0, Derivative::DoubleBackward, &[(x, lx), (grad_y, lg), (v, lv)])
    }
}
