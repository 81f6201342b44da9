//! The native half of the Python package `lrn_jit`: layers of one element type each, over memory that Python lends.
//!
//! ```text
//! lrn_jit (numpy) ──┐ what an operand may be           layer                memory    compute, on threads
//!                   ├──▶ addresses, shape, strides ──▶ Layer.run, no GIL ──▶ views ──▶ lrn_jit::LocalResponseNorm
//! lrn_jit.torch ────┘
//! ```
//!
//! Both halves of the package go through the one border, `Layer.run`, since memory by address is what numpy and torch have in
//! common. Neither is linked: one build serves every version of both, and every Python from 3.10.

#![deny(missing_docs, unsafe_op_in_unsafe_fn, unsafe_code)]

mod compute;
mod layer;
mod memory;
mod threads;

/// Layers over raw memory, for the package `lrn_jit` alone.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use super::layer::Layer;
}
