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

#[cfg(test)]
mod tests {
    use std::panic::panic_any;
    use std::ptr::NonNull;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use lrn_jit::LocalResponseNorm;
    use ort_sys::{OrtApi, OrtErrorCode, OrtKernelContext, OrtStatusPtr};

    use super::*;

    type Work = unsafe extern "C" fn(*mut c_void, usize);

    /// A pool of threads, as good as they come.
    unsafe extern "system" fn on_threads(
        _: *const OrtKernelContext,
        work: Work,
        total: usize,
        _: usize,
        data: *mut c_void,
    ) -> OrtStatusPtr {
        let address = data as usize;
        std::thread::scope(|scope| {
            for index in 0..total {
                // SAFETY: the data outlives the scope.
                scope.spawn(move || unsafe { work(address as *mut c_void, index) });
            }
        });
        OrtStatusPtr::default()
    }

    /// One that does every other task, those twice, and fails.
    unsafe extern "system" fn hostile(
        _: *const OrtKernelContext,
        work: Work,
        total: usize,
        _: usize,
        data: *mut c_void,
    ) -> OrtStatusPtr {
        for index in (0..total).step_by(2).chain((0..total).step_by(2)) {
            // SAFETY: as above.
            unsafe { work(data, index) };
        }
        ort_sys::stub::Error::new_sys(OrtErrorCode::ORT_FAIL, "no more threads")
    }

    fn with<R>(
        pool: unsafe extern "system" fn(*const OrtKernelContext, Work, usize, usize, *mut c_void) -> OrtStatusPtr,
        elements: usize,
        work: impl FnOnce(&ParallelFor<'_>) -> R,
    ) -> R {
        let api: &OrtApi = Box::leak(Box::new(OrtApi { KernelContext_ParallelFor: pool, ..ort_sys::stub::api() }));
        // SAFETY: the type has no size, and the pools do not look at it.
        let raw = unsafe { NonNull::<OrtKernelContext>::dangling().as_ref() };
        work(&ParallelFor::new(Context { api, raw }, elements))
    }

    #[test]
    fn work_is_cut_by_its_size() {
        for (elements, parts) in [(0, 1), (1, 1), (PART, 1), (PART + 1, 2), (10 * PART, 10)] {
            assert_eq!(with(on_threads, elements, |executor| executor.threads()), parts);
        }
    }

    #[test]
    fn any_pool_gives_the_bits_of_one_thread() {
        let shape = [3, 64, 57, 59];
        let x: Vec<f32> = (0..shape.iter().product()).map(|i: usize| (i % 1013) as f32 / 50.0 - 9.0).collect();
        let layer = LocalResponseNorm::new(5).unwrap();
        let expected = layer.forward(&x, &shape).unwrap();
        for pool in [on_threads, hostile] {
            let y = with(pool, x.len(), |executor| layer.with_executor(executor).forward(&x, &shape).unwrap());
            assert!(y == expected);
        }
    }

    #[test]
    fn a_panic_in_a_task_reaches_the_caller_when_all_have_run() {
        let ran = AtomicUsize::new(0);
        let work = |index| {
            ran.fetch_add(1, Ordering::Relaxed);
            if index == 2 {
                panic_any("of task 2");
            }
        };
        let panic = with(on_threads, 4 * PART, |executor| catch_unwind(AssertUnwindSafe(|| executor.run(4, &work))));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"of task 2"));
        assert_eq!(ran.into_inner(), 4);
    }
}
