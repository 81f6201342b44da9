//! [`ConstantTable`]: the constants of a kernel, in a table that it gets as an argument, each written out to [`SLOT_BYTES`], so that code
//! of any vector width reads the same table and no constant pool lies behind the code.

use cranelift_frontend::FunctionBuilder;

use super::listing::Notes;
use crate::arithmetic::format::Format;
use crate::number::Number;

/// Bytes of a constant in the table: the widest vector there is.
pub(crate) const SLOT_BYTES: usize = 64;

/// Constants of a kernel, each once.
#[derive(Debug, Clone)]
pub(crate) struct ConstantTable {
    /// Of the elements: it decides about the lanes.
    pub(super) number: Number,
    pub(super) bits: Vec<u64>,
    /// For code that is printed. They travel with the table, which goes wherever instructions are emitted.
    pub(crate) notes: Option<Notes>,
}

/// One constant, in every lane of the widest vector.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Slot(pub(crate) [u32; SLOT_BYTES / size_of::<u32>()]);

impl Slot {
    /// A constant in every lane.
    pub(crate) fn of(format: &Format, bits: u64) -> Self {
        let halves = [bits as u32, if format.bits == 32 { bits } else { bits >> 32 } as u32];
        Self(std::array::from_fn(|i| halves[i % 2]))
    }
}

impl ConstantTable {
    /// An empty table, for elements of a type.
    pub(crate) fn new(number: Number) -> Self {
        Self { number, bits: vec![], notes: None }
    }

    /// A table that takes notes.
    pub(super) fn noted(number: Number) -> Self {
        Self { notes: Some(Notes::default()), ..Self::new(number) }
    }

    /// A part begins that computes what `name` says.
    pub(super) fn part(&mut self, builder: &mut FunctionBuilder<'_>, name: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.notes {
            notes.part(builder, name());
        }
    }

    /// The byte offset of a constant; `float`: how a listing shows it.
    pub(super) fn offset(&mut self, bits: u64, float: bool) -> i32 {
        let known = self.bits.iter().position(|&known| known == bits);
        let index = known.unwrap_or_else(|| {
            if let Some(notes) = &mut self.notes {
                notes.constant(bits, self.number.format().bits, float);
            }
            self.bits.push(bits);
            self.bits.len() - 1
        });
        i32::try_from(index * SLOT_BYTES).expect("a kernel has few constants")
    }

    /// The table as the kernel reads it.
    pub(crate) fn slots(&self) -> Box<[Slot]> {
        self.bits.iter().map(|&bits| Slot::of(self.number.format(), bits)).collect()
    }
}
