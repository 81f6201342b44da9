//! [`Region`]: which axes a window extends over, and how it is summed over several.
//!
//! A window over several axes is a box. Its sum is separable: sums along the last of the axes, of these the sums along the one before
//! it, and so on, each in the order of `arithmetic`. A window over one axis is that of "channels", whatever the axis is called, and
//! has kernels of its own ([`Geometry`]); here is what windows over two axes or more take.
//!
//! ```text
//! x², 3×3           along the rows     down the columns      everything else
//! 1 4 9 1           5 14 14 10         …                     y = stage(x, Σ), element by element
//! 4 4 1 0    ──▶    8  9  5  1   ──▶   …              ──▶
//! ```
//!
//! * [`boxes`]: a shape as few axes, windowed or not;
//! * [`tiling`]: the pieces that are worked on: whole, or with what their windows need around them;
//! * [`part`]: what a thread may write, and copies of pieces;
//! * [`sums`]: windows along one axis, in ordinary Rust;
//! * [`run`]: the stages of a task over a piece.

pub(crate) mod boxes;
pub(crate) mod part;
pub(crate) mod run;
pub(crate) mod sums;
pub(crate) mod tiling;

use crate::error::{ConfigError, ShapeError};
use crate::geometry::Geometry;
use boxes::Boxes;

/// The axes that a window extends over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Region {
    /// Along the channel axis: as in AlexNet.
    #[default]
    AcrossChannels,
    /// Within a channel, over space: the last `dims` axes, 1 to 3.
    WithinChannel {
        /// How many axes.
        dims: usize,
    },
    /// Any axes, negative from the end; none at all makes each element its own window.
    Axes(Vec<isize>),
}

/// The most axes of [`Region::WithinChannel`].
const MOST_DIMS: usize = 3;

impl Region {
    /// How many axes the window extends over.
    pub(crate) fn axes(&self) -> usize {
        match self {
            Self::AcrossChannels => 1,
            Self::WithinChannel { dims } => *dims,
            Self::Axes(axes) => axes.len(),
        }
    }

    /// Refuses what fits no shape.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::WithinChannel { dims } if !(1..=MOST_DIMS).contains(dims) => {
                Err(ConfigError::SpatialDims { dims: *dims })
            }
            Self::Axes(axes) => {
                let repeated = (0..axes.len()).find(|&i| axes[..i].contains(&axes[i]));
                repeated.map_or(Ok(()), |i| Err(ConfigError::RepeatedAxis { axis: axes[i] }))
            }
            _ => Ok(()),
        }
    }

    /// The axes of a shape, from the start, in the order in which windows are summed: the last first. The one of windows across
    /// channels is `channel_axis`.
    pub(crate) fn of_shape(&self, shape: &[usize], channel_axis: isize) -> Result<Vec<usize>, ShapeError> {
        let rank = shape.len();
        let index = |axis: isize| {
            let from_start = if axis < 0 { axis.checked_add_unsigned(rank) } else { Some(axis) };
            from_start.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank)
        };
        match self {
            Self::AcrossChannels if rank < 2 => Err(ShapeError::Rank { rank, shape: shape.to_vec() }),
            Self::AcrossChannels => {
                let axis = channel_axis;
                index(axis).map(|axis| vec![axis]).ok_or(ShapeError::ChannelAxis { axis, rank })
            }
            Self::WithinChannel { dims } if rank < *dims => {
                Err(ShapeError::SpatialRank { dims: *dims, rank, shape: shape.to_vec() })
            }
            Self::WithinChannel { dims } => Ok((rank - dims..rank).rev().collect()),
            Self::Axes(axes) => {
                let mut found = Vec::with_capacity(axes.len());
                for &axis in axes {
                    let index = index(axis).ok_or_else(|| ShapeError::Axis { axis, shape: shape.to_vec() })?;
                    if found.contains(&index) {
                        return Err(ShapeError::RepeatedAxis { axis, shape: shape.to_vec() });
                    }
                    found.push(index);
                }
                found.sort_unstable_by(|a, b| b.cmp(a));
                Ok(found)
            }
        }
    }
}

/// A shape as windows see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Space {
    /// Windows along one axis, or none.
    Columns(Geometry),
    /// Windows over several.
    Boxes(Boxes),
}

impl Space {
    /// The space of a shape; `windowless`: each element is its own window, whatever the region is.
    pub(crate) fn new(
        region: &Region,
        shape: &[usize],
        channel_axis: isize,
        windowless: bool,
    ) -> Result<Self, ShapeError> {
        let axes = region.of_shape(shape, channel_axis)?;
        Geometry::check(shape)?;
        Ok(match axes[..] {
            _ if windowless && axes.len() != 1 => Self::Columns(Geometry::flat(shape)),
            _ => Self::of_windows(shape, &axes),
        })
    }

    /// The space of a shape that was checked, with windows over these axes, one at least, in the order of their sums.
    pub(crate) fn of_windows(shape: &[usize], windows: &[usize]) -> Self {
        match *windows {
            [axis] => Self::Columns(Geometry::on_axis(shape, axis)),
            _ => Self::Boxes(Boxes::new(shape, windows)),
        }
    }

    /// Elements of the tensor.
    pub(crate) fn elements(&self) -> usize {
        match self {
            Self::Columns(geometry) => geometry.elements(),
            Self::Boxes(boxes) => boxes.elements(),
        }
    }

    /// Checks a slice's length.
    pub(crate) fn check_length(&self, what: &'static str, actual: usize, shape: &[usize]) -> Result<(), ShapeError> {
        let expected = self.elements();
        if actual == expected {
            Ok(())
        } else {
            Err(ShapeError::Length { what, actual, expected, shape: shape.to_vec() })
        }
    }
}
