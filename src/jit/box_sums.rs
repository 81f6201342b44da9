//! The window sums of boxes: one axis after the other, each from one row of memory into another. Kernels can add those of the last
//! axis themselves ([`Sums::ByTap`]).
//!
//! ```text
//! term   x, squared where it is loaded; a product of two inputs is made first
//! pass   1 to 16 taps: in registers (window_sums; short_slabs: slabs of less than a vector, rings), or in memory (squares)
//!        more: from the ends and beginnings of blocks (long_sums; on rings, region::sums)
//! ```

use super::elements::Row;
#[cfg(target_arch = "x86_64")]
use super::elements::WIDEST;
use super::long_sums::LongSums;
use super::squares::Squares;
#[cfg(target_arch = "x86_64")]
use super::{short_slabs::Spread, window_sums, window_sums::Slabs};
use crate::activation::Activation;
use crate::codegen::Sums;
use crate::config::Boundary;
use crate::lane::Lane;
use crate::plan::{Plan, Summation};
use crate::region::boxes::{Along, Boxes};
use crate::region::{run, sums};
use crate::task::{Stage, Term};

/// What is summed of elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Themselves.
    Plain,
    /// Their squares.
    Squares {
        /// What is negative counts as 0.
        positive: bool,
    },
}

/// Memory of a call.
pub(super) struct BoxSums<T> {
    /// Of the passes before the last one.
    between: [Row<T>; 2],
    terms: Row<T>,
    squares: Squares<T>,
    long: LongSums<T>,
    #[cfg(target_arch = "x86_64")]
    spread: Spread<T>,
}

impl<T: Lane> BoxSums<T> {
    pub(super) fn new() -> Self {
        Self {
            between: [Row::default(), Row::default()],
            terms: Row::default(),
            squares: Squares::default(),
            long: LongSums::default(),
            #[cfg(target_arch = "x86_64")]
            spread: Spread::default(),
        }
    }

    /// Writes the sums of a stage's term over the windows of boxes, with vectors of at most so many lanes; where a kernel adds the
    /// taps along the last axis, those over the axes before it.
    ///
    /// # Safety
    ///
    /// The inputs of the stage begin where `inputs` says, as many elements as the boxes have, and are not written meanwhile; `sums` are
    /// numbers, as many and a widest vector more, and none of them.
    pub(super) unsafe fn sum(
        &mut self,
        (plan, boxes, lanes): (&Plan, &Boxes, usize),
        (stage, term): (Stage, Term),
        inputs: &[*const T],
        (kind, sums): (Sums, *mut T),
    ) {
        let Some(summation) = plan.summation() else { return };
        let elements = boxes.elements();
        let cut_off = plan.input == Activation::Relu && stage.activated().0 == Some(0);
        let (mut from, mut of) = match term {
            Term::Square(input) => (inputs[input], Of::Squares { positive: cut_off }),
            Term::Plain(input) => (inputs[input], Of::Plain),
            Term::Product(..) => {
                // SAFETY: passed on; a row of its own.
                unsafe { self.make_terms(plan, (stage, term), inputs, elements) };
                (self.terms.start(elements).cast_const(), Of::Plain)
            }
        };
        let passes = boxes.passes(plan.reach(stage));
        let count = passes.len() - usize::from(kind == Sums::ByTap);
        for (number, along) in passes.take(count).enumerate() {
            let to = if number + 1 == count { sums } else { self.between[number % 2].start(elements) };
            // SAFETY: passed on; what was summed before is another row of memory.
            unsafe { self.pass(summation, (along, of), lanes, from, to) };
            (from, of) = (to.cast_const(), Of::Plain);
        }
    }

    /// # Safety
    ///
    /// As [`sum`](Self::sum).
    unsafe fn make_terms(&mut self, plan: &Plan, (stage, term): (Stage, Term), inputs: &[*const T], elements: usize) {
        let to = self.terms.start(elements);
        // SAFETY: passed on; the terms are a row of their own.
        unsafe {
            let read = [0, 1].map(|input| std::slice::from_raw_parts(inputs[input.min(inputs.len() - 1)], elements));
            run::terms(plan, (stage, term), &read, std::slice::from_raw_parts_mut(to, elements));
        }
    }

    /// One axis.
    ///
    /// # Safety
    ///
    /// As [`sum`](Self::sum), from `x`.
    unsafe fn pass(&mut self, summation: Summation, (along, of): (Along, Of), lanes: usize, x: *const T, sums: *mut T) {
        let Along { count, length, inner, reach } = along;
        let elements = along.elements();
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (lanes, count, length, inner);
        #[cfg(target_arch = "x86_64")]
        if matches!(summation, Summation::Unrolled { .. }) && window_sums::possible() {
            let (taps, after) = (reach.taps(), reach.after);
            let slabs = Slabs { x, length: length * inner, count, inner, taps, after, of, edges: false };
            // SAFETY: passed on.
            unsafe {
                if reach.boundary == Boundary::Wrap || slabs.length < WIDEST {
                    self.spread.sum(reach, slabs, lanes, sums);
                } else {
                    window_sums::sum(slabs, lanes, sums);
                }
            }
            return;
        }
        // SAFETY: passed on.
        let (x, sums) =
            unsafe { (std::slice::from_raw_parts(x, elements), std::slice::from_raw_parts_mut(sums, elements)) };
        match (summation, reach.boundary) {
            (Summation::Unrolled { .. }, _) => self.squares.sum(along, of, x, sums),
            (Summation::Cumulative, Boundary::Zero) => self.long.sum(along, of, x, sums),
            (Summation::Cumulative, Boundary::Wrap) => {
                let x = self.long.terms(of, x);
                sums::sum(summation, along, x, sums);
            }
        }
    }
}
