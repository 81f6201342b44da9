//! Rivals of the compiled kernels, for `bench`: ordinary Rust that reads the input and writes the output where they lie,
//! compiled for the widest vectors of the host.

pub mod generic;
pub mod lanes;
pub mod monomorphised;
pub mod planes;

/// A tensor as `outer` slabs of `channels` rows of `inner` contiguous elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slabs {
    pub outer: usize,
    pub channels: usize,
    pub inner: usize,
}

impl Slabs {
    /// A shape with channels on `axis`.
    pub fn new(shape: &[usize], axis: usize) -> Self {
        let product = |extents: &[usize]| extents.iter().product();
        Self { outer: product(&shape[..axis]), channels: shape[axis], inner: product(&shape[axis + 1..]) }
    }
}

/// A kernel that is not generated.
pub trait Rival {
    /// Whether it competes on tensors like this.
    fn covers(&self, slabs: Slabs) -> bool;
    /// Computes once.
    fn run(&self, slabs: Slabs, x: &[f32], y: &mut [f32]);
}

/// Whether `lrn_jit::vectorized` compiles for vectors of 16 floats.
#[cfg(target_arch = "x86_64")]
pub fn has_avx512() -> bool {
    std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vl")
}

#[cfg(not(target_arch = "x86_64"))]
pub fn has_avx512() -> bool {
    false
}
