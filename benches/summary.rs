//! One table of everything, in well under a minute: the numbers that the documents quote.
//!
//! The contestants take turns, round after round, so that whatever disturbs the machine disturbs all alike; each keeps its
//! fastest run. A turn begins with a run that is not timed, for the caches. Prints Markdown.
//!
//!     cargo bench --bench summary

#[allow(dead_code, reason = "shared with benchmarks that use other parts")]
mod cases;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cases::{Case, RIVALS, Runner, Who, cases, input};

/// As long as rounds are begun.
const BUDGET: Duration = Duration::from_secs(25);
/// A turn ends after this much, or after `RUNS`.
const TURN: Duration = Duration::from_micros(1500);
const RUNS: usize = 4;

struct Contestant {
    case: usize,
    who: Who,
    runner: Runner,
    best: Duration,
}

impl Contestant {
    fn turn(&mut self, x: &[f32], y: &mut [f32]) {
        self.runner.prepare(x, y);
        self.runner.run(x, y);
        let turn = Instant::now();
        for _ in 0..RUNS {
            self.runner.prepare(x, y);
            let start = Instant::now();
            self.runner.run(x, y);
            self.best = self.best.min(start.elapsed());
            if turn.elapsed() > TURN {
                break;
            }
        }
    }
}

fn main() {
    // Without `--bench` (as `cargo test` calls it) everything is checked and timed once.
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let cases = cases();
    let longest = cases.iter().map(Case::elements).max().unwrap_or(0);
    let (x, mut y) = (input(longest), vec![0.0; longest]);

    let mut contestants = vec![];
    let mut copied = HashMap::new();
    for (index, case) in cases.iter().enumerate() {
        let length = case.elements();
        for who in case.contestants() {
            // One memcpy for all tensors of a size.
            if who == Who::Memcpy && copied.insert(length, index).is_some() {
                continue;
            }
            let runner = case.runner(who);
            case.verify(who, &runner, &x[..length], &mut y[..length]);
            contestants.push(Contestant { case: index, who, runner, best: Duration::MAX });
        }
    }

    let start = Instant::now();
    let mut rounds = 0;
    while rounds == 0 || (measuring && start.elapsed() < BUDGET) {
        for contestant in &mut contestants {
            let length = cases[contestant.case].elements();
            contestant.turn(&x[..length], &mut y[..length]);
        }
        rounds += 1;
    }

    // ns per element, by size of the tensor for memcpy.
    let per_element =
        |contestant: &Contestant| contestant.best.as_secs_f64() * 1e9 / cases[contestant.case].elements() as f64;
    let of = |case: usize, who: Who| {
        contestants.iter().find(|contestant| contestant.case == case && contestant.who == who).map(per_element)
    };
    let memcpy = |case: usize| {
        let length = cases[case].elements();
        let same =
            |contestant: &&Contestant| contestant.who == Who::Memcpy && cases[contestant.case].elements() == length;
        contestants.iter().find(same).map_or(f64::NAN, per_element)
    };
    let base = of(0, Who::Library).unwrap_or(f64::NAN);

    println!("One thread, f32, ns per element, fastest of {rounds} rounds. {}.", cases[0].backend());
    println!("“÷ base”: to {}, beta 0.75. “÷ memcpy”: to a copy of as many elements.", cases[0].name);
    println!("Rivals: in brackets, how often lrn-jit is as fast.");
    let mut group = "";
    for (index, case) in cases.iter().enumerate() {
        if case.group != group {
            group = case.group;
            let names = RIVALS.map(Who::name).join(" | ");
            println!("\n| {group} | lrn-jit | ÷ base | ÷ memcpy | memcpy | {names} |");
            println!("| --- |{}", " ---: |".repeat(4 + RIVALS.len()));
        }
        let (own, copy) = (of(index, Who::Library).unwrap_or(f64::NAN), memcpy(index));
        let rivals = RIVALS.map(|who| of(index, who).map_or(String::new(), |ns| format!("{ns:.3} ({:.1}×)", ns / own)));
        let rivals = rivals.join(" | ");
        println!("| {} | {own:.3} | {:.2} | {:.2} | {copy:.3} | {rivals} |", case.name, own / base, own / copy);
    }
}
