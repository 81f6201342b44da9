//! Straight-line code without the register moves that wider registers make needless.
//!
//! 128-bit code loads a constant into a register once for several instructions. Lifted, the constant has a register of its own
//! ([`lift`](super::lift)), and the load is a move between two. Where the copy is only read until something else is put
//! into its register, its readers read the original instead:
//!
//! ```text
//! vmovups zmm1, zmm25           (gone)
//! vmulps  zmm2, zmm0, zmm1      vmulps  zmm2, zmm0, zmm25
//! vaddps  zmm1, zmm2, zmm3      vaddps  zmm1, zmm2, zmm3
//! ```
//!
//! What cannot be followed (a jump, a copy that is changed, an original that is) keeps its move.

use std::collections::HashSet;

use iced_x86::{Code, FlowControl, Instruction, InstructionInfoFactory, OpAccess, OpKind, Register};

/// Leaves out moves from one vector register to another where it can.
pub(super) fn propagate(code: &mut Vec<Instruction>) {
    let targets: HashSet<u64> = code
        .iter()
        .filter(|instruction| instruction.op_kinds().any(|kind| kind == OpKind::NearBranch64))
        .map(Instruction::near_branch_target)
        .collect();
    let mut factory = InstructionInfoFactory::new();
    let mut index = 0;
    while index < code.len() {
        let needless = copy(&code[index])
            .filter(|_| !targets.contains(&code[index].ip()))
            .and_then(|(to, from)| readers(&code[index + 1..], to, from, &targets, &mut factory));
        let Some((from, readers)) = needless else {
            index += 1;
            continue;
        };
        for (place, operand) in readers {
            code[index + 1 + place].set_op_register(operand, from);
        }
        code.remove(index);
    }
}

/// Target and source of a move between two vector registers.
fn copy(instruction: &Instruction) -> Option<(Register, Register)> {
    let moves = matches!(instruction.code(), Code::EVEX_Vmovups_zmm_k1z_zmmm512 | Code::EVEX_Vmovups_ymm_k1z_ymmm256);
    let registers = instruction.op_kinds().all(|kind| kind == OpKind::Register);
    (moves && registers).then(|| (instruction.op0_register(), instruction.op1_register()))
}

/// The original, and where the copy `to` is read, as (instruction, operand), until it is overwritten; `None` where that cannot
/// be told, or where a reader could not read the original.
fn readers(
    code: &[Instruction],
    to: Register,
    from: Register,
    targets: &HashSet<u64>,
    factory: &mut InstructionInfoFactory,
) -> Option<(Register, Vec<(usize, u32)>)> {
    let mut readers = vec![];
    for (place, instruction) in code.iter().enumerate() {
        if instruction.flow_control() != FlowControl::Next || targets.contains(&instruction.ip()) {
            return None;
        }
        let info = factory.info(instruction);
        let mut overwritten = false;
        let mut changed = false;
        for operand in 0..instruction.op_count() {
            if instruction.op_kind(operand) != OpKind::Register {
                continue;
            }
            let (register, access) = (instruction.op_register(operand), info.op_access(operand));
            match access {
                OpAccess::Read if register == to => readers.push((place, operand)),
                OpAccess::Write if register == to => overwritten = true,
                OpAccess::Read => {}
                _ if register == to => return None,
                _ => changed |= register == from,
            }
        }
        if overwritten {
            return Some((from, readers));
        }
        if changed {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use Register::{ZMM0, ZMM1, ZMM2, ZMM3, ZMM25};

    fn move_to(to: Register, from: Register) -> Instruction {
        Instruction::with2(Code::EVEX_Vmovups_zmm_k1z_zmmm512, to, from).unwrap()
    }

    fn multiply(to: Register, a: Register, b: Register) -> Instruction {
        Instruction::with3(Code::EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er, to, a, b).unwrap()
    }

    fn fused(to: Register, a: Register, b: Register) -> Instruction {
        Instruction::with3(Code::EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er, to, a, b).unwrap()
    }

    fn propagated(code: &[Instruction]) -> Vec<Instruction> {
        let mut code = code.to_vec();
        propagate(&mut code);
        code
    }

    #[test]
    fn a_copy_that_is_only_read_goes() {
        let before =
            [move_to(ZMM1, ZMM25), multiply(ZMM2, ZMM0, ZMM1), fused(ZMM2, ZMM1, ZMM1), multiply(ZMM1, ZMM1, ZMM0)];
        let after = [multiply(ZMM2, ZMM0, ZMM25), fused(ZMM2, ZMM25, ZMM25), multiply(ZMM1, ZMM25, ZMM0)];
        assert_eq!(propagated(&before), after);
    }

    #[test]
    fn a_copy_stays_that_is_changed_or_outlives_its_original_or_the_code() {
        for rest in [
            vec![fused(ZMM1, ZMM0, ZMM2), multiply(ZMM1, ZMM2, ZMM2)],
            vec![multiply(ZMM25, ZMM0, ZMM2), multiply(ZMM3, ZMM1, ZMM1), multiply(ZMM1, ZMM2, ZMM2)],
            vec![multiply(ZMM3, ZMM1, ZMM1)],
            vec![multiply(ZMM3, ZMM1, ZMM1), Instruction::with(Code::Retnq), multiply(ZMM1, ZMM2, ZMM2)],
        ] {
            let before: Vec<_> = std::iter::once(move_to(ZMM1, ZMM25)).chain(rest).collect();
            assert_eq!(propagated(&before), before);
        }
    }

    #[test]
    fn a_move_that_is_jumped_to_stays_and_ends_what_is_followed() {
        let mut entry = multiply(ZMM3, ZMM1, ZMM1);
        entry.set_ip(0x40);
        let jump = Instruction::with_branch(Code::Jmp_rel32_64, 0x40).unwrap();
        let before = [move_to(ZMM1, ZMM25), entry, multiply(ZMM1, ZMM2, ZMM2), jump];
        assert_eq!(propagated(&before), before);
    }
}
