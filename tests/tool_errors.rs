//! What is wrong with an input is said in one line, with exit code 2 and without an output file.
#![cfg(feature = "cli")]

mod common;

use std::fs;

use common::tool::{Folder, Layout, command, header, outcome, run, tool};
use lrn_jit::Width;

const SHAPE: [usize; 4] = [2, 6, 3, 5];

fn folder(test: &str) -> Folder {
    let folder = Folder::new(test);
    folder.write("in.npy", &Layout::PLAIN.file(&SHAPE, &[1.5; 180]));
    folder
}

/// Runs on the file `name` with `options`, is refused with `words`, and writes nothing.
#[track_caller]
fn refused(folder: &Folder, name: &str, options: &str, words: &[&str]) {
    let before = folder.names();
    run(&folder.path(name), &folder.path("out.npy"), options).is_refused(words);
    assert_eq!(folder.names(), before);
}

#[test]
fn parameters() {
    let folder = folder("parameters");
    run(&folder.path("in.npy"), &folder.path("works.npy"), "--size 5").succeeds();
    for (options, words) in [
        ("--size 0", &["size", "at least 1"][..]),
        ("--size 9999999999999999999", &["9999999999999999999"]),
        ("--size 18446744073709551615", &["size must be at most"]),
        ("--size 4 --convention caffe", &["caffe", "odd", "4"]),
        ("--size 4 --convention tensorflow", &["tensorflow", "odd", "4"]),
        ("--size 5 --alpha nan", &["alpha", "finite", "NaN"]),
        ("--size 5 --beta inf", &["beta", "finite", "inf"]),
        ("--size 5 --k=-inf", &["k must be", "finite", "-inf"]),
        ("--size 5 --alpha 1e999", &["alpha", "finite", "inf"]),
        ("--size 5 --channel-axis 4", &["channel axis 4", "(2, 6, 3, 5)", "-4 to 3"]),
        ("--size 5 --channel-axis=-5", &["channel axis -5", "(2, 6, 3, 5)", "-4 to 3"]),
        ("--size 5 --channel-axis=-9223372036854775808", &["channel axis", "(2, 6, 3, 5)"]),
        ("--size 5 --threads 0", &["--threads", "0", "lrn-jit run --help"]),
        ("--size five", &["--size", "five", "lrn-jit run --help"]),
        ("", &["--size", "lrn-jit run --help"]),
        ("--size 5 --sise 3", &["--sise", "lrn-jit run --help"]),
        ("--size 5 --convention keras", &["keras", "torch", "onednn"]),
        ("--size 5 --backend gpu", &["gpu", "interpreter"]),
        ("--size 5 --width 1024", &["1024", "auto", "256"]),
        ("--size 5 extra", &["extra"]),
        ("--size 5 --compute f64", &["f64", "--compute", "bf16"]),
        ("--size 5 --in-place", &["--in-place", "OUT.npy"]),
        ("--size 5 --relu=yes", &["--relu"]),
    ] {
        refused(&folder, "in.npy", options, words);
    }
}

/// The message is about the shape and the axis that the user sees, not about how the file is read.
#[test]
fn the_axis_of_a_fortran_file() {
    let folder = folder("fortran");
    let layout = Layout { fortran: true, ..Layout::PLAIN };
    folder.write("f.npy", &layout.file(&SHAPE, &[1.5; 180]));
    refused(&folder, "f.npy", "--size 5 --channel-axis 4", &["channel axis 4", "(2, 6, 3, 5)", "-4 to 3"]);
}

#[test]
fn files_that_cannot_be_read() {
    let folder = folder("unreadable");
    refused(&folder, "none.npy", "--size 5", &["none.npy", "No such file"]);
    refused(&folder, ".", "--size 5", &["it is a directory"]);
    run(std::path::Path::new("/dev/null"), &folder.path("out.npy"), "--size 5").is_refused(&["not a regular file"]);
    folder.write("empty.npy", b"");
    folder.write("text.npy", b"n,c,h,w\n1,2,3,4\n");
    folder.write("zip.npz", b"PK\x03\x04 not an array");
    for name in ["empty.npy", "text.npy", "zip.npz"] {
        refused(&folder, name, "--size 5", &[name, "not a .npy file"]);
    }
    folder.write("strange\n\x1b[31m.npy", b"not an array");
    refused(&folder, "strange\n\x1b[31m.npy", "--size 5", &["strange", "not a .npy file"]);
}

#[test]
fn lengths() {
    let folder = folder("lengths");
    let whole = fs::read(folder.path("in.npy")).unwrap();
    folder.write("short.npy", &whole[..whole.len() - 1]);
    refused(&folder, "short.npy", "--size 5", &["cut off", "(2, 6, 3, 5)", "720 bytes", "719 follow"]);
    folder.write("header.npy", &whole[..100]);
    refused(&folder, "header.npy", "--size 5", &["cut off inside its header", "100 bytes of 128"]);
    folder.write("long.npy", &[&whole[..], b"\0"].concat());
    refused(&folder, "long.npy", "--size 5", &["too long", "720 bytes", "721 follow"]);
}

