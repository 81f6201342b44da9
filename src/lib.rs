//! Local Response Normalization for CPUs, compiled for its parameters.

#![deny(missing_docs, unsafe_op_in_unsafe_fn, unsafe_code)]

mod arithmetic;
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
mod layer;
pub mod plan;
mod reference;
mod tensor;
mod tile;

pub use config::{Boundary, LrnConfig};
pub use convention::{Convention, Window};
pub use element::Element;
pub use error::{BuildError, CompileError, ConfigError, ShapeError};
#[cfg(feature = "rayon")]
pub use executor::CurrentRayon;
pub use executor::{Executor, Serial};
pub use forward::OnExecutor;
pub use layer::{Backend, BackendReport, LocalResponseNorm};
pub use plan::Plan;
