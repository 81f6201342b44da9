//! `lrn-jit run`: normalizes a .npy file, and computes gradients.
//!
//! A Fortran-order file of shape s holds the bytes of a C-order one of the reversed shape, so nothing is transposed: the
//! shape is reversed, and axes are counted from the other end. (A window over several axes is then summed along the first of them
//! first, where in C order it is the last: the same sum, rounded otherwise.) Either way the tensor is `outer` slabs, of the axes from
//! the outermost that windows extend over to the innermost, of `inner` elements at every place. Slabs do not depend on each other,
//! nor do the `inner` columns of a slab; so files are read, computed and written some megabytes at a time, in buffers that stay in
//! the caches: several slabs, or where one is larger, a strip of its columns ([`slabs`]). One thread reads and writes ([`stream`])
//! while another computes ([`compute`]).

mod compute;
mod slabs;
mod stream;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use half::f16;
use lrn_jit::Number;

use crate::arguments::{InputArguments, LayerArguments};
use crate::failure::Failure;
use crate::npy::{self, Npy};
use crate::output::{self, Output};
use crate::windows;
use compute::{Compute, Description, Wanted};
use slabs::Slabs;
use stream::{Tensor, Tensors};

/// Below the subcommand's help.
const EXAMPLES: &str = "\
Examples:
  # (N, C, H, W), torch's defaults: alpha 1e-4, beta 0.75, k 1
  lrn-jit run in.npy out.npy --size 5
  # other parameters
  lrn-jit run in.npy out.npy --size 5 --alpha 5e-4 --k 2
  # (N, H, W, C)
  lrn-jit run in.npy out.npy --size 5 --channel-axis=-1
  # the same in TensorFlow's terms, depth_radius 5
  lrn-jit run in.npy out.npy --size 11 --convention tensorflow --channel-axis 3
  # within channels, 3 by 3 of the last two axes
  lrn-jit run in.npy out.npy --size 3 --within 2
  # over channels and columns: 5 by 5 of axes 1 and 3
  lrn-jit run in.npy out.npy --size 5 --axes 1,3
  # in its place, behind a ReLU
  lrn-jit run a.npy --in-place --size 5 --relu --threads 2
  # the gradient of a loss for in.npy, given that for the layer's output
  lrn-jit run in.npy --size 5 --grad g.npy --grad-output dx.npy
  # float32, rounded to bfloat16 and computed as that
  lrn-jit run in.npy out.npy --size 5 --compute bf16

OUT.npy and DX.npy keep the shape, the order, the type and the byte order of
IN.npy. Memory: some megabytes, or more where a slab, all that is inside the
outermost axis of the windows and outside the innermost, takes more. Windows over
several axes are summed along the last one first, and in Fortran order along the
first: the last bits of the two may differ. Exit code 2 and one line on standard
error where something is wrong.";

/// Normalizes a .npy file (float32, float64 or float16, C or Fortran order, either byte order) into another of the same shape,
/// order and type. With --grad computes the gradient as well, or alone.
///
/// Prints the backend, the plan, what compiling and running took, and GB/s: bytes read plus bytes written, a GB being 1e9.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The file to read.
    #[arg(value_name = "IN.npy")]
    input: PathBuf,
    /// The file to write, whole or not at all; may be the same. Not needed with --in-place or --grad.
    #[arg(value_name = "OUT.npy", required_unless_present_any = ["in_place", "grad"])]
    output: Option<PathBuf>,
    /// Puts the output in the place of IN.npy, whole or not at all.
    #[arg(long, conflicts_with = "output")]
    in_place: bool,
    /// The gradient with respect to the output: a file of the shape and type of IN.npy.
    #[arg(long, value_name = "G.npy", requires = "grad_output")]
    grad: Option<PathBuf>,
    /// Where the gradient with respect to the input goes, whole or not at all.
    #[arg(long, value_name = "DX.npy", requires = "grad")]
    grad_output: Option<PathBuf>,
    /// What float32 is computed as [default: the file's own type].
    #[arg(long, value_enum, value_name = "TYPE")]
    compute: Option<ComputeName>,
    #[command(flatten)]
    first: InputArguments,
    #[command(flatten)]
    layer: LayerArguments,
    /// Threads that compute; one more reads and writes.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
}

/// A type to compute in that is not the file's.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
enum ComputeName {
    /// Values are rounded to bfloat16 first, results are bfloat16, written as float32.
    Bf16,
}

impl Arguments {
    /// Where the output goes, if it is wanted.
    fn destination(&self) -> Option<&Path> {
        if self.in_place { Some(&self.input) } else { self.output.as_deref() }
    }

    fn compute(
        &self,
        number: Number,
        slabs: &Slabs,
        wanted: Wanted,
        big_endian: [bool; 2],
    ) -> Result<Box<dyn Compute>, Failure> {
        // Whatever axes of the file windows extend over, chunks have them between the outer and the inner one.
        let config = self.layer.parameters().over_axes(&slabs.windows()).input_activation(self.first.into());
        let make = match (self.compute, number) {
            (Some(ComputeName::Bf16), Number::F32) => compute::as_bf16,
            (Some(ComputeName::Bf16), _) => {
                let (input, name) = (self.input.display(), npy::name(number));
                return Err(Failure::input(format_args!(
                    "--compute bf16 is for float32 files, and {input} holds {name}"
                )));
            }
            (None, Number::F64) => compute::direct::<f64>,
            (None, Number::F16) => compute::direct::<f16>,
            (None, _) => compute::direct::<f32>,
        };
        make(&config, self.threads, wanted, big_endian)
    }
}

