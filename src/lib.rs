//! Local Response Normalization (LRN) for CPUs, compiled for its parameters.
//!
//! ```text
//! y[n,c,s] = x[n,c,s] · (k + a·Σ x[n,j,s]²)^(−beta),    j from c − before to c + after,    a = alpha/divisor
//! ```
//!
//! LRN divides each value by a power of the energy of its neighbouring channels (AlexNet, GoogLeNet, ZFNet, VGG-M; lateral
//! inhibition, local contrast). Its four parameters never change once a layer exists, so when a [`LocalResponseNorm`] is
//! constructed a code generator specializes the kernel for them and Cranelift compiles it: the window unrolled, constants
//! folded, the cheapest accurate recipe for that beta.
//!
//! ```
//! use lrn_jit::{LocalResponseNorm, LrnConfig};
//!
//! let lrn = LocalResponseNorm::new(5)?; // torch's defaults: alpha 1e-4, beta 0.75, k 1
//! let x = vec![1.0f32; 2 * 8 * 3 * 3];
//! let y = lrn.forward(&x, &[2, 8, 3, 3])?;
//! assert_eq!(y.len(), x.len());
//!
//! let lrn = LrnConfig::new(5).alpha(1e-4).beta(0.75).k(2.0).channel_axis(-1).build()?; // channels last
//! println!("{lrn}\n{}\n{}", lrn.backend(), lrn.plan());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The way of a tensor
//!
//! ```text
//! LrnConfig ──validate──▶ Plan ──▶ CLIF ──Cranelift──▶ 128-bit code ──lift──▶ CompiledKernel     built once
//! config, convention      plan     codegen             jit/kernel             jit/lift, kernel
//!                           │                                                    ▲
//!                           └──▶ interpreter                                     │ one call per block of rows
//!                                (same arithmetic)                               │
//! slices + shape ──▶ Geometry ──▶ Parts ──────────────────────────────▶ jit/drive                every forward
//! forward            geometry     tensor, executor                      jit/slabs
//! ```
//!
//! What is computed is written once, in `arithmetic`, over a trait of lane-wise operations; given one implementation it emits
//! vector code, given another it computes. Code is compiled for 128 bits and lifted to the vectors of the host ([`Width`]),
//! one instruction for one. So [`Backend::Jit`] and [`Backend::Interpreter`] give the same bits, whatever the width, the
//! executor, the position in the batch, the layout, the alignment, or in place or not (NaN payloads aside).
//!
//! # Features
//!
//! * `rayon`: `CurrentRayon`, an [`Executor`] on the rayon pool the caller is in.
//! * `ndarray`: `forward_view` and `forward_view_into`, for views of the crate ndarray.
//! * `cli`: the tool `lrn-jit` (and `rayon`).

#![deny(missing_docs, unsafe_op_in_unsafe_fn, unsafe_code)]

mod activation;
mod arithmetic;
mod backend;
mod codegen;
mod config;
mod convention;
mod element;
mod error;
mod executor;
mod forward;
mod generic;
mod geometry;
mod interpreter;
mod jit;
mod lane;
mod layer;
mod number;
mod passes;
pub mod plan;
mod reference;
mod region;
mod strided;
mod task;
mod tensor;
mod tile;
mod width;

pub use activation::Activation;
pub use backend::{Backend, BackendReport};
pub use config::{Boundary, LrnConfig};
pub use convention::{Convention, Window};
pub use element::Element;
pub use error::{BuildError, CompileError, ConfigError, ShapeError};
#[cfg(feature = "rayon")]
pub use executor::CurrentRayon;
pub use executor::{Executor, Serial};
pub use forward::OnExecutor;
pub use layer::LocalResponseNorm;
pub use number::Number;
pub use plan::Plan;
pub use region::Region;
pub use strided::Layout;
pub use width::Width;

/// Calls `work` compiled for the widest vectors of the host, as [`Backend::Generic`] is: for the rivals of the benchmarks.
#[doc(hidden)]
#[inline]
pub fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    jit::host::vectorized(work)
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
