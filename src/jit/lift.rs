//! 128-bit x86-64 code → 256 or 512 bits.
//!
//! Cranelift's x86-64 vectors are 128 bits wide. A kernel only computes lane by lane, so each of its vector instructions has
//! one wider form that does the same to more lanes; [`lift`] swaps them one for one.
//!
//! 1. Decode. Every vector instruction must be on the [allow-list](super::lift_table): lane-wise, no mask register written.
//!    Anything else that touches a vector register, reads near the instruction pointer, or addresses the stack other than by
//!    `rsp` is a [`Refusal`].
//! 2. The stack: spilled vectors are wider, so every displacement from `rsp`, and the frame, grows by the same factor, and the
//!    frame begins on the border of a vector (half the speed was lost on some stacks without).
//!    A frame over [`MAX_FRAME`] would skip the system's guard page: refused.
//! 3. [`Homes`] (EVEX only): the places in memory that are read most live in the registers that Cranelift does not know. Constants are
//!    loaded once, on entry.
//! 4. `vzeroupper` goes before every `ret`: it takes the `ret`'s address, so that branches to it are not led past.
//! 5. Rows (operands of two registers) are asked for ahead of their use, as the kernel's [`Traffic`] says: loads always, as
//!    twenty rows at once are more than a processor follows by itself; the lines of stores where the caches do not hold
//!    them, unless they go past the caches by non-temporal stores (the driver ends with a fence).
//! 6. Encode, branches relocated.
//!
//! The code generator must have been told the width: the step from one vector to the next is in the code.

use std::fmt;

use iced_x86::{
    BlockEncoder, BlockEncoderOptions, Code, Decoder, DecoderOptions, Instruction, InstructionBlock,
    InstructionInfoFactory, MemoryOperand, OpAccess, OpKind, Register,
};

use super::lift_homes::Homes;
use super::lift_table::{Forms, Shape, conversion, forms};
use super::propagate::propagate;
use crate::codegen::Traffic;

/// What vector code is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// 128 bits: as the code is, for what else lifting does.
    Vex128,
    /// 256 bits, 16 registers (AVX2).
    Vex256,
    /// 256 bits, 32 registers (AVX-512 VL).
    Evex256,
    /// 512 bits, 32 registers (AVX-512 F and DQ).
    Evex512,
}

impl Target {
    /// How many times wider than 128 bits.
    fn factor(self) -> i64 {
        match self {
            Self::Vex128 => 1,
            Self::Vex256 | Self::Evex256 => 2,
            Self::Evex512 => 4,
        }
    }

    fn code(self, narrow: Code, forms: &Forms) -> Code {
        match self {
            Self::Vex128 => narrow,
            Self::Vex256 => forms.vex256,
            Self::Evex256 => forms.evex256,
            Self::Evex512 => forms.evex512,
        }
    }

    /// The wide register with the number of an xmm register.
    pub(super) fn register(self, number: usize) -> Register {
        let first = match self {
            Self::Vex128 => Register::XMM0,
            Self::Vex256 | Self::Evex256 => Register::YMM0,
            Self::Evex512 => Register::ZMM0,
        };
        first + number as u32
    }

    /// A store past the caches.
    fn stream(self) -> Code {
        match self {
            Self::Vex128 => Code::VEX_Vmovntps_m128_xmm,
            Self::Vex256 => Code::VEX_Vmovntps_m256_ymm,
            Self::Evex256 => Code::EVEX_Vmovntps_m256_ymm,
            Self::Evex512 => Code::EVEX_Vmovntps_m512_zmm,
        }
    }

    /// Load (or register move), and store.
    pub(super) fn moves(self) -> (Code, Code) {
        match self {
            Self::Vex128 => (Code::VEX_Vmovups_xmm_xmmm128, Code::VEX_Vmovups_xmmm128_xmm),
            Self::Vex256 => (Code::VEX_Vmovups_ymm_ymmm256, Code::VEX_Vmovups_ymmm256_ymm),
            Self::Evex256 => (Code::EVEX_Vmovups_ymm_k1z_ymmm256, Code::EVEX_Vmovups_ymmm256_k1z_ymm),
            Self::Evex512 => (Code::EVEX_Vmovups_zmm_k1z_zmmm512, Code::EVEX_Vmovups_zmmm512_k1z_zmm),
        }
    }
}

