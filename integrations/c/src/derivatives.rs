//! The derivatives, exported. All tensors are of `shape`, without gaps, the last axis innermost; nothing has to be kept from the
//! forward call.

use std::ffi::c_void;

use crate::calls::{Derivative, call};
use crate::executor::Executor;
use crate::layer::Layer;
use crate::memory::{Input, Output};
use crate::status::Status;

/// The gradient with respect to x, given grad_y, the gradient with respect to the layer's output at x. Lengths as for
/// lrn_jit_forward. grad_x must overlap neither x nor grad_y. On an error grad_x is untouched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_backward(
    layer: *const Layer,
    shape: *const usize,
    rank: usize,
    x: *const c_void,
    x_bytes: usize,
    grad_y: *const c_void,
    grad_y_bytes: usize,
    grad_x: *mut c_void,
    grad_x_bytes: usize,
    executor: *const Executor,
) -> Status {
    let x = Input { what: "input", data: x, bytes: x_bytes };
    let grad_y = Input { what: "grad_y", data: grad_y, bytes: grad_y_bytes };
    let grad_x = Output { what: "grad_x", data: grad_x, bytes: grad_x_bytes };
    // SAFETY: the caller's.
    unsafe { derivative(layer, (shape, rank), Derivative::Backward, &[x, grad_y], grad_x, executor) }
}

/// The layer's derivative at x times the tangent v (forward mode): how the output changes as x goes along v. y must overlap neither.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_jvp(
    layer: *const Layer,
    shape: *const usize,
    rank: usize,
    x: *const c_void,
    x_bytes: usize,
    v: *const c_void,
    v_bytes: usize,
    y: *mut c_void,
    y_bytes: usize,
    executor: *const Executor,
) -> Status {
    let x = Input { what: "input", data: x, bytes: x_bytes };
    let v = Input { what: "v", data: v, bytes: v_bytes };
    let y = Output { what: "output", data: y, bytes: y_bytes };
    // SAFETY: the caller's.
    unsafe { derivative(layer, (shape, rank), Derivative::Jvp, &[x, v], y, executor) }
}

/// The gradient with respect to x of the inner product of v and lrn_jit_backward(x, grad_y): what differentiating a gradient again
/// takes. (With respect to grad_y it is lrn_jit_jvp(x, v).) grad_x must overlap none of the inputs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_double_backward(
    layer: *const Layer,
    shape: *const usize,
    rank: usize,
    x: *const c_void,
    x_bytes: usize,
    grad_y: *const c_void,
    grad_y_bytes: usize,
    v: *const c_void,
    v_bytes: usize,
    grad_x: *mut c_void,
    grad_x_bytes: usize,
    executor: *const Executor,
) -> Status {
    let x = Input { what: "input", data: x, bytes: x_bytes };
    let grad_y = Input { what: "grad_y", data: grad_y, bytes: grad_y_bytes };
    let v = Input { what: "v", data: v, bytes: v_bytes };
    let grad_x = Output { what: "grad_x", data: grad_x, bytes: grad_x_bytes };
    // SAFETY: the caller's.
    unsafe { derivative(layer, (shape, rank), Derivative::DoubleBackward, &[x, grad_y, v], grad_x, executor) }
}

/// A derivative, of as many inputs as it takes.
///
/// # Safety
///
/// Each pointer is NULL or to what its type says.
unsafe fn derivative(
    layer: *const Layer,
    shape: (*const usize, usize),
    which: Derivative,
    inputs: &[Input],
    output: Output,
    executor: *const Executor,
) -> Status {
    // SAFETY: the caller's.
    unsafe { call(layer, shape, executor, |layer, call| layer.derivative(call, which, inputs, output)) }
}