#[test]
fn types() {
    let folder = folder("types");
    for (descr, words) in [
        ("'<f16'", &["longdouble", "\"<f16\""][..]),
        ("'=f4'", &["float32", "\"=f4\""]),
        ("'>i4'", &["int32"]),
        ("'|u1'", &["uint8"]),
        ("'|b1'", &["bool"]),
        ("'<c8'", &["complex64"]),
        ("'|O'", &["Python objects"]),
        ("'<U7'", &["\"<U7\""]),
        ("''", &["\"\""]),
        ("'float\\x1b[31m'", &["holds"]),
        ("[('a', '<f4'), ('b', '<f4', (2, 2))]", &["records"]),
        ("7", &["records"]),
    ] {
        let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (2, 3), }}");
        folder.write("type.npy", &[header(1, &text), vec![0; 24]].concat());
        let allowed = ["allowed are float32, float64 and float16", "\"<f4\", \"<f8\", \"<f2\""];
        refused(&folder, "type.npy", "--size 5", &[words, &allowed].concat());
    }
    // The bytes that a type takes.
    for (descr, bytes) in [("<f8", 48), ("<f4", 24), (">f2", 12)] {
        let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2, 3), }}");
        folder.write("type.npy", &[header(1, &text), vec![0; 23]].concat());
        refused(&folder, "type.npy", "--size 5", &[&format!("takes {bytes} bytes, 23 follow")]);
    }
}

#[test]
fn shapes() {
    let folder = folder("shapes");
    for (shape, words) in [
        ("()", &["shape ()", "rank 0"][..]),
        ("(1,)", &["shape (1,)", "rank 1"]),
        ("(1152921504606846976, 1)", &["(1152921504606846976, 1)"]),
        ("(4294967296, 4294967296)", &["(4294967296, 4294967296)", "more than any memory"]),
        ("(4294967296, 4294967296, 2)", &["more than any memory"]),
        ("(2305843009213693952, 2)", &["more than any memory"]),
        ("(18446744073709551616, 1)", &["\"shape\"", "no sense"]),
        ("(-1, 3)", &["\"shape\"", "no sense"]),
        ("(1.0, 1)", &["\"shape\"", "no sense"]),
        ("[1, 1]", &["\"shape\"", "no sense"]),
        ("(1, 1", &["not a Python dictionary"]),
    ] {
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        folder.write("shape.npy", &[header(2, &text), vec![0; 4]].concat());
        refused(&folder, "shape.npy", "--size 5", words);
    }
}

#[test]
fn outputs_that_cannot_be_written() {
    let folder = folder("unwritable");
    let input = folder.path("in.npy");
    let run = |output: &std::path::Path, words: &[&str]| run(&input, output, "--size 5").is_refused(words);
    run(&folder.path("none/out.npy"), &["cannot write", "no directory", "none"]);
    run(&folder.path("in.npy/out.npy"), &["cannot write", "no directory"]);
    run(&folder.path("."), &["it is a directory"]);
    run(&folder.path("out/"), &["it is a directory"]);
    run(std::path::Path::new("/dev/null"), &["not a regular file"]);
    if cfg!(target_os = "linux") {
        run(std::path::Path::new("/proc/out.npy"), &["cannot write /proc/out.npy"]);
    }
    let locked = folder.write("locked.npy", b"old");
    let mut permissions = fs::metadata(&locked).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&locked, permissions).unwrap();
    run(&locked, &["locked.npy", "read-only"]);
    assert_eq!(fs::read(&locked).unwrap(), b"old");
    assert_eq!(folder.names(), ["in.npy", "locked.npy"]);
}

#[test]
fn the_tool_itself() {
    tool::<&str>([]).is_refused(&["lrn-jit --help"]);
    tool(["norm"]).is_refused(&["norm", "lrn-jit --help"]);
    tool(["run"]).is_refused(&["--size", "IN.npy", "OUT.npy", "lrn-jit run --help"]);
    tool(["--frob"]).is_refused(&["--frob", "lrn-jit --help"]);
    tool(["show"]).is_refused(&["--size", "lrn-jit show --help"]);
    tool(["show", "--size", "0"]).is_refused(&["size", "at least 1"]);
    tool(["completions", "dos"]).is_refused(&["dos", "bash"]);
}

/// Every subcommand that builds a layer reads the variable, and an option goes before it.
#[test]
fn the_variable_of_widths() {
    for value in ["banana", "", "AUTO", "1024", "256 "] {
        for arguments in [&["show", "--size", "5"][..], &["bench", "--quick"], &["check", "--seconds", "0"]] {
            let mut tool = command(arguments);
            tool.env(Width::VARIABLE, value);
            outcome(tool).is_refused(&[Width::VARIABLE, "auto, 128, 256 or 512", &format!("{value:?}")]);
        }
    }
    for (options, value, expected) in [
        (&[][..], "128", "128-bit"),
        (&["--width", "128"], "512", "128-bit"),
        (&["--width", "128"], "banana", "128-bit"),
    ] {
        let mut tool = command([&["show", "--size", "5", "--plan"], options].concat());
        tool.env(Width::VARIABLE, value);
        let outcome = outcome(tool);
        outcome.succeeds();
        assert!(outcome.out.contains(expected) || outcome.out.contains("interpreter"), "{}", outcome.out);
    }
}
