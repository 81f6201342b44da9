//! [`Element`]: the types a tensor can hold, and the lane type each computes in. f32 for now; f64, f16 and bf16 come
//! through the same seam: a tensor element is widened to its lane when read and rounded once when written.

use crate::jit::JitEngine;
use crate::tensor::Part;

mod sealed {
    use super::{JitEngine, Part};

    pub trait Sealed: Sized {
        /// Computes a part with the kernels compiled for this type.
        fn run_compiled(engine: &JitEngine, part: &mut Part<'_, Self>);
    }

    impl Sealed for f32 {
        fn run_compiled(engine: &JitEngine, part: &mut Part<'_, Self>) {
            engine.run(part);
        }
    }
}

/// An element type of a tensor. Sealed: the code generator has to know it.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The type's name: `f32`.
    const NAME: &'static str;

    /// The value in the lane it is computed in.
    fn to_lane(self) -> f32;

    /// The element nearest to a lane's value.
    fn from_lane(lane: f32) -> Self;
}

impl Element for f32 {
    const NAME: &'static str = "f32";

    fn to_lane(self) -> f32 {
        self
    }

    fn from_lane(lane: f32) -> Self {
        lane
    }
}
