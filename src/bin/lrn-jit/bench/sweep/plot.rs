//! The sweep as a heat map: channels down, inner extents across, cliffs marked between cells; below it what was measured
//! beside the grid, in the same colours.

use super::palette::Scale;
use super::table::number;
use super::{CLIFF, Cliff, Point, Sweep};
use crate::bench::svg::{INK, PALE, document, line, rectangle, text};
use crate::rivals::Slabs;

/// A cell, and where the first one is.
const CELL: (f64, f64) = (27.0, 20.0);
const LEFT: f64 = 86.0;
const TOP: f64 = 132.0;
const MARGIN: f64 = 24.0;
/// As wide as titles and captions at least.
const NARROWEST: f64 = 860.0;
/// A strip's cell, whose name stands above it.
const STRIP: f64 = 92.0;
/// The colours' legend.
const LEGEND: (f64, f64) = (300.0, 12.0);
const STEPS: usize = 60;
const EMPTY: &str = "#eeeeee";
/// Between the cells of a cliff, on white: on any of the colours one of both is seen.
const MARK: [&str; 2] =
    ["stroke=\"#ffffff\" stroke-width=\"5\" stroke-linecap=\"square\"", "stroke=\"#e8000b\" stroke-width=\"2.6\""];

/// The picture.
pub fn svg(sweep: &Sweep) -> String {
    let scale = Scale::new(sweep);
    let (right, bottom) = corner(sweep.inner.len(), sweep.channels.len());
    let width = (right + MARGIN).max(NARROWEST);
    let strips = strips(sweep);
    let captions = bottom + 74.0 + 62.0 * strips.len() as f64;
    let mut svg = document(width, captions + 34.0);
    text(&mut svg, MARGIN, 34.0, "start", 19.0, INK, "Local Response Normalization: time per element over shapes");
    let lead = format!(
        "{}. One thread, f32, out of place; ns per element, fastest of {} rounds. Tensors of outer × channels × inner, 10,000 \
         elements or more.",
        sweep.layer, sweep.rounds
    );
    text(&mut svg, MARGIN, 56.0, "start", 12.0, PALE, &lead);
    legend(&mut svg, scale);
    axes(&mut svg, sweep);
    for (row, points) in sweep.grid.iter().enumerate() {
        for (column, point) in points.iter().enumerate() {
            let (x, y) = corner(column, row);
            match point {
                Some(point) => cell(&mut svg, (x, y), CELL, *point, scale),
                None => rectangle(&mut svg, (x, y), CELL, EMPTY),
            }
        }
    }
    for style in MARK {
        for cliff in &sweep.cliffs {
            let (from, to) = border(sweep, *cliff);
            line(&mut svg, from, to, style);
        }
    }
    for (index, (title, points)) in strips.iter().enumerate() {
        let top = bottom + 66.0 + 62.0 * index as f64;
        text(&mut svg, MARGIN, top, "start", 12.0, INK, title);
        for (column, point) in points.iter().enumerate() {
            let x = MARGIN + STRIP * column as f64;
            text(&mut svg, x, top + 18.0, "start", 10.0, PALE, &point.dimensions());
            cell(&mut svg, (x, top + 22.0), (STRIP - 4.0, CELL.1), *point, scale);
        }
    }
    for (row, caption) in sweep.machine.caption(&sweep.code, sweep.quick).iter().enumerate() {
        text(&mut svg, MARGIN, captions + 16.0 * row as f64, "start", 11.0, PALE, caption);
    }
    svg + "</svg>\n"
}

/// What stands below the grid.
fn strips(sweep: &Sweep) -> Vec<(&'static str, Vec<Point>)> {
    let pairs = sweep.places.iter();
    let strips = vec![
        ("Beyond the caches", sweep.beyond.clone()),
        ("In place …", pairs.clone().map(|[_, within]| *within).collect()),
        ("… and the same out of place", pairs.map(|[outside, _]| *outside).collect()),
    ];
    strips.into_iter().filter(|(_, points)| !points.is_empty()).collect()
}

