//! The machine code is made for: its ISA with a pinned set of features, how wide its vectors can be, and vectorized dispatch
//! for ordinary Rust.

use std::sync::OnceLock;

use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use target_lexicon::{Architecture, Triple};

use super::lift::Target;
use crate::error::CompileError;
use crate::width::Width;

/// What the vectors of compiled code are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Vectors {
    /// 128 bits, as Cranelift compiles them.
    Narrow,
    /// Lifted.
    Wide(Target),
}

impl Vectors {
    /// f32 of a vector.
    pub(crate) fn lanes(self) -> u32 {
        match self {
            Self::Narrow => 4,
            Self::Wide(Target::Vex128) => 4,
            Self::Wide(Target::Vex256 | Target::Evex256) => 8,
            Self::Wide(Target::Evex512) => 16,
        }
    }

    /// Bits, and the instruction set.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Narrow if cfg!(target_arch = "x86_64") => "128-bit vectors (AVX2)",
            Self::Narrow => "128-bit vectors",
            Self::Wide(Target::Vex128) => "128-bit vectors (AVX)",
            Self::Wide(Target::Vex256) => "256-bit vectors (AVX2)",
            Self::Wide(Target::Evex256) => "256-bit vectors (AVX-512 VL)",
            Self::Wide(Target::Evex512) => "512-bit vectors (AVX-512)",
        }
    }
}

/// The vectors for a width that was asked for.
pub(crate) fn vectors(width: Width) -> Result<Vectors, CompileError> {
    let has = features();
    let lacks =
        |feature: &str| Err(CompileError::UnsupportedWidth { width, reason: format!("the processor lacks {feature}") });
    match width {
        Width::Auto if has.avx512 && has.vbmi2 => Ok(Vectors::Wide(Target::Evex512)),
        Width::Auto | Width::W256 if has.avx512 => Ok(Vectors::Wide(Target::Evex256)),
        Width::Auto | Width::W256 if has.avx2 => Ok(Vectors::Wide(Target::Vex256)),
        Width::Auto | Width::W128 => Ok(Vectors::Narrow),
        Width::W256 => lacks("AVX2"),
        Width::W512 if has.avx512 => Ok(Vectors::Wide(Target::Evex512)),
        Width::W512 => lacks("AVX-512 (F, DQ and VL)"),
    }
}

/// Whether the processor converts f16.
pub(crate) fn converts_f16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("f16c");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// What decides about widths.
#[derive(Default)]
struct Features {
    avx2: bool,
    /// F, DQ and VL.
    avx512: bool,
    /// The second generation of AVX-512.
    vbmi2: bool,
}

#[cfg(target_arch = "x86_64")]
fn features() -> Features {
    Features {
        avx2: std::arch::is_x86_feature_detected!("avx2"),
        avx512: std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl"),
        vbmi2: std::arch::is_x86_feature_detected!("avx512vbmi2"),
    }
}

/// Orders stores that went past the caches before whatever follows.
pub(crate) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Features {
    Features::default()
}

/// What of x86-64 the code generator may use, whatever else the host has: instruction choice must not vary.
const X86_FEATURES: [&str; 7] = ["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_avx", "has_avx2", "has_fma"];

/// The host's ISA, or why there is none. Looked up once.
pub(crate) fn isa() -> Result<&'static OwnedTargetIsa, CompileError> {
    static ISA: OnceLock<Result<OwnedTargetIsa, CompileError>> = OnceLock::new();
    ISA.get_or_init(|| {
        let triple = Triple::host();
        match triple.architecture {
            Architecture::X86_64 if !has_fma() => Err(unsupported("the processor lacks AVX2 or FMA".into())),
            Architecture::X86_64 | Architecture::Aarch64(_) => isa_for(triple),
            other => Err(unsupported(format!("no vector code is generated for {other}"))),
        }
    })
    .as_ref()
    .map_err(Clone::clone)
}

/// The ISA of any target that code is generated for, with the pinned features.
pub(crate) fn isa_for(triple: Triple) -> Result<OwnedTargetIsa, CompileError> {
    let x86 = triple.architecture == Architecture::X86_64;
    let internal = |reason: String| CompileError::Internal { reason };
    let mut flags = settings::builder();
    for (name, value) in [
        ("opt_level", "none"),
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
        ("is_pic", "false"),
        ("use_colocated_libcalls", "false"),
        ("unwind_info", "false"),
        ("enable_probestack", "false"),
    ] {
        flags.set(name, value).map_err(|error| internal(error.to_string()))?;
    }
    let mut builder = isa::lookup(triple).map_err(|error| unsupported(error.to_string()))?;
    if x86 {
        for feature in X86_FEATURES {
            builder.enable(feature).map_err(|error| internal(error.to_string()))?;
        }
    }
    builder.finish(settings::Flags::new(flags)).map_err(|error| internal(error.to_string()))
}

fn unsupported(reason: String) -> CompileError {
    CompileError::UnsupportedHost { reason }
}

#[cfg(target_arch = "x86_64")]
fn has_fma() -> bool {
    std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_fma() -> bool {
    true
}

/// Calls `work` compiled for the widest vectors of the host. What `work` inlines is vectorized; the bits do not change.
#[inline]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vl") {
            // SAFETY: the features were just detected.
            return unsafe { with_avx512(work) };
        }
        if has_fma() {
            // SAFETY: the features were just detected.
            return unsafe { with_avx2(work) };
        }
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
fn with_avx512<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}
