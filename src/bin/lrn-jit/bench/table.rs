//! The report as a table in Markdown that also reads well as it is.

use std::io::{self, Write};

use super::report::{Report, Row, Who};

/// Prints the report.
pub fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let Report { machine, code, quick, rounds, throughput, rows, notes } = report;
    writeln!(out, "{}", machine.line())?;
    writeln!(out, "{code}. One thread, f32, ns per element, fastest of {rounds} rounds.")?;
    if *quick {
        writeln!(out, "--quick: few runs, so the numbers are rough.")?;
    }
    writeln!(out)?;
    let head = ["layer and shape", "jit", "monomorphised", "generic", "interpreter", "memcpy", "arithmetic"];
    titled(out, &head, rows, |row| {
        let times = Who::ALL.map(|who| number(row.time(who), 3));
        let limits = [row.memcpy, row.arithmetic].map(|ns| number(Some(ns), 3));
        times.into_iter().chain(limits).collect()
    })?;
    writeln!(out)?;
    let head = [
        "jit",
        "GB/s",
        "of memcpy",
        "of arithmetic",
        "÷ mono",
        "÷ generic",
        "÷ interp.",
        "compile",
        "pays after calls",
    ];
    titled(out, &head, rows, |row| {
        let share = |limit: f64| format!("{:.0} %", 100.0 * limit / row.jit());
        let times = |who| row.speedup(who).map_or("–".into(), |times| format!("{times:.2}×"));
        let pays = row.best_rival().map_or("–".into(), |(who, _)| match row.pays_after(who) {
            Some(calls) => format!("{calls:.0} ({})", who.name()),
            None => format!("never ({})", who.name()),
        });
        vec![
            format!("{:.2}", row.gigabytes_per_second()),
            share(row.memcpy),
            share(row.arithmetic),
            times(Who::Monomorphised),
            times(Who::Generic),
            times(Who::Interpreter),
            format!("{:.2} ms", row.compile * 1e3),
            pays,
        ]
    })?;
    writeln!(out)?;
    let products = throughput.product;
    writeln!(
        out,
        "GB/s: bytes read and written. memcpy: a copy of the tensor. arithmetic: what the kernel's multiplications"
    )?;
    writeln!(
        out,
        "take at the rate of independent fused multiply-adds, {products:.4} ns each ({:.0} GFLOP/s), or its divisions and",
        throughput.gigaflops()
    )?;
    writeln!(
        out,
        "roots at theirs ({:.4} and {:.4} ns). ÷: how many times as fast jit is.",
        throughput.division, throughput.root
    )?;
    writeln!(out, "pays after: compile time over what a call gains against the fastest rival.")?;
    notes.iter().try_for_each(|note| writeln!(out, "{note}"))
}

pub fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".into(), |value| format!("{value:.digits$}"))
}

/// A table of which the first column is the row's title.
fn titled(out: &mut impl Write, head: &[&str], rows: &[Row], cells: impl Fn(&Row) -> Vec<String>) -> io::Result<()> {
    let body: Vec<Vec<String>> =
        rows.iter().map(|row| std::iter::once(row.case.title()).chain(cells(row)).collect()).collect();
    aligned(out, head, &body)
}

/// A Markdown table with aligned columns, the first to the left.
pub fn aligned(out: &mut impl Write, head: &[&str], body: &[Vec<String>]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = body.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut line = |cells: &mut dyn Iterator<Item = String>| {
        let mut text = String::from("|");
        for (column, (cell, &width)) in cells.zip(&widths).enumerate() {
            text += &if column == 0 { format!(" {cell:<width$} |") } else { format!(" {cell:>width$} |") };
        }
        writeln!(out, "{text}")
    };
    line(&mut head.iter().map(ToString::to_string))?;
    line(
        &mut widths.iter().enumerate().map(|(column, &width)| {
            if column == 0 { "-".repeat(width) } else { format!("{}:", "-".repeat(width - 1)) }
        }),
    )?;
    body.iter().try_for_each(|row| line(&mut row.iter().cloned()))
}
