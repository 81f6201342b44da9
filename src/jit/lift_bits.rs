//! Tests of what lifted code computes: the bits of the code that it was lifted from, at every width; and wrong lifts are seen.

use half::{bf16, f16};
use iced_x86::{Code, Decoder, DecoderOptions, Encoder, Instruction};

use super::host::{self, Vectors};
use super::kernel::{CompiledKernel, machine_code};
use super::lift::Target;
use super::lift_tests::TARGETS;
use super::main_kernel;
use super::plan_space::{is_cached, plans_of_f32, plans_of_kinds};
use crate::codegen::backward;
use crate::codegen::block::Layout;
use crate::codegen::{Kernel, Sums, Traffic};
use crate::plan::Plan;
use crate::task::Stage;
use crate::{LrnConfig, Number};

/// Bytes of the widest vector.
const VECTOR: usize = 64;

/// Bytes of an element.
fn size(number: Number) -> usize {
    match number {
        Number::F64 => 8,
        Number::F32 => 4,
        Number::F16 | Number::Bf16 => 2,
    }
}

/// The bytes of the element nearest to a value.
fn bytes(number: Number, value: f64) -> Vec<u8> {
    match number {
        Number::F64 => value.to_ne_bytes().into(),
        Number::F32 => (value as f32).to_ne_bytes().into(),
        Number::F16 => f16::from_f64(value).to_ne_bytes().into(),
        Number::Bf16 => bf16::from_f64(value).to_ne_bytes().into(),
    }
}

/// The bits of an element; all of them for any NaN.
fn bits(number: Number, bytes: &[u8]) -> u64 {
    macro_rules! of {
        ($element:ty) => {{
            let value = <$element>::from_ne_bytes(bytes.try_into().expect("an element"));
            if value.is_nan() { u64::MAX } else { value.to_bits().into() }
        }};
    }
    match number {
        Number::F64 => of!(f64),
        Number::F32 => of!(f32),
        Number::F16 => of!(f16),
        Number::Bf16 => of!(bf16),
    }
}

/// Rows of numbers of all kinds.
fn rows(number: Number, count: usize, elements: usize) -> Vec<Vec<u8>> {
    let special = match number {
        Number::F16 => [0.0, -0.0, 6e-8, f64::INFINITY, f64::NAN, 6e4, -1e-5, 3.0],
        Number::F64 => [0.0, -0.0, 1e-310, f64::INFINITY, f64::NAN, 1e200, -1e-170, 3.0],
        Number::F32 | Number::Bf16 => [0.0, -0.0, 1e-40, f64::INFINITY, f64::NAN, 1e30, -1e-20, 3.0],
    };
    let mut state = 7u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if state >> 60 == 0 {
            special[(state >> 40) as usize % 8]
        } else {
            (state >> 8) as f64 / (1u64 << 48) as f64 - 128.0
        }
    };
    (0..count).map(|_| (0..elements).flat_map(|_| bytes(number, draw())).collect()).collect()
}

/// How many rows a kernel reads, and how many it writes.
fn counts(plan: &Plan, kernel: Kernel) -> (usize, usize) {
    match kernel {
        Kernel::Block { channels, stage, .. } => {
            (Layout::new(plan, stage, channels).output(0), channels * stage.outputs())
        }
        Kernel::Backward { channels, .. } => {
            let rows = backward::Rows::new(plan, channels);
            let inputs = rows.taps + channels + rows.carried_h + rows.carried_r;
            (inputs, channels + rows.left_h() + rows.left_r())
        }
        Kernel::Elementwise { stage, sums, .. } => {
            let later = usize::from(sums == Sums::Rolling);
            (sums.rows(plan) * stage.terms().len() + stage.inputs() + later, later + stage.outputs())
        }
        Kernel::Accumulate | Kernel::Combine { .. } => unreachable!("rows are not all alike"),
    }
}

/// What a kernel gives.
fn run(compiled: &CompiledKernel, plan: &Plan, kernel: Kernel, elements: usize) -> Vec<u64> {
    let (inputs, outputs) = counts(plan, kernel);
    let length = elements * size(plan.number);
    // What is read of a later index goes further, and depends on the vectors' width: tests/regions_bitwise.rs has what comes of it.
    let later = matches!(kernel, Kernel::Elementwise { sums: Sums::Rolling, .. });
    let further = if later { plan.reach_taps() * VECTOR / size(plan.number) } else { 0 };
    let inputs = rows(plan.number, inputs, elements + further);
    let mut outputs = vec![vec![0u8; length]; outputs];
    let mut addresses: Vec<*const u8> = inputs.iter().map(|row| row.as_ptr()).collect();
    addresses.extend(outputs.iter_mut().map(|row| row.as_mut_ptr().cast_const()));
    // SAFETY: the kernel's rows, in its order, each of as many bytes.
    unsafe { compiled.call(&addresses, length) };
    let outputs = &outputs[usize::from(later)..];
    outputs.iter().flat_map(|row| row.chunks(size(plan.number))).map(|element| bits(plan.number, element)).collect()
}

fn compiled(plan: &Plan, kernel: Kernel, vectors: Vectors) -> CompiledKernel {
    let compiled = CompiledKernel::new(plan, kernel, vectors);
    let compiled = compiled.unwrap_or_else(|error| panic!("{kernel:?}, {} {plan}: {error}", plan.number));
    assert_eq!(compiled.refusal(), None, "{vectors:?} {kernel:?}, {} {plan}", plan.number);
    compiled
}

