//! [`Backend`]: what computes.

use std::fmt;

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// Machine code compiled for the parameters.
    Jit,
    /// The same plan run over arrays: the same bits.
    Interpreter,
    /// A kernel with all parameters at run time: square roots for beta ½ and ¾, a division for 1, else `powf`. Other bits.
    Generic,
    /// The same with `powf` for every beta.
    GenericPowf,
    /// The formula in f64, rounded once at the end. Slow.
    Reference,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jit => "jit",
            Self::Interpreter => "interpreter",
            Self::Generic => "generic",
            Self::GenericPowf => "generic-powf",
            Self::Reference => "reference",
        })
    }
}

/// Which backend runs, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendReport {
    /// The backend that runs.
    pub backend: Backend,
    /// Why it is this one.
    pub reason: String,
}

impl fmt::Display for BackendReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.backend, self.reason)
    }
}
