//! [`Boxes`]: windows over any axes of a shape, every tap of a box by itself.

use lrn_jit::{Activation, Boundary, Convention, LrnConfig, Region, Window};

use super::case::Settings;
use super::gradients::{Judge, Space};
use super::rng::Rng;

/// A shape and the axes that windows extend over.
#[derive(Debug, Clone, PartialEq)]
pub struct Boxes {
    pub shape: Vec<usize>,
    pub region: Region,
}

impl Boxes {
    /// Windows within channels: over the last axes.
    pub fn within(shape: &[usize], dims: usize) -> Self {
        Self { shape: shape.to_vec(), region: Region::WithinChannel { dims } }
    }

    /// Windows over any axes, negative from the end.
    pub fn over(shape: &[usize], axes: &[isize]) -> Self {
        Self { shape: shape.to_vec(), region: Region::Axes(axes.to_vec()) }
    }

    /// A small tensor of a rank, with windows within channels or over any axes, none as well.
    pub fn draw(rng: &mut Rng, rank: usize, most: usize) -> Self {
        let mut shape = vec![1; rank];
        let mut room = most;
        for _ in 0..rank {
            let axis = rng.below(rank);
            if shape[axis] == 1 {
                let longest = rng.pick(&[4, 9, 33, 100]);
                shape[axis] = rng.between(1, room.min(longest));
                room = (room / shape[axis]).max(1);
            }
        }
        if rng.one_in(3) {
            return Self::within(&shape, rng.between(1, rank.min(3)));
        }
        let mut axes: Vec<isize> = (0..rank as isize).collect();
        (0..rank).for_each(|i| axes.swap(i, i + rng.below(rank - i)));
        axes.truncate(rng.below(rank + 1));
        axes.iter_mut().filter(|_| rng.one_in(2)).for_each(|axis| *axis -= rank as isize);
        Self { shape, region: Region::Axes(axes) }
    }

    /// A layer's configuration.
    pub fn config(&self, settings: &Settings) -> LrnConfig {
        match &self.region {
            Region::WithinChannel { dims } => settings.config().within_channel(*dims),
            Region::Axes(axes) => settings.config().over_axes(axes),
            other => panic!("{other:?} has no boxes"),
        }
    }

    /// Who knows what that layer should give.
    pub fn judge(&self, settings: &Settings) -> Judge {
        let mut judge = Judge::new(settings, settings.input == Activation::Relu);
        if matches!(self.region, Region::WithinChannel { .. }) && settings.convention == Convention::Caffe {
            // Caffe has no k within a channel.
            judge.k = 1.0;
        }
        judge
    }

    /// The axes of the windows, counted from the start.
    pub fn windows(&self) -> Vec<usize> {
        let rank = self.shape.len();
        match &self.region {
            Region::WithinChannel { dims } => (rank - dims..rank).collect(),
            Region::Axes(axes) => axes.iter().map(|axis| axis.rem_euclid(rank as isize) as usize).collect(),
            other => panic!("{other:?} has no boxes"),
        }
    }

    /// How many taps all windows together read at most: what a judge takes.
    pub fn work(&self, judge: &Judge) -> f64 {
        let Window { before, after, .. } = judge.window;
        let along = |axis: usize| match judge.boundary {
            Boundary::Zero => (before + after + 1).min(self.shape[axis]) as f64,
            Boundary::Wrap => (before + after + 1) as f64,
        };
        self.windows().into_iter().map(along).product::<f64>() * self.elements() as f64
    }

    /// Every index, in order.
    pub fn indices(&self) -> Vec<Vec<usize>> {
        let mut indices = vec![vec![]];
        for &extent in &self.shape {
            let longer = |index: &Vec<usize>| {
                let index = index.clone();
                (0..extent).map(move |at| index.iter().copied().chain([at]).collect())
            };
            indices = indices.iter().flat_map(longer).collect();
        }
        indices
    }
}

/// The indices that a window reads along an axis, one by one.
fn along(judge: &Judge, here: usize, extent: usize) -> Vec<usize> {
    let Window { before, after, .. } = judge.window;
    match judge.boundary {
        Boundary::Zero => (here.saturating_sub(before)..extent.min(here + after + 1)).collect(),
        Boundary::Wrap => {
            let first = here as i64 - before as i64;
            (first..=(here + after) as i64).map(|tap| tap.rem_euclid(extent as i64) as usize).collect()
        }
    }
}

impl Space for &Boxes {
    fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    fn axes(&self) -> usize {
        self.windows().len()
    }

    fn taps(&self, judge: &Judge) -> Vec<Vec<usize>> {
        let windows = self.windows();
        let of = |index: Vec<usize>| {
            let mut taps = vec![0];
            for (axis, (&here, &extent)) in index.iter().zip(&self.shape).enumerate() {
                let read = if windows.contains(&axis) { along(judge, here, extent) } else { vec![here] };
                taps = taps.iter().flat_map(|tap| read.iter().map(move |at| tap * extent + at)).collect();
            }
            taps
        };
        self.indices().into_iter().map(of).collect()
    }
}

impl Boxes {
    fn elements(&self) -> usize {
        Space::elements(&self)
    }
}
