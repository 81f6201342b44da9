//! lrn-jit's side of the comparison with other libraries: started by benches/peers/run.py, which tells it on its standard
//! input what to do (README.md there).
//!
//!     peers serve [--width BITS] [--threads N]    what is timed: compiled layers
//!     peers serve --reference                     what is right: the formula in f64
//!     peers serve --memcpy                        what memory allows
//!     peers input COUNT FILE                      writes the tensor that all read

#[allow(dead_code, reason = "only the input is used here")]
#[path = "../cases/mod.rs"]
mod cases;
mod protocol;

use std::error::Error;
use std::hint::black_box;

use lrn_jit::{Backend, Executor, LocalResponseNorm, LrnConfig, Serial, Width};
use protocol::{Case, Prepared, Runner, serve, write};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["input", count, file] => write(file.as_ref(), &cases::input(count.parse()?))?,
        ["serve", ref options @ ..] => {
            let options = Options::parse(options)?;
            let details = format!("threads: {}", options.executor.threads());
            serve(env!("CARGO_PKG_VERSION"), &details, "preallocated", |case, x| options.prepare(case, x))?;
        }
        // `cargo bench` runs all benchmarks, this one too.
        _ => println!("compares with other libraries: see benches/peers/README.md"),
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Who {
    Library,
    Reference,
    Memcpy,
}

struct Options {
    who: Who,
    /// Bits of a vector; `None` is what the library chooses.
    width: Option<usize>,
    executor: &'static dyn Executor,
}

impl Options {
    fn parse(mut words: &[&str]) -> Result<Self, Box<dyn Error>> {
        let mut options = Self { who: Who::Library, width: None, executor: &Serial };
        while let [word, rest @ ..] = words {
            words = match (*word, rest) {
                ("--reference", _) => {
                    options.who = Who::Reference;
                    rest
                }
                ("--memcpy", _) => {
                    options.who = Who::Memcpy;
                    rest
                }
                ("--width", [bits, rest @ ..]) => {
                    options.width = Some(bits.parse()?);
                    rest
                }
                ("--threads", [count, rest @ ..]) => {
                    options.executor = executor(count.parse()?)?;
                    rest
                }
                _ => return Err(format!("no such option: {word}").into()),
            };
        }
        Ok(options)
    }

    fn prepare(&self, case: &Case, x: Vec<f32>) -> Prepared {
        let y = vec![f32::NAN; x.len()];
        if self.who == Who::Memcpy {
            return Ok(Ok(Box::new(Copy { x, y })));
        }
        let axis = if case.channels_last { -1 } else { 1 };
        let config = LrnConfig::new(case.size).alpha(case.alpha).beta(case.beta).k(case.k).channel_axis(axis);
        let config = match (case.within, case.channels_last) {
            (false, _) => config,
            (true, false) => config.within_channel(2),
            (true, true) => config.over_axes(&[1, 2]),
        };
        let config = if self.who == Who::Reference { config.backend(Backend::Reference) } else { config };
        let layer = with_width(config, self.width)?.build()?;
        Ok(Ok(Box::new(Layer { layer, executor: self.executor, shape: case.extents(), x, y })))
    }
}

/// A configuration that insists on vectors of so many bits.
fn with_width(config: LrnConfig, width: Option<usize>) -> Result<LrnConfig, Box<dyn Error>> {
    let Some(bits) = width else { return Ok(config) };
    let width = Width::from_name(&bits.to_string()).ok_or_else(|| format!("no vectors have {bits} bits"))?;
    Ok(config.width(width))
}

/// Who runs the parts, on so many threads.
fn executor(threads: usize) -> Result<&'static dyn Executor, Box<dyn Error>> {
    if threads <= 1 {
        return Ok(&Serial);
    }
    #[cfg(feature = "rayon")]
    {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
        Ok(&lrn_jit::CurrentRayon)
    }
    #[cfg(not(feature = "rayon"))]
    Err("more than one thread needs the feature rayon".into())
}

struct Layer {
    layer: LocalResponseNorm,
    executor: &'static dyn Executor,
    shape: [usize; 4],
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Runner for Layer {
    fn run(&mut self) {
        let layer = self.layer.with_executor(self.executor);
        layer.forward_into(black_box(&self.x), &self.shape, black_box(&mut self.y)).expect("the shape fits");
    }

    fn output(&self) -> Vec<f32> {
        self.y.clone()
    }

    fn implementation(&self) -> String {
        self.layer.backend().to_string()
    }
}

struct Copy {
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Runner for Copy {
    fn run(&mut self) {
        black_box(&mut self.y).copy_from_slice(black_box(&self.x));
    }

    fn output(&self) -> Vec<f32> {
        self.y.clone()
    }

    fn implementation(&self) -> String {
        "copy_from_slice, one thread".into()
    }
}
