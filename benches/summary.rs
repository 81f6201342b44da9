//! One table of everything, in well under a minute: the numbers that the documents quote.
//!
//! The contestants take turns and keep their fastest run (`cases/turns.rs`). Prints Markdown.
//!
//!     cargo bench --bench summary

#[allow(dead_code, reason = "shared with benchmarks that use other parts")]
mod cases;

use std::collections::HashMap;

use cases::turns::{Fastest, budget, take_turns};
use cases::{Case, RIVALS, Runner, Who, cases, input};

/// As long as rounds are begun.
const SECONDS: u64 = 25;

struct Contestant {
    case: usize,
    who: Who,
    runner: Runner,
}

fn main() {
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
            contestants.push(Contestant { case: index, who, runner });
        }
    }

    let Fastest { runs, rounds } = take_turns(contestants.len(), budget(SECONDS), |index| {
        let Contestant { case, runner, .. } = &contestants[index];
        let length = cases[*case].elements();
        runner.time(&x[..length], &mut y[..length])
    });

    // ns per element of the first contestant of some kind.
    let first = |of_kind: &dyn Fn(&Contestant) -> bool| {
        let index = contestants.iter().position(of_kind)?;
        Some(runs[index].as_secs_f64() * 1e9 / cases[contestants[index].case].elements() as f64)
    };
    let of = |case: usize, who: Who| first(&|contestant| contestant.case == case && contestant.who == who);
    let memcpy = |case: usize| {
        let length = cases[case].elements();
        let same = |contestant: &Contestant| cases[contestant.case].elements() == length;
        first(&|contestant| contestant.who == Who::Memcpy && same(contestant)).unwrap_or(f64::NAN)
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
