//! [`Task`]: what a layer can compute of a tensor, and the [`Stage`]s it takes.
//!
//! ```text
//! forward           x        ─Forward─▶ y
//! jvp               x, v     ─Jvp─▶ J·v
//! backward          x, g     ─Gradient─▶ r, h      ─Gather─▶ Jᵀ·g
//! double backward   x, g, u  ─Second─▶ p, q, t     ─SecondGather─▶ the gradient of ⟨u, Jᵀ·g⟩ with respect to x
//! ```
//!
//! A stage sums terms over windows, then makes its outputs of these sums and of the elements in the same place. What the stages
//! compute is in `arithmetic::stage`.

/// What is computed of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    /// The layer.
    Forward,
    /// Its derivative times a tangent.
    Jvp,
    /// A cotangent times its derivative.
    Backward,
    /// The derivative of that.
    DoubleBackward,
}

/// A pass over a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// x → y.
    Forward,
    /// x, v → J·v.
    Jvp,
    /// x, g → r = g·d^(−β), h = x·r/d.
    Gradient,
    /// h, r, x → r − 2aβ·x·Σh.
    Gather,
    /// x, u, g → p, q, t.
    Second,
    /// p, q, t, x, u → −2aβ·(x·Σp + t + u·Σq).
    SecondGather,
    /// x, v → v times a constant, or 0 where the input was cut off: where there are no windows.
    Linear,
    /// x → 0.
    Zero,
}

/// What is summed: input `0` or `1` of a stage, squared, multiplied with the other, or as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Term {
    Square(usize),
    Product(usize, usize),
    Plain(usize),
}

/// Where an input of a stage comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// An input of the task.
    Input(usize),
    /// An output of the stage before.
    Before(usize),
}

impl Task {
    /// How many tensors it reads.
    pub(crate) fn inputs(self) -> usize {
        match self {
            Self::Forward => 1,
            Self::Jvp | Self::Backward => 2,
            Self::DoubleBackward => 3,
        }
    }

    /// Its stages, and where the inputs of each come from, where there are windows.
    pub(crate) fn stages(self) -> &'static [(Stage, &'static [Source])] {
        use Source::{Before, Input};
        match self {
            Self::Forward => &[(Stage::Forward, &[Input(0)])],
            Self::Jvp => &[(Stage::Jvp, &[Input(0), Input(1)])],
            Self::Backward => {
                &[(Stage::Gradient, &[Input(0), Input(1)]), (Stage::Gather, &[Before(1), Before(0), Input(0)])]
            }
            Self::DoubleBackward => &[
                (Stage::Second, &[Input(0), Input(2), Input(1)]),
                (Stage::SecondGather, &[Before(0), Before(1), Before(2), Input(0), Input(2)]),
            ],
        }
    }
}

impl Stage {
    /// The most inputs, terms and outputs of any stage.
    pub(crate) const MOST: (usize, usize, usize) = (5, 2, 3);

    /// What its windows sum.
    pub(crate) fn terms(self) -> &'static [Term] {
        match self {
            Self::Forward | Self::Gradient => &[Term::Square(0)],
            Self::Jvp | Self::Second => &[Term::Square(0), Term::Product(0, 1)],
            Self::Gather => &[Term::Plain(0)],
            Self::SecondGather => &[Term::Plain(0), Term::Plain(1)],
            Self::Linear | Self::Zero => &[],
        }
    }

    /// How many of its inputs, the first, are read over windows.
    pub(crate) fn tapped(self) -> usize {
        match self {
            Self::Forward | Self::Gradient | Self::Gather => 1,
            Self::Jvp | Self::Second | Self::SecondGather => 2,
            Self::Linear | Self::Zero => 0,
        }
    }

    /// How many inputs it has.
    pub(crate) fn inputs(self) -> usize {
        match self {
            Self::Forward | Self::Zero => 1,
            Self::Jvp | Self::Gradient | Self::Linear => 2,
            Self::Gather | Self::Second => 3,
            Self::SecondGather => 5,
        }
    }

    /// How many outputs it has.
    pub(crate) fn outputs(self) -> usize {
        match self {
            Self::Forward | Self::Jvp | Self::Gather | Self::SecondGather | Self::Linear | Self::Zero => 1,
            Self::Gradient => 2,
            Self::Second => 3,
        }
    }

    /// Whether its windows are the mirrored ones: of the channels whose windows hold a channel.
    pub(crate) fn mirrored(self) -> bool {
        matches!(self, Self::Gather | Self::SecondGather)
    }

    /// Which of its inputs is x, and which is a tangent that counts only where x was not cut off.
    pub(crate) fn activated(self) -> (Option<usize>, Option<usize>) {
        match self {
            Self::Forward | Self::Gradient => (Some(0), None),
            Self::Jvp | Self::Second | Self::Linear => (Some(0), Some(1)),
            Self::Gather => (Some(2), None),
            Self::SecondGather => (Some(3), Some(4)),
            Self::Zero => (None, None),
        }
    }
}
