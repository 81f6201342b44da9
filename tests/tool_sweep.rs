//! `lrn-jit bench --sweep`: what it writes, and what it refuses. No test here looks at a time.
#![cfg(feature = "cli")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn sweep(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lrn-jit"));
    command.args(["bench", "--sweep", "--quick"]).args(arguments).output().expect("the tool starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A point's extents and its time.
#[track_caller]
fn point(value: &Value) -> (Vec<u64>, f64) {
    let shape: Vec<u64> = value["shape"].as_array().unwrap().iter().map(|extent| extent.as_u64().unwrap()).collect();
    let ns = value["ns_per_element"].as_f64().unwrap();
    assert!(shape.len() == 3 && shape.iter().product::<u64>() >= 10_000 && ns > 0.0 && ns.is_finite(), "{value}");
    (shape, ns)
}

#[test]
fn grid_and_cliffs_as_table_json_and_picture() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sweep");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let (json, plot) = (folder.join("sweep.json"), folder.join("sweep.svg"));
    let layer = ["--size", "3", "--beta", "0.5", "--width", "128"];
    let output = sweep(&[&layer[..], &["--json", json.to_str().unwrap(), "--plot", plot.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    // Temporary files are gone.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);

    let value: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(value["layer"], "LocalResponseNorm(3, alpha=0.0001, beta=0.5, k=1.0)");
    assert!(value["backend"].as_str().unwrap().contains("128-bit") || !cfg!(target_arch = "x86_64"), "{value}");
    assert!(value["machine"]["processor"].is_string() && value["rounds"].as_u64().unwrap() > 0);
    let extents = |name: &str| -> Vec<u64> {
        value[name].as_array().unwrap().iter().map(|extent| extent.as_u64().unwrap()).collect()
    };
    let (channels, inner) = (extents("channels"), extents("inner"));
    let grid: Vec<_> = value["grid"].as_array().unwrap().iter().map(point).collect();
    // Nothing is left out but what no cache holds.
    let fits = |channels: &u64| inner.iter().filter(|&inner| channels * inner <= 320_000).count();
    assert_eq!(grid.len(), channels.iter().map(fits).sum::<usize>());
    assert!(grid.iter().all(|(shape, _)| channels.contains(&shape[1]) && inner.contains(&shape[2])));
    for value in value["in_place"].as_array().unwrap() {
        point(value);
        assert!(value["in_place_ns_per_element"].as_f64().unwrap() > 0.0);
    }

    // The cliffs are those of the grid, all of them, worst first.
    let time = |channels: u64, inner: u64| {
        grid.iter().find(|(shape, _)| (shape[1], shape[2]) == (channels, inner)).map(|(_, ns)| *ns)
    };
    let mut expected = vec![];
    for (row, &c) in channels.iter().enumerate() {
        for (column, &s) in inner.iter().enumerate() {
            let neighbours = [(channels.get(row + 1), Some(&s)), (Some(&c), inner.get(column + 1))];
            for (channels, inner) in neighbours {
                let other = channels.zip(inner).and_then(|(&channels, &inner)| time(channels, inner));
                let Some((a, b)) = time(c, s).zip(other) else { continue };
                expected.extend((a.max(b) / a.min(b) > 2.0).then_some(a.max(b) / a.min(b)));
            }
        }
    }
    expected.sort_by(|a, b| b.total_cmp(a));
    let cliffs = value["cliffs"].as_array().unwrap();
    let ratios: Vec<f64> = cliffs.iter().map(|cliff| cliff["ratio"].as_f64().unwrap()).collect();
    assert_eq!(ratios, expected);
    for cliff in cliffs {
        let ((fast, a), (slow, b)) = (point(&cliff["fast"]), point(&cliff["slow"]));
        assert!(grid.contains(&(fast.clone(), a)) && grid.contains(&(slow.clone(), b)) && a < b);
        let along = if fast[1] == slow[1] { "inner" } else { "channels" };
        assert_eq!(cliff["along"], along);
    }

    let table = text(&output.stdout);
    assert!(table.contains("channels ↓ inner →") && table.contains("--quick: few shapes"), "{table}");
    assert!(table.contains(&format!("differ by more than 2 times: {}\n", cliffs.len())), "{table}");
    // No colours where no one sees them.
    assert!(!table.contains('\x1b'));
    let picture = fs::read_to_string(&plot).unwrap();
    assert!(picture.starts_with("<svg xmlns=") && picture.ends_with("</svg>\n"));
    assert!(picture.matches("<rect ").count() > channels.len() * inner.len());
    assert_eq!(picture.matches("<text ").count(), picture.matches("</text>").count());
    // Two lines a cliff and two in the legend.
    assert_eq!(picture.matches("#e8000b").count(), 1 + cliffs.len());
    assert!(!picture.contains("NaN") && !picture.contains("inf\""));
}

#[test]
fn what_contradicts_a_sweep_is_refused() {
    for (arguments, reason) in [
        (&["--shape", "2,3"][..], "--shape"),
        (&["--channel-axis", "2"], "--sweep"),
        (&["--size", "0"], "size"),
        (&["--backend", "generic"], "--backend"),
        (&["--json", "/"], "cannot write"),
    ] {
        let output = sweep(arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(output.stdout.is_empty() && message.lines().count() == 1 && message.contains(reason), "{message}");
    }
}
