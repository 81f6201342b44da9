//! The window sums of slabs whose channels lie along the vectors, made in registers.
//!
//! Elements are loaded once, a vector at a time, and squared, or not; [`doubling`](super::doubling) sums them.
//!
//! * [`Along`]: vectors go along the slab. What stood earlier is a shuffle of a vector and the one before it. The window of an element
//!   ends `after` channels later, so that is where the loads are; masks make zeros of what lies beyond the slab. (Loads of
//!   each tap would cost two accesses for most, since vectors that do not begin on the border of one lie across two cache lines.)
//! * [`Down`]: where that is further than a vector, vectors go from channel to channel, some columns at a time. What
//!   stood earlier is what was computed some steps before.
//!
//! Sums of neighbouring slabs lie one behind the other, as their elements do. Other processors do it in
//! memory ([`Squares`](super::squares)).

use std::arch::x86_64 as x86;
use std::ops::Range;

use super::box_sums::Of;
use super::doubling::{Along, Down, Windows};
use super::vector::{InVectors, Vector};

/// How far ahead elements are asked for.
const AHEAD: usize = 512;

/// Slabs, and the windows to be summed.
#[derive(Clone, Copy)]
pub(super) struct Slabs<T> {
    pub(super) x: *const T,
    /// Elements of a slab.
    pub(super) length: usize,
    pub(super) count: usize,
    /// Elements from a channel to the next.
    pub(super) inner: usize,
    pub(super) taps: usize,
    /// Taps behind the channel itself.
    pub(super) after: usize,
    pub(super) of: Of,
    /// Only sums of the first and last channels, whose windows reach beyond the slab: of one slab, a channel of which is some of the
    /// widest vectors.
    pub(super) edges: bool,
}

