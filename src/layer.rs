//! [`LocalResponseNorm`]: a configuration made executable.

mod text;

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;

use crate::backend::{Backend, BackendReport};
use crate::config::{LrnConfig, Parameters};
use crate::convention::Convention;
use crate::element::Element;
use crate::error::{BuildError, CompileError, ShapeError};
use crate::executor::{Executor, Serial};
use crate::forward::OnExecutor;
use crate::generic::Generic;
use crate::geometry::Geometry;
use crate::interpreter::Interpreter;
use crate::jit::host::{self, Vectors};
use crate::jit::{self, JitEngine, Key};
use crate::lane::Lane;
use crate::plan::Plan;
use crate::reference::Reference;
use crate::region::part::BoxPart;
use crate::region::{self, Region, Space};
use crate::task::Task;
use crate::tensor::Part;
use crate::tile::{self, TileEngine};

/// Local Response Normalization over the channels of a tensor, as `torch.nn.LocalResponseNorm`:
///
/// `y[n,c,s] = x[n,c,s] · (k + alpha/size · Σ x[n,j,s]²)^(−beta)`, j from c − size/2 to c + (size−1)/2.
///
/// Windows may extend over other axes instead: within a channel ([`LrnConfig::within_channel`]), or any
/// ([`LrnConfig::over_axes`]).
///
/// Built once for its parameters ([`new`](Self::new), [`LrnConfig`]); cheap to clone and free to share between threads.
/// Source: Krizhevsky, Sutskever, Hinton, *ImageNet Classification with Deep Convolutional Neural Networks*, 2012, §3.3.
pub struct LocalResponseNorm<E: Element = f32> {
    shared: Arc<Shared<E::Lane>>,
    element: PhantomData<fn() -> E>,
}

struct Shared<T> {
    parameters: Parameters,
    plan: Arc<Plan>,
    vectors: Vectors,
    engine: Engine<T>,
    report: BackendReport,
}

/// What runs.
pub(crate) enum Engine<T> {
    Jit(Arc<JitEngine>),
    Tiles(Box<dyn TileEngine<T>>),
}

/// Computes one part of a tensor.
pub(crate) fn compute<E: Element>(engine: &Engine<E::Lane>, task: Task, part: &mut Part<'_, E>) {
    match engine {
        Engine::Jit(engine) => engine.run(task, part),
        Engine::Tiles(engine) => tile::run(&**engine, task, part),
    }
}

/// Computes one part of a tensor of boxes.
pub(crate) fn compute_boxes<E: Element>(engine: &Engine<E::Lane>, task: Task, part: &mut BoxPart<'_, E>) {
    match engine {
        Engine::Jit(engine) => engine.run_boxes(task, part),
        Engine::Tiles(engine) => region::run::run(&**engine, task, part),
    }
}

/// The engine of a backend in ordinary Rust: of the interpreter where it is none of the others.
pub(crate) fn tile_engine<T: Lane>(
    backend: Backend,
    parameters: &Parameters,
    plan: &Arc<Plan>,
) -> Box<dyn TileEngine<T>> {
    match backend {
        Backend::Generic | Backend::GenericPowf => {
            Box::new(Generic::new(parameters, Arc::clone(plan), backend == Backend::Generic))
        }
        Backend::Reference => Box::new(Reference::new(parameters.clone())),
        Backend::Jit | Backend::Interpreter => Box::new(Interpreter::new(Arc::clone(plan))),
    }
}

impl LocalResponseNorm {
    /// A layer over `size` neighbouring channels with torch's defaults: alpha 1e-4, beta 0.75, k 1.
    ///
    /// # Errors
    ///
    /// [`BuildError::Config`] for size 0 or a size no address space holds.
    pub fn new(size: usize) -> Result<Self, BuildError> {
        LrnConfig::new(size).build()
    }
}

impl<E: Element> LocalResponseNorm<E> {
    pub(crate) fn from_parameters(parameters: Parameters) -> Result<Self, BuildError> {
        // A width that was asked for must be there, whatever runs in the end.
        let vectors = host::vectors(parameters.width)?;
        let key = Key::new(&parameters, E::NUMBER, vectors);
        // Live code of the same parameters has its plan, with all polynomials fitted.
        let live = JitEngine::live(&key);
        let plan = live
            .as_ref()
            .map_or_else(|| Arc::new(Plan::new(&parameters, E::NUMBER)), |engine| Arc::clone(engine.plan()));
        let asked = |backend| BackendReport { backend, reason: "asked for".into() };
        let compile = || JitEngine::shared(key, &plan);
        let tiles = |backend| Engine::Tiles(E::tile_engine(backend, &parameters, &plan));
        let (engine, report) = match parameters.backend {
            Some(Backend::Jit) => {
                let engine = compile()?;
                let reason = format!("asked for; {}", engine.describe());
                (Engine::Jit(engine), BackendReport { backend: Backend::Jit, reason })
            }
            Some(backend) => (tiles(backend), asked(backend)),
            None => match compile() {
                Ok(engine) => {
                    let reason = engine.describe();
                    (Engine::Jit(engine), BackendReport { backend: Backend::Jit, reason })
                }
                Err(error) => {
                    let backend = Backend::Interpreter;
                    (tiles(backend), BackendReport { backend, reason: error.to_string() })
                }
            },
        };
        let shared = Arc::new(Shared { parameters, plan, vectors, engine, report });
        Ok(Self { shared, element: PhantomData })
    }

