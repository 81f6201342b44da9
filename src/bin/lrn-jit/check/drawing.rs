//! How cases are drawn and measured: shared with the tests.
#![allow(dead_code, reason = "the tests use other parts")]

#[path = "../../../../tests/common/case.rs"]
pub mod case;
#[path = "../../../../tests/common/coverage.rs"]
pub mod coverage;
#[path = "../../../../tests/common/draw.rs"]
pub mod draw;
#[path = "../../../../tests/common/measure.rs"]
pub mod measure;
#[path = "../../../../tests/common/real.rs"]
pub mod real;
#[path = "../../../../tests/common/rng.rs"]
pub mod rng;

use std::fmt;

use case::{Case, Settings};
use draw::{BETAS, Class};
use lrn_jit::{Boundary, Convention, LrnConfig, Region};
use rng::{Data, Rng};

use crate::arguments::NumberName;
use crate::task::TaskName;
use crate::values::Value;

/// Elements of a tensor, about: so that a compilation takes longer than what follows.
const MOST: usize = 20_000;
/// The same with windows over any axes.
const MOST_BOXED: usize = 1500;

/// What is computed of a case.
#[derive(Debug, Clone)]
pub struct Drawn {
    pub case: Case,
    /// Which axes windows extend over; the case's own, if it is along the channels.
    pub region: Region,
    pub dtype: NumberName,
    pub task: TaskName,
    pub relu: bool,
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, dtype, task, relu, .. } = self;
        let relu = if *relu { " of max(x, 0)" } else { "" };
        write!(f, "{case}{} as {}, {}{relu}", self.over(), dtype.name(), task.name())
    }
}

impl Drawn {
    /// The region, if it is not along the channels.
    pub fn over(&self) -> String {
        match &self.region {
            Region::AcrossChannels => String::new(),
            region => format!(" over {region:?}"),
        }
    }

    pub fn config(&self) -> LrnConfig {
        let config = self.case.settings.config();
        match &self.region {
            Region::WithinChannel { dims } => config.within_channel(*dims),
            Region::Axes(axes) => config.over_axes(axes),
            _ => config.channel_axis(self.case.axis),
        }
    }

    /// The axes that windows extend over, from the start, in order.
    pub fn axes(&self) -> Vec<usize> {
        let rank = self.case.shape.len();
        let index = |axis: isize| if axis < 0 { axis + rank.cast_signed() } else { axis }.cast_unsigned();
        let mut axes = match &self.region {
            Region::WithinChannel { dims } => (rank - dims..rank).collect(),
            Region::Axes(axes) => axes.iter().map(|&axis| index(axis)).collect(),
            _ => vec![index(self.case.axis)],
        };
        axes.sort_unstable();
        axes
    }
}

/// The case of a number, of one of these types and tasks: it depends on the seed, the number and these alone. Whatever the types
/// and tasks are, the layer and the tensor are the same.
pub fn draw(seed: u64, number: u64, dtypes: &[NumberName], tasks: &[TaskName]) -> Drawn {
    let mut rng = Rng::new(seed);
    // Streams of neighbouring numbers have nothing in common.
    let rng = &mut Rng::new(rng.next() ^ Rng::new(number).next());
    let (case, region) = case(rng);
    Drawn { case, region, dtype: rng.pick(dtypes), task: rng.pick(tasks), relu: rng.one_in(4) }
}

/// The elements of a case: of x, or of what comes with it.
pub fn elements<E: Value>(case: &Case, with: u64) -> Vec<E> {
    let length = case.shape.iter().product();
    let narrow = case.data.draw(length, case.seed ^ with);
    let mut rng = Rng::new(case.seed ^ with ^ 1);
    let mut wide = |value: f32| {
        let value = f64::from(value);
        match value.abs() {
            // Bits that an f32 lacks; and what is near the ends of f32, near those of f64.
            1e-18..1e18 => value * (1.0 + rng.unit() * f64::from(f32::EPSILON)),
            magnitude => value * magnitude.powi(7),
        }
    };
    let of = |value| E::nearest(if E::PRECISION > f32::PRECISION { wide(value) } else { f64::from(value) });
    narrow.into_iter().map(of).collect()
}

