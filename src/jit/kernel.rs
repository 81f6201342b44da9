//! [`CompiledKernel`]: owns the executable memory of one kernel, and frees it on drop.
//!
//! Code is written to fresh pages which are then made executable and no longer writable; they are never both. Where the
//! system denies that, compiling is an error, not a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::{CompileError as CodegenError, Context};
use cranelift_jit::{JITBuilder, JITModule, SystemMemoryProvider};
use cranelift_module::{Module, ModuleError};

use super::disassemble::disassemble;
use super::host::{self, Vectors};
use super::lift::{Refusal, TABLE, Target, lift};
use crate::codegen::constants::Slot;
use crate::codegen::{self, ConstantTable, Kernel, Source, Traffic, listing};
use crate::error::CompileError;
use crate::number::Number;
use crate::plan::Plan;

/// `rows`, `constants`, `bytes`: see [`codegen`].
type Entry = unsafe extern "C" fn(*const *const u8, *const Slot, usize);

/// Where code begins: a cache line.
const ALIGNMENT: u64 = 64;

/// Machine code that can be called, and the constants it reads.
pub(crate) struct CompiledKernel {
    /// Taken only by `drop`. The system's memory provider: unlike an arena it answers a denial with an error.
    module: Option<JITModule>,
    entry: Entry,
    constants: Box<[Slot]>,
    /// Bytes of a vector.
    vector: usize,
    /// Why the code is 128 bits wide although more was asked for.
    refusal: Option<Refusal>,
}

// SAFETY: after construction the module is not touched until `drop`, which has it alone; code and constants are read-only.
unsafe impl Sync for CompiledKernel {}
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<JITModule>();
};

impl CompiledKernel {
    /// Generates and compiles a kernel for the host. Code that cannot be lifted to `vectors` is 128 bits wide.
    pub(crate) fn new(plan: &Plan, kernel: Kernel, vectors: Vectors) -> Result<Self, CompileError> {
        // Cranelift panics on its own defects, and where the system refuses a memory barrier.
        let compile = |vectors, refusal| {
            catch_unwind(AssertUnwindSafe(|| Self::compile(plan, kernel, vectors, refusal)))
                .unwrap_or_else(|_| Err(CompileError::Internal { reason: "the compiler panicked".into() }))
        };
        match compile(vectors, None)? {
            Ok(kernel) => Ok(kernel),
            // The step from vector to vector is in the code: it has to be generated anew.
            Err(refusal) => match compile(Vectors::Narrow, Some(refusal))? {
                Ok(kernel) => Ok(kernel),
                Err(Refusal(reason)) => Err(CompileError::Internal { reason }),
            },
        }
    }

