//! [`Way`]: the ways that drivers take through tensors, by layout and shape; and what of everything was met.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use lrn_jit::plan::{Formula, Plan, Summation};

use super::rng::Rng;

/// A layout and size that drivers treat by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Rows of over twenty vectors of the widest.
    WidePlanes,
    /// Rows of some vectors.
    NarrowPlanes,
    /// Rows of over a thousand elements: cut into stretches.
    Stretches,
    /// Rows shorter than a vector.
    ShortRows,
    /// No rows at all.
    ChannelsLast,
    /// Fewer elements than a vector.
    Tiny,
    TwoChannels,
    OneChannel,
}

impl Way {
    pub const ALL: [Self; 8] = [
        Self::WidePlanes,
        Self::NarrowPlanes,
        Self::Stretches,
        Self::ShortRows,
        Self::ChannelsLast,
        Self::Tiny,
        Self::TwoChannels,
        Self::OneChannel,
    ];

    /// A small tensor: outer, channels, inner. Most rows end within a vector, whatever its width.
    pub fn draw(self, rng: &mut Rng, taps: usize) -> [usize; 3] {
        let taps = taps.min(20);
        let few = [3, 4, 5, 7, 8, 9, taps + 1, taps.max(3)];
        match self {
            Self::WidePlanes => [1, rng.pick(&few), rng.pick(&[321, 333, 645])],
            Self::NarrowPlanes => {
                [rng.between(1, 2), rng.pick(&[3, 5, 8, 17, taps + 2]), rng.pick(&[16, 33, 49, 64, 101, 130])]
            }
            Self::Stretches => [1, rng.pick(&[3, 5]), rng.pick(&[1100, 1283, 4131])],
            Self::ShortRows => [rng.between(1, 5), rng.pick(&[3, 7, 16, 19, taps + 1]), rng.between(2, 15)],
            Self::ChannelsLast => [rng.between(1, 40), rng.pick(&[3, 5, 8, 16, 31, 33, taps + 1, 2 * taps + 1]), 1],
            Self::Tiny => rng.pick(&[[1, 3, 1], [1, 1, 1], [1, 2, 3], [2, 1, 3], [3, 2, 1], [1, 7, 1]]),
            Self::TwoChannels => [rng.between(1, 3), 2, rng.pick(&[1, 5, 16, 49, 200, 645])],
            Self::OneChannel => [rng.between(1, 3), 1, rng.pick(&[1, 5, 16, 49, 200])],
        }
    }
}

/// What is computed, how windows are summed, and what is known of d: what makes other code of the same number and task.
pub fn class(plan: &Plan) -> String {
    match &plan.formula {
        Formula::Copy => "copy".into(),
        Formula::Scale { .. } => "scale".into(),
        Formula::Normalize { summation, power, .. } => {
            let summation = match summation {
                Summation::Unrolled { .. } => "unrolled",
                Summation::Cumulative => "block sums",
            };
            format!("{summation}, {:?}", power.guard)
        }
    }
}

/// How often cells of some name were met.
#[derive(Default)]
pub struct Cells(BTreeMap<String, usize>);

impl Cells {
    pub fn meet(&mut self, cell: impl fmt::Display) {
        *self.0.entry(cell.to_string()).or_default() += 1;
    }

    /// Prints the counts, and fails unless exactly the `expected` were met.
    pub fn assert_are(&self, what: &str, expected: impl IntoIterator<Item = String>) {
        println!("{what}: {} cells", self.0.len());
        self.0.iter().for_each(|(cell, count)| println!("{count:>8}  {cell}"));
        let expected: BTreeSet<String> = expected.into_iter().collect();
        let missing: Vec<_> = expected.iter().filter(|cell| !self.0.contains_key(*cell)).collect();
        let unknown: Vec<_> = self.0.keys().filter(|cell| !expected.contains(*cell)).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "{what}: never met {missing:#?}, met unasked {unknown:#?}");
    }
}
