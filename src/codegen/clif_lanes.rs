//! [`ClifLanes`]: [`Lanes`] that emits CLIF.
//!
//! A float or integer vector is a CLIF value of 128 bits: four lanes, of f64 two. Constants come from a
//! [`ConstantTable`].

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32X4, F64X2, I32X4, I64X2};
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FunctionBuilder;

use super::constants::{ConstantTable, SLOT_BYTES};
use super::starts::Start;
use crate::arithmetic::Lanes;
use crate::arithmetic::format::Format;
use crate::arithmetic::half::widen;
use crate::number::Number;

/// A vector that an instruction can use: computed, or still in memory.
///
/// What stands in memory is loaded where it is used, each time: sixteen registers do not hold a kernel's constants, and most
/// instructions can take one operand from memory, which the lowering makes of a load right before its only use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operand {
    /// In a register.
    Value(Value),
    /// A constant, by its place in the table.
    Constant(i32),
    /// At `offset` of the row whose start stands at place `row` of `rows`.
    Row(Place),
    /// Of a row of halves the ones that stand in the upper half of each word there, or in the lower.
    Half(Place, bool),
    /// Of a row of f16, converted by the processor: code for [`lift`](crate::jit::lift) alone.
    Converted(Place),
}

/// A vector of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) start: Start,
    pub(crate) offset: Value,
    /// What is negative is 0.
    pub(crate) positive: bool,
}

impl Operand {
    /// The same, cut off at 0, if it is still in memory.
    fn positive(self) -> Option<Self> {
        let cut = |place: Place| Place { positive: true, ..place };
        match self {
            Self::Row(_) => None,
            Self::Half(place, upper) => Some(Self::Half(cut(place), upper)),
            Self::Converted(place) => Some(Self::Converted(cut(place))),
            Self::Value(_) | Self::Constant(_) => None,
        }
    }

    /// Where it is, if that is a row.
    pub(crate) fn place(self) -> Option<Place> {
        match self {
            Self::Row(place) | Self::Half(place, _) | Self::Converted(place) => Some(place),
            Self::Value(_) | Self::Constant(_) => None,
        }
    }
}

/// `K` vectors that go through the same arithmetic in lockstep.
pub(crate) type Group<const K: usize> = [Operand; K];

/// Emits vector code into a function, each operation for a group of `K` vectors.
///
/// A power recipe is one long chain of dependent instructions. A processor looks only so far ahead; with several chains
/// side by side it finds work while an instruction waits for the one before it.
pub(crate) struct ClifLanes<'a, 'b, const K: usize> {
    pub(crate) builder: &'a mut FunctionBuilder<'b>,
    constants: &'a mut ConstantTable,
    /// Address of the constants.
    table: Value,
    /// f32 of a vector of the code as it will run. Cranelift's vectors have 4 (`jit/lift.rs` makes more of them).
    lanes: u32,
}

/// Memory that is there (the driver proved it), of any alignment.
pub(crate) fn in_bounds() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

impl<'a, 'b, const K: usize> ClifLanes<'a, 'b, K> {
    pub(crate) fn new(
        builder: &'a mut FunctionBuilder<'b>,
        constants: &'a mut ConstantTable,
        table: Value,
        lanes: u32,
    ) -> Self {
        Self { builder, constants, table, lanes }
    }

    /// [`part`](Lanes::part) with a name that is made only where it is noted.
    pub(super) fn part_of(&mut self, name: impl FnOnce() -> String) {
        self.constants.part(self.builder, name);
    }

    /// The same for vectors one by one.
    pub(crate) fn one(&mut self) -> ClifLanes<'_, 'b, 1> {
        ClifLanes::new(self.builder, self.constants, self.table, self.lanes)
    }

    pub(crate) fn float_type(&self) -> Type {
        if self.constants.number == Number::F64 { F64X2 } else { F32X4 }
    }

    fn bits_type(&self) -> Type {
        if self.constants.number == Number::F64 { I64X2 } else { I32X4 }
    }

    /// Bytes from one vector to the next: of the code as it will run.
    pub(crate) fn bytes(&self) -> i64 {
        i64::from(self.lanes) * size_of::<f32>() as i64
    }

    /// The vector at `address`.
    pub(crate) fn load(&mut self, address: Value) -> Operand {
        let ty = self.float_type();
        Operand::Value(self.builder.ins().load(ty, in_bounds(), address, 0))
    }

    /// Writes a vector to `address`.
    pub(crate) fn store(&mut self, value: Operand, address: Value) {
        let ty = self.float_type();
        let value = if let Operand::Value(value) = value { Operand::Value(self.cast(ty, value)) } else { value };
        let value = self.get(ty, value);
        self.builder.ins().store(in_bounds(), value, address, 0);
    }

