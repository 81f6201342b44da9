//! lrn-jit's side of the comparison with other libraries: started by benches/peers/run.py, which tells it on its standard
//! input what to do (README.md there).
//!
//!     peers serve [--width BITS] [--threads N]    what is timed: compiled layers
//!     peers serve --blocked …                     the same in oneDNN's layout nChw16c, where windows stay within a channel
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
    /// Whether tensors lie in the layout nChw16c.
    blocked: bool,
    /// Bits of a vector; `None` is what the library chooses.
    width: Option<usize>,
    executor: &'static dyn Executor,
}

impl Options {
    fn parse(mut words: &[&str]) -> Result<Self, Box<dyn Error>> {
        let mut options = Self { who: Who::Library, blocked: false, width: None, executor: &Serial };
        while let [word, rest @ ..] = words {
            words = match (*word, rest) {
                ("--reference", _) => {
                    options.who = Who::Reference;
                    rest
                }
                ("--blocked", _) => {
                    options.blocked = true;
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
        if self.who == Who::Memcpy {
            let (x, y) = (Tensor::new(&x), Tensor::new(&vec![f32::NAN; x.len()]));
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
        let [batch, channels, height, width] = case.shape;
        let (config, shape, x, blocks) = if self.blocked {
            if !case.within || case.channels_last || !channels.is_multiple_of(BLOCK) {
                return Ok(Err("windows within a channel, blocks of 16 channels"));
            }
            let shape = vec![batch, channels / BLOCK, height, width, BLOCK];
            (config.over_axes(&[2, 3]), shape, turned(&x, BLOCK, height * width), Some(height * width))
        } else {
            (config, case.extents().to_vec(), x, None)
        };
        let layer = with_width(config, self.width)?.build()?;
        let (x, y) = (Tensor::new(&x), Tensor::new(&vec![f32::NAN; x.len()]));
        Ok(Ok(Box::new(Layer { layer, executor: self.executor, shape, blocks, x, y })))
    }
}

/// Channels of a block of nChw16c.
const BLOCK: usize = 16;

/// Matrices of so many rows and columns, one behind the other, transposed.
fn turned(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let turn = |matrix: &[f32]| -> Vec<f32> {
        (0..columns)
            .flat_map(|column| (0..rows).map(move |row| (row, column)))
            .map(|(r, c)| matrix[r * columns + c])
            .collect()
    };
    x.chunks_exact(rows * columns).flat_map(turn).collect()
}

/// Memory that begins on a cache line, as oneDNN's does.
struct Tensor {
    memory: Vec<f32>,
    start: usize,
    length: usize,
}

impl Tensor {
    fn new(values: &[f32]) -> Self {
        const LINE: usize = 64;
        let mut memory = vec![0.0; values.len() + LINE / size_of::<f32>()];
        let start = (memory.as_ptr().addr().next_multiple_of(LINE) - memory.as_ptr().addr()) / size_of::<f32>();
        memory[start..][..values.len()].copy_from_slice(values);
        Self { memory, start, length: values.len() }
    }

    fn get(&self) -> &[f32] {
        &self.memory[self.start..][..self.length]
    }

    fn get_mut(&mut self) -> &mut [f32] {
        &mut self.memory[self.start..][..self.length]
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
    shape: Vec<usize>,
    /// Elements of a plane, where channels stand in blocks.
    blocks: Option<usize>,
    x: Tensor,
    y: Tensor,
}

impl Runner for Layer {
    fn run(&mut self) {
        let layer = self.layer.with_executor(self.executor);
        let (x, y) = (black_box(self.x.get()), black_box(self.y.get_mut()));
        layer.forward_into(x, &self.shape, y).expect("the shape fits");
    }

    fn output(&self) -> Vec<f32> {
        let y = self.y.get();
        self.blocks.map_or_else(|| y.to_vec(), |plane| turned(y, plane, BLOCK))
    }

    fn implementation(&self) -> String {
        self.layer.backend().to_string()
    }
}

struct Copy {
    x: Tensor,
    y: Tensor,
}

impl Runner for Copy {
    fn run(&mut self) {
        black_box(self.y.get_mut()).copy_from_slice(black_box(self.x.get()));
    }

    fn output(&self) -> Vec<f32> {
        self.y.get().to_vec()
    }

    fn implementation(&self) -> String {
        "copy_from_slice, one thread".into()
    }
}
