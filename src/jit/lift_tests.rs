//! Tests of [`lift`](super::lift): nothing of the plan space is refused, everything that must be is, and wrong lifts are seen.

use iced_x86::{Code, Decoder, DecoderOptions, Encoder, Instruction, MemoryOperand, Register};

use super::host::{self, Vectors};
use super::kernel::{CompiledKernel, machine_code};
use super::lift::{TABLE, Target, lift};
use super::lift_table::LIST;
use super::main_kernel;
use super::tests::{all_kernels, plans};
use crate::codegen::Kernel;
use crate::codegen::block::Layout;
use crate::plan::Plan;
use crate::task::Stage;
use crate::{LrnConfig, Number};

const TARGETS: [Target; 3] = [Target::Vex256, Target::Evex256, Target::Evex512];

#[test]
fn nothing_of_the_plan_space_is_refused() {
    let isa = host::isa_for("x86_64-unknown-linux-gnu".parse().unwrap()).unwrap();
    let (mut lifted, mut refused) = (0, vec![]);
    for plan in plans() {
        for kernel in all_kernels(&plan) {
            for target in TARGETS {
                match machine_code(&plan, kernel, Vectors::Wide(target), &*isa).unwrap() {
                    Ok(_) => lifted += 1,
                    Err(refusal) => refused.push(format!("{target:?} {kernel:?}: {refusal}\n{plan}")),
                }
            }
        }
    }
    assert!(lifted > 3000, "{lifted}");
    assert_eq!(refused.len(), 0, "{}", refused[0]);
}

#[test]
fn the_list_is_what_kernels_use() {
    let isa = host::isa_for("x86_64-unknown-linux-gnu".parse().unwrap()).unwrap();
    let mut used = std::collections::HashSet::new();
    for plan in plans() {
        for kernel in all_kernels(&plan) {
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

/// Rows of numbers of all kinds.
fn rows(count: usize, elements: usize) -> Vec<Vec<f32>> {
    let special = [0.0, -0.0, 1e-40, f32::INFINITY, f32::NAN, 1e30, -1e-20, 3.0];
    let mut state = 7u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 28 == 0 { special[(state >> 20) as usize % 8] } else { (state >> 8) as f32 / 65536.0 - 128.0 }
    };
    (0..count).map(|_| (0..elements).map(|_| draw()).collect()).collect()
}

/// What a block kernel gives.
fn run(kernel: &CompiledKernel, plan: &Plan, channels: usize, elements: usize) -> Vec<u32> {
    let inputs = rows(Layout::new(plan, Stage::Forward, channels).taps, elements);
    let mut outputs = vec![vec![0.0f32; elements]; channels];
    let mut addresses: Vec<*const u8> = inputs.iter().map(|row| row.as_ptr().cast()).collect();
    addresses.extend(outputs.iter_mut().map(|row| row.as_mut_ptr().cast_const().cast()));
    // SAFETY: the kernel's rows, in its order, each of `elements`.
    unsafe { kernel.call(&addresses, elements * size_of::<f32>()) };
    let canonical = |y: &f32| if y.is_nan() { 0x7fc0_0000 } else { y.to_bits() };
    outputs.iter().flatten().map(canonical).collect()
}

fn compiled(plan: &Plan, vectors: Vectors) -> CompiledKernel {
    let kernel = CompiledKernel::new(plan, main_kernel(plan), vectors).unwrap();
    assert_eq!(kernel.refusal(), None);
    kernel
}

/// What this host can run beside 128 bits.
fn host_targets() -> Vec<Target> {
    let has = |target: &Target| match target {
        Target::Vex128 | Target::Vex256 => host::vectors(crate::Width::W256).is_ok(),
        Target::Evex256 | Target::Evex512 => host::vectors(crate::Width::W512).is_ok(),
    };
    TARGETS.into_iter().filter(has).collect()
}

#[test]
fn every_plan_gives_the_same_bits_at_every_target() {
    let mut compared = 0;
    for plan in plans() {
        let Kernel::Block { channels, .. } = main_kernel(&plan) else { continue };
        for elements in [16, 37] {
            let expected = run(&compiled(&plan, Vectors::Narrow), &plan, channels, elements);
            for target in host_targets() {
                assert!(
                    run(&compiled(&plan, Vectors::Wide(target)), &plan, channels, elements) == expected,
                    "{target:?}\n{plan}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 0 || host_targets().is_empty());
}

/// The same instruction doing something else, where it has a neighbour of the same length.
fn mutate(instruction: &Instruction) -> Option<Instruction> {
    let mut other = *instruction;
    let code = format!("{:?}", instruction.code());
    let swap =
        |from: &str, to: &str| Code::values().find(|code_of| format!("{code_of:?}") == code.replacen(from, to, 1));
    let pairs = [
        ("Vaddps", "Vsubps"),
        ("Vsubps", "Vaddps"),
        ("Vmulps", "Vaddps"),
        ("Vfmadd213ps", "Vfmadd132ps"),
        ("Vfmadd132ps", "Vfmadd231ps"),
        ("Vpsubd", "Vpaddd"),
        ("Vpaddd", "Vpsubd"),
        ("Vpandd", "Vpord"),
        ("Vpand_", "Vpor_"),
        ("Vpsrad", "Vpsrld"),
        ("Vpsrld", "Vpslld"),
        ("Vpslld", "Vpsrld"),
        ("Vminps", "Vmaxps"),
    ];
    let (from, to) = pairs.into_iter().find(|(from, _)| code.contains(from))?;
    other.set_code(swap(from, to).or_else(|| swap(from, to.trim_end_matches('_')))?);
    Some(other)
}

/// Each computing instruction of the lifted code is replaced by another in turn: the comparison must see it.
#[test]
fn a_wrong_lift_is_seen() {
    let Some(&target) = host_targets().last() else { return };
    let isa = host::isa().unwrap();
    for config in [LrnConfig::new(3).k(1.25), LrnConfig::new(2).k(1.25).beta(0.6)] {
        let plan = Plan::new(&config.alpha(3.7).resolve().unwrap(), Number::F32);
        let Kernel::Block { channels, .. } = main_kernel(&plan) else { unreachable!("a short window") };
        let vectors = Vectors::Wide(target);
        let (code, constants) = machine_code(&plan, main_kernel(&plan), vectors, &**isa).unwrap().unwrap();
        let expected = run(&compiled(&plan, Vectors::Narrow), &plan, channels, 512);
        let (mut mutants, mut seen) = (0, 0);
        for instruction in Decoder::with_ip(64, &code, 0, DecoderOptions::NONE).iter() {
            let Some(mutant) = mutate(&instruction) else { continue };
            let mut encoder = Encoder::new(64);
            if encoder.encode(&mutant, instruction.ip()).ok() != Some(instruction.len()) {
                continue;
            }
            let (mut wrong, at) = (code.clone(), instruction.ip() as usize);
            wrong[at..at + instruction.len()].copy_from_slice(&encoder.take_buffer());
            let kernel = CompiledKernel::place(&wrong, &constants, vectors, None).unwrap();
            mutants += 1;
            let differs = run(&kernel, &plan, channels, 512) != expected;
            seen += usize::from(differs);
            if !differs {
                println!("not seen: {mutant} for {instruction}");
            }
        }
        println!("{plan}\n{seen} of {mutants} mutants seen");
        assert!(mutants > 100 && seen == mutants, "{seen} of {mutants}\n{plan}");
    }
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
