//! Sums of windows that *end* at each element grow by doubling, in the order of `arithmetic::window`, of what stands here and what stood
//! some channels earlier:
//!
//! ```text
//! size 5:  q   the squares                     d = q one channel earlier + q
//!          f = d two channels earlier + d      Σ = f one channel earlier + q
//! ```

use super::vector::Vector;
use crate::arithmetic::window::MAX_UNROLLED;

/// Levels of doubling: sums of 1, 2, 4, 8 and 16.
const LEVELS: usize = MAX_UNROLLED.ilog2() as usize + 1;

/// How to get at what stood some channels earlier.
pub(super) trait Earlier<V: Vector> {
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
pub(super) struct Along;

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
pub(super) struct Down;

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
pub(super) struct Windows<V: Vector, E: Earlier<V>, const TAPS: usize> {
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
    pub(super) unsafe fn new(inner: usize) -> Self {
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
    pub(super) unsafe fn forget(&mut self) {
        // SAFETY: passed on.
        self.kept = unsafe { Self::nothing() };
    }

    /// The sums of the windows that end at the elements of which `q` are the terms.
    #[inline(always)]
    pub(super) unsafe fn next(&mut self, q: V) -> V {
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