/// What this host can run beside 128 bits.
fn host_targets() -> Vec<Target> {
    let has = |target: &Target| match target {
        Target::Vex128 | Target::Vex256 => host::vectors(crate::Width::W256).is_ok(),
        Target::Evex256 | Target::Evex512 => host::vectors(crate::Width::W512).is_ok(),
    };
    TARGETS.into_iter().filter(has).collect()
}

/// One vector, and some with a part of one.
fn lengths(number: Number) -> [usize; 2] {
    let lanes = VECTOR / size(number);
    [lanes, 2 * lanes + 5]
}

#[test]
fn every_plan_gives_the_same_bits_at_every_target() {
    let of_f32 = plans_of_f32().into_iter().map(|plan| {
        let main = main_kernel(&plan);
        (plan, vec![main])
    });
    let mut compared = 0;
    for (plan, kernels) in of_f32.chain(plans_of_kinds()) {
        for kernel in kernels.into_iter().filter(is_cached) {
            if matches!(kernel, Kernel::Accumulate | Kernel::Combine { .. }) {
                continue;
            }
            let narrow = compiled(&plan, kernel, Vectors::Narrow);
            for target in host_targets() {
                let wide = compiled(&plan, kernel, Vectors::Wide(target));
                for elements in lengths(plan.number) {
                    let same = run(&wide, &plan, kernel, elements) == run(&narrow, &plan, kernel, elements);
                    assert!(same, "{target:?} {kernel:?} {}\n{plan}", plan.number);
                    compared += 1;
                }
            }
        }
    }
    println!("{compared} comparisons");
    assert!(compared > 8000 || host_targets().is_empty());
}

/// The same instruction doing something else, where it has a neighbour of the same length.
fn mutate(instruction: &Instruction) -> Option<Instruction> {
    let mut other = *instruction;
    let code = format!("{:?}", instruction.code());
    let swap =
        |from: &str, to: &str| Code::values().find(|code_of| format!("{code_of:?}") == code.replacen(from, to, 1));
    let pairs = [
        ("Vaddp", "Vsubp"),
        ("Vsubp", "Vaddp"),
        ("Vmulp", "Vaddp"),
        ("Vfmadd213p", "Vfmadd132p"),
        ("Vfmadd132p", "Vfmadd231p"),
        ("Vpsubd", "Vpaddd"),
        ("Vpaddd", "Vpsubd"),
        ("Vpsubq", "Vpaddq"),
        ("Vpaddq", "Vpsubq"),
        ("Vpandd", "Vpord"),
        ("Vpand_", "Vpor_"),
        ("Vpsrad", "Vpsrld"),
        ("Vpsrld", "Vpslld"),
        ("Vpslld", "Vpsrld"),
        ("Vpsrlq", "Vpsllq"),
        ("Vpsllq", "Vpsrlq"),
        ("Vminp", "Vmaxp"),
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
    let forward = |plan: &Plan| main_kernel(plan);
    let block = |channels, stage| Kernel::Block { channels, traffic: Traffic::Cached, stage, convert: false };
    let gradient = |_: &Plan| block(4, Stage::Gradient);
    // Its halves by their bits.
    let halves = |_: &Plan| block(8, Stage::Forward);
    type Choice<'a> = &'a dyn Fn(&Plan) -> Kernel;
    let kernels: [(LrnConfig, Number, Choice<'_>); 7] = [
        (LrnConfig::new(3).k(1.25), Number::F32, &forward),
        (LrnConfig::new(2).k(1.25).beta(0.6), Number::F32, &forward),
        (LrnConfig::new(3).k(1.25), Number::F64, &forward),
        (LrnConfig::new(2).k(1.25), Number::F64, &gradient),
        (LrnConfig::new(3).k(1.25), Number::F16, &halves),
        (LrnConfig::new(3).k(1.25), Number::F16, &forward),
        (LrnConfig::new(2).k(1.25).beta(0.6), Number::Bf16, &forward),
    ];
    for (config, number, kernel) in kernels {
        let plan = Plan::new(&config.alpha(3.7).resolve().unwrap(), number);
        let kernel = kernel(&plan);
        let vectors = Vectors::Wide(target);
        let (code, constants) = machine_code(&plan, kernel, vectors, &**isa).unwrap().unwrap();
        let expected = run(&compiled(&plan, kernel, Vectors::Narrow), &plan, kernel, 512);
        let (mut mutants, mut seen) = (0, 0);
        for instruction in Decoder::with_ip(64, &code, 0, DecoderOptions::NONE).iter() {
            let Some(mutant) = mutate(&instruction) else { continue };
            let mut encoder = Encoder::new(64);
            if encoder.encode(&mutant, instruction.ip()).ok() != Some(instruction.len()) {
                continue;
            }
            let (mut wrong, at) = (code.clone(), instruction.ip() as usize);
            wrong[at..at + instruction.len()].copy_from_slice(&encoder.take_buffer());
            let other = CompiledKernel::place(&wrong, &constants, vectors, None).unwrap();
            mutants += 1;
            let differs = run(&other, &plan, kernel, 512) != expected;
            seen += usize::from(differs);
            if !differs {
                println!("not seen: {mutant} for {instruction}");
            }
        }
        println!("{number} {plan}\n{seen} of {mutants} mutants seen");
        // Squares hide what only changes a sign, and rounding to eight or eleven bits the rest.
        let hidden = if number == number.lane() { 0 } else { mutants / 20 };
        assert!(mutants > 100 && seen + hidden >= mutants, "{seen} of {mutants} of {number}\n{plan}");
    }
}
