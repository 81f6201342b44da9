//! `lrn-jit show`: what is generated for a layer.

use std::io::Write;

use clap::Args;

use crate::arguments::LayerArguments;
use crate::failure::Failure;

/// Shows what is generated for a layer: the plan, the intermediate code, the machine code.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    layer: LayerArguments,
}

/// Runs the subcommand.
pub fn execute(arguments: &Arguments, out: &mut impl Write) -> Result<(), Failure> {
    let lrn = arguments.layer.config(arguments.layer.channel_axis).build()?;
    writeln!(out, "{lrn}\n{}\n{}", lrn.backend(), lrn.plan())?;
    Ok(())
}
