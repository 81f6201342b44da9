//! [`CurrentTract`]: tract's executor as one of the library's.

use lrn_jit::{CurrentRayon, Executor, Serial};
use tract_linalg::multithread::{Executor as TractExecutor, current_tract_executor};

/// Runs where tract runs: on the thread pool of the plan ([`RunOptions`]) or of the scope
/// ([`multithread_tract_scope`](tract_linalg::multithread::multithread_tract_scope)), else on tract's default executor, which is the
/// calling thread unless it was set.
///
/// [`RunOptions`]: tract_nnef::prelude::RunOptions
#[derive(Debug, Clone, Copy, Default)]
pub struct CurrentTract;

impl Executor for CurrentTract {
    fn threads(&self) -> usize {
        match current_tract_executor() {
            TractExecutor::SingleThread => Serial.threads(),
            TractExecutor::MultiThread(pool) => pool.current_num_threads(),
            TractExecutor::RayonGlobal => CurrentRayon.threads(),
        }
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        match current_tract_executor() {
            TractExecutor::SingleThread => Serial.run(tasks, task),
            TractExecutor::MultiThread(pool) => pool.install(|| CurrentRayon.run(tasks, task)),
            TractExecutor::RayonGlobal => CurrentRayon.run(tasks, task),
        }
    }
}