/// Why code was not lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(reason.into()))
}

/// The register of the second argument, in which a kernel gets its table of constants.
pub(crate) const TABLE: Register = if cfg!(windows) { Register::RDX } else { Register::RSI };
/// The largest lifted frame: a page, which the system's guard page protects.
const MAX_FRAME: i64 = 4096;
/// Bytes of a 128-bit vector.
pub(super) const NARROW: i64 = 16;
/// The registers that EVEX adds.
pub(super) const EXTRA: usize = 16;

/// Code lifted to `target`. `table` is the register that holds the constants' address on entry; `traffic`, and how many bytes ahead
/// of their use rows are asked for: without it they are not; `convert`: whether what stands for a conversion of f16 becomes one.
pub(crate) fn lift(
    code: &[u8],
    target: Target,
    table: Register,
    traffic: Option<(Traffic, i64)>,
    convert: bool,
) -> Result<Vec<u8>, Refusal> {
    let narrow = decode(code)?;
    check_restored(&narrow)?;
    let homes = if matches!(target, Target::Vex128 | Target::Vex256) {
        Homes::default()
    } else {
        Homes::choose(&narrow, table)
    };
    let mut wide: Vec<Instruction> = homes.loads(target, table);
    for instruction in narrow {
        if instruction.code() == Code::Retnq {
            let mut clear = Instruction::with(Code::VEX_Vzeroupper);
            clear.set_ip(instruction.ip());
            wide.push(clear);
            let mut ret = instruction;
            ret.set_ip(0);
            wide.push(ret);
        } else if let Some((shape, code)) = conversion(instruction.code(), target).filter(|_| convert) {
            wide.push(converted(&instruction, (shape, code), target)?);
            wide.extend(ask_ahead(&instruction, Some(shape), traffic));
        } else {
            let mut wider = widen(instruction, target, &homes)?;
            if matches!(traffic, Some((Traffic::Past, _))) && row_access(&instruction) == Some(Shape::Store) {
                wider.set_code(target.stream());
            }
            wide.push(wider);
            if makes_frame(&instruction) {
                // A spill across two cache lines cannot be forwarded to its load.
                let border = -(NARROW * target.factor());
                let align = Instruction::with2(Code::And_rm64_imm8, Register::RSP, border as i32);
                wide.push(align.map_err(|error| Refusal(error.to_string()))?);
            }
            wide.extend(ask_ahead(&instruction, row_access(&instruction), traffic));
        }
    }
    propagate(&mut wide);
    let block = InstructionBlock::new(&wide, 0);
    let encoded = BlockEncoder::encode(64, block, BlockEncoderOptions::NONE);
    encoded.map(|result| result.code_buffer).map_err(|error| Refusal(error.to_string()))
}

/// Whether an instruction takes a frame from the stack.
fn makes_frame(instruction: &Instruction) -> bool {
    let subtracts = matches!(instruction.code(), Code::Sub_rm64_imm8 | Code::Sub_rm64_imm32);
    subtracts && instruction.op0_register() == Register::RSP
}

/// Whether an instruction sets the stack back to the frame pointer.
fn restores_stack(instruction: &Instruction) -> bool {
    let moves = matches!(instruction.code(), Code::Mov_rm64_r64 | Code::Mov_r64_rm64);
    moves && instruction.op0_register() == Register::RSP && instruction.op1_register() == Register::RBP
}

