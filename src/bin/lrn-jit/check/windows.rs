//! Which elements a window holds, how often, and which windows hold an element: tap by tap along every axis, and every combination of
//! these.

use lrn_jit::Boundary;
use lrn_jit::plan::Plan;

/// Elements, from the first of their axis on, and how often each counts.
type Taps = Vec<(usize, f64)>;

/// The windows of a box of elements.
pub struct Windows {
    extents: Vec<usize>,
    /// Of every axis and every index: what its window holds.
    held: Vec<Vec<Taps>>,
    /// And whose windows hold it.
    holders: Vec<Vec<Taps>>,
}

impl Windows {
    /// Those of a plan over some of the axes of a box.
    pub fn new(plan: &Plan, extents: &[usize], axes: &[usize]) -> Self {
        let along = |axis: usize, times: &dyn Fn(usize, usize) -> f64| -> Vec<Taps> {
            let (extent, stride) = (extents[axis], extents[axis + 1..].iter().product::<usize>());
            let taps = |here: usize| -> Taps {
                if !axes.contains(&axis) {
                    return vec![(here * stride, 1.0)];
                }
                (0..extent).map(|other| (other * stride, times(here, other))).filter(|tap| tap.1 > 0.0).collect()
            };
            (0..extent).map(taps).collect()
        };
        let held = |axis: usize| along(axis, &|here, other| times(plan, extents[axis], other, here));
        let holders = |axis: usize| along(axis, &|here, other| times(plan, extents[axis], here, other));
        let all = 0..extents.len();
        Self { extents: extents.to_vec(), held: all.clone().map(held).collect(), holders: all.map(holders).collect() }
    }

    /// The elements that the window of an element holds.
    pub fn held(&self, at: usize) -> Held<'_> {
        self.of(&self.held, at)
    }

    /// The elements whose windows hold an element.
    pub fn holders(&self, at: usize) -> Held<'_> {
        self.of(&self.holders, at)
    }

    fn of<'a>(&self, taps: &'a [Vec<Taps>], at: usize) -> Held<'a> {
        let mut rest = at;
        let mut axes = vec![];
        for (axis, &extent) in self.extents.iter().enumerate().rev() {
            axes.push(&taps[axis][rest % extent][..]);
            rest /= extent;
        }
        Held(axes)
    }
}

/// Elements of a box, by axis.
pub struct Held<'a>(Vec<&'a [(usize, f64)]>);

impl Held<'_> {
    /// Additions on the way of an element to the sum over them, at most: axis by axis one a tap, on a ring at most two an index.
    pub fn additions(&self) -> f64 {
        let along = |taps: &&[(usize, f64)]| f64::min(taps.iter().map(|tap| tap.1).sum(), 2.0 * taps.len() as f64);
        self.0.iter().map(along).sum()
    }

    /// All of them, and how often each counts.
    pub fn each(&self, mut visit: impl FnMut(usize, f64)) {
        fn each<F: FnMut(usize, f64)>(axes: &[&[(usize, f64)]], (at, times): (usize, f64), visit: &mut F) {
            match axes {
                [] => visit(at, times),
                [first, rest @ ..] => first.iter().for_each(|tap| each(rest, (at + tap.0, times * tap.1), visit)),
            }
        }
        each(&self.0, (0, 1.0), &mut visit);
    }
}

/// How often the window of `here` reads `index`, along an axis of `extent`.
fn times(plan: &Plan, extent: usize, index: usize, here: usize) -> f64 {
    let &Plan { before, after, boundary, .. } = plan;
    match boundary {
        Boundary::Zero => {
            let inside = index.saturating_add(before) >= here && index <= here.saturating_add(after);
            f64::from(u8::from(inside))
        }
        Boundary::Wrap => {
            // Positions here − before … here + after that are index modulo the extent, counted from a multiple of it.
            let (count, shift) = (extent as u128, before.div_ceil(extent) as u128);
            let origin = here as u128 + shift * count;
            let (first, last) = (origin - before as u128, origin + after as u128);
            // How many of 0..end are it.
            let below = |end: u128| (end + count - 1 - index as u128) / count;
            (below(last + 1) - below(first)) as f64
        }
    }
}
