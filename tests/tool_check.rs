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
            .eq(["recipe", "last", "inner", "2-15", "planes", "worst", "ulp", "of", "allowed"])
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

/// The second table: type, task, and how many cases, with a ReLU, numbers, judged.
fn kinds(options: &[&str]) -> Vec<(String, Vec<usize>)> {
    let output = check(&[&["--seed", "5", "--seconds", "1.5"], options].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    let table = stdout.split("\n\n").nth(1).unwrap();
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("type  task "), "{table}");
    let row = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        (words[..2].join(" "), words[2..6].iter().map(|word| word.parse().unwrap()).collect())
    };
    lines.map(row).collect()
}

#[test]
fn every_type_and_task_is_met_and_judged() {
    let all = kinds(&[]);
    let tasks = ["forward", "backward", "jvp"];
    let names = ["f32", "f64", "f16", "bf16"].map(|dtype| tasks.map(|task| format!("{dtype} {task}")));
    assert!(names.as_flattened().iter().eq(all.iter().map(|(name, _)| name)), "{all:?}");
    // Many numbers are judged by f64, not by their bits alone, and some layers have a ReLU.
    let sum = |column: usize| all.iter().map(|(_, counts)| counts[column]).sum::<usize>();
    assert!(sum(1) > 0 && sum(1) < sum(0) && sum(3) * 5 > sum(2), "{all:?}");

    let narrow = kinds(&["--dtype", "f16", "--task", "jvp"]);
    assert!(narrow.len() == 1 && narrow[0].0 == "f16 jvp", "{narrow:?}");
    let halves = kinds(&["--dtype", "bf16"]);
    assert!(halves.len() == 3 && halves.iter().all(|(name, _)| name.starts_with("bf16 ")), "{halves:?}");
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
