//! [`Task`]: what a layer computes; [`check`] runs a case of it through the JIT and the interpreter.

use std::fmt;

use lrn_jit::{Backend, LocalResponseNorm, OnExecutor, ShapeError, Width};

use super::case::Case;
use super::measure::difference;
use super::real::Real;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    Forward,
    InPlace,
    Backward,
    Jvp,
    DoubleBackward,
}

impl Task {
    pub const ALL: [Self; 5] = [Self::Forward, Self::InPlace, Self::Backward, Self::Jvp, Self::DoubleBackward];

    /// How many tensors it reads.
    pub fn inputs(self) -> usize {
        match self {
            Self::Forward | Self::InPlace => 1,
            Self::Backward | Self::Jvp => 2,
            Self::DoubleBackward => 3,
        }
    }

    /// Computes into a new vector.
    pub fn run<E: Real, I: AsRef<[E]>>(
        self,
        layer: OnExecutor<'_, E>,
        inputs: &[I],
        shape: &[usize],
    ) -> Result<Vec<E>, ShapeError> {
        match (self, inputs) {
            (Self::Forward, [x]) => layer.forward(x.as_ref(), shape),
            (Self::InPlace, [x]) => {
                let mut y = x.as_ref().to_vec();
                layer.forward_in_place(&mut y, shape).map(|()| y)
            }
            (Self::Backward, [x, grad_y]) => layer.backward(x.as_ref(), grad_y.as_ref(), shape),
            (Self::Jvp, [x, v]) => layer.jvp(x.as_ref(), v.as_ref(), shape),
            (Self::DoubleBackward, [x, grad_y, v]) => {
                layer.double_backward(x.as_ref(), grad_y.as_ref(), v.as_ref(), shape)
            }
            _ => panic!("{self:?} of {} tensors", inputs.len()),
        }
    }

    /// Computes into `y`. In place, `y` is also what is read.
    pub fn run_into<E: Real, I: AsRef<[E]>>(
        self,
        layer: OnExecutor<'_, E>,
        inputs: &[I],
        shape: &[usize],
        y: &mut [E],
    ) -> Result<(), ShapeError> {
        match (self, inputs) {
            (Self::Forward, [x]) => layer.forward_into(x.as_ref(), shape, y),
            (Self::InPlace, [x]) => {
                y.copy_from_slice(x.as_ref());
                layer.forward_in_place(y, shape)
            }
            (Self::Backward, [x, grad_y]) => layer.backward_into(x.as_ref(), grad_y.as_ref(), shape, y),
            (Self::Jvp, [x, v]) => layer.jvp_into(x.as_ref(), v.as_ref(), shape, y),
            (Self::DoubleBackward, [x, grad_y, v]) => {
                layer.double_backward_into(x.as_ref(), grad_y.as_ref(), v.as_ref(), shape, y)
            }
            _ => panic!("{self:?} of {} tensors", inputs.len()),
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward",
            Self::InPlace => "in place",
            Self::Backward => "backward",
            Self::Jvp => "jvp",
            Self::DoubleBackward => "double backward",
        })
    }
}

/// Every backend that gives the same bits.
pub const BACKENDS: [Backend; 2] = [Backend::Jit, Backend::Interpreter];

/// The JIT and the interpreter give the same bits; else a line that reproduces the difference.
pub fn check<E: Real>(task: Task, case: &Case) -> Result<(), String> {
    compare::<E>(task, case).map(|_| ())
}

/// What was compared.
pub struct Compared<E> {
    pub y: Vec<E>,
    /// Of the compiled layers.
    pub widths: Vec<Width>,
}

/// As [`check`], and gives the output.
pub fn compare<E: Real>(task: Task, case: &Case) -> Result<Compared<E>, String> {
    let inputs: Vec<Vec<E>> = case.inputs(task.inputs());
    let again = format!("check::<{}>(Task::{task:?}, &{case})", E::NAME);
    let run = |layer: &LocalResponseNorm<E>| {
        let y = task.run(layer.with_executor(&lrn_jit::Serial), &inputs, &case.shape);
        y.map_err(|error| format!("{}: {error}\n{again}", layer.backend()))
    };
    let y = run(&case.settings.layer(Backend::Interpreter, case.axis))?;
    let mut widths = vec![];
    for (width, layer) in case.settings.compiled(case.axis) {
        let jit = run(&layer)?;
        widths.push(width);
        let Some(at) = difference(&jit, &y) else { continue };
        let x: Vec<E> = inputs.iter().map(|input| input[at]).collect();
        let (got, expected) = (jit[at], y[at]);
        return Err(format!(
            "at {at} of {}, of {:?}: {} gives {got:e} ({:#x}), interpreter {expected:e} ({:#x})\n{again}",
            y.len(),
            x.iter().map(|x| format!("{x:e}")).collect::<Vec<_>>(),
            layer.backend(),
            got.bits(),
            expected.bits()
        ));
    }
    Ok(Compared { y, widths })
}
