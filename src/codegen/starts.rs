//! Where the rows of a kernel start.
//!
//! The first argument of a kernel is an array of addresses. To load a row's before each of its vectors is an instruction of about
//! thirteen, and what a processor looks ahead is counted in instructions: the rows that are read most are kept in registers.

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;

use super::clif_lanes::in_bounds;

/// Rows whose starts are kept in registers, at most: what loops leave.
const IN_REGISTERS: usize = 8;

/// The start of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    /// It stands at a place of an array.
    At(Value, usize),
    Register(Value),
}

impl Start {
    /// The address, loaded if it is not in a register.
    pub(super) fn value(self, builder: &mut FunctionBuilder<'_>) -> Value {
        match self {
            Self::At(rows, row) => builder.ins().load(I64, in_bounds().with_aligned(), rows, slot(row)),
            Self::Register(start) => start,
        }
    }
}

/// The starts of all rows.
#[derive(Debug, Clone)]
pub(crate) struct Starts {
    rows: Value,
    /// Of some rows.
    registers: Vec<(usize, Value)>,
}

impl Starts {
    /// Loads those of the first of the rows `read_most`.
    pub(super) fn new(
        builder: &mut FunctionBuilder<'_>,
        rows: Value,
        read_most: impl IntoIterator<Item = usize>,
    ) -> Self {
        let load = |row| (row, Start::At(rows, row).value(builder));
        Self { rows, registers: read_most.into_iter().take(IN_REGISTERS).map(load).collect() }
    }

    pub(super) fn of(&self, row: usize) -> Start {
        let register = self.registers.iter().find(|(of, _)| *of == row);
        register.map_or(Start::At(self.rows, row), |&(_, start)| Start::Register(start))
    }
}

/// The place of a row's address among the rows.
pub(super) fn slot(row: usize) -> i32 {
    i32::try_from(row * size_of::<u64>()).expect("a kernel has few rows")
}
