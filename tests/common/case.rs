//! [`Case`]: a configuration, a shape and the seed of its data; [`check`] runs it through the JIT and the interpreter.

use std::fmt;

use lrn_jit::{Backend, Boundary, BuildError, CompileError, Convention, LocalResponseNorm, LrnConfig, Width};

use super::measure::difference;
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
}

impl Settings {
    /// Torch's convention and zeros beyond the edges.
    pub fn torch(size: usize, alpha: f64, beta: f64, k: f64) -> Self {
        Self { convention: Convention::Torch, size, alpha, beta, k, boundary: Boundary::Zero }
    }

    pub fn config(&self) -> LrnConfig {
        let &Self { convention, size, alpha, beta, k, boundary } = self;
        LrnConfig::new(size).convention(convention).alpha(alpha).beta(beta).k(k).boundary(boundary)
    }

    /// Compiled layers of every width that the host has.
    pub fn compiled(&self, axis: isize) -> Vec<LocalResponseNorm> {
        let layer = |width| self.config().channel_axis(axis).backend(Backend::Jit).width(width).build();
        let built = [Width::W128, Width::W256, Width::W512].map(layer);
        let missing = |error: &BuildError| matches!(error, BuildError::Compile(CompileError::UnsupportedWidth { .. }));
        built.into_iter().filter(|built| !built.as_ref().is_err_and(missing)).map(|built| built.unwrap()).collect()
    }

    /// The layer on a backend.
    pub fn layer(&self, backend: Backend, axis: isize) -> LocalResponseNorm {
        let built = self.config().channel_axis(axis).backend(backend).build();
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
        let Self { settings: Settings { convention, size, alpha, beta, k, boundary }, shape, axis, data, seed } = self;
        let settings = format!(
            "Settings {{ convention: Convention::{convention:?}, size: {size}, alpha: {alpha:?}, beta: {beta:?}, k: {k:?}, \
             boundary: Boundary::{boundary:?} }}"
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
    pub fn x(&self) -> Vec<f32> {
        self.data.draw(self.shape.iter().product(), self.seed)
    }

    pub fn layer(&self, backend: Backend) -> LocalResponseNorm {
        self.settings.layer(backend, self.axis)
    }
}

/// The JIT and the interpreter give the same bits; else a line that reproduces the difference.
pub fn check(case: &Case) -> Result<(), String> {
    compare(case).map(|_| ())
}

/// As [`check`], and gives the output.
pub fn compare(case: &Case) -> Result<Vec<f32>, String> {
    let x = case.x();
    let run = |layer: &LocalResponseNorm| {
        let y = layer.forward(&x, &case.shape);
        y.map_err(|error| format!("{}: {error}\ncheck(&{case})", layer.backend()))
    };
    let interpreter = run(&case.layer(Backend::Interpreter))?;
    for layer in case.settings.compiled(case.axis) {
        let jit = run(&layer)?;
        let Some(at) = difference(&jit, &interpreter) else { continue };
        return Err(format!(
            "at {at} of {}, x = {:e}: {} gives {:e} ({:#010x}), interpreter {:e} ({:#010x})\ncheck(&{case})",
            x.len(),
            x[at],
            layer.backend(),
            jit[at],
            jit[at].to_bits(),
            interpreter[at],
            interpreter[at].to_bits()
        ));
    }
    Ok(interpreter)
}
