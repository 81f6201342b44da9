//! [`CompiledKernel`]: owns the executable memory of one kernel, and frees it on drop.
//!
//! Code is written to fresh pages which are then made executable and no longer writable; they are never both. Where the
//! system denies that, compiling is an error, not a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::TargetIsa;
use cranelift_jit::{JITBuilder, JITModule, SystemMemoryProvider};
use cranelift_module::{Module, ModuleError};

use super::host;
use crate::codegen::clif_lanes::Slot;
use crate::codegen::{self, Kernel, Source, listing};
use crate::error::CompileError;
use crate::plan::Plan;

/// `rows`, `constants`, `begin`, `end`: see [`codegen`].
type Entry = unsafe extern "C" fn(*const *const u8, *const Slot, usize, usize);

/// Machine code that can be called, and the constants it reads.
pub(crate) struct CompiledKernel {
    /// Taken only by `drop`. The system's memory provider: unlike an arena it answers a denial with an error.
    module: Option<JITModule>,
    entry: Entry,
    constants: Box<[Slot]>,
}

// SAFETY: after construction the module is not touched until `drop`, which has it alone; code and constants are read-only.
unsafe impl Sync for CompiledKernel {}
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<JITModule>();
};

impl CompiledKernel {
    /// Generates and compiles a kernel for the host.
    pub(crate) fn new(plan: &Plan, kernel: Kernel) -> Result<Self, CompileError> {
        let isa = host::isa()?;
        let source = codegen::generate(plan, kernel, host::LANES, isa.frontend_config());
        // Cranelift panics on its own defects, and where the system refuses a memory barrier.
        catch_unwind(AssertUnwindSafe(|| Self::compile(source)))
            .unwrap_or_else(|_| Err(CompileError::Internal { reason: "the compiler panicked".into() }))
    }

    fn compile(Source { function, constants }: Source) -> Result<Self, CompileError> {
        let isa = host::isa()?.clone();
        let mut builder = JITBuilder::with_isa(isa, cranelift_module::default_libcall_names());
        builder.memory_provider(Box::new(SystemMemoryProvider::new()));
        let mut module = Unfinished(Some(JITModule::new(builder)));
        let entry = module.define(function)?;
        // SAFETY: the code at `entry` was generated with `Entry`'s signature and the host's C calling convention.
        let entry = unsafe { std::mem::transmute::<*const u8, Entry>(entry) };
        Ok(Self { module: module.0.take(), entry, constants: constants.slots() })
    }

    /// Runs the kernel over the bytes `begin..end` of its rows.
    ///
    /// # Safety
    ///
    /// `rows` must be as the kernel expects: for rows of addresses, each input readable and each output writable over
    /// `begin..end` from its address, no output overlapping an input that is read later; `end − begin` a multiple of the
    /// vector's bytes.
    pub(crate) unsafe fn call(&self, rows: &[*const u8], begin: usize, end: usize) {
        debug_assert!((end - begin).is_multiple_of(host::LANES as usize * size_of::<f32>()));
        // SAFETY: the code is mapped while `self` lives; the caller vouches for the rows.
        unsafe { (self.entry)(rows.as_ptr(), self.constants.as_ptr(), begin, end) }
    }
}

impl Drop for CompiledKernel {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: `entry` is private to `self`, and calls borrow `self`: nobody runs or will run this code.
            unsafe { module.free_memory() }
        }
    }
}

/// A module whose memory is freed if it never becomes a kernel.
struct Unfinished(Option<JITModule>);

impl Unfinished {
    /// Compiles the one function of the module and gives its address.
    fn define(&mut self, function: cranelift_codegen::ir::Function) -> Result<*const u8, CompileError> {
        let module = self.0.as_mut().expect("the module is taken only when finished");
        let mut context = Context::for_function(function);
        let id = module.declare_anonymous_function(&context.func.signature).map_err(explain)?;
        module.define_function(id, &mut context).map_err(explain)?;
        module.finalize_definitions().map_err(explain)?;
        Ok(module.get_finalized_function(id))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(module) = self.0.take() {
            // SAFETY: no address of this module's code was given out.
            unsafe { module.free_memory() }
        }
    }
}

fn explain(error: ModuleError) -> CompileError {
    match error {
        ModuleError::Allocation { err, .. } => CompileError::ExecutableMemory { reason: err.to_string() },
        ModuleError::Backend(error) => CompileError::ExecutableMemory { reason: format!("{error:#}") },
        other => CompileError::Internal { reason: other.to_string() },
    }
}

/// The kernel's instructions as text, compiled for `isa` and not kept.
pub(crate) fn listing(plan: &Plan, kernel: Kernel, isa: &dyn TargetIsa) -> Result<String, CompileError> {
    let noted = codegen::generate_noted(plan, kernel, host::LANES, isa.frontend_config());
    let notes = noted.constants.notes.clone().unwrap_or_default();
    let plain = codegen::generate(plan, kernel, host::LANES, isa.frontend_config());
    Ok(listing::assembly(&text(plain, isa)?, &text(noted, isa)?, &notes))
}

/// The instructions of code that is not kept.
fn text(Source { function, .. }: Source, isa: &dyn TargetIsa) -> Result<String, CompileError> {
    let mut context = Context::for_function(function);
    context.set_disasm(true);
    let compiled = context
        .compile(isa, &mut ControlPlane::default())
        .map_err(|error| CompileError::Internal { reason: format!("{:?}", error.inner) })?;
    if compiled.buffer.relocs().is_empty() {
        Ok(compiled.vcode.clone().unwrap_or_default())
    } else {
        Err(CompileError::Internal { reason: "the code needs relocations".into() })
    }
}
