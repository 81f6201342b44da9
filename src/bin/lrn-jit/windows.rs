//! [`WindowArguments`]: which axes windows extend over, as it is asked for, and as a shape has them.

use std::fmt;
use std::str::FromStr;

use clap::Args;
use lrn_jit::LrnConfig;

use crate::failure::Failure;
use crate::npy::Shape;

/// Windows on the command line: along the channels, unless something else is asked for.
#[derive(Args, Debug, Clone)]
pub struct WindowArguments {
    /// The axis of the channels; negative counts from the end (−1: channels last).
    #[arg(long, value_name = "I", default_value_t = 1, allow_hyphen_values = true, conflicts_with_all = ["within", "axes"])]
    pub channel_axis: isize,
    /// Windows within a channel, over the last D axes, 1 to 3: --size along each, alpha divided once for each.
    #[arg(long, value_name = "D", conflicts_with = "axes", value_parser = clap::value_parser!(u8).range(1..=3))]
    pub within: Option<u8>,
    /// Windows over any axes, negative from the end, with commas between them: --axes=-2,-1 is --within 2. --axes '': over none,
    /// each element is its own window.
    #[arg(long, value_name = "A,B", allow_hyphen_values = true)]
    pub axes: Option<Axes>,
}

/// Axes with commas between them, each named once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axes(Vec<isize>);

impl FromStr for Axes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(vec![]));
        }
        let axes: Option<Vec<isize>> = text.split(',').map(|axis| axis.trim().parse().ok()).collect();
        let axes = axes.ok_or("not integers with commas between them")?;
        match (0..axes.len()).find(|&i| axes[..i].contains(&axes[i])) {
            Some(i) => Err(format!("axis {} is named twice; allowed is each axis once", axes[i])),
            None => Ok(Self(axes)),
        }
    }
}

impl WindowArguments {
    /// Whether they are along the channels.
    pub fn are_across_channels(&self) -> bool {
        self.within.is_none() && self.axes.is_none()
    }

    /// A configuration with these windows.
    pub fn of(&self, config: LrnConfig) -> LrnConfig {
        match (self.within, &self.axes) {
            (Some(dims), _) => config.within_channel(dims.into()),
            (None, Some(Axes(axes))) => config.over_axes(axes),
            (None, None) => config.channel_axis(self.channel_axis),
        }
    }

    /// The axes of a shape that they extend over, counted from the start, in order.
    pub fn of_shape(&self, shape: &Shape) -> Result<Vec<usize>, Failure> {
        let rank = shape.0.len();
        let index = |what: &str, axis: isize| {
            let from_start = if axis < 0 { axis.checked_add_unsigned(rank) } else { Some(axis) };
            let index = from_start.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank);
            index.ok_or_else(|| {
                let allowed = match rank {
                    0 => "it has none".into(),
                    _ => format!("allowed are -{rank} to {}", rank - 1),
                };
                Failure::input(format_args!("{what} {axis} does not exist in the shape {shape}: {allowed}"))
            })
        };
        match (self.within.map(usize::from), &self.axes) {
            (Some(dims), _) if rank < dims => Err(Failure::input(format_args!(
                "the shape {shape} has rank {rank}: windows over the last {dims} axes take a rank of {dims} or more"
            ))),
            (Some(dims), _) => Ok((rank - dims..rank).collect()),
            (None, None) if rank < 2 => Err(Failure::input(format_args!(
                "the shape {shape} has rank {rank}: a batch and a channel axis at least are needed"
            ))),
            (None, None) => Ok(vec![index("channel axis", self.channel_axis)?]),
            (None, Some(Axes(axes))) => {
                let mut found = axes.iter().map(|&axis| index("axis", axis)).collect::<Result<Vec<_>, _>>()?;
                if let Some(i) = (0..found.len()).find(|&i| found[..i].contains(&found[i])) {
                    return Err(Failure::input(format_args!(
                        "axis {} of the shape {shape} is named twice, counted from either end; allowed is each axis once",
                        axes[i]
                    )));
                }
                found.sort_unstable();
                Ok(found)
            }
        }
    }
}

/// As they were asked for.
impl fmt::Display for WindowArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.within, &self.axes) {
            (Some(1), _) => f.write_str("windows along the last axis"),
            (Some(dims), _) => write!(f, "windows over the last {dims} axes"),
            (None, Some(Axes(axes))) => f.write_str(&over(axes)),
            (None, None) => write!(f, "channels on axis {}", self.channel_axis),
        }
    }
}

/// Windows over some axes, in words.
pub fn over<A: fmt::Display>(axes: &[A]) -> String {
    let names: Vec<_> = axes.iter().map(ToString::to_string).collect();
    match &names[..] {
        [] => "each element its own window".into(),
        [axis] => format!("windows along axis {axis}"),
        _ => format!("windows over the axes {}", names.join(", ")),
    }
}
