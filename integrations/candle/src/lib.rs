//! Local Response Normalization (LRN) for [candle](candle_core), compiled for its parameters by [`lrn_jit`].
//!
//! ```
//! use candle_core::{Device, Module, Tensor};
//! use lrn_jit_candle::{LocalResponseNormConfig, local_response_norm};
//!
//! let norm = local_response_norm(5, LocalResponseNormConfig { alpha: 5e-4, k: 2.0, ..Default::default() })?;
//! let x = Tensor::randn(0f32, 1f32, (1, 96, 55, 55), &Device::Cpu)?;
//! let y = norm.forward(&x)?; // or x.apply(&norm)?
//! assert_eq!(y.dims(), x.dims());
//! # Ok::<(), candle_core::Error>(())
//! ```
//!
//! candle has no LRN of its own. Here is no arithmetic either: this crate says to one what the other means.
//!
//! ```text
//! LocalResponseNormConfig ──▶ LrnConfig ──▶ Kernels: a compiled layer per dtype        built once
//! config                                    kernels
//!                                             ▲
//! Tensor ──▶ Module ──▶ CustomOp1 ────────────┤ storage and layout as slice and strides
//!            module         │ bwd             │
//!                           ▼                 │
//!                       CustomOp2 ────────────┤ gradient
//!                       gradient│ bwd         │
//!                               ▼             │
//!                       CustomOp3 ────────────┘ gradient of the gradient
//! ```
//!
//! # What holds
//!
//! * **Types** F32, F64, F16 and BF16; the result has the input's. F16 and BF16 are computed in f32 and rounded once.
//! * **Layouts**: any. Transposed, permuted, narrowed and broadcast inputs are read where they lie, and the bits are those of a
//!   contiguous copy. The result is contiguous, as that of candle's own operations; a gradient is taken of contiguous copies,
//!   which candle makes where its tensors are not contiguous.
//! * **Gradients**: the first, and with candle's environment variable `CANDLE_GRAD_DO_NOT_DETACH=1` the second. A third is
//!   candle's error `BackwardNotSupported`. Nothing is kept from the forward pass but its input.
//! * **Threads**: the rayon pool the caller is in, as candle's convolutions; tensors under 2¹⁸ elements on the calling thread.
//!   The bits do not depend on it.
//! * **Devices**: the CPU. Another one is an error that says so.

#![deny(missing_docs, unsafe_code)]

mod config;
mod gradient;
mod kernels;
mod module;

pub use config::LocalResponseNormConfig;
pub use lrn_jit::{Activation, Convention, LrnConfig, Window};
pub use module::{LocalResponseNorm, local_response_norm};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
