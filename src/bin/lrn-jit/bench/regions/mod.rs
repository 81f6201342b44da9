//! Windows over several axes, forward and backward, beside ordinary Rust for windows over the last two axes, the crate's generic
//! kernel, the same parameters with five taps across the channels, and a copy of the tensor. [`text`] writes it.
//!
//! Compiled code is held to the interpreter's bits before it is timed, and its rivals to a tolerance.

pub mod text;

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use lrn_jit::{Backend, CurrentRayon, Executor, LocalResponseNorm, LrnConfig, Region, Serial};

use super::cases::Case;
use super::machine::Machine;
use super::turns::{Contestant, Progress, Run, activations, rounds, same};
use crate::arguments::LayerArguments;
use crate::failure::Failure;
use crate::rivals::{Rival, Slabs, planes};
use crate::task::TaskName;

/// How long rounds are begun, for each shape.
const BUDGET: Duration = Duration::from_secs(15);
const QUICK_BUDGET: Duration = Duration::from_millis(700);
/// Planes that a first-level cache nearly holds, and that it does not.
const SHAPES: [[usize; 4]; 2] = [[1, 96, 56, 56], [1, 96, 112, 112]];
/// Of the squares within a channel.
const SIZES: [usize; 3] = [3, 9, 31];
/// Of the windows across the channels that times are compared to.
const ACROSS: usize = 5;
const TASKS: [TaskName; 2] = [TaskName::Forward, TaskName::Backward];

/// A layer on a tensor, and what it is called.
#[derive(Debug, Clone)]
pub struct Windows {
    name: String,
    config: LrnConfig,
}

/// ns an element.
#[derive(Debug, Clone)]
pub struct Row {
    pub name: String,
    pub layer: String,
    pub task: TaskName,
    pub ns: f64,
    /// Of size 5 across the channels.
    pub across: f64,
    /// Of ordinary Rust, where it competes and its answer is right.
    pub plain: Option<f64>,
    /// Of a kernel that is not specialized, where its answer is right.
    pub generic: Option<f64>,
    /// Of a copy of the tensor.
    pub memcpy: f64,
}

/// Of a shape.
#[derive(Debug, Clone)]
pub struct Panel {
    pub shape: Vec<usize>,
    pub rounds: usize,
    pub rows: Vec<Row>,
}

/// Everything.
#[derive(Debug, Clone)]
pub struct Regions {
    pub machine: Machine,
    /// What the library says about the code it makes.
    pub code: String,
    pub quick: bool,
    pub panels: Vec<Panel>,
}

/// Squares within the channels of two shapes; `--quick`: of the smaller one.
pub fn squares(layer: &LayerArguments, quick: bool) -> Result<Regions, Failure> {
    let square = |size: usize| {
        let layer = LayerArguments { size, ..layer.clone() };
        Windows { name: format!("within {size}×{size}"), config: layer.parameters().within_channel(2) }
    };
    let shapes = if quick { &SHAPES[..1] } else { &SHAPES[..] };
    let cases = shapes.iter().map(|shape| (shape.to_vec(), SIZES.map(square).to_vec()));
    run(layer, cases.collect(), quick)
}

/// What was asked for, on shapes as they were typed.
pub fn asked(layer: &LayerArguments, shapes: &[String], quick: bool) -> Result<Regions, Failure> {
    let windows = || Windows { name: format!("{}, size {}", layer.windows, layer.size), config: layer.config() };
    let case = |shape: &String| Ok((Case::shape(shape, &layer.config())?, vec![windows()]));
    run(layer, shapes.iter().map(case).collect::<Result<_, Failure>>()?, quick)
}

