//! Tests of [`lift`](super::lift): nothing of the plan space is refused, and everything that must be is.

use iced_x86::{Code, Decoder, DecoderOptions, Encoder, Instruction, MemoryOperand, Register};

use super::host::{self, Vectors};
use super::kernel::machine_code;
use super::lift::{TABLE, Target, lift};
use super::lift_table::LIST;
use super::plan_space::{is_cached, plan_space};
use crate::codegen::Kernel;
use crate::plan::Plan;
use crate::task::Stage;
use crate::{LrnConfig, Number};

pub(super) const TARGETS: [Target; 3] = [Target::Vex256, Target::Evex256, Target::Evex512];

#[test]
fn nothing_of_the_plan_space_is_refused() {
    let isa = host::isa_for("x86_64-unknown-linux-gnu".parse().unwrap()).unwrap();
    let (mut lifted, mut refused) = (0, vec![]);
    for (plan, kernels) in plan_space() {
        for kernel in kernels {
            for target in TARGETS {
                match machine_code(&plan, kernel, Vectors::Wide(target), &*isa) {
                    Ok(Ok(_)) => lifted += 1,
                    Err(error) => panic!("{kernel:?}, {} {plan}: {error}", plan.number),
                    Ok(Err(refusal)) => refused.push(format!("{target:?} {kernel:?}: {refusal}\n{plan}")),
                }
            }
        }
    }
    println!("{lifted} lifted, {} refused", refused.len());
    refused.iter().for_each(|refused| println!("{refused}"));
    assert!(refused.is_empty(), "{} refused, the first: {}", refused.len(), refused[0]);
    assert!(lifted > 15_000, "{lifted}");
}

#[test]
fn the_list_is_what_kernels_use() {
    let isa = host::isa_for("x86_64-unknown-linux-gnu".parse().unwrap()).unwrap();
    let mut used = std::collections::HashSet::new();
    for (plan, kernels) in plan_space() {
        for kernel in kernels.into_iter().filter(is_cached) {
            let (code, _) = machine_code(&plan, kernel, Vectors::Narrow, &*isa).unwrap().unwrap();
            used.extend(
                Decoder::with_ip(64, &code, 0, DecoderOptions::NONE).iter().map(|instruction| instruction.code()),
            );
        }
    }
    // The other spellings of moves are there in case Cranelift changes its mind.
    let unused: Vec<_> = LIST.iter().filter(|code| !used.contains(code)).map(|code| format!("{code:?}")).collect();
    assert!(unused.iter().all(|name| name.contains("ov") || name.contains("fmadd")), "{unused:?}");
}

/// A function of these instructions and a return.
fn assemble(instructions: &[Instruction]) -> Vec<u8> {
    let mut encoder = Encoder::new(64);
    for instruction in instructions.iter().chain(&[Instruction::with(Code::Retnq)]) {
        encoder.encode(instruction, 0).unwrap();
    }
    encoder.take_buffer()
}

