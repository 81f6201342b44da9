//! [`Format`]: f32 and f64 by their bits, and the constants that recipes have in each.

/// A binary floating-point format, as recipes see it.
#[derive(Debug)]
pub struct Format {
    /// Bits of a number.
    pub(crate) bits: u8,
    /// Bits of the mantissa.
    pub(crate) mantissa: u8,
    /// The largest finite number.
    pub(crate) largest: f64,
    /// The bits of √½: where one binade of a reduced argument ends and the next begins.
    pub(super) root_of_half: u64,
    /// A subnormal base is multiplied by 2^this; divisible by 4, so that its quarter roots are powers of two.
    pub(super) subnormal_shift: u32,
    /// `2^t = 1 + t·(…)` for |t| ≤ ½.
    pub(super) exp2: &'static [f64],
    /// 2/ln 2, high and low.
    pub(super) two_over_ln2: (f64, f64),
    /// (2/ln 2)·(1/3 + s²/5 + s⁴/7 + …): the rest of a logarithm, over s³, to where it no longer counts.
    pub(super) log_tail: &'static [f64],
    /// Beyond 2^±limit times any number there is only 0 or ∞; in three factors.
    pub(super) limit: f64,
}

impl Format {
    /// The sign bit.
    pub(crate) const fn sign(&self) -> u64 {
        1 << (self.bits - 1)
    }

    /// All bits.
    pub(crate) const fn all(&self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    /// All bits but the sign.
    pub(crate) const fn magnitude(&self) -> u64 {
        self.sign() - 1
    }

    /// The bits of +∞: all of the exponent.
    pub(crate) const fn infinity(&self) -> u64 {
        self.sign() - (1 << self.mantissa)
    }

    /// The exponent and the sign.
    pub(crate) const fn exponent_and_sign(&self) -> u64 {
        self.all() - ((1 << self.mantissa) - 1)
    }

    /// The bits of the smallest normal number: of an exponent of 1.
    pub(crate) const fn smallest_normal(&self) -> u64 {
        1 << self.mantissa
    }

    /// The bits of 1.
    pub(crate) const fn one(&self) -> u64 {
        (self.infinity() >> 1) & self.infinity()
    }

    /// The number nearest to a value.
    pub(crate) const fn nearest(&self, value: f64) -> f64 {
        if self.bits == 32 { value as f32 as f64 } else { value }
    }

    /// The smallest normal number.
    pub(crate) const fn smallest(&self) -> f64 {
        if self.bits == 32 { f32::MIN_POSITIVE as f64 } else { f64::MIN_POSITIVE }
    }

    /// The bits of the number nearest to a value.
    pub(crate) const fn bits_of(&self, value: f64) -> u64 {
        if self.bits == 32 { (value as f32).to_bits() as u64 } else { value.to_bits() }
    }

    /// 1.5·2^mantissa: adding it rounds to an integer, which then stands in the low bits.
    pub(crate) const fn round(&self) -> f64 {
        (3u64 << (self.mantissa - 1)) as f64
    }
}

/// 2/ln 2.
const LOG: f64 = 2.885_390_081_777_926_8;

/// 32 bits.
pub(crate) static F32: Format = Format {
    bits: 32,
    mantissa: 23,
    largest: f32::MAX as f64,
    root_of_half: 0x3f35_04f3,
    subnormal_shift: 32,
    exp2: &[
        std::f32::consts::LN_2 as f64,
        0.240_226_48f32 as f64,
        0.055_503_6f32 as f64,
        0.009_618_506f32 as f64,
        0.001_339_080_6f32 as f64,
        0.000_153_264_61f32 as f64,
    ],
    two_over_ln2: (2.885_39f32 as f64, 3.851_925_8e-8f32 as f64),
    log_tail: &[
        (LOG / 3.0) as f32 as f64,
        (LOG / 5.0) as f32 as f64,
        (LOG / 7.0) as f32 as f64,
        (LOG / 9.0) as f32 as f64,
        (LOG / 11.0) as f32 as f64,
        (LOG / 13.0) as f32 as f64,
    ],
    limit: 360.0,
};

/// 64 bits.
pub(crate) static F64: Format = Format {
    bits: 64,
    mantissa: 52,
    largest: f64::MAX,
    root_of_half: 0x3fe6_a09e_667f_3bcd,
    subnormal_shift: 64,
    exp2: &[
        std::f64::consts::LN_2,
        0.240_226_506_959_101_3,
        0.055_504_108_664_820_084,
        0.009_618_129_107_594_12,
        0.001_333_355_814_677_463,
        0.000_154_035_304_571_122_35,
        1.525_273_349_311_034_3e-5,
        1.321_543_528_218_920_4e-6,
        1.017_819_958_044_347_1e-7,
        7.073_783_277_831_485e-9,
        4.434_769_938_033_604_7e-10,
    ],
    two_over_ln2: (LOG, 4.071_054_748_186_206_6e-17),
    log_tail: &[
        0.961_796_693_925_985_3,
        0.577_078_016_347_141_2,
        0.412_198_585_577_515_1,
        0.320_598_556_794_106_9,
        0.262_333_380_721_083_86,
        0.220_935_048_691_902_92,
        0.213_460_431_626_322_36,
    ],
    limit: 2150.0,
};
