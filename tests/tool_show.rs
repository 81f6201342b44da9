//! `lrn-jit show`, help, completions, and readers that go away.
#![cfg(feature = "cli")]

mod common;

use std::fs::File;
use std::io::pipe;

use common::tool::{Folder, Layout, command, outcome, run_command, tool};

fn shown(arguments: &str) -> String {
    let outcome = tool(["show"].into_iter().chain(arguments.split_whitespace()));
    outcome.succeeds();
    outcome.out
}

/// The headings of a listing, in order.
fn headings(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.trim().strip_prefix("; — ")?.strip_suffix(" —")).collect()
}

#[test]
fn one_channel_is_shown_part_by_part() {
    let text = shown("--size 5");
    for word in ["LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)", "window: c−2 … c+2", "base:", "power:", "fma"]
    {
        assert!(text.contains(word), "{word:?} is missing:\n{text}");
    }
    let headings = headings(&text);
    let order = ["squares", "base: d = k + a·Σ", "x·c", "store", "next vector"];
    let places: Vec<_> = order
        .iter()
        .map(|word| headings.iter().position(|heading| heading.contains(word)).unwrap_or(usize::MAX))
        .collect();
    assert!(places.is_sorted() && places[4] == headings.len() - 1, "{headings:?}");
    // The constants by value, where they stand and where they are used; rows by what they are.
    assert!(text.contains(";      0x0  2e-5             base: d = k + a·Σ"), "{text}");
    assert!(text.lines().any(|line| line.contains("load.f32x4") && line.ends_with("; 2e-5")), "{text}");
    for row in ["x[c−2]", "x[c−1]", "x[c]", "x[c+1]", "x[c+2]", "y[c]"] {
        assert!(
            text.lines().any(|line| line.contains("load.i64") && line.ends_with(&format!("; {row}"))),
            "{row}\n{text}"
        );
    }
    assert!(!text.contains("sequence_point"), "{text}");
}

/// Machine code has the same parts in the same order as the intermediate code it is made of.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn assembly_has_the_same_parts() {
    for layer in
        ["--size 5", "--size 5 --beta 0.6", "--size 4 --beta 1", "--size 40", "--size 3 --beta 7.3", "--size 9 --k 0"]
    {
        let (clif, assembly) = (shown(&format!("{layer} --clif")), shown(&format!("{layer} --asm")));
        assert!(headings(&clif).len() > 4, "{clif}");
        assert_eq!(headings(&assembly), headings(&clif), "{layer}");
        assert!(clif.contains("function") && !assembly.contains("function") && assembly.contains("ret"), "{layer}");
        assert!(!assembly.contains("sequence_point") && !assembly.contains("debug"), "{assembly}");
    }
}

#[test]
fn each_flag_shows_its_text_alone() {
    let plan = shown("--size 3 --plan");
    assert!(plan.contains("window:") && !plan.contains("function") && plan.lines().count() == 5, "{plan}");
    assert!(!shown("--size 3 --clif").contains("window:"));
    // Code says what it is for.
    for flag in ["--clif", "--asm"] {
        let text = shown(&format!("--size 3 {flag} --width 128"));
        assert!(
            text.starts_with("; LocalResponseNorm(3, ") && text.lines().nth(1).unwrap().contains("128-bit"),
            "{text}"
        );
    }
    let both = shown("--size 3 --clif --plan");
    assert!(both.contains("window:") && both.contains("function"));
    assert!(shown("--size 3 --alpha=-1 --beta=-0.5 --convention onnx").contains("alpha=-1.0, beta=-0.5"));
    assert!(shown("--size 3 --beta 0").contains("y = x (beta is 0)"));
    assert!(shown("--size 3 --backend interpreter").contains("interpreter: asked for"));
}

#[test]
fn every_type_is_shown() {
    for (dtype, vector) in [("f32", "f32x4"), ("f64", "f64x2"), ("f16", "f32x4"), ("bf16", "f32x4")] {
        for relu in ["", " --relu"] {
            let text = shown(&format!("--size 5 --dtype {dtype}{relu}"));
            let first = text.lines().next().unwrap();
            assert!(first.ends_with(&format!(", {dtype}")), "{first}");
            assert_eq!(first.contains("max(x, 0)"), !relu.is_empty(), "{first}");
            assert!(text.contains(vector), "{text}");
            let activated = headings(&text).iter().any(|heading| heading.contains("activation"));
            assert_eq!(activated, !relu.is_empty(), "{text}");
            let clif = shown(&format!("--size 5 --clif --dtype {dtype}{relu}"));
            let first = clif.lines().next().unwrap();
            assert!(first.starts_with("; LocalResponseNorm(5, ") && first.ends_with(dtype), "{first}");
        }
    }
    let types = ["f8", "f32", "f64", "f16", "bf16", "lrn-jit show --help"];
    tool(["show", "--size", "5", "--dtype", "f8"]).is_refused(&types);
}

#[test]
fn help_teaches() {
    for (arguments, words) in [
        (&["--help"][..], &["run", "show", "completions", "Examples:", "Exit codes"][..]),
        (
            &["help", "run"],
            &[
                "IN.npy",
                "OUT.npy",
                "--channel-axis",
                "[default: 1]",
                "--within",
                "--axes",
                "Examples:",
                "GB/s",
                "onednn",
            ],
        ),
        (
            &["run", "--help"],
            &["--threads", "Examples:", "depth_radius", "--grad-output", "--in-place", "--relu", "bf16"],
        ),
        (&["check", "--help"], &["--table", "planes", "share", "--dtype", "--task", "jvp"]),
        (&["show", "-h"], &["--plan", "--clif", "--asm", "--dtype", "--relu", "Examples:"]),
        (&["bench", "--help"], &["--kinds", "--regions", "--sweep", "--shape"]),
        (&["--version"], &[env!("CARGO_PKG_VERSION")]),
    ] {
        let outcome = tool(arguments);
        outcome.succeeds();
        for word in words {
            assert!(outcome.out.contains(word), "{arguments:?}: {word:?} is missing:\n{}", outcome.out);
        }
        assert!(!outcome.out.contains('\x1b'));
        // Examples are lines to copy: none is broken on a terminal of 80 columns.
        let examples = outcome.out.lines().skip_while(|line| *line != "Examples:");
        assert!(examples.clone().all(|line| line.chars().count() <= 80), "{arguments:?}:\n{}", outcome.out);
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let outcome = tool(["completions", shell]);
        outcome.succeeds();
        for word in [
            "run",
            "show",
            "channel-axis",
            "grad-output",
            "in-place",
            "relu",
            "dtype",
            "kinds",
            "regions",
            "within",
            "axes",
        ] {
            assert!(outcome.out.contains(word), "{shell}: {word}");
        }
    }
}

/// Standard output is a pipe whose reader is gone before the tool starts: no message, no panic, exit code 0.
#[test]
fn a_closed_pipe_is_no_failure() {
    let folder = Folder::new("pipe");
    let input = folder.write("in.npy", &Layout::PLAIN.file(&[2, 3, 4], &[1.0; 24]));
    let output = folder.path("out.npy");
    for mut command in [
        command(["show", "--size", "5"]),
        command(["show", "--size", "5", "--clif", "--asm"]),
        command(["--help"]),
        command(["completions", "zsh"]),
        run_command(&input, &output, "--size 5"),
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        command.stdout(writer);
        outcome(command).succeeds();
    }
    // The work was done all the same.
    assert!(output.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_a_failure() {
    let mut command = command(["show", "--size", "5"]);
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    outcome(command).is_refused(&["standard output", "No space left"]);
}
