//! [`Width`]: how wide the vectors of compiled code are.

use std::fmt;

/// How wide the vectors of compiled code are. Every width gives the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Width {
    /// The widest that the host runs well: 512 bits where the processor has AVX-512 of its second generation (VBMI2: Ice Lake,
    /// Zen 4 and later; older ones lower their clock for it), else 256 bits on x86-64, else 128.
    ///
    /// The environment variable [`Width::VARIABLE`] (`128`, `256`, `512` or `auto`) takes the place of this choice.
    #[default]
    Auto,
    /// 128 bits: four f32. What Cranelift compiles.
    W128,
    /// 256 bits: eight f32 (AVX2; with AVX-512 VL, all of its 32 registers).
    W256,
    /// 512 bits: sixteen f32 (AVX-512 F, DQ and VL).
    W512,
}

impl Width {
    /// The environment variable that takes the place of [`Width::Auto`]; read when a layer is built.
    pub const VARIABLE: &'static str = "LRN_JIT_WIDTH";

    /// The width of this name: `auto`, `128`, `256`, `512`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Auto, Self::W128, Self::W256, Self::W512].into_iter().find(|width| width.to_string() == name)
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::W128 => "128",
            Self::W256 => "256",
            Self::W512 => "512",
        })
    }
}
