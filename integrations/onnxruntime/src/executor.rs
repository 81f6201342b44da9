//! [`ParallelFor`]: the session's threads as the library's executor.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use lrn_jit::Executor;

use crate::host::{Context, check};

/// Elements of a part: some 20 µs of work, twice of what handing it to another thread costs.
const PART: usize = 1 << 17;

/// Runs parts of a tensor on the threads of the session (`intra_op_num_threads`), by the runtime's `KernelContext_ParallelFor`.
///
/// The runtime does not say how many threads there are, so work is cut by its size: into more parts than a session has threads
/// if there is much, and a session of one thread does them in a row.
pub struct ParallelFor<'a> {
    context: Context<'a>,
    parts: usize,
}

impl<'a> ParallelFor<'a> {
    /// For work on so many elements.
    pub fn new(context: Context<'a>, elements: usize) -> Self {
        Self { context, parts: elements.div_ceil(PART).max(1) }
    }
}

/// What the threads are given.
struct Job<'a> {
    task: &'a (dyn Fn(usize) + Sync),
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// Runs a task of a job; a panic is kept for the thread that waits.
unsafe extern "C" fn run_task(job: *mut c_void, index: usize) {
    // SAFETY: `run` passes a job which lives until all tasks have returned.
    let job = unsafe { &*job.cast::<Job<'_>>() };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (job.task)(index))) {
        job.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
    }
}

impl Executor for ParallelFor<'_> {
    fn threads(&self) -> usize {
        self.parts
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        let Context { api, raw } = self.context;
        let job = Job { task, panic: Mutex::new(None) };
        let data = (&raw const job).cast_mut().cast();
        // SAFETY: the runtime returns when all tasks have, and tasks may run on any thread. With 0 batches it cuts as it likes.
        let status = unsafe { (api.KernelContext_ParallelFor)(raw, run_task, tasks, 0, data) };
        // What a runtime left out, the library does itself.
        let _ = check(api, status);
        if let Some(panic) = job.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(panic);
        }
    }
}
