//! The report as a picture: a group of horizontal bars a case, the machine's two limits marked across it.
//!
//! Written as SVG by hand: every text has its place, and no font has to be measured.

use super::report::{Report, Row, Who};
use super::svg::{INK, PALE, document, line, rectangle, text};

const WIDTH: f64 = 960.0;
/// Where bars begin and may end.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 890.0;
const TOP: f64 = 128.0;
const BAR: f64 = 12.0;
const GAP: f64 = 2.0;
/// Between two groups.
const SPACE: f64 = 16.0;
/// Colours that the colour-blind tell apart (Okabe and Ito), in the order of [`Who::ALL`].
const COLOURS: [&str; 4] = ["#0072B2", "#E69F00", "#56B4E9", "#BBBBBB"];
const ARITHMETIC: &str = "#A3003F";

/// The picture.
pub fn svg(report: &Report) -> String {
    let groups = report.rows.iter().map(height).map(|height| height + SPACE);
    let bottom = TOP + groups.sum::<f64>();
    let total = bottom + 92.0;
    let scale = Scale::new(report);
    let mut svg = document(WIDTH, total);
    text(&mut svg, 24.0, 34.0, "start", 19.0, INK, "Local Response Normalization: time per element");
    let lead = "Shorter is better. One thread, f32; fastest run of each; who competes takes turns.";
    text(&mut svg, 24.0, 56.0, "start", 12.0, PALE, lead);
    legend(&mut svg, 84.0);
    axis(&mut svg, &scale, bottom);
    let mut y = TOP;
    for row in &report.rows {
        group(&mut svg, &scale, row, y);
        y += height(row) + SPACE;
    }
    text(&mut svg, (LEFT + RIGHT) / 2.0, bottom + 34.0, "middle", 12.0, INK, "ns per element");
    for (line, caption) in report.machine.caption(&report.code, report.quick).iter().enumerate() {
        text(&mut svg, 24.0, bottom + 60.0 + 16.0 * line as f64, "start", 11.0, PALE, caption);
    }
    svg + "</svg>\n"
}

/// Who competes in a row.
fn bars(row: &Row) -> impl Iterator<Item = (Who, f64)> {
    Who::ALL.into_iter().filter_map(|who| Some((who, row.time(who)?)))
}

fn height(row: &Row) -> f64 {
    bars(row).count() as f64 * (BAR + GAP) - GAP
}

/// ns to coordinates, with marks at round numbers. The interpreter may be cut off, for the others to be seen.
struct Scale {
    end: f64,
    step: f64,
}

impl Scale {
    fn new(report: &Report) -> Self {
        let all = report.rows.iter().flat_map(bars).filter(|(who, _)| *who != Who::Interpreter);
        let longest = 1.2 * all.map(|(_, ns)| ns).fold(1e-3, f64::max);
        let power = 10f64.powf(longest.log10().floor());
        let steps = [0.1, 0.2, 0.5, 1.0, 2.0].map(|step| step * power);
        let step = steps.into_iter().find(|step| longest / step <= 9.0).unwrap_or(2.0 * power);
        Self { end: (longest / step).ceil() * step, step }
    }

    fn x(&self, ns: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (ns / self.end).min(1.0)
    }
}

/// How a limit is drawn: memcpy a full line, arithmetic a dashed one.
fn limits(row: Option<&Row>) -> [(f64, String, &'static str); 2] {
    let (memcpy, arithmetic) = row.map_or((0.0, 0.0), |row| (row.memcpy, row.arithmetic));
    [
        (memcpy, format!("stroke=\"{INK}\" stroke-width=\"2\""), "limit: copying the tensor"),
        (
            arithmetic,
            format!("stroke=\"{ARITHMETIC}\" stroke-width=\"2\" stroke-dasharray=\"4 2\""),
            "limit: the kernel's multiplications alone",
        ),
    ]
}

fn legend(svg: &mut String, y: f64) {
    let mut x = 24.0;
    let whats = ["jit: compiled for the layer", "monomorphised Rust", "generic Rust", "interpreter"];
    for ((what, colour), width) in whats.iter().zip(COLOURS).zip([210.0, 170.0, 130.0, 0.0]) {
        rectangle(svg, (x, y - 10.0), (12.0, 12.0), colour);
        text(svg, x + 18.0, y, "start", 12.0, INK, what);
        x += width;
    }
    let mut x = 24.0;
    for (_, style, what) in limits(None) {
        line(svg, (x + 6.0, y + 9.0), (x + 6.0, y + 23.0), &style);
        text(svg, x + 18.0, y + 20.0, "start", 12.0, INK, what);
        x += 210.0;
    }
}

fn axis(svg: &mut String, scale: &Scale, bottom: f64) {
    let decimals = if scale.step >= 1.0 { 0 } else { (-scale.step.log10()).ceil() as usize };
    for mark in 0..=(scale.end / scale.step).round() as usize {
        let ns = mark as f64 * scale.step;
        let x = scale.x(ns);
        line(svg, (x, TOP - 8.0), (x, bottom), "stroke=\"#e4e4e4\" stroke-width=\"1\"");
        text(svg, x, bottom + 16.0, "middle", 11.0, PALE, &format!("{ns:.decimals$}"));
    }
    line(svg, (LEFT, TOP - 8.0), (LEFT, bottom), "stroke=\"#888888\" stroke-width=\"1\"");
}

fn group(svg: &mut String, scale: &Scale, row: &Row, top: f64) {
    let height = height(row);
    let middle = top + height / 2.0;
    let (x, name) = (LEFT - 10.0, &row.case.name);
    if name.is_empty() {
        text(svg, x, middle + 4.0, "end", 12.0, INK, &row.case.dimensions());
    } else {
        text(svg, x, middle - 3.0, "end", 12.0, INK, name);
        text(svg, x, middle + 12.0, "end", 11.0, PALE, &row.case.dimensions());
    }
    for (index, (who, ns)) in bars(row).enumerate() {
        let y = top + index as f64 * (BAR + GAP);
        rectangle(svg, (LEFT, y), (scale.x(ns) - LEFT, BAR), COLOURS[who as usize]);
        if ns > scale.end {
            let x = RIGHT - 14.0;
            line(svg, (x, y + BAR + 2.0), (x + 6.0, y - 2.0), "stroke=\"#ffffff\" stroke-width=\"4\"");
        }
        let weight = if who == Who::Jit { INK } else { PALE };
        // Right of the limits where the bar ends beside one.
        let end = limits(Some(row))
            .iter()
            .map(|(limit, ..)| scale.x(*limit))
            .fold(scale.x(ns), |end, limit| if (end - 4.0..end + 34.0).contains(&limit) { limit } else { end });
        text(svg, end + 5.0, y + BAR - 2.0, "start", 10.0, weight, &format!("{ns:.2}"));
    }
    for (ns, style, _) in limits(Some(row)) {
        line(svg, (scale.x(ns), top - 3.0), (scale.x(ns), top + height + 3.0), &style);
    }
}
