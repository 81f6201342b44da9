//! `lrn-jit show`: what is generated for a layer.

use std::io::Write;

use clap::Args;
use lrn_jit::{Activation, Element, LocalResponseNorm};

use crate::arguments::{InputArguments, LayerArguments, NumberName, for_number};
use crate::failure::Failure;

/// Below the subcommand's help.
const EXAMPLES: &str = "\
Examples:
  lrn-jit show --size 5                    plan, and one channel's code by parts
  lrn-jit show --size 5 --beta 0.6 --clif  the kernel: several channels at once
  lrn-jit show --size 5 --asm | less       its machine instructions on this host
  lrn-jit show --size 64 --plan            what was decided; nothing else
  lrn-jit show --size 5 --dtype bf16 --relu
  lrn-jit show --size 3 --within 2         windows over space

CLIF is Cranelift's intermediate code: v1 = fma v2, v3, v4 is v2·v3 + v4,
rounded once; f32x4 is a vector of floats: four in CLIF, as many as --width says
in the machine code that is lifted from it. Offsets and steps are of that width.
Lines that begin with ; are comments. Headings (; — name —) say what the
instructions below them compute.";

/// Shows what is generated for a layer: the plan, the intermediate code, the machine code.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    layer: LayerArguments,
    /// What a tensor's elements are.
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = NumberName::F32)]
    dtype: NumberName,
    #[command(flatten)]
    first: InputArguments,
    /// What was decided: window, base, power recipe.
    #[arg(long)]
    plan: bool,
    /// The intermediate code of every kernel that building a layer compiles.
    #[arg(long)]
    clif: bool,
    /// Its machine instructions on this host.
    #[arg(long)]
    asm: bool,
}

/// Runs the subcommand.
pub fn execute(arguments: &Arguments, out: &mut impl Write) -> Result<(), Failure> {
    let config = arguments.layer.config().input_activation(arguments.first.into());
    for_number!(arguments.dtype, E => show::<E>(arguments, &config.build_for::<E>()?, out))
}

fn show<E: Element>(arguments: &Arguments, lrn: &LocalResponseNorm<E>, out: &mut impl Write) -> Result<(), Failure> {
    let all = !(arguments.plan || arguments.clif || arguments.asm);
    if arguments.plan || all {
        plan(&title(arguments, lrn), lrn, out)?;
    }
    if (arguments.clif || arguments.asm) && !arguments.plan {
        writeln!(out, "; {}\n; {}\n", title(arguments, lrn), lrn.backend())?;
    }
    if arguments.clif {
        writeln!(out, "{}", lrn.clif())?;
    }
    if arguments.asm {
        writeln!(out, "{}", lrn.assembly().map_err(Failure::input)?)?;
    }
    if all {
        writeln!(out, "\n{}", lrn.clif_of_one_channel().trim_end())?;
        // Where windows extend over several axes, there is one kernel, and it is shown.
        let whole = match lrn.plan().axes {
            1 => "; --clif: whole kernels, several channels side by side. --asm: their machine instructions.",
            _ => {
                "; What comes before, the sums of the windows along one axis after the other, is not generated. --asm: machine instructions."
            }
        };
        writeln!(
            out,
            "\n{whole}\n\
             ; f32x4, f64x2: vectors as Cranelift compiles them; where run by names wider ones, its code is lifted to them."
        )?;
    }
    Ok(())
}

/// The layer, what it is of, and its windows, if they are not along the channels.
fn title<E: Element>(arguments: &Arguments, lrn: &LocalResponseNorm<E>) -> String {
    let relu = if lrn.plan().input == Activation::Relu { " of max(x, 0)" } else { "" };
    let windows = &arguments.layer.windows;
    let windows = if windows.are_across_channels() { String::new() } else { format!("{windows}, ") };
    format!("{lrn}{relu}, {windows}{}", E::NAME)
}

/// The layer, and what was decided for it.
fn plan<E: Element>(title: &str, lrn: &LocalResponseNorm<E>, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "layer:  {title}\nrun by: {}\n{}", lrn.backend(), lrn.plan())?;
    Ok(())
}
