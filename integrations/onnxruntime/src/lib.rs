//! LRN of [lrn-jit](lrn_jit) in ONNX Runtime: a library of custom operators, with one export, [`RegisterCustomOps`].
//!
//! `SessionOptions.register_custom_ops_library` loads it and calls that export, which gives the session one operator, `LRN`, in
//! two domains, for float, double, float16 and bfloat16:
//!
//! * in ONNX's own, where it takes the place of the built-in one, so that a model need not be changed;
//! * in `lrn_jit`, for models that name it (`python/rewrite.py` makes such models of others).
//!
//! Both compute `Y = X / (bias + alpha/size · Σ X²)^beta` by ONNX's rule: over channels c − (size−1)/2 to c + size/2 of axis 1.
//!
//! ```text
//! RegisterCustomOps ──▶ registration: operators for a runtime's functions, two domains of them, added to the session's options
//!                            │
//! a node of a model ──▶ operator ──▶ kernel: attributes ──▶ LocalResponseNorm<E>        once for each node, compiled here
//!                            │
//! a run of the session ──▶ operator ──▶ kernel: tensors ──▶ forward_uninit, on the runtime's threads (executor)
//! ```
//!
//! `host` wraps those of the runtime's functions that are used. Every function that the runtime calls goes through
//! `border` of `error`: errors and panics become its statuses.

#![deny(missing_docs, unsafe_op_in_unsafe_fn)]

mod error;
mod executor;
mod host;
mod kernel;
mod operator;
mod registration;

use ort_sys::{OrtApiBase, OrtSessionOptions, OrtStatusPtr};

/// Adds the operators to a session's options: what ONNX Runtime looks for in a library of custom operators.
///
/// Gives null, or a status that says why not: a runtime before 1.17 lacks functions that are needed.
///
/// # Safety
///
/// `options` and `base` are ONNX Runtime's, as it passes them when it loads a library of custom operators, and its functions
/// outlive this library.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn RegisterCustomOps(
    options: *mut OrtSessionOptions,
    base: *const OrtApiBase,
) -> OrtStatusPtr {
    // SAFETY: as the caller promises.
    unsafe { registration::register(options, base) }
}
