//! What can go wrong, as types: [`ConfigError`] (what was asked for makes no sense), [`CompileError`] (the host cannot run
//! compiled code, or the code generator failed) and [`ShapeError`] (a tensor does not fit its shape or the layer).

use thiserror::Error;

use crate::width::Width;

/// Parameters that no layer can be built from.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The window has no taps.
    #[error("size must be at least 1, got 0")]
    ZeroSize,
    /// The window is longer than an address space.
    #[error("size must be at most {max}, got {size}")]
    SizeTooLarge {
        /// What was given: the size, or before + after + 1 of a raw window (saturated).
        size: usize,
        /// The largest size allowed.
        max: usize,
    },
    /// The convention has no even windows.
    #[error("the {convention} convention takes odd sizes only, got {size}")]
    EvenSize {
        /// The convention's name.
        convention: &'static str,
        /// The size given.
        size: usize,
    },
    /// A parameter is NaN or infinite.
    #[error("{name} must be a finite number, got {value}")]
    NotFinite {
        /// `alpha`, `beta`, `k` or `divisor`.
        name: &'static str,
        /// The value given.
        value: f64,
    },
    /// The environment asks for a width that does not exist.
    #[error("the environment variable {} must be auto, 128, 256 or 512, got {value:?}", Width::VARIABLE)]
    WidthVariable {
        /// The variable's value.
        value: String,
    },
    /// A window within channels extends over no axes, or more than there are in space.
    #[error("a window within channels extends over 1, 2 or 3 axes, got {dims}")]
    SpatialDims {
        /// How many were asked for.
        dims: usize,
    },
    /// An axis was named twice.
    #[error("a window extends over each axis once, but axis {axis} is named twice")]
    RepeatedAxis {
        /// The axis.
        axis: isize,
    },
    /// A raw window divides alpha by zero.
    #[error("the divisor of a window must not be 0")]
    ZeroDivisor,
}

/// Why compiled code cannot be had here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CompileError {
    /// This kind of processor is not compiled for.
    #[error("the host cannot run compiled kernels: {reason}")]
    UnsupportedHost {
        /// What is missing.
        reason: String,
    },
    /// The vectors asked for are not to be had.
    #[error("the host has no {width}-bit vectors: {reason}")]
    UnsupportedWidth {
        /// The width asked for.
        width: Width,
        /// What is missing.
        reason: String,
    },
    /// The operating system does not give executable memory.
    #[error("the host denies executable memory: {reason}")]
    ExecutableMemory {
        /// The system's answer.
        reason: String,
    },
    /// The code generator failed: a defect of this library, worth a report.
    #[error("internal error in code generation (please report it): {reason}")]
    Internal {
        /// What the compiler said.
        reason: String,
    },
}

/// Why a layer could not be built.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The parameters make no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The backend asked for is not available. Without an explicit backend this does not occur: the interpreter runs.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// A tensor that does not fit its shape or the layer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// LRN needs a batch and a channel axis at least.
    #[error("the shape must have rank 2 or more, got rank {rank} ({shape:?})")]
    Rank {
        /// The rank given.
        rank: usize,
        /// The shape given.
        shape: Vec<usize>,
    },
    /// The channel axis does not exist in this shape.
    #[error("channel axis {axis} is out of range for rank {rank}: allowed are {} to {}", -(*rank as isize), *rank as isize - 1)]
    ChannelAxis {
        /// The layer's channel axis, negative from the end.
        axis: isize,
        /// The rank given.
        rank: usize,
    },
    /// The shape has fewer axes than windows within channels extend over.
    #[error(
        "the shape must have rank {dims} or more for windows over its last {dims} axes, got rank {rank} ({shape:?})"
    )]
    SpatialRank {
        /// How many axes the windows extend over.
        dims: usize,
        /// The rank given.
        rank: usize,
        /// The shape given.
        shape: Vec<usize>,
    },
    /// An axis of the windows does not exist in this shape.
    #[error("axis {axis} is out of range for the shape {shape:?}: {}", allowed(shape.len()))]
    Axis {
        /// The axis, negative from the end.
        axis: isize,
        /// The shape given.
        shape: Vec<usize>,
    },
    /// Two axes of the windows, one counted from the start and one from the end, are the same one in this shape.
    #[error("axis {axis} of the shape {shape:?} is named twice, counted from either end")]
    RepeatedAxis {
        /// The later of the two.
        axis: isize,
        /// The shape given.
        shape: Vec<usize>,
    },
    /// The number of elements does not fit an address space.
    #[error("the shape {shape:?} has more elements than memory can hold")]
    Overflow {
        /// The shape given.
        shape: Vec<usize>,
    },
    /// A slice is not as long as its shape says.
    #[error("{what} has {actual} elements, but the shape {shape:?} has {expected}")]
    Length {
        /// `input` or `output`.
        what: &'static str,
        /// The slice's length.
        actual: usize,
        /// The product of the shape.
        expected: usize,
        /// The shape given.
        shape: Vec<usize>,
    },
    /// Input and output have different shapes.
    #[error("input and output must have the same shape, got {input:?} and {output:?}")]
    Shapes {
        /// The input's shape.
        input: Vec<usize>,
        /// The output's shape.
        output: Vec<usize>,
    },
    /// A layout has more or fewer strides than axes.
    #[error("{what} has {} strides ({strides:?}), but the shape {shape:?} needs {}", strides.len(), shape.len())]
    Strides {
        /// `input` or `output`.
        what: &'static str,
        /// The strides given.
        strides: Vec<isize>,
        /// The shape given.
        shape: Vec<usize>,
    },
    /// A layout reaches further than any memory.
    #[error("{what} reaches further than an address can: shape {shape:?}, strides {strides:?}, offset {offset}")]
    Address {
        /// `input` or `output`.
        what: &'static str,
        /// The shape given.
        shape: Vec<usize>,
        /// The strides given.
        strides: Vec<isize>,
        /// The offset given.
        offset: usize,
    },
    /// A layout leaves its slice.
    #[error("{what} reaches from element {first} to element {last}, but its slice has {length}, numbered from 0")]
    Bounds {
        /// `input` or `output`.
        what: &'static str,
        /// The index of the layout's first element in memory.
        first: isize,
        /// The index of its last element in memory.
        last: isize,
        /// The slice's length.
        length: usize,
    },
    /// Elements of an output may lie upon one another.
    #[error(
        "output elements may lie upon one another: axis {axis} (extent {extent}) has stride {stride}, \
         but axes of smaller strides need it to be at least {least}, or at most -{least}"
    )]
    Overlap {
        /// The axis at fault.
        axis: usize,
        /// Its extent.
        extent: usize,
        /// Its stride.
        stride: isize,
        /// The least stride that is allowed there, but for the sign.
        least: usize,
    },
}

/// Which axes a rank has.
fn allowed(rank: usize) -> String {
    match rank.cast_signed() {
        0 => "it has none".into(),
        rank => format!("allowed are {} to {}", -rank, rank - 1),
    }
}
