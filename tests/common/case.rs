//! [`Case`]: a configuration, a shape and the seed of its data.

use std::fmt;

use lrn_jit::{
    Activation, Backend, Boundary, BuildError, CompileError, Convention, LocalResponseNorm, LrnConfig, Width,
};

use super::real::Real;
use super::rng::Data;

/// What a layer is built from, but for the channel axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub convention: Convention,
    pub size: usize,
    pub alpha: f64,
    pub beta: f64,
    pub k: f64,
    pub boundary: Boundary,
    pub input: Activation,
}

impl Settings {
    /// Torch's convention and zeros beyond the edges.
    pub fn torch(size: usize, alpha: f64, beta: f64, k: f64) -> Self {
        let (boundary, input) = (Boundary::Zero, Activation::Identity);
        Self { convention: Convention::Torch, size, alpha, beta, k, boundary, input }
    }

    pub fn config(&self) -> LrnConfig {
        let &Self { convention, size, alpha, beta, k, boundary, input } = self;
        let config = LrnConfig::new(size).convention(convention).alpha(alpha).beta(beta).k(k);
        config.boundary(boundary).input_activation(input)
    }

    /// Compiled layers of every width that the host has.
    pub fn compiled<E: Real>(&self, axis: isize) -> Vec<(Width, LocalResponseNorm<E>)> {
        let config = self.config().channel_axis(axis).backend(Backend::Jit);
        let missing = |error: &BuildError| matches!(error, BuildError::Compile(CompileError::UnsupportedWidth { .. }));
        let mut layers = vec![];
        for width in [Width::W128, Width::W256, Width::W512] {
            match config.clone().width(width).build_for() {
                Ok(layer) => layers.push((width, layer)),
                Err(error) => assert!(missing(&error), "{self:?}: {error}"),
            }
        }
        layers
    }

    /// The layer on a backend.
    pub fn layer<E: Real>(&self, backend: Backend, axis: isize) -> LocalResponseNorm<E> {
        let built = self.config().channel_axis(axis).backend(backend).build_for();
        built.unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }
}

/// One comparison. Its `Display` is the expression that makes it.
#[derive(Clone, PartialEq)]
pub struct Case {
    pub settings: Settings,
    pub shape: Vec<usize>,
    pub axis: isize,
    pub data: Data,
    pub seed: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, shape, axis, data, seed } = self;
        let Settings { convention, size, alpha, beta, k, boundary, input } = settings;
        let settings = format!(
            "Settings {{ convention: Convention::{convention:?}, size: {size}, alpha: {alpha:?}, beta: {beta:?}, k: {k:?}, \
             boundary: Boundary::{boundary:?}, input: Activation::{input:?} }}"
        );
        write!(
            f,
            "Case {{ settings: {settings}, shape: vec!{shape:?}, axis: {axis}, data: Data::{data:?}, seed: {seed} }}"
        )
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Case {
    /// The tensor.
    pub fn x<E: Real>(&self) -> Vec<E> {
        self.data.draw(self.shape.iter().product(), self.seed)
    }

    /// Tensors of other values: what else a task reads.
    pub fn inputs<E: Real>(&self, count: usize) -> Vec<Vec<E>> {
        let length = self.shape.iter().product();
        (0..count as u64).map(|input| self.data.draw(length, self.seed.wrapping_add(input))).collect()
    }
}
