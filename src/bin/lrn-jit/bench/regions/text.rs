//! The regions as a table and as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Panel, Regions, Row};
use crate::bench::json::about;
use crate::bench::table::{aligned, number};

/// Prints the tables.
pub fn print(regions: &Regions, out: &mut impl Write) -> io::Result<()> {
    let Regions { machine, code, quick, panels } = regions;
    writeln!(out, "{}", machine.line())?;
    writeln!(out, "{code}. One thread, f32, ns per element, fastest of all rounds.")?;
    if *quick {
        writeln!(out, "--quick: few runs, so the numbers are rough.")?;
    }
    for Panel { shape, rounds, rows } in panels {
        let dimensions = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×");
        writeln!(out, "\n{dimensions}, {rounds} rounds\n")?;
        let times = |value: f64| format!("{value:.2}×");
        let cells = |row: &Row| {
            vec![
                format!("{} {}", row.name, row.task.name()),
                number(Some(row.ns), 3),
                number(Some(row.across), 3),
                times(row.ns / row.across),
                number(Some(row.memcpy), 3),
                times(row.ns / row.memcpy),
                number(row.plain, 3),
                row.plain.map_or("–".into(), |plain| times(row.ns / plain)),
                number(row.generic, 3),
                row.generic.map_or("–".into(), |generic| times(row.ns / generic)),
            ]
        };
        let head =
            ["", "ns", "5 across", "÷ 5 across", "memcpy", "÷ memcpy", "plain Rust", "÷ that", "generic", "÷ generic"];
        aligned(out, &head, &rows.iter().map(cells).collect::<Vec<_>>())?;
    }
    writeln!(
        out,
        "\n5 across: the same task and parameters with windows of 5 channels on axis 1. memcpy: a copy of the tensor. plain\n\
         Rust: sums along rows, then columns, of planes in the first-level cache. generic: the library's kernel that is not\n\
         specialized. ÷: a time over that one's."
    )
}

/// The same, unrounded.
pub fn json(regions: &Regions) -> String {
    let Regions { machine, code, quick, panels } = regions;
    let mut value = about(machine, code, *quick, panels.iter().map(|panel| panel.rounds).min().unwrap_or(0));
    value["shapes"] = panels
        .iter()
        .map(|panel| {
            let rows: Vec<Value> = panel.rows.iter().map(row_value).collect();
            json!({ "shape": panel.shape, "rounds": panel.rounds, "rows": rows })
        })
        .collect();
    format!("{value:#}\n")
}

fn row_value(row: &Row) -> Value {
    let Row { name, layer, task, ns, across, plain, generic, memcpy } = row;
    json!({
        "windows": name,
        "layer": layer,
        "task": task.name(),
        "ns_per_element": ns,
        "across_channels_ns_per_element": across,
        "times_across_channels": ns / across,
        "memcpy_ns_per_element": memcpy,
        "times_memcpy": ns / memcpy,
        "plain_rust_ns_per_element": plain,
        "times_plain_rust": plain.map(|plain| ns / plain),
        "generic_ns_per_element": generic,
        "times_generic": generic.map(|generic| ns / generic),
    })
}