/// Whether this processor can.
pub(super) fn possible() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Writes the sums of slabs to `sums`, by vectors of at most `lanes`.
///
/// # Safety
///
/// It is [`possible`]. The slabs are readable; `sums` is writable over as many elements and 16 more, and none of it is theirs.
pub(super) unsafe fn sum<T: InVectors>(slabs: Slabs<T>, lanes: usize, sums: *mut T) {
    debug_assert!(possible());
    // SAFETY: the processor has AVX2, and what there is of AVX-512 was just detected; the rest is passed on.
    unsafe {
        match lanes * size_of::<T>() {
            64 if is_x86_feature_detected!("avx512f") => with_avx512::<T>(slabs, sums),
            32 if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") => {
                with_avx512_vl::<T>(slabs, sums);
            }
            _ => with_avx2::<T>(slabs, sums),
        }
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn with_avx512<T: InVectors>(slabs: Slabs<T>, sums: *mut T) {
    // SAFETY: passed on.
    unsafe { by_taps::<T::Wide>(slabs, sums) }
}

#[target_feature(enable = "avx512f,avx512vl")]
unsafe fn with_avx512_vl<T: InVectors>(slabs: Slabs<T>, sums: *mut T) {
    // SAFETY: passed on.
    unsafe { by_taps::<T::Half>(slabs, sums) }
}

#[target_feature(enable = "avx2")]
unsafe fn with_avx2<T: InVectors>(slabs: Slabs<T>, sums: *mut T) {
    // SAFETY: passed on.
    unsafe { by_taps::<T::Narrow>(slabs, sums) }
}

/// Sums with the taps as a constant, along the slabs or down.
#[inline(always)]
unsafe fn by_taps<V: Vector>(slabs: Slabs<V::Number>, sums: *mut V::Number) {
    // SAFETY: passed on.
    unsafe {
        match slabs.of {
            Of::Plain => by_taps_of::<V, PLAIN>(slabs, sums),
            Of::Squares { positive: false } => by_taps_of::<V, SQUARES>(slabs, sums),
            Of::Squares { positive: true } => by_taps_of::<V, POSITIVE>(slabs, sums),
        }
    }
}

/// What is summed, as a constant.
const PLAIN: u8 = 0;
const SQUARES: u8 = 1;
const POSITIVE: u8 = 2;

/// The same with what is summed as a constant.
#[inline(always)]
unsafe fn by_taps_of<V: Vector, const OF: u8>(slabs: Slabs<V::Number>, sums: *mut V::Number) {
    let Slabs { taps, after, inner, .. } = slabs;
    // No sum is put behind by more, and a window ends within the next vector.
    let longest_run = 1 << taps.ilog2();
    let furthest = (longest_run / 2).max(taps - longest_run).max(after) * inner;
    macro_rules! by_taps {
        ($($taps:literal)*) => {
            // SAFETY: passed on.
            unsafe {
                match taps {
                    $(
                        $taps if slabs.edges => edges::<V, $taps, OF>(slabs, sums),
                        $taps if furthest <= V::LANES && !inner.is_multiple_of(V::LANES) => along::<V, $taps, OF>(slabs, sums),
                        $taps => down::<V, $taps, OF>(slabs, sums),
                    )*
                    _ => unreachable!("windows of {taps} taps are not unrolled"),
                }
            }
        };
    }
    by_taps!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
}

/// What is summed of elements.
#[inline(always)]
unsafe fn term<V: Vector, const OF: u8>(x: V) -> V {
    // SAFETY: passed on.
    unsafe {
        match OF {
            PLAIN => x,
            SQUARES => x.square(),
            _ => x.positive().square(),
        }
    }
}

/// Vectors along the slabs.
///
/// # Safety
///
/// As [`sum`]; `V` is a vector of this processor, and no sum is put behind by more than its lanes.
#[inline(always)]
unsafe fn along<V: Vector, const TAPS: usize, const OF: u8>(slabs: Slabs<V::Number>, sums: *mut V::Number) {
    let Slabs { length, count, inner, .. } = slabs;
    let after = slabs.after * inner;
    // Vectors of elements alone, `after` further on; then those that the slab ends in, two at most.
    let vectors = length.div_ceil(V::LANES);
    let whole = length.saturating_sub(after) / V::LANES;
    // SAFETY: masks are lanes that a slab has, loads are of whole vectors or of masked ones within it, and a store is of
    // lanes that are the slab's or, less than a vector, beyond it: there the next slab's are written later.
    unsafe {
        let part = |at: usize| V::mask(0, length.saturating_sub(at).min(V::LANES));
        // The vector before the first has `after` elements, or all there are, at its end.
        let first = V::mask(V::LANES - after, (V::LANES - after + length).min(V::LANES));
        let last = [part(whole * V::LANES + after), part((whole + 1) * V::LANES + after)];
        let mut windows = Windows::<V, Along, TAPS>::new(inner);
        for slab in 0..count {
            let x = slabs.x.add(slab * length).wrapping_add(after);
            let sums = sums.add(slab * length);
            windows.forget();
            if after > 0 {
                windows.next(term::<V, OF>(V::load_masked(x.wrapping_sub(V::LANES), first)));
            }
            for vector in 0..whole {
                let x = x.wrapping_add(vector * V::LANES);
                x86::_mm_prefetch::<{ x86::_MM_HINT_T0 }>(x.wrapping_add(AHEAD).cast());
                windows.next(term::<V, OF>(V::load(x))).store(sums.add(vector * V::LANES));
            }
            for (vector, mask) in (whole..vectors).zip(last) {
                let q = term::<V, OF>(V::load_masked(x.wrapping_add(vector * V::LANES), mask));
                windows.next(q).store(sums.add(vector * V::LANES));
            }
        }
    }
}

/// Vectors down the channels.
///
/// # Safety
///
/// As [`sum`]; `V` is a vector of this processor.
#[inline(always)]
unsafe fn down<V: Vector, const TAPS: usize, const OF: u8>(slabs: Slabs<V::Number>, sums: *mut V::Number) {
    let Slabs { length, count, inner, .. } = slabs;
    let last_columns = (inner - 1) / V::LANES * V::LANES;
    // SAFETY: a mask has lanes that a channel has. A store is of lanes that are the channel's or, less than a vector, of
    // columns before these of the next channel, which are written later.
    unsafe {
        let mask = V::mask(0, inner - last_columns);
        let all = V::mask(0, V::LANES);
        for slab in 0..count {
            for columns in (0..=last_columns / V::LANES).rev() {
                let columns = columns * V::LANES;
                let mask = if columns == last_columns { mask } else { all };
                column::<V, TAPS, OF>(slabs, 0..length / inner, slab * length + columns, mask, sums);
            }
        }
    }
}

/// Some columns down some channels, from an element on.
///
/// # Safety
///
/// As [`sum`]; the columns of the mask are there.
#[inline(always)]
unsafe fn column<V: Vector, const TAPS: usize, const OF: u8>(
    slabs: Slabs<V::Number>,
    channels: Range<usize>,
    start: usize,
    mask: V::Mask,
    sums: *mut V::Number,
) {
    let Slabs { length, inner, after, .. } = slabs;
    let all = length / inner;
    let (x, sums) = (slabs.x.wrapping_add(start), sums.wrapping_add(start));
    // SAFETY: loads are of channels that are there, stores of those asked for.
    unsafe {
        let term = |channel: usize| term::<V, OF>(V::load_masked(x.wrapping_add(channel * inner), mask));
        let mut windows = Windows::<V, Down, TAPS>::new(inner);
        // What stands before the first sum's window does not count.
        for channel in (channels.start + after + 1).saturating_sub(TAPS)..channels.start + after {
            windows.next(if channel < all { term(channel) } else { V::zero() });
        }
        for channel in channels.start + after..all.min(channels.end + after) {
            windows.next(term(channel)).store(sums.wrapping_add((channel - after) * inner));
        }
        for channel in channels.start.max(all.saturating_sub(after))..channels.end {
            windows.next(V::zero()).store(sums.wrapping_add(channel * inner));
        }
    }
}

/// The first channels' sums, whose windows begin before the slab, and the last ones', whose end behind it.
///
/// # Safety
///
/// As [`sum`]; `V` is a vector of this processor, and a channel is some of them.
#[inline(always)]
unsafe fn edges<V: Vector, const TAPS: usize, const OF: u8>(slabs: Slabs<V::Number>, sums: *mut V::Number) {
    let Slabs { length, inner, after, .. } = slabs;
    let channels = length / inner;
    // SAFETY: passed on.
    unsafe {
        let mask = V::mask(0, V::LANES);
        for start in (0..inner).step_by(V::LANES) {
            column::<V, TAPS, OF>(slabs, 0..(TAPS - 1 - after).min(channels), start, mask, sums);
            column::<V, TAPS, OF>(slabs, channels.saturating_sub(after)..channels, start, mask, sums);
        }
    }
}
