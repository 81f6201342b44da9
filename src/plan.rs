//! [`Plan`]: every decision that is made before code exists, as plain data that can be printed.
//!
//! A plan depends on the parameters alone, never on a tensor's shape or on the host. The code generator and the interpreter
//! both execute it; neither decides anything about numbers on its own.

mod display;
mod power;
mod root;

use crate::activation::Activation;
use crate::arithmetic::format::Format;
use crate::arithmetic::window::MAX_UNROLLED;
use crate::config::{Boundary, Parameters};
use crate::number::Number;
use crate::task::{Source, Stage, Task};

pub use power::{Fitted, FittedRange, Fraction, Guard, Power, Staging, Wide};
pub use root::{FirstCorrection, Root};

/// What is computed for a configuration, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// How many axes the window extends over: 1 where there is no window.
    pub axes: usize,
    /// Taps before the channel, along each axis; 0 where the formula has no window.
    pub before: usize,
    /// Taps after the channel.
    pub after: usize,
    /// What taps beyond the edges read.
    pub boundary: Boundary,
    /// What a tensor's elements are.
    pub number: Number,
    /// What is done to x before anything else.
    pub input: Activation,
    /// The formula, after special cases.
    pub formula: Formula,
}

/// The formula that is left once the parameters are known.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    /// y = x: beta is 0.
    Copy,
    /// alpha is 0 (or vanishes in the numbers computed with): y = x times k^(−beta), as one factor, or as two where one would leave their range.
    /// The window is not looked at: a NaN or infinite neighbour does not matter.
    Scale {
        /// One or two factors.
        factors: Vec<f64>,
    },
    /// y = x·d^(−beta), d = k + a·Σx².
    Normalize {
        /// How the window is summed.
        summation: Summation,
        /// alpha over the divisor, rounded to the numbers computed with.
        a: f64,
        /// k, rounded likewise.
        k: f64,
        /// The recipe for x·d^(−beta).
        power: Power,
    },
}

/// How a window is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summation {
    /// Up to 16 taps: unrolled, by doubling.
    Unrolled {
        /// The number of taps.
        taps: usize,
    },
    /// Longer windows: the channels are cut into blocks as long as the window; a window is the end of one block plus the
    /// beginning of the next. Sums grow from the blocks' borders; nothing is ever subtracted.
    Cumulative,
}

/// The length of a recipe: how much of it should be compiled at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Up to some thirty instructions.
    Short,
    /// Up to some sixty.
    Long,
    /// A hundred.
    Longest,
}

/// The smallest k that counts as a bound: with it |x| < 2^64 (all larger squares are ∞) leaves room for every product of a recipe.
pub(crate) const LEAST_K: f64 = 1.0 / (1u64 << 50) as f64;

impl Plan {
    /// The plan for elements of a type.
    pub(crate) fn new(parameters: &Parameters, number: Number) -> Self {
        let &Parameters { beta, window, boundary, input, .. } = parameters;
        let format = number.format();
        let a = format.nearest(parameters.weight());
        // −0 is 0: pow knows no sign of zero.
        let k = format.nearest(parameters.k) + 0.0;
        let formula = if beta == 0.0 {
            Formula::Copy
        } else if a == 0.0 {
            Formula::Scale { factors: factors(parameters.k, beta, format) }
        } else {
            let taps = window.before + window.after + 1;
            let summation = if taps <= MAX_UNROLLED { Summation::Unrolled { taps } } else { Summation::Cumulative };
            let never_below_k = k >= LEAST_K && k.is_finite() && a > 0.0 && a.is_finite();
            Formula::Normalize { summation, a, k, power: Power::new(beta, never_below_k.then_some(k), number) }
        };
        let (before, after) = match formula {
            Formula::Normalize { .. } => (window.before, window.after),
            Formula::Copy | Formula::Scale { .. } => (0, 0),
        };
        // A window of one tap is the same along any axes.
        let axes = if before + after == 0 { 1 } else { parameters.region.axes() };
        Self { axes, before, after, boundary, number, input, formula }
    }
}

/// The channels of a window around one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) before: usize,
    pub(crate) after: usize,
    pub(crate) boundary: Boundary,
}

impl Reach {
    /// How many there are.
    pub(crate) fn taps(self) -> usize {
        self.before + 1 + self.after
    }

