//! The window sums of slabs whose channels lie along the vectors, made in registers.
//!
//! Elements are loaded once, a vector at a time, and squared, or not. Sums that *end* at each element grow by doubling, in the order of
//! `arithmetic::window`, of what stands here and what stood some channels earlier:
//!
//! ```text
//! size 5:  q   the squares                     d = q one channel earlier + q
//!          f = d two channels earlier + d      Σ = f one channel earlier + q
//! ```
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

use super::box_sums::Of;
use super::vector::{InVectors, Vector};
use crate::arithmetic::window::MAX_UNROLLED;

/// Levels of doubling: sums of 1, 2, 4, 8 and 16.
const LEVELS: usize = MAX_UNROLLED.ilog2() as usize + 1;
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
            Of::Plain => by_taps_of::<V, true>(slabs, sums),
            Of::Squares { .. } => by_taps_of::<V, false>(slabs, sums),
        }
    }
}

/// The same; `PLAIN`: of what there is.
#[inline(always)]
unsafe fn by_taps_of<V: Vector, const PLAIN: bool>(slabs: Slabs<V::Number>, sums: *mut V::Number) {
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
                        $taps if furthest <= V::LANES && !inner.is_multiple_of(V::LANES) => along::<V, $taps, PLAIN>(slabs, sums),
                        $taps => down::<V, $taps, PLAIN>(slabs, sums),
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
unsafe fn term<V: Vector, const PLAIN: bool>(x: V, floor: V) -> V {
    // SAFETY: passed on.
    if PLAIN { x } else { unsafe { x.square(floor) } }
}

/// Vectors along the slabs.
///
/// # Safety
///
/// As [`sum`]; `V` is a vector of this processor, and no sum is put behind by more than its lanes.
#[inline(always)]
unsafe fn along<V: Vector, const TAPS: usize, const PLAIN: bool>(slabs: Slabs<V::Number>, sums: *mut V::Number) {
    let Slabs { length, count, inner, of, .. } = slabs;
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
        let floor = V::floor(of == Of::Squares { positive: true });
        let mut windows = Windows::<V, Along, TAPS>::new(inner);
        for slab in 0..count {
            let x = slabs.x.add(slab * length).wrapping_add(after);
            let sums = sums.add(slab * length);
            windows.forget();
            if after > 0 {
                windows.next(term::<V, PLAIN>(V::load_masked(x.wrapping_sub(V::LANES), first), floor));
            }
            for vector in 0..whole {
                let x = x.wrapping_add(vector * V::LANES);
                x86::_mm_prefetch::<{ x86::_MM_HINT_T0 }>(x.wrapping_add(AHEAD).cast());
                windows.next(term::<V, PLAIN>(V::load(x), floor)).store(sums.add(vector * V::LANES));
            }
            for (vector, mask) in (whole..vectors).zip(last) {
                let q = term::<V, PLAIN>(V::load_masked(x.wrapping_add(vector * V::LANES), mask), floor);
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
unsafe fn down<V: Vector, const TAPS: usize, const PLAIN: bool>(slabs: Slabs<V::Number>, sums: *mut V::Number) {
    let Slabs { length, count, inner, after, of, .. } = slabs;
    let channels = length / inner;
    let last_columns = (inner - 1) / V::LANES * V::LANES;
    // SAFETY: loads are of lanes that a channel has. A store is of lanes that are the channel's or, less than a vector, of
    // columns before these of the next channel, which are written later.
    unsafe {
        let mask = V::mask(0, inner - last_columns);
        let all = V::mask(0, V::LANES);
        let floor = V::floor(of == Of::Squares { positive: true });
        let mut windows = Windows::<V, Down, TAPS>::new(inner);
        for slab in 0..count {
            for columns in (0..=last_columns / V::LANES).rev() {
                let columns = columns * V::LANES;
                let mask = if columns == last_columns { mask } else { all };
                let start = slab * length + columns;
                let (x, sums) = (slabs.x.add(start), sums.add(start));
                let term =
                    |channel: usize| term::<V, PLAIN>(V::load_masked(x.wrapping_add(channel * inner), mask), floor);
                windows.forget();
                for channel in 0..after {
                    windows.next(if channel < channels { term(channel) } else { V::zero() });
                }
                for channel in after..channels {
                    windows.next(term(channel)).store(sums.add((channel - after) * inner));
                }
                for channel in channels.saturating_sub(after)..channels {
                    windows.next(V::zero()).store(sums.add(channel * inner));
                }
            }
        }
    }
}

/// How to get at what stood some channels earlier.
trait Earlier<V: Vector> {
    /// What is kept of the steps before.
    type Kept: Copy;
    /// What a distance takes.
    type By: Copy;

    unsafe fn nothing() -> Self::Kept;
    unsafe fn by(channels: usize, inner: usize) -> Self::By;
    /// What stood `channels` earlier than `now`, which is kept. `by` is of these channels.
    unsafe fn earlier(now: V, kept: &mut Self::Kept, channels: usize, by: Self::By) -> V;
}

/// By lanes.
struct Along;

impl<V: Vector> Earlier<V> for Along {
    type Kept = V;
    type By = V::Shift;

    #[inline(always)]
    unsafe fn nothing() -> V {
        // SAFETY: passed on, here and below.
        unsafe { V::zero() }
    }

    #[inline(always)]
    unsafe fn by(channels: usize, inner: usize) -> V::Shift {
        unsafe { V::shift(channels * inner) }
    }

    #[inline(always)]
    unsafe fn earlier(now: V, kept: &mut V, _: usize, by: V::Shift) -> V {
        unsafe { now.behind(kept, by) }
    }
}

/// By vectors, a channel each.
struct Down;

impl<V: Vector> Earlier<V> for Down {
    type Kept = [V; MAX_UNROLLED / 2];
    type By = ();

    #[inline(always)]
    unsafe fn nothing() -> Self::Kept {
        // SAFETY: passed on.
        let zero = unsafe { V::zero() };
        [zero, zero, zero, zero, zero, zero, zero, zero]
    }

    #[inline(always)]
    unsafe fn by(_: usize, _: usize) {}

    #[inline(always)]
    unsafe fn earlier(now: V, kept: &mut Self::Kept, channels: usize, (): ()) -> V {
        let [a, b, c, d, e, f, g, _] = *kept;
        let earlier = kept[channels - 1];
        *kept = [now, a, b, c, d, e, f, g];
        earlier
    }
}

/// The sums of windows of `TAPS` taps, one vector after the other.
///
/// No loops and no array of more than it takes: what is kept has to stay in registers.
struct Windows<V: Vector, E: Earlier<V>, const TAPS: usize> {
    /// By level: to the lower half of a sum of the next level, and to the end of its run in the window, where it has one.
    by: [[E::By; 2]; LEVELS],
    /// The same of what is kept.
    kept: [[E::Kept; 2]; LEVELS],
}

impl<V: Vector, E: Earlier<V>, const TAPS: usize> Windows<V, E, TAPS> {
    const TOP: usize = TAPS.ilog2() as usize;

    /// The taps that follow a level's run.
    const fn behind(level: usize) -> usize {
        TAPS & ((1 << level) - 1)
    }

    #[inline(always)]
    unsafe fn new(inner: usize) -> Self {
        // SAFETY: passed on.
        unsafe {
            let by =
                [Self::by(0, inner), Self::by(1, inner), Self::by(2, inner), Self::by(3, inner), Self::by(4, inner)];
            Self { by, kept: Self::nothing() }
        }
    }

    /// What a level takes. The longest window has no halves above it.
    #[inline(always)]
    unsafe fn by(level: usize, inner: usize) -> [E::By; 2] {
        let level = level.min(Self::TOP);
        let half = if level < Self::TOP { 1 << level } else { 0 };
        // SAFETY: passed on.
        unsafe { [E::by(half, inner), E::by(Self::behind(level).min(TAPS - 1), inner)] }
    }

    #[inline(always)]
    unsafe fn nothing() -> [[E::Kept; 2]; LEVELS] {
        // SAFETY: passed on.
        let none = unsafe { [E::nothing(), E::nothing()] };
        [none, none, none, none, none]
    }

    /// Other data follows: what stood earlier is zero.
    #[inline(always)]
    unsafe fn forget(&mut self) {
        // SAFETY: passed on.
        self.kept = unsafe { Self::nothing() };
    }

    /// The sums of the windows that end at the elements of which `q` are the terms.
    #[inline(always)]
    unsafe fn next(&mut self, q: V) -> V {
        let mut levels = [q, q, q, q, q];
        macro_rules! level {
            ($level:literal) => {
                if $level < Self::TOP {
                    let (now, by, kept) = (levels[$level], self.by[$level][0], &mut self.kept[$level][0]);
                    // SAFETY: passed on, here and below.
                    levels[$level + 1] = unsafe { E::earlier(now, kept, 1 << $level, by).add(now) };
                }
            };
        }
        level!(0);
        level!(1);
        level!(2);
        level!(3);
        let mut sum = levels[Self::TOP];
        macro_rules! run {
            ($level:literal) => {
                if TAPS >> $level & 1 == 1 {
                    let (now, by, kept) = (levels[$level], self.by[$level][1], &mut self.kept[$level][1]);
                    let run = match Self::behind($level) {
                        0 => now,
                        channels => unsafe { E::earlier(now, kept, channels, by) },
                    };
                    // The longest run is the first.
                    sum = if $level == Self::TOP { run } else { unsafe { sum.add(run) } };
                }
            };
        }
        run!(4);
        run!(3);
        run!(2);
        run!(1);
        run!(0);
        sum
    }
}
