//! `lrn-jit check`: it passes here, it can fail, and what it prints reproduces the failure.
#![cfg(feature = "cli")]

use std::process::{Command, Output};

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lrn-jit"));
    command.arg("check").args(arguments).output().expect("the tool starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Numbers of cases rather than a time, so that every run of this test is the same.
#[test]
fn cases_pass() {
    for case in 0..40 {
        let dtype = ["f32", "f64", "f16", "bf16"][case / 10];
        let output = check(&["--seed", "5", "--case", &case.to_string(), "--dtype", dtype]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(output.stderr.is_empty());
        let stdout = text(&output.stdout);
        assert!(stdout.starts_with("Case { settings: Settings {") && stdout.contains("seed 5: 1 configurations"));
        assert!(stdout.contains("no differences"));
    }
}

#[test]
fn a_run_counts_what_it_met() {
    let output = check(&["--seed", "5", "--seconds", "0.5"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    assert!(
        stdout
            .lines()
            .next()
            .unwrap()
            .split_whitespace()
            .eq(["recipe", "last", "inner", "2-15", "planes", "boxes", "worst", "ulp", "of", "allowed"])
    );
    assert!(
        stdout.contains("kinds of plan and layout")
            && stdout.contains(" a second")
            && stdout.contains("no differences")
    );
    // A family a line, or all of its variants; in columns either way.
    let table = |options: &[&str]| -> Vec<String> {
        let stdout = text(&check(&[&["--seed", "5", "--seconds", "0.5"], options].concat()).stdout);
        stdout.lines().take_while(|line| !line.is_empty()).map(String::from).collect()
    };
    let (short, full) = (table(&[]), table(&["--table"]));
    assert!(short.len() < 30 && full.len() > short.len(), "{short:#?}\n{full:#?}");
    assert!(full.iter().skip(1).all(|line| line.contains(", zero ") || line.contains(", wrap ")), "{full:#?}");
    for rows in [short, full] {
        assert!(rows.iter().all(|row| row.chars().count() == rows[0].chars().count()), "{rows:#?}");
    }
}

#[test]
fn a_flipped_bit_is_found_and_reproduced() {
    let output = check(&["--seed", "9", "--seconds", "2", "--sabotage"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(!text(&output.stdout).contains("no differences"));

    let (found, command) = message.trim().split_once("; reproduce: lrn-jit check ").expect("a command line");
    let arguments: Vec<_> = command.split(' ').collect();
    let again = check(&arguments);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).starts_with(found));
    // Without the sabotage there is nothing to find.
    let honest: Vec<_> = arguments.into_iter().filter(|argument| *argument != "--sabotage").collect();
    assert_eq!(check(&honest).status.code(), Some(0));
}

/// What is printed in some time.
fn printed(seconds: &str, options: &[&str]) -> String {
    let output = check(&[&["--seed", "5", "--seconds", seconds], options].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The second table: type, task, and how many cases, with a ReLU, in boxes, numbers, judged.
fn kinds(options: &[&str]) -> Vec<(String, Vec<usize>)> {
    let stdout = printed("2.5", options);
    let table = stdout.split("\n\n").nth(1).unwrap();
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("type  task "), "{table}");
    let row = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        (words[..2].join(" "), words[2..7].iter().map(|word| word.parse().unwrap()).collect())
    };
    lines.map(row).collect()
}

#[test]
fn every_type_and_task_is_met_and_judged() {
    let all = kinds(&[]);
    let tasks = ["forward", "backward", "jvp"];
    let names = ["f32", "f64", "f16", "bf16"].map(|dtype| tasks.map(|task| format!("{dtype} {task}")));
    assert!(names.as_flattened().iter().eq(all.iter().map(|(name, _)| name)), "{all:?}");
    // Many numbers are judged by f64, not by their bits alone; some layers have a ReLU, some windows over several axes.
    let sum = |column: usize| all.iter().map(|(_, counts)| counts[column]).sum::<usize>();
    let some = |column: usize| sum(column) > 0 && sum(column) < sum(0);
    assert!(some(1) && some(2) && sum(4) * 5 > sum(3), "{all:?}");

    let narrow = kinds(&["--dtype", "f16", "--task", "jvp"]);
    assert!(narrow.len() == 1 && narrow[0].0 == "f16 jvp", "{narrow:?}");
    let halves = kinds(&["--dtype", "bf16"]);
    assert!(halves.len() == 3 && halves.iter().all(|(name, _)| name.starts_with("bf16 ")), "{halves:?}");
}

/// Windows over every number of axes, of every rank; along the channels the other cases.
#[test]
fn regions_of_every_rank_are_met() {
    let stdout = printed("6", &[]);
    let table = stdout.split("\n\n").nth(2).unwrap();
    let mut lines = table.lines();
    let head = "windows over rank 1 rank 2 rank 3 rank 4 rank 5 rank 6";
    assert!(lines.next().unwrap().split_whitespace().eq(head.split(' ')), "{table}");
    let mut met = 0;
    for line in lines {
        let words: Vec<_> = line.split_whitespace().collect();
        let axes: usize = words[0].parse().unwrap_or(0);
        let cases: Vec<usize> = words[2..].iter().map(|word| word.parse().unwrap()).collect();
        assert!(cases.len() == 6 && cases[..axes.max(1) - 1].iter().all(|&count| count == 0), "{table}");
        met += cases.iter().filter(|&&count| count > 0).count();
    }
    // 27 ranks and numbers of axes there are; a slow machine does not come to all.
    assert!(met > 10, "{table}");
    let boxes: usize = kinds(&[]).iter().map(|(_, counts)| counts[2]).sum();
    assert!(boxes > 0);
}

/// A bit of a box is missed no more than one of a column: among cases of this seed are all kinds of axes.
#[test]
fn a_flipped_bit_of_a_region_is_found_and_named() {
    let mut named = 0;
    for case in 0..40 {
        let options =
            ["--seed", "5", "--case", &case.to_string(), "--dtype", "f32", "--task", "backward", "--sabotage"];
        let output = check(&options);
        let stdout = text(&output.stdout);
        let Some((_, region)) = stdout.lines().next().unwrap().split_once("} over ") else { continue };
        let region = region.split(" as ").next().unwrap();
        // Where all is NaN there is no bit to flip.
        if output.status.code() == Some(1) {
            assert!(text(&output.stderr).contains(&format!(" over {region}: ")), "{region}: {}", text(&output.stderr));
            named += 1;
        }
    }
    assert!(named > 5, "{named}");
}

#[test]
fn a_flipped_bit_of_any_type_is_found() {
    for dtype in ["f32", "f64", "f16", "bf16"] {
        for task in ["forward", "backward", "jvp"] {
            let output = check(&["--seed", "9", "--case", "1", "--dtype", dtype, "--task", task, "--sabotage"]);
            let message = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{message}");
            let command = format!("--seed 9 --case 1 --dtype {dtype} --task {task} --sabotage");
            assert!(message.trim().ends_with(&command) && message.contains(task), "{message}");
        }
    }
}

#[test]
fn wrong_arguments_are_refused() {
    for arguments in [
        &["--dtype", "f8"][..],
        &["--task", "double"],
        &["--seconds", "-1"],
        &["--seconds", "nan"],
        &["--seconds", "soon"],
        &["--case", "3"],
        &["--seed", "x"],
    ] {
        assert_eq!(check(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
