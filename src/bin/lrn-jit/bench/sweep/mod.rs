//! `lrn-jit bench --sweep`: the compiled code's time over a grid of channels and inner extents, and the *cliffs* in it,
//! neighbours on the grid one of which takes much longer than the other.
//!
//! [`grid`] says which shapes, [`table`], [`json`] and [`plot`] write what was found.

mod grid;
pub mod json;
mod palette;
pub mod plot;
pub mod table;

use std::time::Duration;

use lrn_jit::{Backend, LrnConfig};

use super::cases::Case;
use super::machine::Machine;
use super::turns::{Buffers, Contestant, Field, Progress, Runner, interpret, rounds, same_bits};
use crate::failure::Failure;
use crate::rivals::Slabs;

/// How long rounds are begun.
const BUDGET: Duration = Duration::from_secs(60);
const QUICK_BUDGET: Duration = Duration::from_millis(1200);
/// From this ratio on, two neighbours have a cliff between them.
pub const CLIFF: f64 = 2.0;

/// A shape and its ns per element.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub slabs: Slabs,
    pub ns: f64,
}

impl Point {
    /// The extents.
    pub fn dimensions(self) -> String {
        let Slabs { outer, channels, inner } = self.slabs;
        format!("{outer}×{channels}×{inner}")
    }
}

/// Neighbours on the grid whose times differ by a lot.
#[derive(Debug, Clone, Copy)]
pub struct Cliff {
    pub fast: Point,
    pub slow: Point,
}

impl Cliff {
    pub fn ratio(self) -> f64 {
        self.slow.ns / self.fast.ns
    }

    /// Whether the neighbours differ in their channels, else in their inner extent.
    pub fn along_channels(self) -> bool {
        self.fast.slabs.channels != self.slow.slabs.channels
    }
}

/// Everything.
#[derive(Debug, Clone)]
pub struct Sweep {
    pub machine: Machine,
    /// What the library says about the code it makes.
    pub code: String,
    /// The layer as it prints.
    pub layer: String,
    pub quick: bool,
    pub rounds: usize,
    pub channels: Vec<usize>,
    pub inner: Vec<usize>,
    /// Of `channels` by `inner`; none where a single slab is more than a cache holds.
    pub grid: Vec<Vec<Option<Point>>>,
    /// Tensors that no cache holds.
    pub beyond: Vec<Point>,
    /// Out of place and in place.
    pub places: Vec<[Point; 2]>,
    /// Worst first.
    pub cliffs: Vec<Cliff>,
}

/// Which part of the sweep a contestant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Grid,
    Beyond,
    OutOfPlace,
    InPlace,
}

/// Verifies and measures a layer on all shapes.
pub fn run(config: &LrnConfig, quick: bool) -> Result<Sweep, Failure> {
    let layer = config.clone().channel_axis(1).backend(Backend::Jit).build()?;
    let (channels, inner) = grid::axes(quick);
    let on_grid =
        channels.iter().flat_map(|&channels| inner.iter().filter_map(move |&inner| grid::slabs(channels, inner)));
    let parts: Vec<(Part, Slabs)> = (on_grid.map(|slabs| (Part::Grid, slabs)))
        .chain(grid::beyond(quick).into_iter().map(|slabs| (Part::Beyond, slabs)))
        .chain(grid::places(quick).into_iter().flat_map(|slabs| [(Part::OutOfPlace, slabs), (Part::InPlace, slabs)]))
        .collect();
    let cases: Vec<Case> = parts.iter().map(|&(_, slabs)| Case::of_slabs(slabs, config.clone())).collect();
    let mut buffers = Buffers::new(&cases);
    let progress = Progress::new();
    let mut contestants = vec![];
    for (index, (case, &(part, _))) in cases.iter().zip(&parts).enumerate() {
        progress.checking(index, cases.len(), &case.title());
        let runner = match part {
            Part::InPlace => Runner::InPlace(layer.clone()),
            _ => Runner::Layer(layer.clone()),
        };
        let (x, y, expected) = buffers.of(case);
        interpret(case, x, expected)?;
        runner.answer(case, x, y)?;
        same_bits(case, y, expected)?;
        contestants.push(Contestant::new(index, part, runner));
    }
    let budget = if quick { QUICK_BUDGET } else { BUDGET };
    let field = &mut Field { cases: &cases, buffers: &mut buffers };
    let rounds = rounds(&mut contestants, field, budget, |share, round| progress.round(share, round))?;
    progress.end();

    let points = |part: Part| -> Vec<Point> {
        let found = contestants.iter().filter(|contestant| contestant.who == part);
        found
            .map(|found| Point { slabs: cases[found.case].slabs, ns: found.time(cases[found.case].elements()) })
            .collect()
    };
    let measured = points(Part::Grid);
    let at = |channels: usize, inner: usize| {
        measured.iter().copied().find(|point| point.slabs.channels == channels && point.slabs.inner == inner)
    };
    let grid: Vec<Vec<_>> =
        channels.iter().map(|&channels| inner.iter().map(|&inner| at(channels, inner)).collect()).collect();
    let places = points(Part::OutOfPlace).into_iter().zip(points(Part::InPlace));
    Ok(Sweep {
        machine: Machine::this(),
        code: layer.backend().to_string(),
        layer: layer.to_string(),
        quick,
        rounds,
        cliffs: cliffs(&grid),
        channels,
        inner,
        grid,
        beyond: points(Part::Beyond),
        places: places.map(|(out, within)| [out, within]).collect(),
    })
}

/// The cliffs between neighbours in a row or in a column, worst first.
fn cliffs(grid: &[Vec<Option<Point>>]) -> Vec<Cliff> {
    let along_inner = grid.iter().flat_map(|row| row.iter().zip(&row[1..]));
    let along_channels = grid.iter().zip(&grid[1..]).flat_map(|(row, next)| row.iter().zip(next));
    let pairs = along_inner.chain(along_channels).filter_map(|(a, b)| Some(((*a)?, (*b)?)));
    let cliff =
        |(a, b): (Point, Point)| if a.ns < b.ns { Cliff { fast: a, slow: b } } else { Cliff { fast: b, slow: a } };
    let mut cliffs: Vec<Cliff> = pairs.map(cliff).filter(|cliff| cliff.ratio() > CLIFF).collect();
    cliffs.sort_by(|a, b| b.ratio().total_cmp(&a.ratio()));
    cliffs
}