    /// The channel that a tap reads; none beyond the edges. Taps are numbered from the first of channel 0's window, so
    /// that channel c's window is `c..=c + before + after`.
    pub(crate) fn tap(self, tap: usize, channels: usize) -> Option<usize> {
        match self.boundary {
            Boundary::Zero => tap.checked_sub(self.before).filter(|&channel| channel < channels),
            Boundary::Wrap => Some((tap % channels + channels - self.before % channels) % channels),
        }
    }
}

impl Plan {
    /// Taps of a window along an axis.
    pub(crate) fn reach_taps(&self) -> usize {
        self.before + 1 + self.after
    }

    /// The windows of a stage.
    pub(crate) fn reach(&self, stage: Stage) -> Reach {
        let &Self { before, after, boundary, .. } = self;
        let (before, after) = if stage.mirrored() { (after, before) } else { (before, after) };
        Reach { before, after, boundary }
    }

    /// The stages of a task, and where the inputs of each come from.
    pub(crate) fn stages(&self, task: Task) -> &'static [(Stage, &'static [Source])] {
        match (&self.formula, task) {
            (Formula::Normalize { .. }, _) | (_, Task::Forward) => task.stages(),
            (_, Task::DoubleBackward) => &[(Stage::Zero, &[Source::Input(0)])],
            _ => &[(Stage::Linear, &[Source::Input(0), Source::Input(1)])],
        }
    }

    /// How windows are summed, where there are any.
    pub(crate) fn summation(&self) -> Option<Summation> {
        match self.formula {
            Formula::Normalize { summation, .. } => Some(summation),
            _ => None,
        }
    }

    /// The plan that gives the same bits where there are two channels, if its window is smaller: taps further away than one
    /// channel are zeros, and a sum of two squares has no order.
    pub(crate) fn of_two_channels(&self) -> Option<Self> {
        let &Self { axes: 1, before, after, boundary: Boundary::Zero, number, input, ref formula } = self else {
            return None;
        };
        let Formula::Normalize { summation: Summation::Unrolled { .. }, a, k, power } = formula else { return None };
        if before <= 1 && after <= 1 {
            return None;
        }
        let (before, after) = (before.min(1), after.min(1));
        let summation = Summation::Unrolled { taps: before + 1 + after };
        let formula = Formula::Normalize { summation, a: *a, k: *k, power: power.clone() };
        Some(Self { axes: 1, before, after, boundary: Boundary::Zero, number, input, formula })
    }

    /// The plan for elements that were widened to what is computed with.
    pub(crate) fn of_lanes(&self) -> Self {
        Self { number: self.number.lane(), ..self.clone() }
    }

    /// How many instructions an element takes, roughly.
    pub(crate) fn effort(&self) -> Effort {
        let Formula::Normalize { power, .. } = &self.formula else { return Effort::Short };
        match power.fraction {
            Fraction::None | Fraction::SquareRoot { .. } => Effort::Short,
            Fraction::Root(_) if power.guard == Guard::AtLeastK => Effort::Short,
            Fraction::Root(_) | Fraction::Fitted(_) => Effort::Long,
            Fraction::Wide(_) => Effort::Longest,
        }
    }

    /// Whether windows along the channels are summed from block sums.
    pub(crate) fn is_cumulative(&self) -> bool {
        self.axes == 1 && matches!(self.formula, Formula::Normalize { summation: Summation::Cumulative, .. })
    }

    /// Whether windows extend over several axes, whose sums are made apart from everything else.
    pub(crate) fn is_of_boxes(&self) -> bool {
        self.axes > 1
    }
}

/// k^(−beta) as one factor, or two of equal size where one would leave the normal range.
fn factors(k: f64, beta: f64, format: &Format) -> Vec<f64> {
    let factor = k.powf(-beta);
    let normal = format.smallest()..=format.largest;
    let half = format.nearest(k.abs().powf(-0.5 * beta));
    let rest = factor / half;
    if factor == 0.0 || !factor.is_finite() || normal.contains(&factor.abs()) || !normal.contains(&half) {
        vec![format.nearest(factor)]
    } else {
        vec![half, format.nearest(rest)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_wrap_or_end() {
        let plan = |boundary, before| Reach { before, after: 1, boundary };
        let zero = plan(Boundary::Zero, 2);
        assert_eq!([0, 1, 2, 4, 5].map(|tap| zero.tap(tap, 3)), [None, None, Some(0), Some(2), None]);
        let wrap = plan(Boundary::Wrap, 7);
        assert_eq!([0, 1, 6, 7, 8].map(|tap| wrap.tap(tap, 3)), [Some(2), Some(0), Some(2), Some(0), Some(1)]);
    }
}
