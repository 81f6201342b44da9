//! The caller's threads: an [`lrn_jit::Executor`] over a C callback.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use lrn_jit::Serial;

use crate::memory::reference;
use crate::status::{Failure, Status};

/// One of the tasks that an executor is to run: call it with the argument that came with it and the task's number.
pub type Task = Option<unsafe extern "C" fn(argument: *mut c_void, index: usize)>;

/// Calls `task(argument, i)` once for each i from 0 to tasks - 1, in any order, on any threads, and returns when all have returned.
/// `context` is that of the executor. No exception or longjmp may leave it.
pub type Run = Option<unsafe extern "C" fn(context: *mut c_void, tasks: usize, task: Task, argument: *mut c_void)>;

/// The host's threads. The library starts none: without an executor (NULL), all is done on the calling thread. Tensors of fewer
/// than 2^18 elements are, in any case. The bits of results do not depend on it.
#[repr(C)]
pub struct Executor {
    /// How many tasks can run at once, 1 or more: the work is cut into about as many.
    pub threads: usize,
    /// Runs them. Must not be NULL.
    pub run: Run,
    /// Handed on to `run`. May be NULL.
    pub context: *mut c_void,
}

/// An executor that was checked.
pub(crate) struct Host<'a> {
    executor: &'a Executor,
    run: unsafe extern "C" fn(*mut c_void, usize, Task, *mut c_void),
}

// SAFETY: the context is only handed to the caller's function, which answers for it on whatever thread it is called.
unsafe impl Sync for Host<'_> {}

/// Calls `work` with the caller's executor, or with the calling thread where there is none.
///
/// # Safety
///
/// The pointer is NULL, or to an executor that keeps to what [`Run`] says.
pub(crate) unsafe fn with_executor<R>(
    executor: *const Executor,
    work: impl FnOnce(&dyn lrn_jit::Executor) -> Result<R, Failure>,
) -> Result<R, Failure> {
    if executor.is_null() {
        return work(&Serial);
    }
    // SAFETY: the caller's.
    let executor = unsafe { reference("executor", executor)? };
    let Some(run) = executor.run else { return Err(Failure::null("the executor's run")) };
    if executor.threads == 0 {
        return Err(Failure::new(Status::Argument, "the executor's threads must be 1 or more, got 0"));
    }
    work(&Host { executor, run })
}

/// What C hands back to [`run_one`].
struct Tasks<'a> {
    task: &'a (dyn Fn(usize) + Sync),
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl lrn_jit::Executor for Host<'_> {
    fn threads(&self) -> usize {
        self.executor.threads
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        let shared = Tasks { task, panic: Mutex::default() };
        let argument = std::ptr::from_ref(&shared).cast_mut().cast();
        // SAFETY: the caller's function, called as it was promised; `shared` lives until it returns, and so long only are its
        // tasks called.
        unsafe { (self.run)(self.executor.context, tasks, Some(run_one), argument) };
        if let Some(panic) = shared.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(panic);
        }
    }
}

/// A task, called by C: a panic waits for the thread that called the library.
unsafe extern "C" fn run_one(argument: *mut c_void, index: usize) {
    // SAFETY: what `run` handed out, and C hands back while `run` waits.
    let Some(tasks) = (unsafe { argument.cast_const().cast::<Tasks<'_>>().as_ref() }) else { return };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (tasks.task)(index))) {
        tasks.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Runs every task, on a thread each.
    unsafe extern "C" fn on_threads(_: *mut c_void, tasks: usize, task: Task, argument: *mut c_void) {
        let argument = argument.expose_provenance();
        std::thread::scope(|scope| {
            for index in 0..tasks {
                // SAFETY: as `Run` says.
                scope.spawn(move || unsafe { task.unwrap()(std::ptr::with_exposed_provenance_mut(argument), index) });
            }
        });
    }

    #[test]
    fn a_panic_of_a_task_comes_back_to_the_caller() {
        let executor = Executor { threads: 3, run: Some(on_threads), context: std::ptr::null_mut() };
        let ran = AtomicUsize::new(0);
        let status = crate::status::border(|| {
            // SAFETY: a valid executor.
            unsafe {
                with_executor(&raw const executor, |executor| {
                    executor.run(3, &|index| {
                        assert_ne!(index, 1, "task one");
                        ran.fetch_add(1, Ordering::Relaxed);
                    });
                    Ok(())
                })
            }
        });
        assert_eq!((status, ran.into_inner()), (Status::Internal, 2));
        // SAFETY: a text that lives until this thread's next failure.
        let text = unsafe { std::ffi::CStr::from_ptr(crate::status::lrn_jit_last_error()) };
        assert!(text.to_str().unwrap().contains("task one"), "{text:?}");
    }
}
