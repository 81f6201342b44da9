//! Turns columns of slabs into the rows of a tile and back: the columns that an axis goes along lie `inner` apart, and vectors shall lie
//! beside it.
//!
//! Where `inner` is 1 columns are contiguous: 8×8 f32 are turned in registers. Everything else goes one by one.

use crate::lane::Lane;

/// Copies columns `first..first + many` of slabs of `length` rows of `inner` into a tile: row i holds element i of each column.
pub(super) fn into_tile<T: Lane>(
    (length, inner): (usize, usize),
    (first, many): (usize, usize),
    x: &[T],
    (tile, width): (&mut [T], usize),
) {
    let done = if inner == 1 {
        turned(&x[first * length..][..many * length], (many, length, length), (tile, width))
    } else {
        0
    };
    for column in done..many {
        let start = (first + column) / inner * length * inner + (first + column) % inner;
        for (row, x) in x[start..].iter().step_by(inner).take(length).enumerate() {
            tile[row * width + column] = *x;
        }
    }
}

/// Copies the columns of a tile back.
pub(super) fn from_tile<T: Lane>(
    (length, inner): (usize, usize),
    (first, many): (usize, usize),
    (tile, width): (&[T], usize),
    x: &mut [T],
) {
    // Of whole blocks; what is left at the end of rows and columns goes one by one.
    let rows = if inner == 1 {
        turned(tile, (length, many, width), (&mut x[first * length..][..many * length], length))
    } else {
        0
    };
    for column in 0..many {
        let start = (first + column) / inner * length * inner + (first + column) % inner;
        for row in rows..length {
            x[start + row * inner] = tile[row * width + column];
        }
    }
}

/// Turns whole rows of `from` (`rows` of `columns`, so far apart) into columns of `to` (so far apart), and gives how many.
fn turned<T: Lane>(
    from: &[T],
    (rows, columns, stride): (usize, usize, usize),
    (to, apart): (&mut [T], usize),
) -> usize {
    #[cfg(target_arch = "x86_64")]
    if T::FORMAT.bits == 32 && is_x86_feature_detected!("avx2") {
        let whole = rows / 8 * 8;
        if whole == 0 || columns == 0 {
            return 0;
        }
        assert!(from.len() >= (whole - 1) * stride + columns && to.len() >= (columns - 1) * apart + whole);
        for row in (0..whole).step_by(8) {
            for column in (0..columns / 8 * 8).step_by(8) {
                // SAFETY: the processor can, and the block lies within both, as was just asserted.
                unsafe {
                    let from = from.as_ptr().add(row * stride + column).cast();
                    block(from, stride, to.as_mut_ptr().add(column * apart + row).cast(), apart);
                }
            }
            for column in columns / 8 * 8..columns {
                for row in row..row + 8 {
                    to[column * apart + row] = from[row * stride + column];
                }
            }
        }
        return whole;
    }
    let _ = (from, rows, columns, stride, to, apart);
    0
}

/// Turns 8×8 f32.
///
/// # Safety
///
/// Eight f32 are readable at each of eight rows `stride` apart, and writable `apart`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn block(from: *const f32, stride: usize, to: *mut f32, apart: usize) {
    use std::arch::x86_64 as x86;
    // Quarters of rows i and i + 4 side by side: then all shuffles stay within halves.
    // SAFETY: passed on.
    let load = |row: usize, half: usize| unsafe {
        let low = x86::_mm_loadu_ps(from.add(row * stride + half * 4));
        let high = x86::_mm_loadu_ps(from.add((row + 4) * stride + half * 4));
        x86::_mm256_insertf128_ps::<1>(x86::_mm256_castps128_ps256(low), high)
    };
    for half in 0..2 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|row| load(row, half));
        let (ab_low, ab_high) = (x86::_mm256_unpacklo_ps(a, b), x86::_mm256_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (x86::_mm256_unpacklo_ps(c, d), x86::_mm256_unpackhi_ps(c, d));
        let turned = [
            x86::_mm256_shuffle_ps::<0x44>(ab_low, cd_low),
            x86::_mm256_shuffle_ps::<0xee>(ab_low, cd_low),
            x86::_mm256_shuffle_ps::<0x44>(ab_high, cd_high),
            x86::_mm256_shuffle_ps::<0xee>(ab_high, cd_high),
        ];
        for (column, turned) in turned.into_iter().enumerate() {
            // SAFETY: passed on.
            unsafe { x86::_mm256_storeu_ps(to.add((half * 4 + column) * apart), turned) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_come_back() {
        for (length, inner, columns) in [(5, 1, 9), (40, 1, 64), (33, 1, 17), (8, 1, 8), (7, 3, 12), (1, 1, 3)] {
            let x: Vec<f32> = (0..length * columns).map(|i| i as f32).collect();
            let width = columns + 3;
            let mut tile = vec![f32::NAN; length * width];
            into_tile((length, inner), (0, columns), &x, (&mut tile, width));
            for row in 0..length {
                for column in 0..columns {
                    let at = (column / inner * length + row) * inner + column % inner;
                    assert_eq!(tile[row * width + column], x[at]);
                }
            }
            let mut back = vec![f32::NAN; x.len()];
            from_tile((length, inner), (0, columns), (&tile, width), &mut back);
            assert_eq!(x, back);
        }
    }
}
