//! [`ClifLanes`]: [`Lanes`] that emits CLIF.
//!
//! A float or integer vector is a CLIF value of four 32-bit lanes. Constants come from a table that the kernel gets as an
//! argument, each written out to [`SLOT_BYTES`], so that code of any vector width reads the same table and no constant
//! pool lies behind the code.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32, I32};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FunctionBuilder;

use crate::arithmetic::Lanes;

/// Bytes of a constant in the table: the widest vector there is.
pub(crate) const SLOT_BYTES: usize = 64;

/// Constants of a kernel, each once.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ConstantTable {
    bits: Vec<u32>,
}

/// One constant, in every lane of the widest vector.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Slot(pub(crate) [u32; SLOT_BYTES / size_of::<u32>()]);

impl ConstantTable {
    /// The byte offset of a constant.
    fn offset(&mut self, bits: u32) -> i32 {
        let known = self.bits.iter().position(|&known| known == bits);
        let index = known.unwrap_or_else(|| {
            self.bits.push(bits);
            self.bits.len() - 1
        });
        i32::try_from(index * SLOT_BYTES).expect("a kernel has few constants")
    }

    /// The table as the kernel reads it.
    pub(crate) fn slots(&self) -> Box<[Slot]> {
        self.bits.iter().map(|&bits| Slot([bits; SLOT_BYTES / size_of::<u32>()])).collect()
    }
}

/// Emits vector code into a function.
pub(crate) struct ClifLanes<'a, 'b> {
    pub(crate) builder: &'a mut FunctionBuilder<'b>,
    constants: &'a mut ConstantTable,
    /// Address of the constants.
    table: Value,
    lanes: u32,
}

/// Memory that is there (the driver proved it), of any alignment.
pub(crate) fn in_bounds() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

impl<'a, 'b> ClifLanes<'a, 'b> {
    pub(crate) fn new(
        builder: &'a mut FunctionBuilder<'b>,
        constants: &'a mut ConstantTable,
        table: Value,
        lanes: u32,
    ) -> Self {
        Self { builder, constants, table, lanes }
    }

    pub(crate) fn float_type(&self) -> Type {
        F32.by(self.lanes).expect("a power of two of lanes")
    }

    fn bits_type(&self) -> Type {
        I32.by(self.lanes).expect("a power of two of lanes")
    }

    /// Bytes of a vector.
    pub(crate) fn bytes(&self) -> i64 {
        i64::from(self.float_type().bytes())
    }

    /// The vector at `address`.
    pub(crate) fn load(&mut self, address: Value) -> Value {
        let ty = self.float_type();
        self.builder.ins().load(ty, in_bounds(), address, 0)
    }

    /// Writes a vector to `address`.
    pub(crate) fn store(&mut self, value: Value, address: Value) {
        self.builder.ins().store(in_bounds(), value, address, 0);
    }

    fn constant(&mut self, ty: Type, bits: u32) -> Value {
        let offset = self.constants.offset(bits);
        // Loaded at each use, from the first-level cache: sixteen registers do not hold them, and an instruction can
        // take its operand from memory.
        let flags = MemFlagsData::trusted();
        self.builder.ins().load(ty, flags, self.table, offset)
    }

    fn cast(&mut self, ty: Type, value: Value) -> Value {
        let flags = MemFlagsData::new().with_endianness(cranelift_codegen::ir::Endianness::Little);
        self.builder.ins().bitcast(ty, flags, value)
    }

    fn select(&mut self, condition: FloatCC, a: Value, b: Value) -> Value {
        let mask = self.builder.ins().fcmp(condition, a, b);
        let ty = self.float_type();
        let mask = self.cast(ty, mask);
        self.builder.ins().bitselect(mask, a, b)
    }
}

#[rustfmt::skip]
impl Lanes for ClifLanes<'_, '_> {
    type Float = Value;
    type Bits = Value;

    fn float(&mut self, value: f32) -> Value { self.constant(self.float_type(), value.to_bits()) }
    fn bits(&mut self, value: u32) -> Value { self.constant(self.bits_type(), value) }
    fn add(&mut self, a: Value, b: Value) -> Value { self.builder.ins().fadd(a, b) }
    fn sub(&mut self, a: Value, b: Value) -> Value { self.builder.ins().fsub(a, b) }
    fn mul(&mut self, a: Value, b: Value) -> Value { self.builder.ins().fmul(a, b) }
    fn div(&mut self, a: Value, b: Value) -> Value { self.builder.ins().fdiv(a, b) }
    fn fma(&mut self, a: Value, b: Value, c: Value) -> Value { self.builder.ins().fma(a, b, c) }
    fn sqrt(&mut self, a: Value) -> Value { self.builder.ins().sqrt(a) }
    fn min(&mut self, a: Value, b: Value) -> Value { self.select(FloatCC::LessThan, a, b) }
    fn max(&mut self, a: Value, b: Value) -> Value { self.select(FloatCC::GreaterThan, a, b) }
    fn iadd(&mut self, a: Value, b: Value) -> Value { self.builder.ins().iadd(a, b) }
    fn isub(&mut self, a: Value, b: Value) -> Value { self.builder.ins().isub(a, b) }
    fn and(&mut self, a: Value, b: Value) -> Value { self.builder.ins().band(a, b) }
    fn or(&mut self, a: Value, b: Value) -> Value { self.builder.ins().bor(a, b) }
    fn xor(&mut self, a: Value, b: Value) -> Value { self.builder.ins().bxor(a, b) }
    fn shl(&mut self, a: Value, count: u8) -> Value { self.builder.ins().ishl_imm_u(a, i64::from(count)) }
    fn shr(&mut self, a: Value, count: u8) -> Value { self.builder.ins().ushr_imm_u(a, i64::from(count)) }
    fn sar(&mut self, a: Value, count: u8) -> Value { self.builder.ins().sshr_imm_u(a, i64::from(count)) }
    fn to_bits(&mut self, a: Value) -> Value { let ty = self.bits_type(); self.cast(ty, a) }
    fn from_bits(&mut self, a: Value) -> Value { let ty = self.float_type(); self.cast(ty, a) }
    fn int_to_float(&mut self, a: Value) -> Value { let ty = self.float_type(); self.builder.ins().fcvt_from_sint(ty, a) }
}
