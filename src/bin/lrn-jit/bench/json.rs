//! The report as JSON: every number, unrounded.

use serde_json::{Map, Value, json};

use super::machine::Machine;
use super::report::{Report, Row, Who};

/// The report.
pub fn text(report: &Report) -> String {
    let Report { machine, code, quick, rounds, throughput, rows, notes } = report;
    let mut value = about(machine, code, *quick, *rounds);
    value["throughput"] = json!({
        "fused_multiply_add_ns": throughput.product,
        "division_ns": throughput.division,
        "root_ns": throughput.root,
        "gigaflops": throughput.gigaflops(),
    });
    value["rows"] = rows.iter().map(row_value).collect();
    value["notes"] = json!(notes);
    format!("{value:#}\n")
}

/// What measured, and how.
pub fn about(machine: &Machine, code: &str, quick: bool, rounds: usize) -> Value {
    json!({
        "tool": machine.tool,
        "cranelift": machine.cranelift,
        "machine": { "processor": machine.processor, "cores": machine.cores, "system": machine.system },
        "backend": code,
        "flags": std::env::args().skip(1).collect::<Vec<_>>(),
        "quick": quick,
        "threads": 1,
        "rounds": rounds,
    })
}

fn row_value(row: &Row) -> Value {
    let by_contestant = |of: &dyn Fn(Who) -> Value| -> Map<String, Value> {
        Who::ALL.iter().map(|&who| (who.name().to_string(), of(who))).collect()
    };
    let rivals = |of: &dyn Fn(Who) -> Option<f64>| {
        by_contestant(&|who| if who == Who::Jit { Value::Null } else { json!(of(who)) })
    };
    json!({
        "name": row.case.name,
        "shape": row.case.shape,
        "layer": row.layer,
        "channel_axis": row.case.axis,
        "elements": row.case.elements(),
        "ns_per_element": by_contestant(&|who| json!(row.time(who))),
        "memcpy_ns_per_element": row.memcpy,
        "arithmetic_ns_per_element": row.arithmetic,
        "operations_per_element": {
            "products": row.operations.products,
            "divisions": row.operations.divisions,
            "roots": row.operations.roots,
        },
        "gigabytes_per_second": row.gigabytes_per_second(),
        "share_of_memcpy": row.memcpy / row.jit(),
        "share_of_arithmetic": row.arithmetic / row.jit(),
        "speedup": rivals(&|who| row.speedup(who)),
        "compile_seconds": row.compile,
        "best_rival": row.best_rival().map(|(who, _)| who.name()),
        "pays_after_calls": rivals(&|who| row.pays_after(who)),
    })
}
