//! Engines in ordinary Rust work on tiles: columns of channels packed into rows, whatever the tensor's layout.

use crate::element::Element;
use crate::lane::Lane;
use crate::region::run::BoxTile;
use crate::task::Task;
use crate::tensor::Part;

/// Columns of a tile come in multiples of this: a vector of the widest kind.
pub(crate) const COLUMNS: usize = 16;
/// Numbers of a tile: half a first-level cache of f32, where channels are few enough.
const TILE: usize = 1 << 13;
/// Most columns of a tile.
const MAX_COLUMNS: usize = 256;

/// Rows of channels, in and out.
pub(crate) struct Tile<'a, T> {
    pub(crate) channels: usize,
    /// Columns, a multiple of [`COLUMNS`]: rows lie one behind the other.
    pub(crate) width: usize,
    /// As many as the task reads.
    pub(crate) inputs: &'a [&'a [T]],
    pub(crate) output: &'a mut [T],
}

/// Computes tiles.
pub(crate) trait TileEngine<T>: Send + Sync {
    fn tile(&self, task: Task, tile: Tile<'_, T>);

    /// The same of boxes.
    fn boxes(&self, task: Task, tile: BoxTile<'_, T>);
}

/// `length` zeros, and where among them the first aligned one stands.
pub(crate) fn zeros<T: Lane>(length: usize) -> (Vec<T>, usize) {
    let zeros = vec![T::default(); length + COLUMNS];
    let first = zeros.as_ptr().align_offset(COLUMNS * size_of::<f32>()).min(COLUMNS);
    (zeros, first)
}

/// Computes a part of a tensor tile by tile.
pub(crate) fn run<E: Element>(engine: &dyn TileEngine<E::Lane>, task: Task, part: &mut Part<'_, E>) {
    let channels = part.geometry().channels;
    let positions = part.positions();
    let most = (TILE / channels / COLUMNS * COLUMNS).clamp(COLUMNS, MAX_COLUMNS);
    let width = most.min(positions.len().next_multiple_of(COLUMNS));
    // On the border of a vector: accesses across two cache lines would cost up to half the speed.
    let mut inputs: Vec<_> = (0..task.inputs()).map(|_| zeros(channels * width)).collect();
    let (mut output, to) = zeros(channels * width);
    let output = &mut output[to..][..channels * width];
    for start in positions.clone().step_by(width) {
        let columns = start..positions.end.min(start + width);
        for (number, (input, from)) in inputs.iter_mut().enumerate() {
            part.read(number, columns.clone(), &mut input[*from..][..channels * width], width);
        }
        let inputs: Vec<_> = inputs.iter().map(|(input, from)| &input[*from..][..channels * width]).collect();
        engine.tile(task, Tile { channels, width, inputs: &inputs, output });
        part.write(columns, output, width);
    }
}