    /// Writes a vector of f32 to `address` as f16, converted by the processor: code for [`lift`](crate::jit::lift) alone.
    pub(crate) fn store_converted(&mut self, value: Operand, address: Value) {
        let value = self.load_operand(value);
        // Stands for the conversion of all.
        let pairs = self.cast(F64X2, value);
        let first = self.builder.ins().extractlane(pairs, 0);
        self.builder.ins().store(in_bounds(), first, address, 0);
    }

    /// The address of the vector at `offset` of a row.
    pub(crate) fn row_address(&mut self, start: Start, offset: Value) -> Value {
        let start = start.value(self.builder);
        self.builder.ins().iadd(start, offset)
    }

    /// The operand in a register.
    fn get(&mut self, ty: Type, operand: Operand) -> Value {
        match operand {
            Operand::Value(value) => value,
            Operand::Constant(offset) => self.builder.ins().load(ty, MemFlagsData::trusted(), self.table, offset),
            Operand::Row(place) | Operand::Half(place, _) | Operand::Converted(place) => {
                let address = self.row_address(place.start, place.offset);
                let value = self.read(ty, operand, address);
                if !place.positive {
                    return value;
                }
                let zero = self.constants.offset(0, true);
                let zero = self.get(ty, Operand::Constant(zero));
                self.select(value, zero, zero, value)
            }
        }
    }

    /// The vector of a row that stands at `address`; of lanes, floats or their bits.
    fn read(&mut self, ty: Type, operand: Operand, address: Value) -> Value {
        match operand {
            Operand::Converted(_) => {
                let ty = self.float_type();
                // Stands for the conversion of as many f16.
                let halves = self.builder.ins().uload16x4(in_bounds(), address, 0);
                self.cast(ty, halves)
            }
            Operand::Half(_, upper) => {
                let words = self.builder.ins().load(I32X4, in_bounds(), address, 0);
                let number = self.constants.number;
                let mut one = self.one();
                let mut words = [Operand::Value(words)];
                if !upper {
                    words = one.shl(words, 16);
                }
                // Of a bf16 nothing is left below.
                if !upper && number == Number::Bf16 {
                    let [bits] = words;
                    let bits = one.load_operand(bits);
                    return one.cast(ty, bits);
                }
                let [value] = widen(&mut one, number, words);
                one.load_operand(value)
            }
            _ => self.builder.ins().load(ty, in_bounds(), address, 0),
        }
    }

    /// A constant that a whole group needs, in a register; what only one instruction needs stays where it is.
    fn shared(&mut self, ty: Type, group: Group<K>) -> Group<K> {
        match group[0] {
            Operand::Constant(_) if K > 1 => [Operand::Value(self.get(ty, group[0])); K],
            _ => group,
        }
    }

    /// The operand as a float vector in a register.
    pub(crate) fn load_operand(&mut self, operand: Operand) -> Value {
        let ty = self.float_type();
        self.get(ty, operand)
    }

    /// One instruction for each vector of the group.
    fn map(&mut self, ty: Type, a: Group<K>, emit: impl Fn(&mut Self, Value) -> Value) -> Group<K> {
        let a = self.shared(ty, a);
        a.map(|a| {
            let a = self.get(ty, a);
            Operand::Value(emit(self, a))
        })
    }

    /// One instruction for each pair of vectors; the second operand is loaded last, so that it can be folded.
    fn zip(&mut self, ty: Type, a: Group<K>, b: Group<K>, emit: impl Fn(&mut Self, Value, Value) -> Value) -> Group<K> {
        let (a, b) = (self.shared(ty, a), self.shared(ty, b));
        std::array::from_fn(|i| {
            let a = self.get(ty, a[i]);
            let b = self.get(ty, b[i]);
            Operand::Value(emit(self, a, b))
        })
    }

    fn cast(&mut self, ty: Type, value: Value) -> Value {
        if self.builder.func.dfg.value_type(value) == ty {
            return value;
        }
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.builder.ins().bitcast(ty, flags, value)
    }

    fn cast_group(&mut self, ty: Type, group: Group<K>) -> Group<K> {
        group.map(|operand| match operand {
            Operand::Value(value) => Operand::Value(self.cast(ty, value)),
            Operand::Constant(_) | Operand::Row(Place { positive: false, .. }) => operand,
            converted => {
                let float = self.load_operand(converted);
                Operand::Value(self.cast(ty, float))
            }
        })
    }