fn case(rng: &mut Rng) -> (Case, Region) {
    let beta = match rng.below(8) {
        0..5 => rng.pick(&BETAS),
        5 => 9.0 * rng.unit() - 4.5,
        6 => f64::from(rng.bell()) * 20.0,
        _ => (8.0 * (9.0 * rng.unit() - 4.5)).round() / 8.0,
    };
    let boundary = rng.pick(&[Boundary::Zero, Boundary::Zero, Boundary::Wrap]);
    let mut settings = if rng.one_in(16) {
        draw::without_window(rng, beta, boundary)
    } else {
        let class = Class { beta, at_least_k: rng.one_in(2), long: rng.one_in(3), boundary };
        draw::settings(rng, class)
    };
    if matches!(settings.convention, Convention::OneDnn | Convention::Symmetric) && rng.one_in(2) {
        settings.size = (settings.size + 1) & !1;
    }
    match rng.below(60) {
        0 => large(rng),
        1..20 => boxed(rng, settings),
        _ => (shaped(rng, settings), Region::AcrossChannels),
    }
}

/// A tensor for some settings.
fn shaped(rng: &mut Rng, settings: Settings) -> Case {
    let channels = draw::channels(rng, settings.size);
    let inner = if rng.one_in(3) { rng.between(1, 100) } else { draw::inner(rng) };
    let outer = rng.between(1, 5).min(1 + MOST / (channels * inner));
    let axis0 = rng.one_in(10);
    let (shape, axis) = draw::shape(rng, outer, channels, inner, axis0);
    Case { settings, shape, axis, data: rng.pick(&Data::ALL), seed: rng.next() }
}

/// A tensor of any rank from 1 on for some settings, with windows over any of its axes, or none: every tap is counted, so it is small.
fn boxed(rng: &mut Rng, settings: Settings) -> (Case, Region) {
    let rank = rng.between(1, 6);
    let mut room = rng.pick(&[60, 400, MOST_BOXED]);
    let mut shape = vec![1; rank];
    for _ in 0..rank {
        let axis = rng.below(rank);
        let most = rng.pick(&[4, 9, 40, 200]);
        if shape[axis] == 1 {
            shape[axis] = rng.between(1, room.min(most));
            room = (room / shape[axis]).max(1);
        }
    }
    let region = if rng.one_in(3) {
        Region::WithinChannel { dims: rng.between(1, rank.min(3)) }
    } else {
        let mut axes: Vec<isize> = (0..rank.cast_signed()).collect();
        (0..rank).for_each(|i| axes.swap(i, i + rng.below(rank - i)));
        axes.truncate(rng.between(0, rank));
        let from_end = |axis: isize| if rng.one_in(2) { axis - rank.cast_signed() } else { axis };
        Region::Axes(axes.into_iter().map(from_end).collect())
    };
    (tensor(rng, settings, shape), region)
}

/// A plane too large to be worked on whole, under small windows; with nothing else about it that keeps numbers from being judged.
fn large(rng: &mut Rng) -> (Case, Region) {
    let settings = Settings { convention: Convention::Torch, size: rng.between(1, 5), ..draw::tame(rng) };
    let shape = vec![rng.between(290, 330), rng.between(460, 480)];
    let case = Case { data: rng.pick(&[Data::Plain, Data::Finite]), ..tensor(rng, settings, shape) };
    (case, Region::WithinChannel { dims: 2 })
}

fn tensor(rng: &mut Rng, settings: Settings, shape: Vec<usize>) -> Case {
    Case { settings, shape, axis: 0, data: rng.pick(&Data::ALL), seed: rng.next() }
}
