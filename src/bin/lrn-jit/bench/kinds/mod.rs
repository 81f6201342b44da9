//! One layer, of every type of elements and for everything that is computed, beside copies of as many bytes: what a type or a
//! gradient costs. [`text`] writes it.
//!
//! A pass that reads two tensors is also beside a stream that does: two reads, one write, and nothing between.

pub mod text;

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use lrn_jit::{Backend, LocalResponseNorm, LrnConfig, Serial, vectorized};

use super::machine::{Machine, available_memory};
use super::turns::{Contestant, Progress, Run, activations, rounds};
use crate::arguments::{InputArguments, NumberName, for_number};
use crate::failure::Failure;
use crate::task::TaskName;
use crate::values::{Value, words};

/// How long rounds are begun, for each shape.
const BUDGET: Duration = Duration::from_secs(15);
const QUICK_BUDGET: Duration = Duration::from_millis(700);
/// In the caches, and beyond them.
const SHAPES: [[usize; 4]; 2] = [[1, 96, 55, 55], [64, 96, 55, 55]];
/// Bytes of elements.
const SIZES: [usize; 3] = [2, 4, 8];

/// What is computed, of which type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub dtype: NumberName,
    pub task: TaskName,
    pub relu: bool,
}

impl Kind {
    const PLAIN: Self = Self { dtype: NumberName::F32, task: TaskName::Forward, relu: false };

    /// Of every type: the layer without and with a ReLU, its gradient, its derivative times a tangent.
    fn all() -> Vec<Self> {
        let of = |dtype| {
            let kind = move |(task, relu)| Self { dtype, task, relu };
            [(TaskName::Forward, false), (TaskName::Forward, true), (TaskName::Backward, false), (TaskName::Jvp, false)]
                .map(kind)
        };
        NumberName::ALL.into_iter().flat_map(of).collect()
    }

    /// Bytes of an element.
    fn size(self) -> usize {
        for_number!(self.dtype, E => size_of::<E>())
    }
}

/// ns an element.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub kind: Kind,
    pub ns: f64,
    /// Of the same layer on f32, forward.
    pub plain: f64,
    /// Of a copy of as many bytes as an input has.
    pub memcpy: f64,
    /// Of reading two tensors and writing one, where as much is read.
    pub stream: Option<f64>,
}

/// Of a shape.
#[derive(Debug, Clone)]
pub struct Panel {
    pub shape: [usize; 4],
    pub rounds: usize,
    pub rows: Vec<Row>,
}

/// Everything.
#[derive(Debug, Clone)]
pub struct Kinds {
    pub machine: Machine,
    /// What the library says about the code it makes.
    pub code: String,
    /// The layer as it prints.
    pub layer: String,
    pub quick: bool,
    pub panels: Vec<Panel>,
}

/// Verifies and measures a layer.
pub fn run(config: &LrnConfig, quick: bool) -> Result<Kinds, Failure> {
    let layer = config.clone().backend(Backend::Jit).build()?;
    let shapes = if quick { &SHAPES[..1] } else { &SHAPES[..] };
    let panels = shapes.iter().map(|shape| panel(config, *shape, quick)).collect::<Result<_, _>>()?;
    let (code, layer) = (layer.backend().to_string(), layer.to_string());
    Ok(Kinds { machine: Machine::this(), code, layer, quick, panels })
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Kind(Kind),
    /// Of elements of so many bytes.
    Copy(usize),
    Stream(usize),
}

/// Room for every output.
type Output = Vec<u64>;
type Runner = Box<dyn Run<Output>>;

fn panel(config: &LrnConfig, shape: [usize; 4], quick: bool) -> Result<Panel, Failure> {
    let elements: usize = shape.iter().product();
    // Two inputs of every type and of the streams, and an output.
    let needed = (2 * (4 + 8 + 2 + 2 + 8) + 8) * elements as u64;
    if let Some(available) = available_memory().filter(|available| *available < needed) {
        let gigabytes = |bytes: u64| bytes as f64 / 1e9;
        return Err(Failure::input(format_args!(
            "--kinds takes {:.1} GB, and {:.1} GB are available; try --quick",
            gigabytes(needed),
            gigabytes(available)
        )));
    }
    let mut output: Output = vec![0; elements];
    let progress = Progress::new();
    let kinds = Kind::all();
    let mut contestants: Vec<Contestant<Who, Runner>> = vec![];
    for (index, dtype) in NumberName::ALL.into_iter().enumerate() {
        progress.checking(index, NumberName::ALL.len(), dtype.name());
        let of_type = kinds.iter().copied().filter(|kind| kind.dtype == dtype);
        for (kind, runner) in for_number!(dtype, E => enter::<E>(config, shape, of_type, &mut output))? {
            contestants.push(Contestant::new(0, Who::Kind(kind), runner));
        }
    }
    let streamed = Rc::new([0x3ff1_2345_6789_abcd, 0x4001_2345_6789_abcd].map(|word| vec![word; elements]));
    for size in SIZES {
        let words = elements.div_ceil(size_of::<u64>() / size);
        for (who, both) in [(Who::Copy(size), false), (Who::Stream(size), true)] {
            let stream = Stream { inputs: Rc::clone(&streamed), words, both };
            contestants.push(Contestant::new(0, who, Box::new(stream)));
        }
    }
    let budget = if quick { QUICK_BUDGET } else { BUDGET };
    let rounds = rounds(&mut contestants, &mut output, budget, |share, round| progress.round(share, round))?;
    progress.end();
    let time = |who| {
        let found = contestants.iter().find(|contestant| contestant.who == who);
        found.map_or(f64::NAN, |contestant| contestant.time(elements))
    };
    let row = |kind: Kind| Row {
        kind,
        ns: time(Who::Kind(kind)),
        plain: time(Who::Kind(Kind::PLAIN)),
        memcpy: time(Who::Copy(kind.size())),
        stream: (kind.task.inputs() > 1).then(|| time(Who::Stream(kind.size()))),
    };
    Ok(Panel { shape, rounds, rows: kinds.into_iter().map(row).collect() })
}

