//! The code generator: a [`Plan`] becomes CLIF.
//!
//! Every kernel has one signature, `fn(rows, constants, bytes)`: `rows` is an array of addresses, `constants` the table of
//! [`constants`], and the kernel works on that many bytes of every row, a vector at least. The last vector overlaps the one
//! before it where they are no whole number of vectors.
//! What a row is, how many there are, and what lies beyond the edges is the driver's business (`jit/drive.rs`), so code
//! never depends on a tensor's shape. What is computed is in `arithmetic/`; only loops, addresses and constants are here.
//!
//! * [`block`]: several channels at once, their windows unrolled.
//! * [`backward`]: the gradient of several channels at once.
//! * [`elementwise`]: runs of elements whose window sums are there.
//! * [`cumulative`]: long windows, from sums that grow along the channels.
//! * [`starts`]: which rows' addresses are kept in registers.
//! * [`listing`]: the same code as text, headed by what each part computes.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{AbiParam, Function, InstBuilder, Signature, UserFuncName, Value};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

pub(crate) mod backward;
pub(crate) mod block;
pub(crate) mod clif_lanes;
pub(crate) mod constants;
pub(crate) mod cumulative;
pub(crate) mod elementwise;
pub(crate) mod listing;
mod starts;

pub(crate) use constants::ConstantTable;

use crate::plan::Plan;
use crate::task::Stage;

/// The kernels a plan can need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kernel {
    /// A block of channels, windows unrolled.
    Block {
        /// Channels of the block.
        channels: usize,
        /// How its rows come and go.
        traffic: Traffic,
        /// What is computed.
        stage: Stage,
        /// Of f16: whether the processor converts them, rather than bits. Such code has to be lifted, if only to 128 bits.
        convert: bool,
    },
    /// The gradient: both its stages, for a block of channels.
    Backward {
        /// Channels of the block.
        channels: usize,
        /// How its rows come and go.
        traffic: Traffic,
    },
    /// Elements one behind the other, from sums of their windows.
    Elementwise {
        /// What is computed.
        stage: Stage,
        /// Whether what is written goes past the caches: [`Traffic::Past`].
        past: bool,
        /// What is there of the sums.
        sums: Sums,
    },
    /// Sums of squares along the channels.
    Accumulate,
    /// Outputs from accumulated sums: of [`COMBINED`] channels at once, or of one.
    Combine {
        /// Whether of one.
        one: bool,
    },
}

/// What an elementwise kernel reads of the sums of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sums {
    /// The windows' sums.
    Whole,
    /// Sums over all axes of the windows but one: a row for each tap along that, in its order.
    ByTap,
    /// The same of windows over two axes, an index of the inner of which is a vector. The kernel makes the sums of a later index, too: of
    /// a row behind the stage's inputs, on which the first tap stands, into a row before its outputs.
    Rolling,
}

impl Sums {
    /// How many rows a term has.
    pub(crate) fn rows(self, plan: &Plan) -> usize {
        match (self, plan.summation()) {
            (_, None) => 0,
            (Self::Whole, _) => 1,
            (Self::ByTap | Self::Rolling, _) => plan.reach_taps(),
        }
    }
}

/// Channels of a combining kernel.
pub(crate) const COMBINED: usize = 4;

/// How the rows of a block come from memory and go to it. Lifted code only: 128-bit code is the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Traffic {
    /// Tensors that a cache may hold: what is read next is asked for ahead.
    Cached,
    /// Larger tensors: so are the lines that are written next.
    Beyond,
    /// Larger tensors, and columns that begin on a cache line of every row and are whole lines: those go past the caches.
    Past,
}

/// A kernel before it is compiled.
pub(crate) struct Source {
    pub(crate) function: Function,
    pub(crate) constants: ConstantTable,
}

/// The parameters of a kernel as CLIF values.
#[derive(Clone, Copy)]
struct Arguments {
    rows: Value,
    constants: Value,
    /// Bytes of a row.
    end: Value,
}