fn run(layer: &LayerArguments, cases: Vec<(Vec<usize>, Vec<Windows>)>, quick: bool) -> Result<Regions, Failure> {
    let across = LayerArguments { size: ACROSS, ..layer.clone() }.parameters();
    let code = across.clone().backend(Backend::Jit).build()?.backend().to_string();
    let panel = |(shape, windows)| panel(&across, shape, windows, quick);
    let panels = cases.into_iter().map(panel).collect::<Result<_, _>>()?;
    Ok(Regions { machine: Machine::this(), code, quick, panels })
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Windows by their number.
    Compiled(usize, TaskName),
    Plain(usize),
    Generic(usize, TaskName),
    Across(TaskName),
    Copy,
}

fn panel(across: &LrnConfig, shape: Vec<usize>, windows: Vec<Windows>, quick: bool) -> Result<Panel, Failure> {
    let elements: usize = shape.iter().product();
    // What comes with x lies elsewhere and has other values.
    let drawn = |skipped: usize, scale: f32| -> Vec<f32> {
        activations().skip(skipped).take(elements).map(|value| scale * value).collect()
    };
    let inputs = Rc::new([drawn(0, 1.0), drawn(1, 0.01)]);
    let (mut output, progress) = (vec![0.0; elements], Progress::new());
    let mut contestants: Vec<Contestant<Who, Runner>> =
        vec![Contestant::new(0, Who::Copy, Runner::Copy(inputs.clone()))];
    // As outer slabs of channels on the second axis or, of a line, the only one.
    let channels = if shape.len() > 1 { shape.clone() } else { [vec![1], shape.clone()].concat() };
    for task in TASKS {
        let enter = |config: &LrnConfig, shape: &[usize], backend| -> Result<Computing, Failure> {
            let layer = config.clone().backend(backend).build()?;
            Ok(Computing { layer, task, inputs: Rc::clone(&inputs), shape: shape.to_vec() })
        };
        let verified = |config: &LrnConfig, shape: &[usize], output: &mut [f32]| -> Result<Computing, Failure> {
            let computing = enter(config, shape, Backend::Jit)?;
            let expected = enter(config, shape, Backend::Interpreter)?.answer(&CurrentRayon)?;
            output.fill(f32::NAN);
            computing.run_on(&Serial, output)?;
            match output.iter().zip(&expected).all(|(a, b)| same(*a, *b)) {
                true => Ok(computing),
                false => Err(Failure::Wrong(format!(
                    "{}, {}, shape {shape:?}: the compiled code's bits are not the interpreter's",
                    computing.layer,
                    task.name()
                ))),
            }
        };
        let computing = verified(across, &channels, &mut output)?;
        contestants.push(Contestant::new(0, Who::Across(task), Runner::Computing(computing)));
        for (number, Windows { name, config }) in windows.iter().enumerate() {
            progress.checking(number, windows.len(), name);
            let computing = verified(config, &shape, &mut output)?;
            contestants.push(Contestant::new(0, Who::Compiled(number, task), Runner::Computing(computing)));
            let generic = enter(config, &shape, Backend::Generic)?;
            let near = tolerance(config, &output)?;
            let good = |answer: &[f32]| answer.iter().zip(&output).all(|(a, b)| near(*a, *b));
            if good(&generic.answer(&CurrentRayon)?) {
                contestants.push(Contestant::new(0, Who::Generic(number, task), Runner::Computing(generic)));
            }
            if let Some(plain) = plain(config, &shape).filter(|_| task == TaskName::Forward) {
                let mut answer = vec![f32::NAN; elements];
                let runner = Runner::Plain(plain.0, plain.1, Rc::clone(&inputs));
                runner.run(0, &mut answer)?;
                if good(&answer) {
                    contestants.push(Contestant::new(0, Who::Plain(number), runner));
                }
            }
        }
    }
    let budget = if quick { QUICK_BUDGET } else { BUDGET };
    let rounds = rounds(&mut contestants, &mut output, budget, |share, round| progress.round(share, round))?;
    progress.end();
    let time = |who| {
        let found = contestants.iter().find(|contestant| contestant.who == who)?;
        Some(found.time(elements))
    };
    let sure = |who| time(who).unwrap_or(f64::NAN);
    let mut rows = vec![];
    for (number, Windows { name, config }) in windows.iter().enumerate() {
        for task in TASKS {
            rows.push(Row {
                name: name.clone(),
                layer: config.build()?.to_string(),
                task,
                ns: sure(Who::Compiled(number, task)),
                across: sure(Who::Across(task)),
                plain: time(Who::Plain(number)).filter(|_| task == TaskName::Forward),
                generic: time(Who::Generic(number, task)),
                memcpy: sure(Who::Copy),
            });
        }
    }
    Ok(Panel { shape, rounds, rows })
}