/// A frame is aligned, so giving back its size is not enough: the frame pointer must be what restores the stack.
fn check_restored(instructions: &[Instruction]) -> Result<(), Refusal> {
    let gives_back = |instruction: &Instruction| {
        let adds = matches!(instruction.code(), Code::Add_rm64_imm8 | Code::Add_rm64_imm32);
        adds && instruction.op0_register() == Register::RSP
    };
    let framed = instructions.iter().any(makes_frame);
    let pairs = instructions.iter().zip(instructions.iter().skip(1).map(Some).chain([None]));
    let mut lost = pairs.filter(|(instruction, next)| {
        let left = instruction.code() == Code::Retnq && framed && !instructions.iter().any(restores_stack);
        left || (gives_back(instruction) && !next.is_some_and(restores_stack))
    });
    if lost.next().is_some() { refuse("the frame pointer does not restore the stack") } else { Ok(()) }
}

/// Whether an instruction loads a row's vector, or stores one.
fn row_access(instruction: &Instruction) -> Option<Shape> {
    let row = has_memory(instruction)
        && instruction.memory_index() != Register::None
        && instruction.memory_base() != Register::RSP;
    forms(instruction.code()).map(|forms| forms.shape).filter(|_| row)
}

/// What asks for the memory that an instruction's row will be in some vectors later.
fn ask_ahead(instruction: &Instruction, row: Option<Shape>, traffic: Option<(Traffic, i64)>) -> Option<Instruction> {
    let (traffic, ahead) = traffic?;
    let code = match (row?, traffic) {
        (Shape::Store | Shape::Narrow, Traffic::Beyond) => Code::Prefetchw_m8,
        // A row that an instruction computes with was loaded before, for its square.
        (Shape::Move | Shape::Widen, _) => Code::Prefetcht0_m8,
        _ => return None,
    };
    let (base, index) = (instruction.memory_base(), instruction.memory_index());
    let at = instruction.memory_displacement64() as i64 + ahead;
    let memory = MemoryOperand::with_base_index_scale_displ_size(base, index, instruction.memory_index_scale(), at, 8);
    Instruction::with1(code, memory).ok()
}

fn decode(code: &[u8]) -> Result<Vec<Instruction>, Refusal> {
    // Zero stands for “no address” among inserted instructions.
    let instructions: Vec<_> = Decoder::with_ip(64, code, 0x1000, DecoderOptions::NONE).into_iter().collect();
    match instructions.iter().find(|instruction| instruction.is_invalid()) {
        Some(bad) => refuse(format!("an instruction at {:#x} is not known", bad.ip() - 0x1000)),
        None => Ok(instructions),
    }
}

pub(super) fn has_memory(instruction: &Instruction) -> bool {
    instruction.op_kinds().any(|kind| kind == OpKind::Memory)
}

/// A conversion of f16, in the place of what stands for it.
fn converted(instruction: &Instruction, (shape, code): (Shape, Code), target: Target) -> Result<Instruction, Refusal> {
    if !has_memory(instruction) || instruction.memory_base() == Register::RSP {
        return refuse("a conversion without a row");
    }
    check_address(instruction)?;
    let memory = MemoryOperand::with_base_index_scale_displ_size(
        instruction.memory_base(),
        instruction.memory_index(),
        instruction.memory_index_scale(),
        instruction.memory_displacement64() as i64,
        instruction.memory_displ_size(),
    );
    let converted = if shape == Shape::Widen {
        Instruction::with2(code, target.register(instruction.op0_register().number()), memory)
    } else {
        // To nearest even.
        Instruction::with3(code, memory, target.register(instruction.op1_register().number()), 0)
    };
    let mut converted = converted.map_err(|error| Refusal(error.to_string()))?;
    converted.set_ip(instruction.ip());
    Ok(converted)
}

