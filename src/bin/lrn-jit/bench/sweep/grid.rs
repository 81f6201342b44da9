//! Which shapes are swept: what networks have, what lies beside a multiple of a vector, and what lies beside that.

use crate::rivals::Slabs;

const CHANNELS: [usize; 28] = [
    1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 24, 32, 48, 60, 64, 65, 96, 100, 128, 192, 256, 384, 512, 1000, 1024, 2048,
    4096,
];
const INNER: [usize; 49] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15, 16, 17, 20, 25, 31, 32, 33, 36, 48, 49, 50, 63, 64, 65, 81, 100, 121, 128,
    144, 169, 196, 225, 255, 256, 257, 289, 400, 512, 729, 784, 1024, 1025, 2025, 3025, 3136, 4096, 4097,
];
/// Of every so many channels and inner extents a quick sweep takes one.
const QUICK: usize = 4;
/// Elements of a tensor: a call's own cost does not show, and input and output are in the second-level cache or not far from it.
const LEAST: usize = 10_000;
const MOST: usize = 320_000;

/// Channels and inner extents of the grid.
pub fn axes(quick: bool) -> (Vec<usize>, Vec<usize>) {
    let step = if quick { QUICK } else { 1 };
    (CHANNELS.into_iter().step_by(step).collect(), INNER.into_iter().step_by(step).collect())
}

/// As few slabs as make a tensor large enough; none where one is too large.
pub fn slabs(channels: usize, inner: usize) -> Option<Slabs> {
    let slab = channels * inner;
    (slab <= MOST).then(|| Slabs { outer: LEAST.div_ceil(slab), channels, inner })
}

/// Tensors that no cache holds: batches of AlexNet's first layer, and what lies beside them.
pub fn beyond(quick: bool) -> Vec<Slabs> {
    let inner: &[usize] = if quick { &[] } else { &[3025, 3072, 3136, 4095, 4096, 4097] };
    inner.iter().map(|&inner| Slabs { outer: 64, channels: 96, inner }).collect()
}

/// What is also computed in place.
pub fn places(quick: bool) -> Vec<Slabs> {
    let shapes =
        [(96, 3025), (64, 3136), (256, 729), (256, 169), (96, 49), (64, 16), (64, 7), (3, 1024), (64, 1), (65, 1)];
    let step = if quick { QUICK } else { 1 };
    shapes.into_iter().step_by(step).filter_map(|(channels, inner)| slabs(channels, inner)).collect()
}