    /// Taps of the window along each of its axes, as they were asked for.
    #[must_use]
    pub fn size(&self) -> usize {
        self.shared.parameters.size
    }

    /// The weight of the squares, before the divisor.
    #[must_use]
    pub fn alpha(&self) -> f64 {
        self.shared.parameters.alpha
    }

    /// The exponent.
    #[must_use]
    pub fn beta(&self) -> f64 {
        self.shared.parameters.beta
    }

    /// The additive constant.
    #[must_use]
    pub fn k(&self) -> f64 {
        self.shared.parameters.k
    }

    /// Whose rules the size follows.
    #[must_use]
    pub fn convention(&self) -> Convention {
        self.shared.parameters.convention
    }

    /// The axis of the channels, negative from the end.
    #[must_use]
    pub fn channel_axis(&self) -> isize {
        self.shared.parameters.channel_axis
    }

    /// Which axes the windows extend over.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.shared.parameters.region
    }

    /// Which backend runs, and why.
    #[must_use]
    pub fn backend(&self) -> &BackendReport {
        &self.shared.report
    }

    /// What was decided before any code was made.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.shared.plan
    }

    /// The intermediate code that the code generator makes of the plan (Cranelift's CLIF), for any host, under headings that
    /// say what each part computes.
    #[must_use]
    pub fn clif(&self) -> String {
        jit::clif(&self.shared.plan, self.shared.vectors, false)
    }

    /// The same of one channel alone, without its neighbours side by side: the shortest text that has every part. (For windows
    /// that are not unrolled, as [`clif`](Self::clif).)
    #[must_use]
    pub fn clif_of_one_channel(&self) -> String {
        jit::clif(&self.shared.plan, self.shared.vectors, true)
    }

    /// The machine instructions of the plan's main kernel on this host, as text, under the same headings. Compiles them anew.
    ///
    /// # Errors
    ///
    /// [`CompileError`] where the host is not one that code is generated for.
    pub fn assembly(&self) -> Result<String, CompileError> {
        jit::assembly(&self.shared.plan, self.shared.vectors)
    }

    /// The same layer on another executor, for calls that are to use the host's threads.
    ///
    /// ```
    /// # use lrn_jit::{LocalResponseNorm, Serial};
    /// let lrn = LocalResponseNorm::new(5)?;
    /// let y = lrn.with_executor(&Serial).forward(&[1.0; 6], &[1, 6])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_executor<'a>(&'a self, executor: &'a dyn Executor) -> OnExecutor<'a, E> {
        OnExecutor::new(self, executor)
    }

    /// Computes one part of a tensor.
    pub(crate) fn compute(&self, task: Task, part: &mut Part<'_, E>) {
        E::compute(&self.shared.engine, task, part);
    }

    /// Computes one part of a tensor of boxes.
    pub(crate) fn compute_boxes(&self, task: Task, part: &mut BoxPart<'_, E>) {
        E::compute_boxes(&self.shared.engine, task, part);
    }

    /// The axes of a shape that the windows extend over, in the order of their sums: of windows that are their elements, any.
    pub(crate) fn windows(&self, shape: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let Parameters { region, channel_axis, .. } = &self.shared.parameters;
        let windows = region.of_shape(shape, *channel_axis)?;
        Geometry::check(shape)?;
        let several = self.shared.plan.is_of_boxes();
        Ok(if several || windows.len() == 1 { windows } else { (0..shape.len()).take(1).collect() })
    }

    /// A shape as the layer's windows see it.
    pub(crate) fn space(&self, shape: &[usize]) -> Result<Space, ShapeError> {
        let Parameters { region, channel_axis, .. } = &self.shared.parameters;
        Space::new(region, shape, *channel_axis, !self.shared.plan.is_of_boxes())
    }

    /// Normalizes `x` of `shape` into a new vector.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if the shape has not the axes that windows extend over (across channels, rank under 2 or no such channel
    /// axis), or another number of elements than `x`.
    pub fn forward(&self, x: &[E], shape: &[usize]) -> Result<Vec<E>, ShapeError> {
        self.with_executor(&Serial).forward(x, shape)
    }

    /// Normalizes `x` of `shape` into `y` of the same length. On an error `y` is untouched.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_into(&self, x: &[E], shape: &[usize], y: &mut [E]) -> Result<(), ShapeError> {
        self.with_executor(&Serial).forward_into(x, shape, y)
    }

    /// Normalizes `x` of `shape` into memory that need not be initialized, and gives it back initialized.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_uninit<'y>(
        &self,
        x: &[E],
        shape: &[usize],
        y: &'y mut [MaybeUninit<E>],
    ) -> Result<&'y mut [E], ShapeError> {
        self.with_executor(&Serial).forward_uninit(x, shape, y)
    }

    /// Normalizes `x` of `shape` where it lies: the same bits as [`forward`](Self::forward), with a scratch of some columns.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_in_place(&self, x: &mut [E], shape: &[usize]) -> Result<(), ShapeError> {
        self.with_executor(&Serial).forward_in_place(x, shape)
    }

    /// The gradient with respect to `x`, given `grad_y`, the gradient with respect to the layer's output at `x`:
    ///
    /// `grad_x[i] = grad_y[i]·d[i]^(−beta) − 2·a·beta·x[i] · Σ grad_y[c]·x[c]·d[c]^(−beta−1)`, over all c whose windows hold i,
    /// with d = k + a·Σx² and a = alpha/divisor. `x = 0` is no special case. Nothing has to be kept from the forward pass, and
    /// no workspace is as large as the tensor.
    ///
    /// ```
    /// # use lrn_jit::LocalResponseNorm;
    /// let lrn = LocalResponseNorm::new(5)?;
    /// let grad_x = lrn.backward(&[1.0; 6], &[0.5; 6], &[1, 6])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward); so too if `grad_y` has another number of elements.
    pub fn backward(&self, x: &[E], grad_y: &[E], shape: &[usize]) -> Result<Vec<E>, ShapeError> {
        self.with_executor(&Serial).backward(x, grad_y, shape)
    }

    /// [`backward`](Self::backward) into `grad_x` of the same length. On an error `grad_x` is untouched.
    ///
    /// # Errors
    ///
    /// As [`backward`](Self::backward).
    pub fn backward_into(&self, x: &[E], grad_y: &[E], shape: &[usize], grad_x: &mut [E]) -> Result<(), ShapeError> {
        self.with_executor(&Serial).backward_into(x, grad_y, shape, grad_x)
    }

    /// The layer's derivative at `x` times the tangent `v` (forward mode): how the output changes as `x` goes along `v`.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward); so too if `v` has another number of elements.
    pub fn jvp(&self, x: &[E], v: &[E], shape: &[usize]) -> Result<Vec<E>, ShapeError> {
        self.with_executor(&Serial).jvp(x, v, shape)
    }

    /// [`jvp`](Self::jvp) into `y` of the same length. On an error `y` is untouched.
    ///
    /// # Errors
    ///
    /// As [`jvp`](Self::jvp).
    pub fn jvp_into(&self, x: &[E], v: &[E], shape: &[usize], y: &mut [E]) -> Result<(), ShapeError> {
        self.with_executor(&Serial).jvp_into(x, v, shape, y)
    }

    /// The gradient with respect to `x` of ⟨v, [`backward`](Self::backward)(x, `grad_y`)⟩: what differentiating a gradient again
    /// takes. (With respect to `grad_y` it is [`jvp`](Self::jvp)(x, v).)
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward); so too if `grad_y` or `v` has another number of elements.
    pub fn double_backward(&self, x: &[E], grad_y: &[E], v: &[E], shape: &[usize]) -> Result<Vec<E>, ShapeError> {
        self.with_executor(&Serial).double_backward(x, grad_y, v, shape)
    }

    /// [`double_backward`](Self::double_backward) into `grad_x` of the same length. On an error `grad_x` is untouched.
    ///
    /// # Errors
    ///
    /// As [`double_backward`](Self::double_backward).
    pub fn double_backward_into(
        &self,
        x: &[E],
        grad_y: &[E],
        v: &[E],
        shape: &[usize],
        grad_x: &mut [E],
    ) -> Result<(), ShapeError> {
        self.with_executor(&Serial).double_backward_into(x, grad_y, v, shape, grad_x)
    }
}

impl<E: Element> Clone for LocalResponseNorm<E> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), element: PhantomData }
    }
}