/// One instruction, wider.
fn widen(mut instruction: Instruction, target: Target, homes: &Homes) -> Result<Instruction, Refusal> {
    let ip = instruction.ip();
    let home = homes.register(&instruction);
    if has_memory(&instruction) {
        check_address(&instruction)?;
        if instruction.memory_base() == Register::RSP {
            let at = instruction.memory_displacement64() as i64 * target.factor();
            instruction.set_memory_displacement64(at as u64);
            instruction.set_memory_displ_size(u32::from(at != 0));
        }
    }
    let Some(forms) = forms(instruction.code()) else { return scalar(instruction, target) };
    if let (Some(number), Shape::Move | Shape::Store) = (home, forms.shape) {
        // Register to register: no matter which of the two was memory.
        let [to, from] = [0, 1].map(|operand| match instruction.op_kind(operand) {
            OpKind::Memory => target.register(number),
            _ => target.register(instruction.op_register(operand).number()),
        });
        let mut moved = Instruction::with2(target.moves().0, to, from).map_err(|error| Refusal(error.to_string()))?;
        moved.set_ip(ip);
        return Ok(moved);
    }
    if forms.shape == Shape::AlignedMove && has_memory(&instruction) {
        return refuse(format!("{:?} needs alignment", instruction.code()));
    }
    instruction.set_code(target.code(instruction.code(), forms));
    for operand in 0..instruction.op_count() {
        match instruction.op_kind(operand) {
            OpKind::Register => {
                let number = instruction.op_register(operand).number();
                instruction.set_op_register(operand, target.register(number));
            }
            OpKind::Memory => {
                if let Some(number) = home {
                    instruction.set_op_kind(operand, OpKind::Register);
                    instruction.set_op_register(operand, target.register(number));
                }
            }
            _ => {}
        }
    }
    Ok(instruction)
}

fn check_address(instruction: &Instruction) -> Result<(), Refusal> {
    match instruction.memory_base() {
        Register::RIP | Register::EIP => refuse("an operand lies beside the code"),
        Register::RBP => refuse("an operand is addressed by the frame pointer"),
        Register::RSP if instruction.memory_index() != Register::None => refuse("a stack slot is indexed"),
        _ => Ok(()),
    }
}

/// An instruction that is not on the list: allowed as it is if no vector register is involved. The frame grows.
fn scalar(mut instruction: Instruction, target: Target) -> Result<Instruction, Refusal> {
    let mut factory = InstructionInfoFactory::new();
    let vector = |used: &iced_x86::UsedRegister| {
        let register = used.register();
        register.is_vector_register() || register.is_k() || register.is_mm()
    };
    if factory.info(&instruction).used_registers().iter().any(vector) {
        return refuse(format!("{:?} is not on the list", instruction.code()));
    }
    let frame = matches!(
        instruction.code(),
        Code::Sub_rm64_imm8 | Code::Sub_rm64_imm32 | Code::Add_rm64_imm8 | Code::Add_rm64_imm32
    ) && instruction.op0_register() == Register::RSP;
    if frame {
        let size = instruction.immediate(1) as i64 * target.factor();
        if size > MAX_FRAME {
            return refuse(format!("the frame would be {size} bytes"));
        }
        let subtracts = matches!(instruction.code(), Code::Sub_rm64_imm8 | Code::Sub_rm64_imm32);
        let code = if subtracts { Code::Sub_rm64_imm32 } else { Code::Add_rm64_imm32 };
        let ip = instruction.ip();
        instruction =
            Instruction::with2(code, Register::RSP, size as i32).map_err(|error| Refusal(error.to_string()))?;
        instruction.set_ip(ip);
        return Ok(instruction);
    }
    let moves_stack = |used: &iced_x86::UsedRegister| {
        used.register() == Register::RSP && matches!(used.access(), OpAccess::Write | OpAccess::ReadWrite)
    };
    let known = match instruction.code() {
        Code::Push_r64 | Code::Pop_r64 | Code::Retnq => true,
        Code::Mov_rm64_r64 | Code::Mov_r64_rm64 => restores_stack(&instruction),
        _ => false,
    };
    if !known && factory.info(&instruction).used_registers().iter().any(moves_stack) {
        return refuse(format!("{:?} moves the stack", instruction.code()));
    }
    Ok(instruction)
}