    fn compile(
        plan: &Plan,
        kernel: Kernel,
        vectors: Vectors,
        refusal: Option<Refusal>,
    ) -> Result<Result<Self, Refusal>, CompileError> {
        let machine_code = machine_code(plan, kernel, vectors, &**host::isa()?)?;
        match machine_code {
            Ok((code, constants)) => Self::place(&code, &constants, vectors, refusal).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Puts code of a kernel for `vectors` into executable memory.
    pub(super) fn place(
        code: &[u8],
        constants: &ConstantTable,
        vectors: Vectors,
        refusal: Option<Refusal>,
    ) -> Result<Self, CompileError> {
        let isa = host::isa()?.clone();
        let mut builder = JITBuilder::with_isa(isa, cranelift_module::default_libcall_names());
        builder.memory_provider(Box::new(SystemMemoryProvider::new()));
        let mut module = Unfinished(Some(JITModule::new(builder)));
        let entry = module.define(code)?;
        // SAFETY: the code at `entry` was generated with `Entry`'s signature and the host's C calling convention.
        let entry = unsafe { std::mem::transmute::<*const u8, Entry>(entry) };
        let vector = vectors.lanes() as usize * size_of::<f32>();
        Ok(Self { module: module.0.take(), entry, constants: constants.slots(), vector, refusal })
    }

    /// Why the code is 128 bits wide although more was asked for.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Runs the kernel over `bytes` of its rows.
    ///
    /// # Safety
    ///
    /// `rows` must be as the kernel expects: for rows of addresses, each input readable and each output writable over
    /// `bytes` from its address, no output overlapping an input that is read later; `bytes` at least a vector.
    pub(crate) unsafe fn call(&self, rows: &[*const u8], bytes: usize) {
        debug_assert!(bytes >= self.vector);
        // SAFETY: the code is mapped while `self` lives; the caller vouches for the rows.
        unsafe { (self.entry)(rows.as_ptr(), self.constants.as_ptr(), bytes) }
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
    /// Places the one function of the module and gives its address.
    fn define(&mut self, code: &[u8]) -> Result<*const u8, CompileError> {
        let module = self.0.as_mut().expect("the module is taken only when finished");
        let id = module.declare_anonymous_function(&module.make_signature()).map_err(explain)?;
        module.define_function_bytes(id, ALIGNMENT, code, &[]).map_err(explain)?;
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

/// How far ahead of its use a row is asked for, in bytes. The more is done to a vector of a row, the later comes the next one, and
/// what is asked for too early has left the first-level cache by then.
fn ahead(plan: &Plan, kernel: Kernel) -> i64 {
    match (kernel, plan.number) {
        (Kernel::Backward { .. }, _) => 320,
        (_, Number::F16 | Number::Bf16) => 256,
        (_, Number::F32 | Number::F64) => 512,
    }
}

/// A kernel's instructions for `isa` and the constants they read, or why they cannot be lifted to `vectors`.
pub(crate) fn machine_code(
    plan: &Plan,
    kernel: Kernel,
    vectors: Vectors,
    isa: &dyn TargetIsa,
) -> Result<Result<(Vec<u8>, ConstantTable), Refusal>, CompileError> {
    let Source { function, constants } = codegen::generate(plan, kernel, vectors.lanes(), isa.frontend_config());
    let mut context = Context::for_function(function);
    let compiled = context.compile(isa, &mut ControlPlane::default()).map_err(|error| internal(&error))?;
    if !compiled.buffer.relocs().is_empty() {
        return Err(CompileError::Internal { reason: "the code needs relocations".into() });
    }
    let code = compiled.code_buffer();
    let (traffic, convert) = match kernel {
        Kernel::Block { traffic, convert, .. } => (Some(traffic), convert),
        Kernel::Backward { traffic, .. } => (Some(traffic), false),
        Kernel::Accumulate | Kernel::Combine { .. } => (Some(Traffic::Cached), false),
        Kernel::Elementwise { past, .. } => (past.then_some(Traffic::Past), false),
    };
    let lifted = match vectors {
        Vectors::Narrow if convert => lift(code, Target::Vex128, TABLE, None, true),
        Vectors::Narrow => Ok(code.to_vec()),
        Vectors::Wide(target) => {
            lift(code, target, TABLE, traffic.map(|traffic| (traffic, ahead(plan, kernel))), convert)
        }
    };
    Ok(lifted.map(|code| (code, constants)))
}

/// The kernel's instructions as text, compiled for `isa` and not kept.
pub(crate) fn listing(
    plan: &Plan,
    kernel: Kernel,
    vectors: Vectors,
    isa: &dyn TargetIsa,
) -> Result<String, CompileError> {
    let noted = codegen::generate_noted(plan, kernel, vectors.lanes(), isa.frontend_config());
    let notes = noted.constants.notes.clone().unwrap_or_default();
    let plain = match (vectors, machine_code(plan, kernel, vectors, isa)?) {
        (Vectors::Wide(_), Ok((code, _))) => disassemble(&code),
        _ => text(codegen::generate(plan, kernel, Vectors::Narrow.lanes(), isa.frontend_config()), isa)?,
    };
    Ok(listing::assembly(&plain, &text(noted, isa)?, &notes))
}

/// The instructions of code that is not kept, as Cranelift prints them.
fn text(Source { function, .. }: Source, isa: &dyn TargetIsa) -> Result<String, CompileError> {
    let mut context = Context::for_function(function);
    context.set_disasm(true);
    let compiled = context.compile(isa, &mut ControlPlane::default()).map_err(|error| internal(&error))?;
    if compiled.buffer.relocs().is_empty() {
        Ok(compiled.vcode.clone().unwrap_or_default())
    } else {
        Err(CompileError::Internal { reason: "the code needs relocations".into() })
    }
}

fn internal(error: &CodegenError<'_>) -> CompileError {
    CompileError::Internal { reason: format!("{:?}", error.inner) }
}