#[test]
fn what_is_not_lane_wise_or_not_known_is_refused() {
    use Register::{RAX, RIP, RSP, XMM0, XMM1, XMM2};
    let with3 = |code, c: Register| Instruction::with3(code, XMM0, XMM1, c).unwrap();
    let beside = MemoryOperand::with_base_displ(RIP, 0x40);
    let indexed = MemoryOperand::with_base_index(RSP, RAX);
    let cases = [
        ("beside the code", Instruction::with2(Code::VEX_Vmovups_xmm_xmmm128, XMM0, beside).unwrap()),
        ("indexed", Instruction::with2(Code::VEX_Vmovups_xmm_xmmm128, XMM0, indexed).unwrap()),
        ("not on the list", Instruction::with3(Code::VEX_Vpshufd_xmm_xmmm128_imm8, XMM0, XMM1, 0x1b).unwrap()),
        ("not on the list", Instruction::with4(Code::VEX_Vshufps_xmm_xmm_xmmm128_imm8, XMM0, XMM1, XMM2, 0).unwrap()),
        ("not on the list", Instruction::with4(Code::VEX_Vcmpps_xmm_xmm_xmmm128_imm8, XMM0, XMM1, XMM2, 1).unwrap()),
        ("not on the list", with3(Code::VEX_Vhaddps_xmm_xmm_xmmm128, XMM2)),
        ("not on the list", with3(Code::VEX_Vpslld_xmm_xmm_xmmm128, XMM2)),
        ("not on the list", Instruction::with2(Code::VEX_Vcvtdq2pd_xmm_xmmm64, XMM0, XMM1).unwrap()),
        ("not on the list", Instruction::with2(Code::VEX_Vmovq_rm64_xmm, RAX, XMM0).unwrap()),
        ("needs alignment", Instruction::with2(Code::Movdqa_xmm_xmmm128, XMM0, MemoryOperand::with_base(RAX)).unwrap()),
        ("moves the stack", Instruction::with2(Code::And_rm64_imm8, RSP, -64).unwrap()),
        ("does not restore", Instruction::with2(Code::Sub_rm64_imm8, RSP, 64).unwrap()),
        ("does not restore", Instruction::with2(Code::Add_rm64_imm8, RSP, 64).unwrap()),
    ];
    for (reason, instruction) in cases {
        let refusal = lift(&assemble(&[instruction]), Target::Evex512, TABLE, None, false).unwrap_err();
        assert!(refusal.to_string().contains(reason), "{instruction}: {refusal}");
    }
    let long = [
        Instruction::with2(Code::Sub_rm64_imm32, RSP, 0x800).unwrap(),
        Instruction::with2(Code::Mov_r64_rm64, RSP, Register::RBP).unwrap(),
    ];
    let refusal = lift(&assemble(&long), Target::Evex512, TABLE, None, false).unwrap_err();
    assert!(refusal.to_string().contains("the frame would be"), "{refusal}");
    let refusal = lift(&[0x06], Target::Evex512, TABLE, None, false).unwrap_err();
    assert!(refusal.to_string().contains("not known"), "{refusal}");
}

#[test]
fn a_constant_stays_in_memory_where_its_address_is_overwritten() {
    let load = |base| {
        Instruction::with2(Code::VEX_Vmovups_xmm_xmmm128, Register::XMM0, MemoryOperand::with_base_displ(base, 64))
            .unwrap()
    };
    let other = if TABLE == Register::RSI { Register::RDX } else { Register::RSI };
    let count = |instructions: &[Instruction]| {
        let code = lift(&assemble(instructions), Target::Evex512, TABLE, None, false).unwrap();
        let lifted: Vec<Instruction> = Decoder::with_ip(64, &code, 0, DecoderOptions::NONE).iter().collect();
        // Loads into the registers that only EVEX has.
        lifted
            .iter()
            .filter(|instruction| {
                instruction.op0_register().number() >= 16 && instruction.memory_base() != Register::None
            })
            .count()
    };
    assert_eq!(count(&[load(TABLE), load(TABLE)]), 1);
    assert_eq!(count(&[load(other)]), 0);
    assert_eq!(count(&[load(TABLE), Instruction::with2(Code::Mov_r64_rm64, TABLE, other).unwrap(), load(TABLE)]), 0);
}

#[test]
fn rows_are_asked_for_and_lines_go_past_the_caches() {
    use crate::codegen::Traffic;
    let isa = host::isa_for("x86_64-unknown-linux-gnu".parse().unwrap()).unwrap();
    let plan = Plan::new(&LrnConfig::new(5).resolve().unwrap(), Number::F32);
    for target in TARGETS {
        for (traffic, loads, stores, past) in
            [(Traffic::Cached, 12, 0, 0), (Traffic::Beyond, 12, 8, 0), (Traffic::Past, 12, 0, 8)]
        {
            let kernel = Kernel::Block { channels: 8, traffic, stage: Stage::Forward, convert: false };
            let (code, _) = machine_code(&plan, kernel, Vectors::Wide(target), &*isa).unwrap().unwrap();
            let names: Vec<String> = Decoder::with_ip(64, &code, 0, DecoderOptions::NONE)
                .iter()
                .map(|instruction| format!("{:?}", instruction.mnemonic()))
                .collect();
            let count = |name: &str| names.iter().filter(|other| *other == name).count();
            assert_eq!(
                (count("Prefetcht0"), count("Prefetchw"), count("Vmovntps")),
                (loads, stores, past),
                "{traffic:?}"
            );
        }
    }
}