/// The upper left corner of a cell.
fn corner(column: usize, row: usize) -> (f64, f64) {
    (LEFT + CELL.0 * column as f64, TOP + CELL.1 * row as f64)
}

fn cell(svg: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), point: Point, scale: Scale) {
    rectangle(svg, (x, y), (width, height), &hex(scale.colour(point.ns)));
    let ink = if scale.is_light(point.ns) { INK } else { "#ffffff" };
    text(svg, x + width / 2.0, y + height / 2.0 + 3.5, "middle", 9.0, ink, &number(point.ns));
}

/// The line between a cliff's two cells.
fn border(sweep: &Sweep, cliff: Cliff) -> ((f64, f64), (f64, f64)) {
    let place = |Slabs { channels, inner, .. }: Slabs| {
        let of = |axis: &[usize], extent: usize| axis.iter().position(|&other| other == extent).unwrap_or(0);
        (of(&sweep.inner, inner), of(&sweep.channels, channels))
    };
    let (a, b) = (place(cliff.fast.slabs), place(cliff.slow.slabs));
    let (x, y) = corner(a.0.max(b.0), a.1.max(b.1));
    if cliff.along_channels() { ((x, y), (x + CELL.0, y)) } else { ((x, y), (x, y + CELL.1)) }
}

fn axes(svg: &mut String, sweep: &Sweep) {
    let (right, bottom) = corner(sweep.inner.len(), sweep.channels.len());
    for (row, channels) in sweep.channels.iter().enumerate() {
        let (x, y) = corner(0, row);
        text(svg, x - 7.0, y + CELL.1 / 2.0 + 4.0, "end", 10.5, INK, &channels.to_string());
    }
    for (column, inner) in sweep.inner.iter().enumerate() {
        let (x, _) = corner(column, 0);
        for y in [TOP - 6.0, bottom + 14.0] {
            text(svg, x + CELL.0 / 2.0, y, "middle", 9.5, INK, &inner.to_string());
        }
    }
    text(svg, MARGIN, TOP - 6.0, "start", 12.0, PALE, "channels");
    let name = "inner: the product of the extents after the channels";
    text(svg, (LEFT + right) / 2.0, bottom + 34.0, "middle", 12.0, PALE, name);
}

fn legend(svg: &mut String, scale: Scale) {
    let top = 76.0;
    let width = LEGEND.0 / STEPS as f64;
    for step in 0..STEPS {
        let colour = hex(Scale::at((step as f64 + 0.5) / STEPS as f64));
        // Half a unit over the next one, for no seam to show.
        rectangle(svg, (LEFT + width * step as f64, top), (width + 0.5, LEGEND.1), &colour);
    }
    text(svg, LEFT - 7.0, top + 10.0, "end", 11.0, PALE, "ns");
    // 1, 2, 5, 10, … as far as they are on the scale.
    let marks = (-3..4).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
    for ns in marks.filter(|&ns| ns >= scale.least && ns <= scale.most) {
        let x = LEFT + LEGEND.0 * scale.share(ns);
        line(svg, (x, top + LEGEND.1), (x, top + LEGEND.1 + 4.0), "stroke=\"#666666\" stroke-width=\"1\"");
        let decimals = usize::from(ns < 0.95) + usize::from(ns < 0.095);
        text(svg, x, top + LEGEND.1 + 15.0, "middle", 10.0, PALE, &format!("{ns:.decimals$}"));
    }
    let x = LEFT + LEGEND.0 + 40.0;
    MARK.iter().for_each(|style| line(svg, (x, top - 1.0), (x, top + 13.0), style));
    let what = format!("a cliff: neighbours that differ by more than {CLIFF} times");
    text(svg, x + 10.0, top + 10.0, "start", 12.0, INK, &what);
    rectangle(svg, (x + 390.0, top - 1.0), (14.0, 14.0), EMPTY);
    text(svg, x + 410.0, top + 10.0, "start", 12.0, INK, "more than a cache holds");
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}
