//! The adapter inside burn: values and gradients against burn-nn's module, on burn's own tensors.

mod errors;
mod gradients;
mod layouts;
mod module;
mod own;
mod threads;
mod values;
