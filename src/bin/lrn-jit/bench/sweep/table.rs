//! The sweep as text: the grid, what was measured beside it, and the cliffs.

use std::io::{self, IsTerminal as _, Write};

use super::palette::Scale;
use super::{CLIFF, Cliff, Point, Sweep};

/// Columns of inner extents side by side; more are a table of their own.
const COLUMNS: usize = 25;

/// Prints a sweep.
pub fn print(sweep: &Sweep, out: &mut impl Write) -> io::Result<()> {
    let Sweep { machine, code, layer, quick, rounds, channels, inner, grid, beyond, places, cliffs } = sweep;
    writeln!(out, "{}", machine.line())?;
    writeln!(out, "{layer}\n{code}. One thread, f32, ns per element, fastest of {rounds} rounds.")?;
    if *quick {
        writeln!(out, "--quick: few shapes and few runs, so the numbers are rough.")?;
    }
    // Colours are for eyes.
    let scale = (io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()).then(|| Scale::new(sweep));
    for start in (0..inner.len()).step_by(COLUMNS) {
        let shown = start..inner.len().min(start + COLUMNS);
        write!(out, "\nchannels ↓ inner →")?;
        for inner in &inner[shown.clone()] {
            write!(out, "{inner:>5}")?;
        }
        writeln!(out)?;
        for (channels, row) in channels.iter().zip(grid) {
            write!(out, "{channels:>18}")?;
            for point in &row[shown.clone()] {
                cell(out, *point, scale)?;
            }
            writeln!(out)?;
        }
    }
    writeln!(out, "\nA dash: one slab of channels × inner would be more than a cache holds.")?;
    if !beyond.is_empty() {
        writeln!(out, "\nBeyond the caches")?;
        beyond.iter().try_for_each(|point| writeln!(out, "{:>18} {:>6}", point.dimensions(), number(point.ns)))?;
    }
    writeln!(out, "\nOut of place, in place")?;
    for [outside, within] in places {
        let (a, b) = (number(outside.ns), number(within.ns));
        writeln!(out, "{:>18} {a:>6} {b:>6}  {:.2}×", outside.dimensions(), within.ns / outside.ns)?;
    }
    writeln!(out, "\nCliffs, neighbours on the grid that differ by more than {CLIFF} times: {}", cliffs.len())?;
    for Cliff { fast, slow } in cliffs {
        let ratio = slow.ns / fast.ns;
        let (from, to) = (fast.dimensions(), slow.dimensions());
        writeln!(out, "{ratio:>6.2}×  {from:>14} {:>5}   {to:>14} {:>5}", number(fast.ns), number(slow.ns))?;
    }
    Ok(())
}

fn cell(out: &mut impl Write, point: Option<Point>, scale: Option<Scale>) -> io::Result<()> {
    let text = point.map_or("–".into(), |point| number(point.ns));
    match (point, scale) {
        (Some(point), Some(scale)) => {
            let [red, green, blue] = scale.colour(point.ns);
            let ink = if scale.is_light(point.ns) { 30 } else { 97 };
            write!(out, "\x1b[{ink};48;2;{red};{green};{blue}m{text:>5}\x1b[0m")
        }
        _ => write!(out, "{text:>5}"),
    }
}

/// ns with three digits, or two.
pub fn number(ns: f64) -> String {
    let digits = if ns < 9.995 { 2 } else { usize::from(ns < 99.95) };
    format!("{ns:.digits$}")
}
