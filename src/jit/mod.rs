//! Compiled execution: all `unsafe` of the code generator lives here.
//!
//! * [`host`]: which machine, which features;
//! * [`lift`]: 128-bit code → 256 and 512 bits;
//! * [`kernel`]: CLIF → memory that can be called, and back to the system;
//! * [`drive`]: which rows a kernel is called on: [`blocks`], [`long_windows`], [`derivatives`], and [`slabs`]
//!   for vectors along contiguous elements, whose window sums [`box_sums`] makes and [`elements`] hands to kernels;
//! * [`JitEngine`] (here): the kernels of one plan, compiled when first needed, shared by all layers with that plan.
#![allow(unsafe_code, reason = "calling generated code")]

mod blocks;
mod box_sums;
pub(crate) mod convert;
mod derivatives;
mod disassemble;
#[cfg(target_arch = "x86_64")]
mod doubling;
pub(crate) mod drive;
mod elements;
pub(crate) mod host;
pub(crate) mod kernel;
pub(crate) mod lift;
#[cfg(test)]
mod lift_bits;
mod lift_homes;
mod lift_table;
#[cfg(test)]
mod lift_tests;
mod long_sums;
mod long_windows;
#[cfg(test)]
mod plan_space;
mod propagate;
#[cfg(target_arch = "x86_64")]
mod rolling;
mod rows;
#[cfg(target_arch = "x86_64")]
mod short_slabs;
mod slabs;
mod squares;
mod turn;
#[cfg(target_arch = "x86_64")]
mod vector;
#[cfg(target_arch = "x86_64")]
mod window_sums;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};

use crate::activation::Activation;
use crate::codegen::backward;
use crate::codegen::block::{block_channels, most_block_channels};
use crate::codegen::{self, Kernel, Sums, Traffic, listing};
use crate::config::{Boundary, Parameters};
use crate::error::CompileError;
use crate::number::Number;
use crate::plan::{Plan, Summation};
use crate::task::Stage;
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use elements::WIDEST;
use host::Vectors;
use kernel::CompiledKernel;
use target_lexicon::PointerWidth;
#[cfg(target_arch = "x86_64")]
pub(crate) use vector::InVectors;

/// Numbers that code moves between lanes: on x86-64.
#[cfg(not(target_arch = "x86_64"))]
pub trait InVectors {}
#[cfg(not(target_arch = "x86_64"))]
impl<T> InVectors for T {}

/// The compiled kernels of one plan.
pub struct JitEngine {
    plan: Arc<Plan>,
    vectors: Vectors,
    main: CompiledKernel,
    /// Sums along the channels, for long windows.
    accumulate: Option<CompiledKernel>,
    /// Outputs of one channel, for long windows. Compiled on first use.
    combine_one: OnceLock<Result<CompiledKernel, CompileError>>,
    /// Of the plan for two channels. Made on first use.
    two_channels: OnceLock<Option<Box<JitEngine>>>,
    /// For elements that were widened: of the same plan, for the numbers that are computed with. Made on first use.
    of_lanes: OnceLock<Option<Box<JitEngine>>>,
    /// By stage. Compiled on first use.
    stages: [OnceLock<Box<StageKernels>>; STAGES],
}

/// A kernel that is compiled on first use.
type Lazy = OnceLock<Result<CompiledKernel, CompileError>>;

/// The kernels of a stage.
#[derive(Default)]
struct StageKernels {
    /// By [`Size`] and [`Traffic`]; of the forward pass that of whole blocks in the caches is `main`.
    blocks: [[Lazy; 3]; 4],
    /// By [`Sums`]; in the caches and past them.
    elementwise: [[Lazy; 2]; 3],
    /// Of the gradient, by whether few channels, and by [`Traffic`].
    backward: [[Lazy; 3]; 2],
}

/// How many stages there are.
const STAGES: usize = Stage::Zero as usize + 1;

/// What code depends on: floats by their bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) axes: usize,
    pub(crate) before: usize,
    pub(crate) after: usize,
    pub(crate) boundary: Boundary,
    /// alpha over divisor, beta and k.
    pub(crate) floats: [u64; 3],
    pub(crate) number: Number,
    pub(crate) input: Activation,
    pub(crate) vectors: Vectors,
}

impl Key {
    pub(crate) fn new(parameters: &Parameters, number: Number, vectors: Vectors) -> Self {
        let &Parameters { beta, k, window, boundary, input, .. } = parameters;
        let floats = [parameters.weight(), beta, k].map(f64::to_bits);
        let axes = parameters.region.axes().max(1);
        Self { axes, before: window.before, after: window.after, boundary, floats, number, input, vectors }
    }
}

static LIVE: LazyLock<Mutex<HashMap<Key, Weak<JitEngine>>>> = LazyLock::new(Mutex::default);

