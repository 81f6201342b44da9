//! [`Row`]: memory for numbers between passes. Each thread keeps what its last call needed, so that the next one need not ask the
//! system for pages again: that took longer than the passes.
//!
//! Rows begin at different places of a page: a load waits for a store before it to the same place of another page, which took up to
//! half the speed of gradients (112×112 planes, 31×31: 1.5 instead of 1.06 ns).

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

use super::elements::WIDEST;

/// Bytes of a cache line.
const LINE: usize = 64;
/// Lines of a page, and by how many rows are put apart there.
const PAGE: usize = 4096 / LINE;
const APART: usize = 7;
/// The most rows that a thread keeps, and the most lines of one.
const KEPT: (usize, usize) = (12, (2 << 20) / LINE);

/// A line of memory, as any numbers.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

thread_local! {
    /// Where in a page the next row begins.
    static NEXT: Cell<usize> = const { Cell::new(0) };
    static POOL: RefCell<Vec<Vec<Line>>> = const { RefCell::new(vec![]) };
}

/// A row of numbers, from the border of a line on, with a vector more than it was asked for.
pub(super) struct Row<T> {
    memory: Vec<Line>,
    /// The line that the row begins with.
    first: usize,
    numbers: PhantomData<T>,
}

impl<T> Default for Row<T> {
    fn default() -> Self {
        Self { memory: vec![], first: 0, numbers: PhantomData }
    }
}

impl<T: Copy + Default> Row<T> {
    /// Where the row begins. What it held is lost where it has to be made longer; numbers of whatever value are there.
    pub(super) fn start(&mut self, elements: usize) -> *mut T {
        let lines = ((elements + WIDEST) * size_of::<T>()).div_ceil(LINE);
        if self.memory.len() < self.first + lines {
            self.give_back();
            self.memory = take(PAGE + lines);
            let place = NEXT.try_with(|next| next.replace((next.get() + APART) % PAGE)).unwrap_or(0);
            self.first = (PAGE + place - self.memory.as_ptr().addr() / LINE % PAGE) % PAGE;
        }
        self.memory[self.first..].as_mut_ptr().cast()
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
        match fitting.map(|(at, _)| at) {
            Some(at) => Some(pool.swap_remove(at)),
            // Those are of another size: new ones take their places.
            None if pool.len() == KEPT.0 => {
                pool.clear();
                None
            }
            None => None,
        }
    });
    kept.ok().flatten().unwrap_or_else(|| vec![Line([0; LINE]); lines])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_and_apart() {
        let mut first = Row::<f32>::default();
        let start = first.start(1000).addr();
        assert!(start.is_multiple_of(LINE));
        let mut second = Row::<f64>::default();
        let apart = (second.start(500).addr() % 4096).abs_diff(start % 4096) / LINE;
        assert!(apart == APART || apart == PAGE - APART, "{apart}");
        let memory = first.memory.as_ptr();
        drop(first);
        let mut third = Row::<f32>::default();
        third.start(900);
        assert_eq!(third.memory.as_ptr(), memory);
    }
}