/// Runs the subcommand.
pub fn execute(arguments: &Arguments, out: &mut impl Write) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut input = npy::open(&arguments.input)?;
    let windows = arguments.layer.windows.of_shape(&input.shape)?;
    let slabs = Slabs::new(&input.shape, input.fortran, &windows);
    let mut grad = arguments.grad.as_deref().map(|path| fitting(path, arguments, &input)).transpose()?;
    let wanted = Wanted { output: arguments.destination().is_some(), gradient: grad.is_some() };
    let big_endian = [input.big_endian, grad.as_ref().is_some_and(|grad| grad.big_endian)];
    let build = Instant::now();
    let compute = arguments.compute(input.number, &slabs, wanted, big_endian)?;
    let compiled = build.elapsed();

    let paths = [arguments.destination(), arguments.grad_output.as_deref()];
    let [output, grad_output] = paths.map(|path| path.map(|path| begin(path, &input.header)).transpose());
    let (mut output, mut grad_output) = (output?, grad_output?);
    if let (Some(output), Some(grad_output), [_, Some(path)]) = (&output, &grad_output, paths)
        && output.is_same(grad_output)
    {
        return Err(Failure::input(format_args!("the output and --grad-output are the same file, {}", path.display())));
    }
    let header = input.header.len() as u64;
    let writes = [(&mut output, paths[0]), (&mut grad_output, paths[1])];
    let mut read = vec![Tensor { file: &mut input.file, path: &arguments.input, header }];
    if let (Some(grad), Some(path)) = (&mut grad, &arguments.grad) {
        read.push(Tensor { file: &mut grad.file, path, header: grad.header.len() as u64 });
    }
    let written = writes.map(|(output, path)| Some(Tensor { file: output.as_mut()?.file(), path: path?, header }));
    let files = read.len() + written.iter().flatten().count();
    let size = npy::size(input.number);
    let ran = stream::run(Tensors { slabs: &slabs, size, read, written }, &*compute, arguments.threads)?;
    for output in [output, grad_output].into_iter().flatten() {
        output.commit()?;
    }
    report(
        arguments,
        out,
        &compute.description(),
        (&input, &windows),
        files * slabs.elements() * size,
        (compiled, ran, begun.elapsed()),
    )
}

/// Opens the gradient, which has to be as the input is.
fn fitting(path: &Path, arguments: &Arguments, input: &Npy) -> Result<Npy, Failure> {
    let grad = npy::open(path)?;
    let order = |npy: &Npy| if npy.fortran { "Fortran order" } else { "C order" };
    let differ = |what: &str, theirs: &str, ours: &str| {
        let (path, input) = (path.display(), arguments.input.display());
        Err(Failure::input(format_args!("{path} has the {what} {theirs}, and {input} {ours}: they must be the same")))
    };
    if grad.shape != input.shape {
        return differ("shape", &grad.shape.to_string(), &input.shape.to_string());
    }
    if grad.number != input.number {
        return differ("type", &npy::name(grad.number), &npy::name(input.number));
    }
    if grad.fortran != input.fortran {
        return differ("layout", order(&grad), order(input));
    }
    Ok(grad)
}

/// Begins a file with a header.
fn begin(path: &Path, header: &[u8]) -> Result<Output, Failure> {
    let mut output = Output::create(path)?;
    output.file().write_all(header).map_err(|error| output::cannot(path, &error))?;
    Ok(output)
}

/// Says what ran, over which axes, and how fast; `bytes` of all files.
fn report(
    arguments: &Arguments,
    out: &mut impl Write,
    description: &Description,
    (input, axes): (&Npy, &[usize]),
    bytes: usize,
    (compiled, ran, whole): (Duration, Duration, Duration),
) -> Result<(), Failure> {
    let order = if input.fortran { "Fortran" } else { "C" };
    let endian = if input.big_endian { "big-endian" } else { "little-endian" };
    let (name, shape) = (npy::name(input.number), &input.shape);
    let asked = &arguments.layer.windows;
    let windows = if asked.are_across_channels() { asked.to_string() } else { windows::over(axes) };
    let Description { layer, backend, plan } = description;
    writeln!(out, "input      {}: {name} {shape}, {order} order, {endian}", arguments.input.display())?;
    if let Some(grad) = &arguments.grad {
        writeln!(out, "gradient   {}", grad.display())?;
    }
    let relu = if arguments.first.relu { " of max(x, 0)" } else { "" };
    writeln!(out, "layer      {layer}{relu}, {windows}")?;
    if arguments.compute.is_some() {
        writeln!(out, "computed   as bf16")?;
    }
    writeln!(out, "backend    {backend}")?;
    writeln!(out, "plan       {}", plan.replace('\n', "\n           "))?;
    if let ([first, _, ..], true) = (axes, input.fortran) {
        writeln!(out, "order      windows are summed along axis {first} first: in memory it is the last")?;
    }
    writeln!(out, "compiled   in {:.2} ms", milliseconds(compiled))?;
    if bytes == 0 {
        writeln!(out, "ran        on nothing: an extent is 0")?;
    } else {
        let threads = match arguments.threads {
            1 => "one thread".into(),
            threads => format!("{threads} threads"),
        };
        let rate = |time: Duration| bytes as f64 / time.as_secs_f64() / 1e9;
        writeln!(
            out,
            "ran        in {:.2} ms, {threads}: {:.2} GB/s, reading and writing",
            milliseconds(ran),
            rate(ran)
        )?;
        writeln!(out, "file       to file in {:.2} ms: {:.2} GB/s", milliseconds(whole), rate(whole))?;
    }
    for path in [arguments.destination(), arguments.grad_output.as_deref()].into_iter().flatten() {
        writeln!(out, "output     {}", path.display())?;
    }
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
