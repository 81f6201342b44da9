//! Local Response Normalization in models that [tract](https://github.com/sonos/tract) runs, by code compiled for its parameters.
//!
//! ```
//! use tract_onnx::prelude::*;
//!
//! # fn network() -> TypedModel {
//! #     let mut model = TypedModel::default();
//! #     let x = model.add_source("x", f32::fact([1, 8, 5, 5])).unwrap();
//! #     let lrn = tract_onnx_opl::lrn::Lrn { alpha: 1e-4, beta: 0.75, bias: 1.0, size: 5 };
//! #     let y = tract_onnx::tract_core::internal::SpecialOps::wire_node(&mut model, "lrn", lrn, &[x]).unwrap();
//! #     model.select_output_outlets(&y).unwrap();
//! #     model
//! # }
//! let mut model: TypedModel = network(); // tract_onnx::onnx().model_for_path(…)?.into_typed()?
//! let replaced = lrn_jit_tract::accelerate(&mut model)?;
//! let plan = model.into_optimized()?.into_runnable()?;
//! # assert_eq!(replaced, 1);
//! # let y = plan.run(tvec!(Tensor::zero::<f32>(&[1, 8, 5, 5])?.into_tvalue()))?;
//! # assert_eq!(y[0].shape(), [1, 8, 5, 5]);
//! # TractResult::Ok(())
//! ```
//!
//! [`accelerate`] puts a [`CompiledLrn`] in the place of every [`Lrn`](tract_onnx_opl::lrn::Lrn) of a model, and of a ReLU that
//! nothing else reads together with it. The operator runs on the threads that tract was given ([`CurrentTract`]); models that hold
//! it are written as NNEF by a [`registry`].
//!
//! tract's sub-crates depend on one another in one exact version; this crate is for 0.23.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod accelerate;
mod executor;
mod nnef;
mod op;

pub use accelerate::accelerate;
pub use executor::CurrentTract;
pub use nnef::registry;
pub use op::CompiledLrn;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
