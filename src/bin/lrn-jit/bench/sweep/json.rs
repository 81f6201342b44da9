//! The sweep as JSON: every number, unrounded.

use serde_json::{Value, json};

use super::{CLIFF, Cliff, Point, Sweep};
use crate::bench::json::about;

/// A sweep.
pub fn text(sweep: &Sweep) -> String {
    let Sweep { machine, code, layer, quick, rounds, channels, inner, grid, beyond, places, cliffs } = sweep;
    let mut value = about(machine, code, *quick, *rounds);
    value["layer"] = json!(layer);
    value["channels"] = json!(channels);
    value["inner"] = json!(inner);
    value["grid"] = grid.iter().flatten().flatten().map(|point| point_value(*point)).collect();
    value["beyond_the_caches"] = beyond.iter().map(|point| point_value(*point)).collect();
    let place = |[outside, within]: &[Point; 2]| {
        let mut value = point_value(*outside);
        value["in_place_ns_per_element"] = json!(within.ns);
        value
    };
    value["in_place"] = places.iter().map(place).collect();
    value["cliff_ratio"] = json!(CLIFF);
    value["cliffs"] = cliffs.iter().map(cliff_value).collect();
    format!("{value:#}\n")
}

fn point_value(point: Point) -> Value {
    let slabs = point.slabs;
    json!({ "shape": [slabs.outer, slabs.channels, slabs.inner], "ns_per_element": point.ns })
}

fn cliff_value(cliff: &Cliff) -> Value {
    json!({
        "along": if cliff.along_channels() { "channels" } else { "inner" },
        "fast": point_value(cliff.fast),
        "slow": point_value(cliff.slow),
        "ratio": cliff.ratio(),
    })
}
