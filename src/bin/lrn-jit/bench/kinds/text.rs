//! The kinds as a table and as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Kinds, Panel, Row};
use crate::bench::json::about;
use crate::bench::table::{aligned, number};

/// What a kind is called.
fn title(row: &Row) -> String {
    let relu = if row.kind.relu { " with ReLU" } else { "" };
    format!("{} {}{relu}", row.kind.dtype.name(), row.kind.task.name())
}

/// Prints the tables.
pub fn print(kinds: &Kinds, out: &mut impl Write) -> io::Result<()> {
    let Kinds { machine, code, layer, quick, panels } = kinds;
    writeln!(out, "{}", machine.line())?;
    writeln!(out, "{layer}\n{code}. One thread, ns per element, fastest of all rounds.")?;
    if *quick {
        writeln!(out, "--quick: few runs, so the numbers are rough.")?;
    }
    for Panel { shape, rounds, rows } in panels {
        let dimensions = shape.map(|extent| extent.to_string()).join("×");
        writeln!(out, "\n{dimensions}, {rounds} rounds\n")?;
        let times = |value: f64| format!("{value:.2}×");
        let cells = |row: &Row| {
            vec![
                title(row),
                number(Some(row.ns), 3),
                times(row.ns / row.plain),
                number(Some(row.memcpy), 3),
                times(row.ns / row.memcpy),
                number(row.stream, 3),
                row.stream.map_or("–".into(), |stream| times(row.ns / stream)),
            ]
        };
        let head = ["", "ns", "÷ f32 forward", "memcpy", "÷ memcpy", "two in, one out", "÷ that"];
        aligned(out, &head, &rows.iter().map(cells).collect::<Vec<_>>())?;
    }
    writeln!(
        out,
        "\nmemcpy: a copy of as many bytes as the input has. two in, one out: two such inputs read and one written, with\n\
         nothing between. ÷: a time over that one's."
    )
}

/// The same, unrounded.
pub fn json(kinds: &Kinds) -> String {
    let Kinds { machine, code, layer, quick, panels } = kinds;
    let mut value = about(machine, code, *quick, panels.iter().map(|panel| panel.rounds).min().unwrap_or(0));
    value["layer"] = json!(layer);
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
    let Row { kind, ns, plain, memcpy, stream } = row;
    json!({
        "type": kind.dtype.name(),
        "task": kind.task.name(),
        "relu": kind.relu,
        "ns_per_element": ns,
        "times_f32_forward": ns / plain,
        "memcpy_ns_per_element": memcpy,
        "times_memcpy": ns / memcpy,
        "two_in_one_out_ns_per_element": stream,
        "times_two_in_one_out": stream.map(|stream| ns / stream),
    })
}