/// Ordinary Rust for windows over the last two axes of a shape, if these are such, and the planes it runs on.
fn plain(config: &LrnConfig, shape: &[usize]) -> Option<(Box<dyn Rival>, Slabs)> {
    let layer = config.build().ok()?;
    let &[.., rows, columns] = shape else { return None };
    let rank = shape.len().cast_signed();
    let within = match layer.region() {
        Region::WithinChannel { dims } => *dims == 2,
        Region::Axes(axes) => {
            let of = |from_end: isize| axes.contains(&-from_end) || axes.contains(&(rank - from_end));
            axes.len() == 2 && of(1) && of(2)
        }
        _ => false,
    };
    let planes = Slabs { outer: shape.iter().product::<usize>() / (rows * columns), channels: rows, inner: columns };
    planes::new(&layer).filter(|rival| within && rival.covers(planes)).map(|rival| (rival, planes))
}

/// Equal but for rounding: of a sum of so many taps, raised to beta; gradients are differences, so part of the error is that of the
/// largest number.
fn tolerance(config: &LrnConfig, output: &[f32]) -> Result<impl Fn(f32, f32) -> bool, Failure> {
    let layer = config.build()?;
    let (taps, beta) = (2.0 * layer.plan().axes as f32 * layer.size().min(1000) as f32, layer.beta().abs() as f32);
    let relative = (16.0 + beta * (taps + 6.0)) * f32::EPSILON;
    let largest = output.iter().map(|y| y.abs()).filter(|y| y.is_finite()).fold(0.0, f32::max);
    Ok(move |a, b| same(a, b) || (a - b).abs() <= relative * (b.abs() + largest) + f32::MIN_POSITIVE)
}

/// A layer on its inputs.
struct Computing {
    layer: LocalResponseNorm,
    task: TaskName,
    inputs: Rc<[Vec<f32>; 2]>,
    shape: Vec<usize>,
}

impl Computing {
    fn run_on(&self, executor: &dyn Executor, y: &mut [f32]) -> Result<(), Failure> {
        let [x, v] = &**black_box(&self.inputs);
        Ok(self.task.run(&self.layer, executor, [x, v], &self.shape, y)?)
    }

    fn answer(&self, executor: &dyn Executor) -> Result<Vec<f32>, Failure> {
        let mut y = vec![f32::NAN; self.inputs[0].len()];
        self.run_on(executor, &mut y)?;
        Ok(y)
    }
}

/// Who takes turns.
enum Runner {
    Computing(Computing),
    Plain(Box<dyn Rival>, Slabs, Rc<[Vec<f32>; 2]>),
    Copy(Rc<[Vec<f32>; 2]>),
}

impl Run<Vec<f32>> for Runner {
    fn run(&self, _case: usize, on: &mut Vec<f32>) -> Result<(), Failure> {
        let y = black_box(&mut on[..]);
        match self {
            Self::Computing(computing) => computing.run_on(&Serial, y)?,
            Self::Plain(rival, planes, inputs) => rival.run(*planes, &black_box(inputs)[0], y),
            Self::Copy(inputs) => y.copy_from_slice(&black_box(inputs)[0]),
        }
        black_box(y);
        Ok(())
    }
}