impl JitEngine {
    /// The live engine with this key.
    pub(crate) fn live(key: &Key) -> Option<Arc<Self>> {
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).get(key).and_then(Weak::upgrade)
    }

    /// The engine of a plan: a live one with the same key, or a new one.
    pub(crate) fn shared(key: Key, plan: &Arc<Plan>) -> Result<Arc<Self>, CompileError> {
        if let Some(engine) = Self::live(&key) {
            return Ok(engine);
        }
        // Compiled without the lock: another thread may do the same, and the first to finish is kept.
        let engine = Arc::new(Self::new(Arc::clone(plan), key.vectors)?);
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = live.get(&key).and_then(Weak::upgrade) {
            return Ok(other);
        }
        live.retain(|_, engine| engine.strong_count() > 0);
        live.insert(key, Arc::downgrade(&engine));
        Ok(engine)
    }

    fn new(plan: Arc<Plan>, vectors: Vectors) -> Result<Self, CompileError> {
        let cumulative = plan.is_cumulative();
        // Long windows and boxes of halves are summed of widened elements.
        let plan = if cumulative || plan.is_of_boxes() { Arc::new(plan.of_lanes()) } else { plan };
        let main = CompiledKernel::new(&plan, main_kernel(&plan), vectors)?;
        let accumulate = cumulative.then(|| CompiledKernel::new(&plan, Kernel::Accumulate, vectors)).transpose()?;
        let (combine_one, two_channels, of_lanes, stages) = Default::default();
        Ok(Self { plan, vectors, main, accumulate, combine_one, two_channels, of_lanes, stages })
    }

    /// Elements of the widest vector of the kernels.
    fn lanes<E>(&self) -> usize {
        self.vectors.lanes() as usize * size_of::<f32>() / size_of::<E>()
    }

    /// What the code is made for, and what could not be lifted to it.
    pub(crate) fn describe(&self) -> String {
        let made_for = format!("compiled for {}, {}", std::env::consts::ARCH, self.vectors.describe());
        let kernels = [Some(&self.main), self.accumulate.as_ref()];
        match kernels.into_iter().flatten().find_map(CompiledKernel::refusal) {
            Some(refusal) => format!("{made_for}; partly 128-bit, for {refusal}"),
            None => made_for,
        }
    }

    /// The plan that the kernels carry out.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The kernels of a stage.
    fn stage(&self, stage: Stage) -> &StageKernels {
        self.stages[stage as usize].get_or_init(Box::default)
    }

    /// What elementwise kernels read, of boxes whose last sums are along the outermost axis, from one index of which to the next are
    /// `inner` elements. Rows of taps that begin amid a cache line would cost two accesses a vector, more than a pass.
    fn sums(&self, inner: Option<usize>) -> Sums {
        let whole_lines = inner.is_some_and(|inner| inner.is_multiple_of(WIDEST));
        if adds_taps(&self.plan) && whole_lines { Sums::ByTap } else { Sums::Whole }
    }

    /// The kernel of a stage for elements whose sums are there, where it can be had.
    fn elementwise_kernel(&self, stage: Stage, sums: Sums, past: bool) -> Option<&CompiledKernel> {
        let kernel = Kernel::Elementwise { stage, past, sums };
        if main_kernel(&self.plan) == kernel {
            return Some(&self.main);
        }
        let compile = || CompiledKernel::new(&self.plan, kernel, self.vectors);
        self.stage(stage).elementwise[sums as usize][usize::from(past)].get_or_init(compile).as_ref().ok()
    }

    /// The kernel of the gradient for a block of channels, few or more, and how many, if it can be had.
    fn backward(&self, few: bool, traffic: Traffic) -> Option<(&CompiledKernel, usize)> {
        let whole = backward::block_channels(&self.plan);
        let channels = if few { FEW.min(whole) } else { whole };
        let compile = || CompiledKernel::new(&self.plan, Kernel::Backward { channels, traffic }, self.vectors);
        let kernels = &self.stage(Stage::Gradient).backward;
        let kernel = kernels[usize::from(few)][traffic as usize].get_or_init(compile);
        kernel.as_ref().ok().map(|kernel| (kernel, channels))
    }

    /// The engine for elements that were widened: this one, where there is nothing to widen, or another, if it can be had.
    fn of_lanes(&self) -> Option<&Self> {
        if self.plan.number == self.plan.number.lane() {
            return Some(self);
        }
        let make = || Self::new(Arc::new(self.plan.of_lanes()), self.vectors).ok().map(Box::new);
        self.of_lanes.get_or_init(make).as_deref()
    }

    /// The kernel for outputs of one channel of a long window, where it can be had.
    fn combine_one(&self) -> Option<&CompiledKernel> {
        let compile = || CompiledKernel::new(&self.plan, Kernel::Combine { one: true }, self.vectors);
        self.combine_one.get_or_init(compile).as_ref().ok()
    }

    /// The engine for tensors of two channels, where another is faster and can be had.
    fn of_two_channels(&self) -> Option<&Self> {
        let make = || Self::new(Arc::new(self.plan.of_two_channels()?), self.vectors).ok().map(Box::new);
        self.two_channels.get_or_init(make).as_deref()
    }

    /// The kernel of a stage for blocks of `size`, and the channels of a block, if it can be had; of the forward pass at least the
    /// one that `build()` compiled.
    fn block(&self, stage: Stage, size: Size, traffic: Traffic) -> Option<(&CompiledKernel, usize)> {
        let whole = block_channels(&self.plan);
        let channels = size.channels(&self.plan);
        let forward = stage == Stage::Forward;
        if forward && channels == whole && traffic == Traffic::Cached {
            return Some((&self.main, whole));
        }
        let convert = self.plan.number == Number::F16 && host::converts_f16();
        let kernel = Kernel::Block { channels, traffic, stage, convert };
        let compile = || CompiledKernel::new(&self.plan, kernel, self.vectors);
        match self.stage(stage).blocks[size as usize][traffic as usize].get_or_init(compile) {
            Ok(kernel) => Some((kernel, channels)),
            Err(_) => forward.then_some((&self.main, whole)),
        }
    }
}

