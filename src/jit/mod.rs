//! Compiled execution: all `unsafe` of the code generator lives here.
//!
//! * [`host`]: which machine, which features;
//! * [`kernel`]: CLIF → memory that can be called, and back to the system;
//! * [`drive`]: which rows and bytes a kernel is called on; [`channels_last`]: the same for slabs along the vectors;
//! * [`JitEngine`] (here): the kernels of one plan, compiled when first needed, shared by all layers with that plan.
#![allow(unsafe_code, reason = "calling generated code")]

mod channels_last;
pub(crate) mod drive;
pub(crate) mod host;
pub(crate) mod kernel;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};

use crate::codegen::block::block_channels;
use crate::codegen::{self, Kernel};
use crate::config::{Boundary, Parameters};
use crate::error::CompileError;
use crate::plan::{Formula, Plan};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use kernel::CompiledKernel;
use target_lexicon::PointerWidth;

/// The compiled kernels of one plan.
pub struct JitEngine {
    plan: Arc<Plan>,
    main: CompiledKernel,
    /// Sums along the channels, for long windows.
    accumulate: Option<CompiledKernel>,
    /// For slabs whose channels lie along the vectors. Compiled on first use.
    channels_last: OnceLock<Result<CompiledKernel, CompileError>>,
    /// One channel at a time, for tensors with fewer channels than a block. Compiled on first use.
    narrow: OnceLock<Result<CompiledKernel, CompileError>>,
}

/// What code depends on: floats by their bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) before: usize,
    pub(crate) after: usize,
    pub(crate) boundary: Boundary,
    /// alpha over divisor, beta and k.
    pub(crate) floats: [u64; 3],
}

impl Key {
    pub(crate) fn new(parameters: &Parameters) -> Self {
        let Parameters { alpha, beta, k, window, boundary, .. } = *parameters;
        let floats = [alpha / window.divisor, beta, k].map(f64::to_bits);
        Self { before: window.before, after: window.after, boundary, floats }
    }
}

static LIVE: LazyLock<Mutex<HashMap<Key, Weak<JitEngine>>>> = LazyLock::new(Mutex::default);

impl JitEngine {
    /// The engine of a plan: a live one with the same key, or a new one.
    pub(crate) fn shared(key: Key, plan: &Arc<Plan>) -> Result<Arc<Self>, CompileError> {
        let lock = || LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = lock().get(&key).and_then(Weak::upgrade) {
            return Ok(engine);
        }
        // Compiled without the lock: another thread may do the same, and the first to finish is kept.
        let engine = Arc::new(Self::new(Arc::clone(plan))?);
        let mut live = lock();
        if let Some(other) = live.get(&key).and_then(Weak::upgrade) {
            return Ok(other);
        }
        live.retain(|_, engine| engine.strong_count() > 0);
        live.insert(key, Arc::downgrade(&engine));
        Ok(engine)
    }

    fn new(plan: Arc<Plan>) -> Result<Self, CompileError> {
        let cumulative = plan.is_cumulative();
        let main = CompiledKernel::new(&plan, main_kernel(&plan))?;
        let accumulate = cumulative.then(|| CompiledKernel::new(&plan, Kernel::Accumulate)).transpose()?;
        Ok(Self { plan, main, accumulate, channels_last: OnceLock::new(), narrow: OnceLock::new() })
    }

    /// The kernel for slabs whose channels lie along the vectors, where the plan has one and it can be had.
    fn channels_last(&self) -> Option<&CompiledKernel> {
        if self.accumulate.is_some() || !matches!(self.plan.formula, Formula::Normalize { .. }) {
            return None;
        }
        let compile = || CompiledKernel::new(&self.plan, Kernel::ChannelsLast);
        self.channels_last.get_or_init(compile).as_ref().ok()
    }

    /// The kernel for fewer channels than a block; the block kernel where it cannot be had.
    fn narrow(&self) -> (&CompiledKernel, usize) {
        match self.narrow.get_or_init(|| CompiledKernel::new(&self.plan, Kernel::Block { channels: 1 })) {
            Ok(kernel) => (kernel, 1),
            Err(_) => (&self.main, block_channels(&self.plan)),
        }
    }
}

/// The kernel that `build()` compiles.
pub(crate) fn main_kernel(plan: &Plan) -> Kernel {
    if plan.is_cumulative() { Kernel::Combine } else { Kernel::Block { channels: block_channels(plan) } }
}

/// What the host's code is made for.
pub(crate) fn host_description() -> String {
    format!("compiled for {}, {} lanes", std::env::consts::ARCH, host::LANES)
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

/// The CLIF of a plan's kernels.
pub(crate) fn clif(plan: &Plan) -> String {
    let config = host::isa().map_or(ANY_HOST, |isa| isa.frontend_config());
    let text = |(name, kernel)| {
        let source = codegen::generate(plan, kernel, host::LANES, config);
        format!("; {name}\n{}", source.function.display())
    };
    kernels(plan).map(text).collect::<Vec<_>>().join("\n")
}

/// The machine instructions of a plan's kernels.
pub(crate) fn assembly(plan: &Plan) -> Result<String, CompileError> {
    let isa = host::isa()?;
    let text = |(name, kernel)| kernel::listing(plan, kernel, &**isa).map(|listing| format!("; {name}\n{listing}"));
    Ok(kernels(plan).map(text).collect::<Result<Vec<_>, _>>()?.join("\n"))
}
