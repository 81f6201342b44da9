//! [`Homes`]: which places in memory live in a register. Cranelift knows 16 registers, EVEX 32: the 16 places that are read most, constants of
//! the table (if its address is never overwritten) and spilled vectors (if nothing else overlaps them), live in zmm16 to zmm31.

use std::collections::BTreeMap;

use iced_x86::{Instruction, InstructionInfoFactory, MemoryOperand, OpAccess, Register};

use super::lift::{EXTRA, NARROW, Target, has_memory};
use super::lift_table::{Shape, forms};

/// A place in memory that holds one vector, as 128-bit code names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Constant(i64),
    Spill(i64),
}

/// Places that live in a register.
#[derive(Default)]
pub(super) struct Homes {
    table: Option<Register>,
    registers: BTreeMap<Place, usize>,
}

impl Homes {
    /// Gives the most used places a register each.
    pub(super) fn choose(instructions: &[Instruction], table: Register) -> Self {
        let mut factory = InstructionInfoFactory::new();
        let written =
            |access| !matches!(access, OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess);
        let mut table = Some(table);
        let mut uses: BTreeMap<Place, usize> = BTreeMap::new();
        // Bytes of the stack that are used otherwise than as whole vectors.
        let mut other: Vec<(i64, i64)> = vec![];
        for instruction in instructions {
            let info = factory.info(instruction);
            let overwrites = |used: &iced_x86::UsedRegister| {
                Some(used.register().full_register()) == table && written(used.access())
            };
            if info.used_registers().iter().any(overwrites) {
                table = None;
            }
            for memory in info.used_memory() {
                if memory.base() == Register::RSP && forms(instruction.code()).is_none() {
                    let start = memory.displacement() as i64;
                    other.push((start, start + memory.memory_size().size() as i64));
                }
            }
            if let Some(place) = place(instruction, table) {
                *uses.entry(place).or_default() += 1;
            }
        }
        let overlaps = |start: i64, end: i64, at: i64| at < end && start < at + NARROW;
        uses.retain(|place, _| match *place {
            Place::Constant(_) => table.is_some(),
            Place::Spill(at) => !other.iter().any(|&(start, end)| overlaps(start, end, at)),
        });
        let spills: Vec<i64> =
            uses.keys().filter_map(|place| if let Place::Spill(at) = place { Some(*at) } else { None }).collect();
        uses.retain(|place, _| match *place {
            Place::Constant(_) => true,
            Place::Spill(at) => !spills.iter().any(|&other| other != at && overlaps(other, other + NARROW, at)),
        });
        let mut order: Vec<(Place, usize)> = uses.into_iter().collect();
        order.sort_by_key(|&(place, count)| (std::cmp::Reverse(count), place));
        let registers =
            order.into_iter().take(EXTRA).enumerate().map(|(index, (place, _))| (place, EXTRA + index)).collect();
        Self { table, registers }
    }

    /// The register of the place an instruction's memory operand names.
    pub(super) fn register(&self, instruction: &Instruction) -> Option<usize> {
        self.registers.get(&place(instruction, self.table)?).copied()
    }

    /// Loads of the constants.
    pub(super) fn loads(&self, target: Target, table: Register) -> Vec<Instruction> {
        let constants = self.registers.iter().filter_map(|(place, &number)| match *place {
            Place::Constant(at) => Some((at, number)),
            Place::Spill(_) => None,
        });
        constants
            .filter_map(|(at, number)| {
                let memory = MemoryOperand::with_base_displ(table, at);
                Instruction::with2(target.moves().0, target.register(number), memory).ok()
            })
            .collect()
    }
}

/// The place that a vector instruction's memory operand names.
fn place(instruction: &Instruction, table: Option<Register>) -> Option<Place> {
    let shape = forms(instruction.code())?.shape;
    if shape == Shape::Zero || !has_memory(instruction) || instruction.memory_index() != Register::None {
        return None;
    }
    let at = instruction.memory_displacement64() as i64;
    match instruction.memory_base() {
        Register::RSP => Some(Place::Spill(at)),
        base if Some(base) == table && shape != Shape::Store => Some(Place::Constant(at)),
        _ => None,
    }
}
