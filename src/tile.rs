//! Engines in ordinary Rust work on tiles: columns of channels packed into rows, whatever the tensor's layout.

use crate::element::Element;
use crate::tensor::Part;

/// Columns of a tile come in multiples of this: a vector of the widest kind.
pub(crate) const COLUMNS: usize = 16;
/// f32 of a tile: half a first-level cache, where channels are few enough.
const TILE: usize = 1 << 13;
/// Most columns of a tile.
const MAX_COLUMNS: usize = 256;

/// Computes a tile: `channels` rows of `width` (a multiple of [`COLUMNS`]) columns, rows of `input` and `output` alike.
pub(crate) trait TileEngine: Send + Sync {
    fn tile(&self, channels: usize, width: usize, input: &[f32], output: &mut [f32]);
}

/// `length` zeros, and where among them the first aligned one stands.
fn zeros(length: usize) -> (Vec<f32>, usize) {
    let zeros = vec![0.0f32; length + COLUMNS];
    let first = zeros.as_ptr().align_offset(size_of::<[f32; COLUMNS]>()).min(COLUMNS);
    (zeros, first)
}

/// Computes a part of a tensor tile by tile.
pub(crate) fn run<E: Element>(engine: &dyn TileEngine, part: &mut Part<'_, E>) {
    let channels = part.geometry().channels;
    let positions = part.positions();
    let most = (TILE / channels / COLUMNS * COLUMNS).clamp(COLUMNS, MAX_COLUMNS);
    let width = most.min(positions.len().next_multiple_of(COLUMNS));
    // On the border of a vector: accesses across two cache lines would cost up to half the speed.
    let ((mut input, from), (mut output, to)) = (zeros(channels * width), zeros(channels * width));
    let (input, output) = (&mut input[from..][..channels * width], &mut output[to..][..channels * width]);
    for start in positions.clone().step_by(width) {
        let columns = start..positions.end.min(start + width);
        part.read(columns.clone(), input, width);
        engine.tile(channels, width, input, output);
        part.write(columns, output, width);
    }
}
