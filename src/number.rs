//! [`Number`]: the element types, and what each is computed in.

use std::fmt;

use crate::arithmetic::format::{F32, F64, Format};

/// What the elements of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Number {
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// IEEE half precision: computed in f32, rounded once.
    F16,
    /// The upper half of an f32: computed in f32, rounded once.
    Bf16,
}

impl Number {
    /// What it is computed in.
    pub(crate) fn format(self) -> &'static Format {
        match self {
            Self::F64 => &F64,
            Self::F32 | Self::F16 | Self::Bf16 => &F32,
        }
    }

    /// What it is computed in, as a type of elements.
    pub(crate) fn lane(self) -> Self {
        match self {
            Self::F64 => Self::F64,
            Self::F32 | Self::F16 | Self::Bf16 => Self::F32,
        }
    }

    /// Its name in Rust.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
