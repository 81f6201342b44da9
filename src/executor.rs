//! [`Executor`]: who runs the parts of a tensor. The host decides about threads; this library starts none.

/// Runs independent tasks, on however many threads the host allows.
///
/// The library checks the work afterwards: a task that was not run is run by the caller, and one that is run twice does
/// nothing the second time, so no implementation can make a result incomplete.
pub trait Executor: Sync {
    /// How many tasks can run at once; the work is cut into about as many parts.
    fn threads(&self) -> usize;

    /// Calls `task(i)` once for every i in `0..tasks`, in any order, and returns when all have returned.
    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync));
}

/// Runs everything on the calling thread: the default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Serial;

impl Executor for Serial {
    fn threads(&self) -> usize {
        1
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(task);
    }
}

/// Runs on the rayon pool the caller is in (`ThreadPool::install` is honoured), else on rayon's global pool.
#[cfg(feature = "rayon")]
#[derive(Debug, Clone, Copy, Default)]
pub struct CurrentRayon;

#[cfg(feature = "rayon")]
impl Executor for CurrentRayon {
    fn threads(&self) -> usize {
        rayon::current_num_threads()
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        use rayon::iter::{IntoParallelIterator, ParallelIterator};
        (0..tasks).into_par_iter().for_each(task);
    }
}