/// The kinds of a type, each answer verified.
fn enter<E: Value>(
    config: &LrnConfig,
    shape: [usize; 4],
    kinds: impl Iterator<Item = Kind>,
    output: &mut Output,
) -> Result<Vec<(Kind, Runner)>, Failure> {
    let elements: usize = shape.iter().product();
    // What comes with x lies elsewhere and has other values.
    let drawn = |skipped: usize, scale: f32| -> Vec<E> {
        activations().skip(skipped).take(elements).map(|value| E::nearest((scale * value).into())).collect()
    };
    let inputs = Rc::new([drawn(0, 1.0), drawn(1, 0.01)]);
    let mut entered = vec![];
    for kind in kinds {
        let input = InputArguments { relu: kind.relu };
        let config = config.clone().input_activation(input.into());
        let layer = |backend| config.clone().backend(backend).build_for::<E>();
        let computing = Computing { layer: layer(Backend::Jit)?, task: kind.task, inputs: Rc::clone(&inputs), shape };
        output.fill(u64::MAX);
        computing.run(0, output)?;
        computing.verify(&layer(Backend::Interpreter)?, output)?;
        let runner: Runner = Box::new(computing);
        entered.push((kind, runner));
    }
    Ok(entered)
}

/// A kind on its inputs.
struct Computing<E: Value> {
    layer: LocalResponseNorm<E>,
    task: TaskName,
    inputs: Rc<[Vec<E>; 2]>,
    shape: [usize; 4],
}

impl<E: Value> Computing<E> {
    /// Fails unless the first, the last and the image between have the interpreter's bits.
    fn verify(&self, interpreter: &LocalResponseNorm<E>, output: &mut Output) -> Result<(), Failure> {
        let Self { layer, task, inputs, shape } = self;
        let (count, [_, channels, height, width]) = (shape[0], *shape);
        let (image, one) = (channels * height * width, [1, channels, height, width]);
        let y = E::view(output);
        let mut expected = vec![E::default(); image];
        for index in [0, count / 2, count - 1] {
            let range = index * image..(index + 1) * image;
            let [x, v] = &**inputs;
            task.run(interpreter, &Serial, [&x[range.clone()], &v[range.clone()]], &one, &mut expected)?;
            if !y[range].iter().zip(&expected).all(|(a, b)| a.same(*b)) {
                let (name, task) = (E::NAME, task.name());
                return Err(Failure::Wrong(format!(
                    "{layer}, {name}, {task}: the compiled code's bits are not the interpreter's"
                )));
            }
        }
        Ok(())
    }
}

impl<E: Value> Run<Output> for Computing<E> {
    fn run(&self, _case: usize, on: &mut Output) -> Result<(), Failure> {
        let [x, v] = &**black_box(&self.inputs);
        let y = &mut E::view(&mut on[..words::<E>(x.len())])[..x.len()];
        self.task.run(&self.layer, &Serial, [x, v], &self.shape, black_box(&mut *y))?;
        black_box(y);
        Ok(())
    }
}

/// A copy, or two tensors read and one written.
struct Stream {
    inputs: Rc<[Vec<u64>; 2]>,
    words: usize,
    both: bool,
}

impl Run<Output> for Stream {
    fn run(&self, _case: usize, on: &mut Output) -> Result<(), Failure> {
        let [x, v] = black_box(&self.inputs).each_ref().map(|input| &input[..self.words]);
        let y = black_box(&mut on[..self.words]);
        if self.both {
            vectorized(
                #[inline(always)]
                || y.iter_mut().zip(x.iter().zip(v)).for_each(|(y, (x, v))| *y = x ^ v),
            );
        } else {
            y.copy_from_slice(x);
        }
        black_box(y);
        Ok(())
    }
}

impl Run<Output> for Runner {
    fn run(&self, case: usize, on: &mut Output) -> Result<(), Failure> {
        (**self).run(case, on)
    }
}
