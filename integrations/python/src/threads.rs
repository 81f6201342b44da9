//! [`Threads`]: an executor on as many threads as Python asks for in a call.
//!
//! The library starts no threads, and cuts small tensors into one part: only a call that is worth several threads comes here.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use lrn_jit::Executor;
use rayon::ThreadPool;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// Pools by process and number of threads. A forked process has none of its parent's threads: it makes pools of its own.
type Pools = HashMap<(u32, usize), Option<Arc<ThreadPool>>>;

static POOLS: LazyLock<Mutex<Pools>> = LazyLock::new(Mutex::default);

/// So many threads, of a pool that is made when it is first needed and kept.
pub(crate) struct Threads(pub(crate) usize);

impl Executor for Threads {
    fn threads(&self) -> usize {
        self.0
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        match pool(self.0) {
            Some(pool) => pool.install(|| (0..tasks).into_par_iter().for_each(task)),
            // The system gives no more threads: the caller's is enough.
            None => (0..tasks).for_each(task),
        }
    }
}

fn pool(threads: usize) -> Option<Arc<ThreadPool>> {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
        builder.thread_name(|index| format!("lrn-jit-{index}")).build().ok().map(Arc::new)
    };
    pools.entry((std::process::id(), threads)).or_insert_with(make).clone()
}
