//! Local means of a plane, and planes with a border: what the layer wants around it.
//!
//! A box seen twice is a tent, whose mean has no square ghosts around bright points. Each of the two boxes is as wide as makes the
//! tent spread (its variance) as much as one box of the window's size: size/√2. Running sums in f64, rows and then columns; beyond
//! the edges the picture is mirrored, so that it has no edge to respond to.

use rayon::prelude::*;

/// Where a mirrored plane of extent `n` reads for index `i`, which may be any: … 1 0 | 0 1 … n−1 | n−1 n−2 …
pub fn mirrored(i: isize, n: usize) -> usize {
    let i = i.rem_euclid(2 * n as isize) as usize;
    if i < n { i } else { 2 * n - 1 - i }
}

/// The local mean of a plane of `width` columns over windows that spread as a box of `size` does.
pub fn local(plane: &[f32], width: usize, size: usize) -> Vec<f32> {
    let half = (size as f64 / (2.0 * std::f64::consts::SQRT_2)) as usize;
    let rows = rows(plane, width, half);
    columns(&columns(&rows, width, half), width, half)
}

/// Means along the rows over 2·`half` + 1 elements, twice.
fn rows(plane: &[f32], width: usize, half: usize) -> Vec<f32> {
    let mut means = vec![0.0; plane.len()];
    let scale = 1.0 / (2 * half + 1) as f64;
    let border = |at: isize| (at..at + 2 * half as isize).map(|i| mirrored(i, width)).collect::<Vec<_>>();
    let (left, right) = (border(-2 * half as isize), border(width as isize));
    let buffers = || (Vec::new(), vec![0.0; width + 2 * half]);
    means.par_chunks_mut(width).zip(plane.par_chunks(width)).for_each_init(buffers, |(padded, once), (means, row)| {
        padded.clear();
        padded.extend(left.iter().map(|&i| f64::from(row[i])));
        padded.extend(row.iter().map(|&x| f64::from(x)));
        padded.extend(right.iter().map(|&i| f64::from(row[i])));
        slide(padded, half, |i, sum| once[i] = sum * scale);
        slide(once, half, |i, sum| means[i] = (sum * scale) as f32);
    });
    means
}

/// Hands on the sum of every 2·`half` + 1 neighbours.
fn slide(values: &[f64], half: usize, mut put: impl FnMut(usize, f64)) {
    let mut sum = values[..2 * half + 1].iter().sum();
    put(0, sum);
    for (i, (next, last)) in values[2 * half + 1..].iter().zip(values).enumerate() {
        sum += next - last;
        put(i + 1, sum);
    }
}

/// Columns that one thread takes down the plane together.
const STRIP: usize = 1024;

/// The same down the columns.
fn columns(plane: &[f32], width: usize, half: usize) -> Vec<f32> {
    let height = plane.len() / width;
    let mut means = vec![0.0; plane.len()];
    let scale = 1.0 / (2 * half + 1) as f64;
    // Each strip's pieces of rows, so that strips can be written side by side.
    let mut strips: Vec<Vec<&mut [f32]>> = (0..width.div_ceil(STRIP)).map(|_| Vec::with_capacity(height)).collect();
    for row in means.chunks_mut(width) {
        strips.iter_mut().zip(row.chunks_mut(STRIP)).for_each(|(strip, piece)| strip.push(piece));
    }
    strips.into_par_iter().enumerate().for_each(|(i, pieces)| {
        let columns = i * STRIP..width.min((i + 1) * STRIP);
        let row = |y: isize| &plane[mirrored(y, height) * width..][columns.clone()];
        let half = half as isize;
        let mut sums = vec![0.0; columns.len()];
        let add = |sums: &mut [f64], y| sums.iter_mut().zip(row(y)).for_each(|(sum, &x)| *sum += f64::from(x));
        (-half..half).for_each(|y| add(&mut sums, y));
        for (y, piece) in pieces.into_iter().enumerate() {
            let y = y as isize;
            add(&mut sums, y + half);
            for ((mean, sum), &x) in piece.iter_mut().zip(&mut sums).zip(row(y - half)) {
                *mean = (*sum * scale) as f32;
                *sum -= f64::from(x);
            }
        }
    });
    means
}

/// Rows `from` to `to` of a plane with `border` more on every side, mirrored at the edges, into `padded`.
pub fn bordered(plane: &[f32], width: usize, (from, to): (usize, usize), border: usize, padded: &mut Vec<f32>) {
    let height = plane.len() / width;
    let columns: Vec<usize> = (0..border)
        .map(|i| mirrored(i as isize - border as isize, width))
        .chain((0..border).map(|i| mirrored((width + i) as isize, width)))
        .collect();
    padded.resize((to - from + 2 * border) * (width + 2 * border), 0.0);
    padded.par_chunks_mut(width + 2 * border).enumerate().for_each(|(i, into)| {
        let y = mirrored((from + i) as isize - border as isize, height);
        let row = &plane[y * width..][..width];
        into[border..border + width].copy_from_slice(row);
        let (left, right) = columns.split_at(border);
        into[..border].iter_mut().zip(left).for_each(|(into, &x)| *into = row[x]);
        into[border + width..].iter_mut().zip(right).for_each(|(into, &x)| *into = row[x]);
    });
}
