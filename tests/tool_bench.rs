//! `lrn-jit bench`: what it writes, and what it refuses. No test here looks at a time.
#![cfg(feature = "cli")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lrn-jit"));
    command.args(["bench", "--quick"]).args(arguments).output().expect("the tool starts")
}

/// An empty folder of this name.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A refusal: one line on stderr, exit code 2, nothing on stdout.
#[track_caller]
fn refused(output: &Output, reason: &str) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(output.stdout.is_empty());
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.starts_with("lrn-jit: ") && message.contains(reason), "{message}");
}

#[test]
fn networks_as_table_json_and_picture() {
    let folder = folder("networks");
    let (json, plot) = (folder.join("bench.json"), folder.join("bench.svg"));
    let output = bench(&["--json", json.to_str().unwrap(), "--plot", plot.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // Temporary files are gone.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);

    let value: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let machine = &value["machine"];
    assert!(value["tool"].as_str().unwrap().starts_with("lrn-jit ") && value["cranelift"].is_string());
    assert!(
        machine["processor"].is_string() && machine["cores"].as_u64().unwrap() > 0 && machine["system"].is_string()
    );
    assert_eq!((&value["quick"], &value["threads"]), (&Value::Bool(true), &1.into()));
    assert!(value["flags"].as_array().unwrap().contains(&"--quick".into()));
    assert!(value["throughput"]["gigaflops"].as_f64().unwrap() > 0.0);
    // Nobody erred and was left out.
    assert_eq!(value["notes"], Value::Array(vec![]));

    let (table, rows) = (text(&output.stdout), value["rows"].as_array().unwrap());
    let picture = fs::read_to_string(&plot).unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    for network in ["AlexNet", "CaffeNet", "GoogLeNet", "ZFNet-512", "CIFAR-10"] {
        assert!(names.iter().any(|name| name.starts_with(network)), "{network}");
    }
    for row in rows {
        let shape: Vec<u64> = row["shape"].as_array().unwrap().iter().map(|extent| extent.as_u64().unwrap()).collect();
        assert_eq!(row["elements"].as_u64().unwrap(), shape.iter().product::<u64>());
        for who in ["jit", "monomorphised", "generic", "interpreter"] {
            assert!(row["ns_per_element"][who].as_f64().unwrap() > 0.0, "{row}");
        }
        for number in ["memcpy_ns_per_element", "arithmetic_ns_per_element", "gigabytes_per_second", "compile_seconds"]
        {
            assert!(row[number].as_f64().unwrap() > 0.0, "{number}: {row}");
        }
        for share in ["share_of_memcpy", "share_of_arithmetic"] {
            assert!(row[share].as_f64().unwrap() > 0.0, "{share}: {row}");
        }
        // Estimate, measure, correct: some fourteen multiplications, and no division.
        let operations = &row["operations_per_element"];
        assert!((8.0..30.0).contains(&operations["products"].as_f64().unwrap()), "{operations}");
        assert_eq!(operations["divisions"].as_f64().unwrap(), 0.0);
        assert!(["monomorphised", "generic", "interpreter"].contains(&row["best_rival"].as_str().unwrap()));
        let dimensions = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×");
        let title = format!("{} {dimensions}", row["name"].as_str().unwrap());
        assert_eq!(table.matches(&format!("| {title} ")).count(), 2, "{title} is in both tables");
        assert!(picture.contains(&format!(">{dimensions}</text>")));
    }
    assert!(table.contains("--quick: few runs"));

    assert!(picture.starts_with("<svg xmlns=") && picture.ends_with("</svg>\n"));
    assert_eq!(picture.matches("<text ").count(), picture.matches("</text>").count());
    // The background, four colours of the legend, four bars a row.
    assert_eq!(picture.matches("<rect ").count(), 1 + 4 + 4 * rows.len());
    assert!(picture.contains(">ns per element</text>") && !picture.contains("NaN") && !picture.contains("inf"));
}

#[test]
fn shapes_and_a_layer_of_ones_own() {
    let json = folder("own").join("bench.json");
    let arguments = ["--shape", "2,6,17", "--shape", "3,5", "--size", "3", "--beta", "1", "--boundary", "wrap"];
    let output = bench(&[&arguments[..], &["--json", json.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let value: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let rows = value["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(row["layer"], "LocalResponseNorm(3, alpha=0.0001, beta=1.0, k=1.0)");
        // This rival knows no rings.
        assert_eq!(row["ns_per_element"]["monomorphised"], Value::Null);
        assert!(row["ns_per_element"]["generic"].as_f64().unwrap() > 0.0);
        assert_eq!(row["operations_per_element"]["divisions"].as_f64().unwrap(), 1.0);
    }
    assert!(text(&output.stdout).contains("–"));
}

/// Every type, with everything that is computed of it, beside what moves as many bytes.
#[test]
fn kinds_as_table_and_json() {
    let json = folder("kinds").join("kinds.json");
    let output = bench(&["--kinds", "--size", "3", "--json", json.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let value: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert!(value["machine"]["processor"].is_string() && value["quick"] == Value::Bool(true));
    assert_eq!(value["layer"], "LocalResponseNorm(3, alpha=0.0001, beta=0.75, k=1.0)");
    let (shapes, table) = (value["shapes"].as_array().unwrap(), text(&output.stdout));
    assert_eq!((shapes.len(), &shapes[0]["shape"]), (1, &serde_json::json!([1, 96, 55, 55])));
    let rows = shapes[0]["rows"].as_array().unwrap();
    let tasks = [("forward", false), ("forward", true), ("backward", false), ("jvp", false)];
    let expected = ["f32", "f64", "f16", "bf16"].map(|dtype| tasks.map(|(task, relu)| (dtype, task, relu)));
    assert_eq!(rows.len(), expected.as_flattened().len());
    for (row, &(dtype, task, relu)) in rows.iter().zip(expected.as_flattened()) {
        assert_eq!((&row["type"], &row["task"], &row["relu"]), (&dtype.into(), &task.into(), &relu.into()));
        for number in ["ns_per_element", "times_f32_forward", "memcpy_ns_per_element", "times_memcpy"] {
            let number = row[number].as_f64().unwrap();
            assert!(number > 0.0 && number.is_finite(), "{row}");
        }
        for number in ["two_in_one_out_ns_per_element", "times_two_in_one_out"] {
            assert_eq!(row[number].is_number(), task != "forward", "{row}");
        }
        let title = format!("| {dtype} {task}{} ", if relu { " with ReLU" } else { "" });
        assert!(table.contains(&title), "{title:?} is missing:\n{table}");
    }
    assert_eq!(rows[0]["times_f32_forward"], 1.0);
    assert!(table.contains("1×96×55×55") && table.contains("--quick: few runs"));
    refused(&bench(&["--kinds", "--plot", "kinds.svg"]), "--plot");
    refused(&bench(&["--kinds", "--shape", "2,3"]), "--shape");
    refused(&bench(&["--kinds", "--sweep"]), "--sweep");
}

/// Squares within channels, forward and backward, beside what is across them, not specialized, or a copy.
#[test]
fn regions_as_table_and_json() {
    let folder = folder("regions");
    let json = folder.join("regions.json");
    let output = bench(&["--regions", "--json", json.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let value: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert!(value["machine"]["processor"].is_string() && value["quick"] == Value::Bool(true));
    let (shapes, table) = (value["shapes"].as_array().unwrap(), text(&output.stdout));
    assert_eq!((shapes.len(), &shapes[0]["shape"]), (1, &serde_json::json!([1, 96, 56, 56])));
    let rows = shapes[0]["rows"].as_array().unwrap();
    let expected = [3, 9, 31].map(|size| ["forward", "backward"].map(|task| (size, task)));
    assert_eq!(rows.len(), expected.as_flattened().len());
    for (row, (size, task)) in rows.iter().zip(expected.as_flattened()) {
        let windows = format!("within {size}×{size}");
        assert_eq!((&row["windows"], &row["task"]), (&windows.clone().into(), &(*task).into()));
        assert_eq!(row["layer"], format!("LocalResponseNorm({size}, alpha=0.0001, beta=0.75, k=1.0)"));
        for of in ["", "across_channels_", "memcpy_", "generic_"] {
            let number = row[format!("{of}ns_per_element")].as_f64().unwrap();
            assert!(number > 0.0 && number.is_finite(), "{of}: {row}");
        }
        // Ordinary Rust knows no gradient.
        assert_eq!(row["plain_rust_ns_per_element"].is_number(), *task == "forward", "{row}");
        for of in ["across_channels", "memcpy", "generic"] {
            let number = |name: String| row[name].as_f64().unwrap();
            let times = number(format!("times_{of}")) * number(format!("{of}_ns_per_element"));
            assert!((times / number("ns_per_element".into()) - 1.0).abs() < 1e-12, "{of}: {row}");
        }
        assert!(table.contains(&format!("| {windows} {task} ")), "{table}");
    }
    assert!(table.contains("1×96×56×56") && table.contains("--quick: few runs"));

    // Windows of one's own, on shapes of one's own.
    let own = ["--shape", "2,3,8,9", "--shape", "5,4,7", "--axes=-1,0", "--size", "4", "--beta", "1"];
    let output = bench(&[&own[..], &["--json", json.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let value: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let shapes = value["shapes"].as_array().unwrap();
    assert!(shapes.iter().map(|of| &of["shape"]).eq([&serde_json::json!([2, 3, 8, 9]), &serde_json::json!([5, 4, 7])]));
    for row in shapes.iter().flat_map(|of| of["rows"].as_array().unwrap()) {
        assert_eq!(row["windows"], "windows over the axes -1, 0, size 4");
        assert_eq!(row["layer"], "LocalResponseNorm(4, alpha=0.0001, beta=1.0, k=1.0)");
        assert!(row["generic_ns_per_element"].is_number(), "{row}");
    }
    // Where ordinary Rust competes its answer is right, or it would have no time.
    for (windows, size, beta, competes) in [
        ("--within=2", "4", "0.5", true),
        ("--within=2", "1", "1", true),
        ("--axes=-1,1", "7", "0.6", true),
        ("--axes=1,2", "6", "0.75", true),
        ("--axes=0,2", "3", "0.75", false),
        ("--within=2", "20", "0.75", false),
    ] {
        let arguments =
            ["--shape", "3,17,13", windows, "--size", size, "--beta", beta, "--json", json.to_str().unwrap()];
        let output = bench(&arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let value: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
        let row = &value["shapes"][0]["rows"][0];
        assert_eq!(row["plain_rust_ns_per_element"].is_number(), competes, "{row}");
    }
    for arguments in [&["--shape", "9", "--within", "1"][..], &["--shape", "6,7", "--axes", ""]] {
        let output = bench(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    }

    for (arguments, reason) in [
        (&["--regions", "--plot", "r.svg"][..], "--plot"),
        (&["--regions", "--shape", "2,3"], "--shape"),
        (&["--regions", "--kinds"], "--kinds"),
        (&["--regions", "--size", "3"], "--size"),
        (&["--regions", "--within", "2"], "--within"),
        (&["--regions", "--channel-axis", "2"], "--channel-axis"),
        (&["--kinds", "--within", "2"], "--within"),
        (&["--kinds", "--channel-axis", "2"], "--channel-axis"),
        (&["--sweep", "--axes", "0"], "--axes"),
        (&["--within", "2"], "--shape"),
        (&["--shape", "2,3", "--within", "2", "--plot", "r.svg"], "--plot"),
        (&["--shape", "2,3", "--within", "2", "--channel-axis", "0"], "--channel-axis"),
        (&["--shape", "3", "--within", "2"], "rank 2 or more"),
        (&["--shape", "2,3", "--axes", "2"], "axis 2 is out of range"),
        (&["--shape", "2,3", "--axes", "1,-1"], "named twice"),
    ] {
        refused(&bench(arguments), reason);
    }
}

/// What each rival is for, in every layout and at every size it claims: the answers are verified, so nobody is left out.
#[test]
fn rivals_are_right_where_they_compete() {
    for (size, beta) in [("3", "0.75"), ("5", "0.75"), ("7", "0.75"), ("9", "0.75"), ("5", "0.5"), ("5", "1")] {
        let json = folder(&format!("rivals-{size}-{beta}")).join("bench.json");
        let layer = ["--size", size, "--beta", beta, "--alpha", "0.01", "--json", json.to_str().unwrap()];
        // Tails of columns and of channels; fewer channels than taps.
        let shapes = ["2,13,5,5", "1,2,16", "3,9,33", "1,4,1000"].iter().flat_map(|shape| ["--shape", shape]);
        let first: Vec<_> = layer.iter().copied().chain(shapes).collect();
        let last: Vec<_> = layer.iter().copied().chain(["--channel-axis", "-1", "--shape", "35,19"]).collect();
        for arguments in [first, last] {
            let output = bench(&arguments);
            assert!(output.status.success(), "{}", text(&output.stderr));
            let value: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
            assert_eq!(value["notes"], Value::Array(vec![]));
            for row in value["rows"].as_array().unwrap() {
                assert!(row["ns_per_element"]["monomorphised"].is_number(), "{size}, {beta}: {row}");
            }
        }
    }
}

/// Numbers of narrow code are not given out as those of wide code.
#[test]
fn the_width_is_said() {
    let output = bench(&["--width", "128", "--shape", "2,3,17"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let second = table.lines().nth(1).unwrap();
    assert!(second.contains("128-bit vectors") || second.contains("interpreter"), "{table}");
}

#[test]
fn wrong_shapes_are_refused() {
    for (shape, reason) in [
        ("5", "rank 2 or more"),
        ("1,0,3", "extent of 0"),
        ("1,x,3", "not integers"),
        ("1,-2,3", "not integers"),
        ("", "not integers"),
        ("1,,3", "not integers"),
        ("4294967296,4294967296", "memory"),
        ("99999999999999999999,1", "not integers"),
    ] {
        refused(&bench(&[&format!("--shape={shape}")]), reason);
    }
    refused(&bench(&["--shape", "2,3", "--channel-axis", "2"]), "channel axis 2");
    refused(&bench(&["--shape", "2,3", "--size", "0"]), "size");
    refused(&bench(&["--shape", "2,3", "--backend", "jit"]), "--backend");
    // Options of a layer say nothing about the networks.
    let output = bench(&["--beta", "0.5"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--shape"));
}

#[cfg(target_os = "linux")]
#[test]
fn what_memory_does_not_hold_is_refused() {
    refused(&bench(&["--shape", "1000000,1000,1000"]), "GB are available");
}

#[test]
fn unwritable_files_are_found_before_measuring() {
    let folder = folder("unwritable");
    let missing = folder.join("missing").join("bench.json");
    for flag in ["--json", "--plot"] {
        refused(&bench(&[flag, missing.to_str().unwrap()]), "cannot write");
        refused(&bench(&[flag, folder.to_str().unwrap()]), "cannot write");
    }
    // One that can be written is not left behind when the other cannot.
    let good = folder.join("bench.json");
    refused(&bench(&["--json", good.to_str().unwrap(), "--plot", missing.to_str().unwrap()]), "cannot write");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}
