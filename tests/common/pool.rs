//! [`Pool`]: executors that behave, and some that do not.

use std::sync::atomic::{AtomicUsize, Ordering};

use lrn_jit::Executor;

/// What an executor does with its tasks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Habit {
    /// Each once, the last first, on threads.
    Threads,
    /// As `Threads`, every task on two threads at once.
    Twice,
    /// Only every third.
    Skips,
    /// None.
    Idle,
    /// All, and numbers that are no tasks.
    OutOfRange,
    /// Claims more threads than there are addresses.
    Boasts,
}

#[derive(Debug)]
pub struct Pool {
    habit: Habit,
    threads: usize,
    /// The most tasks it was ever given.
    tasks: AtomicUsize,
}

impl Pool {
    pub fn new(habit: Habit, threads: usize) -> Self {
        Self { habit, threads, tasks: AtomicUsize::new(0) }
    }

    /// Fails unless a tensor was cut.
    pub fn assert_used(self) {
        assert!(self.tasks.into_inner() > 1, "the tensor was not cut");
    }
}

impl Executor for Pool {
    fn threads(&self) -> usize {
        if self.habit == Habit::Boasts { usize::MAX } else { self.threads }
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        self.tasks.fetch_max(tasks, Ordering::Relaxed);
        match self.habit {
            Habit::Threads | Habit::Twice => std::thread::scope(|scope| {
                for thread in 0..self.threads {
                    let mine = move |i: &usize| self.habit == Habit::Twice || i % self.threads == thread;
                    scope.spawn(move || (0..tasks).rev().filter(mine).for_each(task));
                }
            }),
            Habit::Skips => (0..tasks).step_by(3).for_each(task),
            Habit::Idle => {}
            Habit::OutOfRange => (0..tasks + 3).chain([usize::MAX, usize::MAX / 4, 1 << 40]).for_each(task),
            Habit::Boasts => (0..tasks).for_each(task),
        }
    }
}
