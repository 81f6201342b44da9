//! [`TaskName`]: what can be computed of a tensor, by name.

use clap::ValueEnum;
use lrn_jit::{Element, Executor, LocalResponseNorm, ShapeError};

/// What is computed.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskName {
    /// The layer.
    Forward,
    /// The gradient with respect to the input.
    Backward,
    /// The derivative times a tangent.
    Jvp,
}

impl TaskName {
    pub const ALL: [Self; 3] = [Self::Forward, Self::Backward, Self::Jvp];

    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Jvp => "jvp",
        }
    }

    /// How many tensors it reads.
    pub fn inputs(self) -> usize {
        if self == Self::Forward { 1 } else { 2 }
    }

    /// Computes it of `x` and, but for the forward pass, of a gradient or a tangent `v`.
    pub fn run<E: Element>(
        self,
        layer: &LocalResponseNorm<E>,
        executor: &dyn Executor,
        [x, v]: [&[E]; 2],
        shape: &[usize],
        y: &mut [E],
    ) -> Result<(), ShapeError> {
        let layer = layer.with_executor(executor);
        match self {
            Self::Forward => layer.forward_into(x, shape, y),
            Self::Backward => layer.backward_into(x, v, shape, y),
            Self::Jvp => layer.jvp_into(x, v, shape, y),
        }
    }
}