/// How many channels a block has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Size {
    /// One: where the tensor has very few.
    One,
    /// Four: where rows share a set of the cache, or the tensor has few channels.
    Few,
    /// As many as the plan's block has.
    Whole,
    /// As many as pay where a cache near the core holds the planes.
    Most,
}

impl Size {
    /// The channels of a block of a plan.
    fn channels(self, plan: &Plan) -> usize {
        match self {
            Self::Most => most_block_channels(plan),
            Self::Whole => block_channels(plan),
            Self::Few => FEW.min(block_channels(plan)),
            Self::One => 1,
        }
    }
}

/// Channels of a [`Size::Few`] block.
const FEW: usize = 4;

/// The longest window along an axis whose sums elementwise kernels add.
const MOST_BY_TAP: usize = 4;

/// Whether kernels of windows over several axes can add the sums along the last of these.
fn adds_taps(plan: &Plan) -> bool {
    let taps = match plan.summation() {
        Some(Summation::Unrolled { taps }) => taps,
        _ => return false,
    };
    plan.is_of_boxes() && plan.boundary == Boundary::Zero && taps <= MOST_BY_TAP
}

/// The kernel that `build()` compiles.
pub(crate) fn main_kernel(plan: &Plan) -> Kernel {
    if plan.is_of_boxes() {
        Kernel::Elementwise { stage: Stage::Forward, past: false, sums: Sums::Whole }
    } else if plan.is_cumulative() {
        Kernel::Combine { one: false }
    } else {
        let convert = plan.number == Number::F16 && host::converts_f16();
        Kernel::Block { channels: block_channels(plan), traffic: Traffic::Cached, stage: Stage::Forward, convert }
    }
}

/// The kernels that `build()` compiles.
fn kernels(plan: &Plan) -> impl Iterator<Item = (&'static str, Kernel)> {
    let main = ("main", main_kernel(plan));
    std::iter::once(main).chain(plan.is_cumulative().then_some(("sums along the channels", Kernel::Accumulate)))
}

/// What CLIF is printed for where the host cannot run it.
const ANY_HOST: TargetFrontendConfig = TargetFrontendConfig {
    default_call_conv: CallConv::SystemV,
    pointer_width: PointerWidth::U64,
    page_size_align_log2: 12,
};

/// The CLIF of a plan's kernels, or of the shortest that computes an output.
pub(crate) fn clif(plan: &Plan, vectors: Vectors, one_channel: bool) -> String {
    let config = host::isa().map_or(ANY_HOST, |isa| isa.frontend_config());
    let text = |(name, kernel)| {
        let source = codegen::generate_noted(plan, kernel, vectors.lanes(), config);
        format!("; {name}\n{}", listing::clif(plan, kernel, &source))
    };
    if one_channel && !plan.is_cumulative() && !plan.is_of_boxes() {
        let kernel = Kernel::Block { channels: 1, traffic: Traffic::Cached, stage: Stage::Forward, convert: false };
        return text(("one channel", kernel));
    }
    kernels(plan).map(text).collect::<Vec<_>>().join("\n")
}

/// The machine instructions of a plan's kernels.
pub(crate) fn assembly(plan: &Plan, vectors: Vectors) -> Result<String, CompileError> {
    let isa = host::isa()?;
    let text =
        |(name, kernel)| kernel::listing(plan, kernel, vectors, &**isa).map(|listing| format!("; {name}\n{listing}"));
    Ok(kernels(plan).map(text).collect::<Result<Vec<_>, _>>()?.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LrnConfig;

    #[test]
    fn live_code_is_shared_and_dead_code_is_not_kept() {
        let parameters = LrnConfig::new(5).alpha(0.123_456).resolve().unwrap();
        let (key, plan) =
            (Key::new(&parameters, Number::F32, Vectors::Narrow), Arc::new(Plan::new(&parameters, Number::F32)));
        let first = JitEngine::shared(key, &plan).unwrap();
        assert!(Arc::ptr_eq(&first, &JitEngine::shared(key, &plan).unwrap()));
        let other = Key::new(&LrnConfig::new(5).alpha(0.123_457).resolve().unwrap(), Number::F32, Vectors::Narrow);
        assert!(!Arc::ptr_eq(&first, &JitEngine::shared(other, &plan).unwrap()));
        let weak = Arc::downgrade(&first);
        drop(first);
        assert!(weak.upgrade().is_none());
    }
}
