//! f16 to f32 and back by the processor's conversions, where it has them.

use std::mem::MaybeUninit;

use half::f16;

/// Widens f16, if this processor can.
pub(crate) fn widen(from: &[f16], to: &mut [f32]) -> bool {
    assert_eq!(from.len(), to.len());
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("f16c") && is_x86_feature_detected!("avx") {
        // SAFETY: the features were just detected.
        unsafe { widen_f16c(from, to) };
        return true;
    }
    false
}

/// Rounds f32 to f16, to nearest, ties to even, if this processor can.
pub(crate) fn narrow(from: &[f32], to: &mut [MaybeUninit<f16>]) -> bool {
    assert_eq!(from.len(), to.len());
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("f16c") && is_x86_feature_detected!("avx") {
        // SAFETY: the features were just detected.
        unsafe { narrow_f16c(from, to) };
        return true;
    }
    false
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "f16c,avx")]
fn widen_f16c(from: &[f16], to: &mut [f32]) {
    use std::arch::x86_64 as x86;
    let ((from, from_rest), (to, to_rest)) = (from.as_chunks::<8>(), to.as_chunks_mut::<8>());
    for (from, to) in from.iter().zip(to) {
        // SAFETY: eight halves, and eight floats.
        unsafe {
            let halves = x86::_mm_loadu_si128(from.as_ptr().cast());
            x86::_mm256_storeu_ps(to.as_mut_ptr(), x86::_mm256_cvtph_ps(halves));
        }
    }
    for (from, to) in from_rest.iter().zip(to_rest) {
        let halves = x86::_mm_cvtsi32_si128(from.to_bits().into());
        *to = x86::_mm_cvtss_f32(x86::_mm_cvtph_ps(halves));
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "f16c,avx")]
fn narrow_f16c(from: &[f32], to: &mut [MaybeUninit<f16>]) {
    use std::arch::x86_64 as x86;
    const NEAREST: i32 = x86::_MM_FROUND_TO_NEAREST_INT;
    let ((from, from_rest), (to, to_rest)) = (from.as_chunks::<8>(), to.as_chunks_mut::<8>());
    for (from, to) in from.iter().zip(to) {
        // SAFETY: eight floats, and room for eight halves.
        unsafe {
            let halves = x86::_mm256_cvtps_ph::<NEAREST>(x86::_mm256_loadu_ps(from.as_ptr()));
            x86::_mm_storeu_si128(to.as_mut_ptr().cast(), halves);
        }
    }
    for (from, to) in from_rest.iter().zip(to_rest) {
        let halves = x86::_mm_cvtps_ph::<NEAREST>(x86::_mm_set_ss(*from));
        to.write(f16::from_bits(x86::_mm_cvtsi128_si32(halves) as u16));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::sealed::Sealed as _;

    /// Every f16, and around every border between two: as the elements' own conversions.
    #[test]
    fn the_processor_converts_as_elements_do() {
        let halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        let mut lanes = vec![f32::NAN; halves.len()];
        if !widen(&halves, &mut lanes) {
            return;
        }
        assert!(
            halves
                .iter()
                .zip(&lanes)
                .all(|(half, lane)| { half.to_lane().to_bits() == lane.to_bits() || half.is_nan() && lane.is_nan() })
        );
        let around = |lane: f32| [-1, 0, 1, 0xfff, 0x1000, 0x1001].map(|by| lane.to_bits().wrapping_add_signed(by));
        let lanes: Vec<f32> = lanes.into_iter().flat_map(around).map(f32::from_bits).chain([1e-9]).collect();
        let mut rounded = vec![MaybeUninit::new(f16::NAN); lanes.len()];
        assert!(narrow(&lanes, &mut rounded));
        for (lane, rounded) in lanes.into_iter().zip(rounded) {
            // SAFETY: every element was initialized at the start.
            let (got, expected) = (unsafe { rounded.assume_init() }, f16::from_lane(lane));
            assert!(got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan(), "{lane:e}");
        }
    }
}
