//! [`Element`]: the types a tensor can hold, and the lane type each computes in: an element is widened to its lane when it is read
//! and rounded once when it is written.
#![allow(private_interfaces, reason = "nobody else calls what is sealed")]

use half::{bf16, f16};

use std::mem::MaybeUninit;
use std::sync::Arc;

use crate::arithmetic::half::{narrow, widen};
use crate::backend::Backend;
use crate::config::Parameters;
use crate::interpreter::ArrayLanes;
use crate::jit::{convert, host::vectorized};
use crate::lane::Lane;
use crate::layer::{self, Engine};
use crate::number::Number;
use crate::plan::Plan;
use crate::region::part::BoxPart;
use crate::task::Task;
use crate::tensor::Part;
use crate::tile::TileEngine;

pub(crate) mod sealed {
    use super::{
        Arc, Backend, BoxPart, Engine, Lane, MaybeUninit, Parameters, Part, Plan, Task, TileEngine, vectorized,
    };

    pub trait Sealed: Copy {
        /// What it is computed in.
        type Lane: Lane;

        /// The value in its lane.
        fn to_lane(self) -> Self::Lane;

        /// The element nearest to a lane's value.
        fn from_lane(lane: Self::Lane) -> Self;

        /// Widens elements.
        fn widen(from: &[Self], to: &mut [Self::Lane]) {
            vectorized(
                #[inline(always)]
                || to.iter_mut().zip(from).for_each(|(lane, element)| *lane = element.to_lane()),
            );
        }

        /// Rounds lanes.
        fn narrow(from: &[Self::Lane], to: &mut [MaybeUninit<Self>]) {
            vectorized(
                #[inline(always)]
                || {
                    to.iter_mut().zip(from).for_each(|(element, &lane)| {
                        element.write(Self::from_lane(lane));
                    });
                },
            );
        }

        /// [`layer::compute`](super::layer::compute) for this type: compiled with this crate, once, and not again with every
        /// crate that has a layer.
        fn compute(engine: &Engine<Self::Lane>, task: Task, part: &mut Part<'_, Self>);

        /// [`layer::compute_boxes`](super::layer::compute_boxes), likewise.
        fn compute_boxes(engine: &Engine<Self::Lane>, task: Task, part: &mut BoxPart<'_, Self>);

        /// [`layer::tile_engine`](super::layer::tile_engine), likewise.
        fn tile_engine(backend: Backend, parameters: &Parameters, plan: &Arc<Plan>) -> Box<dyn TileEngine<Self::Lane>>;
    }
}

/// The methods that are the same for all types.
macro_rules! compiled_here {
    () => {
        fn compute(engine: &Engine<Self::Lane>, task: Task, part: &mut Part<'_, Self>) {
            layer::compute(engine, task, part);
        }

        fn compute_boxes(engine: &Engine<Self::Lane>, task: Task, part: &mut BoxPart<'_, Self>) {
            layer::compute_boxes(engine, task, part);
        }

        fn tile_engine(backend: Backend, parameters: &Parameters, plan: &Arc<Plan>) -> Box<dyn TileEngine<Self::Lane>> {
            layer::tile_engine(backend, parameters, plan)
        }
    };
}

/// An element type of a tensor: f32, f64, [`half::f16`] or [`half::bf16`]. Sealed: the code generator has to know it.
pub trait Element: sealed::Sealed + Copy + Default + Send + Sync + 'static {
    /// Which it is.
    const NUMBER: Number;
    /// The type's name: `f32`.
    const NAME: &'static str;
}

macro_rules! lanes {
    ($($element:ident: $number:ident;)*) => {$(
        impl sealed::Sealed for $element {
            type Lane = $element;

            #[inline(always)]
            fn to_lane(self) -> $element {
                self
            }

            #[inline(always)]
            fn from_lane(lane: $element) -> $element {
                lane
            }

            compiled_here!();
        }

        impl Element for $element {
            const NUMBER: Number = Number::$number;
            const NAME: &'static str = stringify!($element);
        }
    )*};
}

macro_rules! halves {
    ($($element:ident: $number:ident, { $($more:item)* };)*) => {$(
        impl sealed::Sealed for $element {
            type Lane = f32;

            #[inline(always)]
            fn to_lane(self) -> f32 {
                let [lane] = widen(&mut ArrayLanes::<f32, 1>::default(), Number::$number, [u32::from(self.to_bits()) << 16]);
                lane
            }

            #[inline(always)]
            fn from_lane(lane: f32) -> $element {
                let [bits] = narrow(&mut ArrayLanes::<f32, 1>::default(), Number::$number, [lane], false);
                Self::from_bits(bits as u16)
            }

            $($more)*

            compiled_here!();
        }

        impl Element for $element {
            const NUMBER: Number = Number::$number;
            const NAME: &'static str = stringify!($element);
        }
    )*};
}

lanes! {
    f32: F32;
    f64: F64;
}

halves! {
    f16: F16, {
        // The processor's conversions, where it has them.
        fn widen(from: &[Self], to: &mut [f32]) {
            if !convert::widen(from, to) {
                to.iter_mut().zip(from).for_each(|(lane, element)| *lane = element.to_lane());
            }
        }

        fn narrow(from: &[f32], to: &mut [MaybeUninit<Self>]) {
            if !convert::narrow(from, to) {
                to.iter_mut().zip(from).for_each(|(element, &lane)| { element.write(Self::from_lane(lane)); });
            }
        }
    };
    bf16: Bf16, {};
}

#[cfg(test)]
mod tests {
    use super::sealed::Sealed as _;
    use super::*;

    /// Every half, and around every border between two of them.
    #[test]
    fn halves_are_widened_and_rounded_as_ieee_says() {
        for bits in 0..=u16::MAX {
            let (a, b) = (f16::from_bits(bits), bf16::from_bits(bits));
            assert!(
                a.to_lane().to_bits() == a.to_f32_const().to_bits() || a.is_nan() && a.to_lane().is_nan(),
                "{bits:x}"
            );
            assert!(
                b.to_lane().to_bits() == b.to_f32_const().to_bits() || b.is_nan() && b.to_lane().is_nan(),
                "{bits:x}"
            );
            for lane in [a.to_lane(), b.to_lane()] {
                let next = f32::from_bits(lane.to_bits() + 0x1000);
                for lane in [lane, next, f32::midpoint(lane, next)] {
                    for lane in (-2..=2i32).map(|step| f32::from_bits(lane.to_bits().wrapping_add_signed(step))) {
                        let (a, b) = (f16::from_lane(lane), bf16::from_lane(lane));
                        let (expected_a, expected_b) = (f16::from_f32_const(lane), bf16::from_f32_const(lane));
                        assert!(a.to_bits() == expected_a.to_bits() || a.is_nan() && expected_a.is_nan(), "{lane:e}");
                        // A NaN with more than its upper half set is none that is ever rounded.
                        let nan = lane.is_nan() && (lane.to_bits() & 0xffff != 0 || b.is_nan() && expected_b.is_nan());
                        assert!(b.to_bits() == expected_b.to_bits() || nan, "{lane:e}");
                    }
                }
            }
        }
    }
}
