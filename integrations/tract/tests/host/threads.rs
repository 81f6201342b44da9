//! Threads: whose they are, and that results do not depend on them.

use std::sync::Mutex;
use std::thread;

use lrn_jit::Executor as _;
use lrn_jit_tract::{CurrentTract, accelerate};
use tract_onnx::prelude::multithread::{Executor, multithread_tract_scope};
use tract_onnx::prelude::*;

use crate::models::{LRN, lrn_model, numbers_of};

/// Large enough for the library and for tract to share it between threads.
const LARGE: [usize; 4] = [4, 96, 32, 32];

fn accelerated(shape: &[usize]) -> TractResult<TypedModel> {
    let mut model = lrn_model(DatumType::F32, shape, LRN, true)?;
    assert_eq!(accelerate(&mut model)?, 1);
    Ok(model)
}

/// The names of the threads that tasks ran on; they wait for one another, so each has a thread of its own.
fn names(tasks: usize) -> Vec<String> {
    let names = Mutex::new(vec![]);
    let all_there = std::sync::Barrier::new(tasks);
    CurrentTract.run(tasks, &|_| {
        names.lock().unwrap().push(thread::current().name().unwrap_or("none").to_string());
        all_there.wait();
    });
    let mut names = names.into_inner().unwrap();
    names.sort();
    names
}

#[test]
fn tasks_run_on_the_pool_of_the_scope() {
    assert_eq!(CurrentTract.threads(), 1);
    assert_eq!(names(1), [thread::current().name().unwrap()]);
    let three = Executor::multithread_with_name(3, "three");
    multithread_tract_scope(three.clone(), || {
        assert_eq!(CurrentTract.threads(), 3);
        assert_eq!(names(3), ["three-0", "three-1", "three-2"]);
        multithread_tract_scope(Executor::SingleThread, || assert_eq!(CurrentTract.threads(), 1));
    });
    assert_eq!(CurrentTract.threads(), 1);
}

/// How long threads whose names begin so have run, in nanoseconds, as Linux counts.
#[cfg(target_os = "linux")]
fn time_of(prefix: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let named =
        tasks.filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with(prefix)));
    let times = named.filter_map(|task| {
        let statistics = std::fs::read_to_string(task.join("schedstat")).ok()?;
        statistics.split_whitespace().next()?.parse::<u64>().ok()
    });
    times.sum()
}

/// A plan's own executor does the work of large tensors, and none of small ones.
#[cfg(target_os = "linux")]
#[test]
fn a_plan_runs_on_its_executor() -> TractResult<()> {
    let run_for = |shape: &[usize], name: &str, runs: usize| -> TractResult<u64> {
        let options = RunOptions { executor: Some(Executor::multithread_with_name(2, name)), ..Default::default() };
        let plan = TypedSimplePlan::new_with_options(accelerated(shape)?, &options)?;
        let input = numbers_of(shape, 1)?.into_tvalue();
        let mut state = plan.spawn()?;
        state.run(tvec!(input.clone()))?;
        let before = time_of(name);
        for _ in 0..runs {
            state.run(tvec!(input.clone()))?;
        }
        Ok(time_of(name) - before)
    };
    // The pool's threads do all of it, about 0.1 ms a run, the copy aside.
    assert!(run_for(&LARGE, "large", 100)? > 1_000_000);
    assert_eq!(run_for(&[1, 8, 5, 5], "small", 100)?, 0);
    Ok(())
}

#[test]
fn results_do_not_depend_on_threads() -> TractResult<()> {
    let plan = accelerated(&LARGE)?.into_runnable()?;
    let input = numbers_of(&LARGE, 2)?.into_tvalue();
    let expected = plan.run(tvec!(input.clone()))?;
    for executor in [Executor::multithread(2), Executor::multithread(3), Executor::RayonGlobal] {
        let outputs = multithread_tract_scope(executor, || plan.run(tvec!(input.clone())))?;
        assert_eq!(outputs, expected);
    }
    Ok(())
}

/// One plan, many threads; the model, and the first plan, are gone by then.
#[test]
fn a_plan_may_be_shared() -> TractResult<()> {
    let shape = [1, 32, 9, 9];
    let plan = accelerated(&shape)?.into_runnable()?;
    let expected: Vec<_> =
        (0..8).map(|seed| plan.run(tvec!(numbers_of(&shape, seed)?.into_tvalue()))).collect::<TractResult<_>>()?;
    let again = accelerated(&shape)?.into_runnable()?;
    drop(plan);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8u64)
            .map(|seed| {
                let again = &again;
                scope.spawn(move || -> TractResult<_> {
                    let input = numbers_of(&shape, seed)?.into_tvalue();
                    (0..20).map(|_| again.run(tvec!(input.clone()))).collect::<TractResult<Vec<_>>>()
                })
            })
            .collect();
        for (thread, expected) in threads.into_iter().zip(&expected) {
            for outputs in thread.join().unwrap()? {
                assert_eq!(&outputs, expected);
            }
        }
        Ok(())
    })
}
