//! [`Row`]: memory for numbers between passes. Each thread keeps what its last call needed, so that the next one need not ask the
//! system for pages again: that took longer than the passes.

use std::cell::RefCell;
use std::marker::PhantomData;

use super::elements::WIDEST;

/// Bytes of a cache line.
const LINE: usize = 64;
/// The most rows that a thread keeps, the longest, and the most lines of one.
const KEPT: (usize, usize) = (12, (2 << 20) / LINE);

/// A line of memory, as any numbers.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

thread_local! {
    static POOL: RefCell<Vec<Vec<Line>>> = const { RefCell::new(vec![]) };
}

/// A row of numbers, from the border of a line on, with a vector more than it was asked for.
pub(super) struct Row<T> {
    memory: Vec<Line>,
    numbers: PhantomData<T>,
}

impl<T> Default for Row<T> {
    fn default() -> Self {
        Self { memory: vec![], numbers: PhantomData }
    }
}

impl<T: Copy + Default> Row<T> {
    /// Where the row begins. What it held is lost where it has to be made longer; numbers of whatever value are there.
    pub(super) fn start(&mut self, elements: usize) -> *mut T {
        let lines = ((elements + WIDEST) * size_of::<T>()).div_ceil(LINE);
        if self.memory.len() < lines {
            self.give_back();
            self.memory = take(lines);
        }
        self.memory.as_mut_ptr().cast()
    }
}

impl<T> Row<T> {
    fn give_back(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        if (1..=KEPT.1).contains(&memory.len()) {
            // A thread that ends has no pool any more.
            _ = POOL.try_with(|pool| {
                let pool = &mut *pool.borrow_mut();
                if pool.len() < KEPT.0 {
                    pool.push(memory);
                } else if let Some(shortest) = pool.iter_mut().min_by_key(|row| row.len())
                    && shortest.len() < memory.len()
                {
                    *shortest = memory;
                }
            });
        }
    }
}

impl<T> Drop for Row<T> {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// The shortest row that is long enough, or a new one.
fn take(lines: usize) -> Vec<Line> {
    let kept = POOL.try_with(|pool| {
        let pool = &mut *pool.borrow_mut();
        let fitting = pool.iter().enumerate().filter(|(_, row)| row.len() >= lines).min_by_key(|(_, row)| row.len());
        fitting.map(|(at, _)| at).map(|at| pool.swap_remove(at))
    });
    kept.ok().flatten().unwrap_or_else(|| vec![Line([0; LINE]); lines])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_and_apart() {
        let mut first = Row::<f32>::default();
        let start = first.start(1000);
        assert!(start.addr().is_multiple_of(LINE));
        let mut second = Row::<f64>::default();
        assert_ne!(second.start(500).addr(), start.addr());
        drop(first);
        assert_eq!(Row::<f32>::default().start(900).addr(), start.addr());
    }

    /// As when a tensor of long rows follows one of short rows.
    #[test]
    fn short_rows_make_room_for_long_ones() {
        let rows = |elements: usize| -> Vec<usize> {
            let mut rows: Vec<Row<f32>> = (0..KEPT.0).map(|_| Row::default()).collect();
            let mut starts: Vec<usize> = rows.iter_mut().map(|row| row.start(elements).addr()).collect();
            starts.sort_unstable();
            starts
        };
        let short = rows(100);
        assert_eq!(rows(100), short);
        let long = rows(10_000);
        assert_eq!(rows(10_000), long);
        assert_eq!(rows(100), long);
    }
}