/// Emits `kernel` for a plan, for vectors of `lanes` f32.
pub(crate) fn generate(plan: &Plan, kernel: Kernel, lanes: u32, config: TargetFrontendConfig) -> Source {
    emit(plan, kernel, lanes, config, ConstantTable::new(plan.number))
}

/// The same with notes and marks for a [`listing`]: no other machine code results.
pub(crate) fn generate_noted(plan: &Plan, kernel: Kernel, lanes: u32, config: TargetFrontendConfig) -> Source {
    emit(plan, kernel, lanes, config, ConstantTable::noted(plan.number))
}

fn emit(plan: &Plan, kernel: Kernel, lanes: u32, config: TargetFrontendConfig, mut constants: ConstantTable) -> Source {
    let mut signature = Signature::new(config.default_call_conv);
    signature.params.extend([AbiParam::new(I64); 3]);
    let mut function = Function::with_name_signature(UserFuncName::user(0, 0), signature);
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let &[rows, table, end] = builder.block_params(entry) else { unreachable!("three parameters were declared") };
    let arguments = Arguments { rows, constants: table, end };
    match kernel {
        Kernel::Block { channels, stage, convert, .. } => {
            block::emit(plan, (stage, channels, convert), &mut builder, &mut constants, arguments, lanes);
        }
        Kernel::Backward { channels, .. } => {
            backward::emit(plan, channels, &mut builder, &mut constants, arguments, lanes);
        }
        Kernel::Elementwise { stage, sums, .. } => {
            elementwise::emit(plan, (stage, sums), &mut builder, &mut constants, arguments, lanes)
        }
        Kernel::Accumulate => cumulative::emit_accumulate(plan, &mut builder, &mut constants, arguments, lanes),
        Kernel::Combine { one: true } => {
            cumulative::emit_combine::<1>(plan, &mut builder, &mut constants, arguments, lanes);
        }
        Kernel::Combine { one: false } => {
            cumulative::emit_combine::<COMBINED>(plan, &mut builder, &mut constants, arguments, lanes);
        }
    }
    builder.ins().return_(&[]);
    builder.seal_all_blocks();
    builder.finalize(config);
    Source { function, constants }
}

/// Emits a loop over the offsets from `begin` to `end` in steps of `step` bytes; what follows is emitted behind it. The last
/// offset is `end` − `step`, however far that is from the one before. Without a `begin` the first is 0.
fn for_each_vector(
    builder: &mut FunctionBuilder<'_>,
    constants: &mut ConstantTable,
    (begin, end, step): (Option<Value>, Value, i64),
    body: impl FnOnce(&mut FunctionBuilder<'_>, &mut ConstantTable, Value),
) {
    let (head, done) = (builder.create_block(), builder.create_block());
    let offset = builder.append_block_param(head, I64);
    let last = builder.ins().iadd_imm_s(end, -step);
    if let Some(begin) = begin {
        let any = builder.ins().icmp(IntCC::UnsignedLessThan, begin, end);
        let first = earlier(builder, begin, last);
        builder.ins().brif(any, head, &[first.into()], done, &[]);
    } else {
        let first = builder.ins().iconst(I64, 0);
        builder.ins().brif(end, head, &[first.into()], done, &[]);
    }
    builder.switch_to_block(head);
    body(builder, constants, offset);
    constants.part(builder, || "the next vector".into());
    let more = builder.ins().icmp(IntCC::UnsignedLessThan, offset, last);
    let next = builder.ins().iadd_imm_s(offset, step);
    let next = earlier(builder, next, last);
    builder.ins().brif(more, head, &[next.into()], done, &[]);
    builder.switch_to_block(done);
}

/// The smaller of two offsets.
fn earlier(builder: &mut FunctionBuilder<'_>, a: Value, b: Value) -> Value {
    let less = builder.ins().icmp(IntCC::UnsignedLessThan, a, b);
    builder.ins().select(less, a, b)
}
