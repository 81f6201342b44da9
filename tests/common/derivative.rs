//! [`Derivative`]: which derivative of a layer, so that one test can go over all of them, and the differences that each has
//! to agree with.

use lrn_jit::{Element, LocalResponseNorm, LrnConfig};

/// What a layer has besides forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derivative {
    /// The gradient of ⟨g, y⟩ with respect to x.
    Backward,
    /// The derivative of y along v.
    Jvp,
    /// The gradient of ⟨v, backward⟩ with respect to x.
    DoubleBackward,
}

/// The tensors that derivatives are made of. Each uses some of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs<E> {
    pub x: Vec<E>,
    /// The gradient of y.
    pub g: Vec<E>,
    /// The direction.
    pub v: Vec<E>,
}

impl<E: Copy> Inputs<E> {
    /// Every element as another type.
    pub fn map<F>(&self, f: impl Fn(E) -> F) -> Inputs<F> {
        let each = |elements: &[E]| elements.iter().map(|&element| f(element)).collect();
        Inputs { x: each(&self.x), g: each(&self.g), v: each(&self.v) }
    }
}

impl Inputs<f32> {
    pub fn widen(&self) -> Inputs<f64> {
        self.map(f64::from)
    }
}

impl Derivative {
    pub const ALL: [Self; 3] = [Self::Backward, Self::Jvp, Self::DoubleBackward];

    /// The library's result.
    pub fn run<E: Element>(self, layer: &LocalResponseNorm<E>, inputs: &Inputs<E>, shape: &[usize]) -> Vec<E> {
        let Inputs { x, g, v } = inputs;
        let result = match self {
            Self::Backward => layer.backward(x, g, shape),
            Self::Jvp => layer.jvp(x, v, shape),
            Self::DoubleBackward => layer.double_backward(x, g, v, shape),
        };
        result.unwrap_or_else(|error| panic!("{self:?} of {layer:?}: {error}"))
    }
}

/// The layer of a configuration.
pub fn layer<E: Element>(config: &LrnConfig) -> LocalResponseNorm<E> {
    config.build_for::<E>().unwrap_or_else(|error| panic!("{config:?}: {error}"))
}
