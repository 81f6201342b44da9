//! How time is taken: contestants take turns, round after round, so that whatever disturbs the machine disturbs all alike,
//! and each keeps its fastest run.

use std::time::{Duration, Instant};

/// A turn ends after this much, or after `RUNS`.
const TURN: Duration = Duration::from_micros(1500);
const RUNS: usize = 4;

/// What came of it.
pub struct Fastest {
    /// By contestant.
    pub runs: Vec<Duration>,
    pub rounds: usize,
}

/// So many seconds for `cargo bench`. Nothing for `cargo test`, which does not say `--bench`: that is one round.
pub fn budget(seconds: u64) -> Duration {
    let measuring = std::env::args().any(|argument| argument == "--bench");
    Duration::from_secs(if measuring { seconds } else { 0 })
}

/// Begins rounds until `budget` is spent. `run` runs the contestant of this index once and says how long that took. A turn
/// begins with a run that does not count, for the caches.
pub fn take_turns(contestants: usize, budget: Duration, mut run: impl FnMut(usize) -> Duration) -> Fastest {
    let mut runs = vec![Duration::MAX; contestants];
    let mut rounds = 0;
    let start = Instant::now();
    while rounds == 0 || start.elapsed() < budget {
        for (contestant, best) in runs.iter_mut().enumerate() {
            run(contestant);
            let turn = Instant::now();
            for _ in 0..RUNS {
                *best = run(contestant).min(*best);
                if turn.elapsed() > TURN {
                    break;
                }
            }
        }
        rounds += 1;
    }
    Fastest { runs, rounds }
}
