//! `lrn-jit bench`: compiled code against its rivals and against what the machine allows.
//!
//! [`cases`] says what is measured, [`contest`] verifies, [`turns`] times, [`limits`] is what the machine allows, [`table`],
//! [`json`] and [`plot`] write the [`report`]. Other benches: [`sweep`], one layer on many shapes; [`kinds`], one layer of every type,
//! forward and backward; [`regions`],
//! windows over several axes.

mod cases;
mod contest;
mod json;
mod kinds;
mod limits;
mod machine;
mod plot;
mod regions;
mod report;
mod svg;
mod sweep;
mod table;
mod turns;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::arguments::{BackendName, LayerArguments};
use crate::failure::Failure;
use crate::output::Output;
use cases::Case;

/// Measures compiled code against its rivals: ordinary Rust for run-time parameters, ordinary Rust for constant ones, the
/// interpreter, a copy of the tensor.
///
/// Without --shape, on the shapes and parameters of the networks that use this normalization. Every answer is checked before
/// it is timed. One thread.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Measures this shape (comma-separated extents), with the layer's options below; may be repeated.
    #[arg(long = "shape", value_name = "N,C,H,W", group = "measured")]
    shapes: Vec<String>,
    /// Measures the compiled code alone on a grid of channels and inner extents, and lists the cliffs in it: neighbours
    /// whose times differ by more than twice.
    #[arg(long, group = "measured")]
    sweep: bool,
    /// Measures the compiled code alone for every type of elements, forward, with a ReLU, backward and jvp, beside copies of the
    /// same bytes: in the caches and, without --quick, beyond them.
    #[arg(long, group = "measured", conflicts_with = "plot")]
    kinds: bool,
    /// Measures windows within channels, 3×3, 9×9 and 31×31, forward and backward, beside size 5 across the channels, the kernel
    /// that is not specialized, and a copy. With --shape and --within or --axes: those.
    #[arg(long, group = "measured", conflicts_with_all = ["plot", "size"])]
    regions: bool,
    #[command(flatten)]
    layer: LayerArguments,
    /// Writes all numbers to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws the numbers.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Ends within some seconds, at the price of accuracy.
    #[arg(long)]
    quick: bool,
}

/// What is different about the layer's options here: a default size; only together with a shape or a sweep.
pub fn adjust(argument: clap::Arg) -> clap::Arg {
    match argument.get_id().as_str() {
        "size" => argument.required(false).default_value("5").requires("measured"),
        "backend" => argument.hide(true),
        "alpha" | "beta" | "k" | "convention" | "boundary" => argument.requires("measured"),
        // What is required of an argument is not asked for where it cannot be had.
        "channel_axis" => argument.requires("shapes").conflicts_with_all(["sweep", "kinds", "regions"]),
        "within" | "axes" => argument.requires("shapes").conflicts_with_all(["sweep", "kinds", "regions", "plot"]),
        _ => argument,
    }
}

/// Runs the subcommand.
pub fn execute(arguments: &Arguments, out: &mut impl Write) -> Result<(), Failure> {
    if arguments.layer.backend != BackendName::Auto {
        return Err(Failure::input("--backend: bench runs all of them"));
    }
    // Before minutes are spent on numbers that have nowhere to go.
    let open = |path: &Option<PathBuf>| path.as_deref().map(Output::create).transpose();
    let write = |output: Option<Output>, text: &dyn Fn() -> String| {
        output.map_or(Ok(()), |output| output.finish(text().as_bytes()))
    };
    if arguments.sweep {
        let (json, plot) = (open(&arguments.json)?, open(&arguments.plot)?);
        let sweep = sweep::run(&arguments.layer.parameters(), arguments.quick)?;
        write(json, &|| sweep::json::text(&sweep))?;
        write(plot, &|| sweep::plot::svg(&sweep))?;
        return Ok(sweep::table::print(&sweep, out)?);
    }
    if arguments.kinds {
        let json = open(&arguments.json)?;
        let kinds = kinds::run(&arguments.layer.parameters(), arguments.quick)?;
        write(json, &|| kinds::text::json(&kinds))?;
        return Ok(kinds::text::print(&kinds, out)?);
    }
    if arguments.regions || !arguments.layer.windows.are_across_channels() {
        let json = open(&arguments.json)?;
        let regions = if arguments.regions {
            regions::squares(&arguments.layer, arguments.quick)?
        } else {
            regions::asked(&arguments.layer, &arguments.shapes, arguments.quick)?
        };
        write(json, &|| regions::text::json(&regions))?;
        return Ok(regions::text::print(&regions, out)?);
    }
    let cases = if arguments.shapes.is_empty() {
        let width = |case: Case| Case { config: case.config.clone().width(arguments.layer.width.into()), ..case };
        cases::networks(arguments.quick).into_iter().map(width).collect()
    } else {
        let case = |shape: &String| Case::new(shape, &arguments.layer);
        arguments.shapes.iter().map(case).collect::<Result<_, _>>()?
    };
    let (json, plot) = (open(&arguments.json)?, open(&arguments.plot)?);
    let report = contest::run(cases, arguments.quick)?;
    write(json, &|| json::text(&report))?;
    write(plot, &|| plot::svg(&report))?;
    Ok(table::print(&report, out)?)
}