    /// less < more ? a : b
    fn select(&mut self, less: Value, more: Value, a: Value, b: Value) -> Value {
        let mask = self.builder.ins().fcmp(FloatCC::LessThan, less, more);
        let ty = self.float_type();
        let mask = self.cast(ty, mask);
        self.builder.ins().bitselect(mask, a, b)
    }
}

/// Defines methods of two operands.
macro_rules! binary {
    ($($name:ident: $ty:ident, $instruction:ident;)*) => {$(
        fn $name(&mut self, a: Group<K>, b: Group<K>) -> Group<K> {
            let ty = self.$ty();
            self.zip(ty, a, b, |lanes, a, b| lanes.builder.ins().$instruction(a, b))
        }
    )*};
}

/// The same where the operands may change places: what stands in memory comes second.
macro_rules! commutative {
    ($($name:ident: $ty:ident, $instruction:ident;)*) => {$(
        fn $name(&mut self, a: Group<K>, b: Group<K>) -> Group<K> {
            let ty = self.$ty();
            let (a, b) = if matches!(a[0], Operand::Value(_)) { (a, b) } else { (b, a) };
            self.zip(ty, a, b, |lanes, a, b| lanes.builder.ins().$instruction(a, b))
        }
    )*};
}

macro_rules! shifts {
    ($($name:ident: $instruction:ident;)*) => {$(
        fn $name(&mut self, a: Group<K>, count: u8) -> Group<K> {
            let ty = self.bits_type();
            self.map(ty, a, |lanes, a| lanes.builder.ins().$instruction(a, i64::from(count)))
        }
    )*};
}

impl<const K: usize> Lanes for ClifLanes<'_, '_, K> {
    type Float = Group<K>;
    type Bits = Group<K>;

    fn part(&mut self, name: &'static str) {
        self.constants.part(self.builder, || name.into());
    }

    fn format(&self) -> &'static Format {
        self.constants.number.format()
    }

    fn float(&mut self, value: impl Into<f64>) -> Group<K> {
        let bits = self.format().bits_of(value.into());
        [Operand::Constant(self.constants.offset(bits, true)); K]
    }

    fn bits(&mut self, value: impl Into<u64>) -> Group<K> {
        [Operand::Constant(self.constants.offset(value.into(), false)); K]
    }

    commutative! {
        add: float_type, fadd;
        mul: float_type, fmul;
        iadd: bits_type, iadd;
        and: bits_type, band;
        or: bits_type, bor;
        xor: bits_type, bxor;
    }

    binary! {
        sub: float_type, fsub;
        div: float_type, fdiv;
        isub: bits_type, isub;
    }

    shifts! {
        shl: ishl_imm_u;
        shr: ushr_imm_u;
        sar: sshr_imm_u;
    }

    fn fma(&mut self, a: Group<K>, b: Group<K>, c: Group<K>) -> Group<K> {
        let ty = self.float_type();
        let [a, b, c] = [a, b, c].map(|group| self.shared(ty, group));
        std::array::from_fn(|i| {
            let [a, b, c] = [a[i], b[i], c[i]].map(|operand| self.get(ty, operand));
            Operand::Value(self.builder.ins().fma(a, b, c))
        })
    }

    fn sqrt(&mut self, a: Group<K>) -> Group<K> {
        let ty = self.float_type();
        self.map(ty, a, |lanes, a| lanes.builder.ins().sqrt(a))
    }

    fn min(&mut self, a: Group<K>, b: Group<K>) -> Group<K> {
        let ty = self.float_type();
        self.zip(ty, a, b, |lanes, a, b| lanes.select(a, b, a, b))
    }

    fn max(&mut self, a: Group<K>, b: Group<K>) -> Group<K> {
        // What is cut off at 0 may wait in memory, too.
        let zero = |lanes: &Self, at: i32| lanes.constants.bits[at as usize / SLOT_BYTES] == 0;
        if matches!(a[0], Operand::Constant(at) if zero(self, at)) && b.iter().all(|b| b.positive().is_some()) {
            return b.map(|b| b.positive().unwrap_or(b));
        }
        // b < a, not a > b: this is what becomes maxps.
        let ty = self.float_type();
        self.zip(ty, a, b, |lanes, a, b| lanes.select(b, a, a, b))
    }

    fn to_bits(&mut self, a: Group<K>) -> Group<K> {
        let ty = self.bits_type();
        self.cast_group(ty, a)
    }

    fn bits_to_float(&mut self, a: Group<K>) -> Group<K> {
        let ty = self.float_type();
        self.cast_group(ty, a)
    }

    fn int_to_float(&mut self, a: Group<K>) -> Group<K> {
        let (from, to) = (self.bits_type(), self.float_type());
        self.map(from, a, |lanes, a| lanes.builder.ins().fcvt_from_sint(to, a))
    }
}
