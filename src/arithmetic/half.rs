//! f16 and bf16 by the bits of f32: widened when read, rounded once, to nearest even, when written.
//!
//! The halves of a 32-bit word are two neighbouring elements. One is brought into the upper half of its lane, the other is there;
//! so a vector of words is two vectors of floats, and nothing crosses lanes.
//!
//! **bf16** is the upper half of an f32.
//!
//! **f16, widened:** exponent and mantissa, moved to their places in an f32, are the value times 2^−112, subnormal or not: one
//! multiplication. An exponent of all ones, ∞ or NaN, gets 112 more.
//!
//! **f16, rounded:** y of exponent e is added to 2^(e+13), whose last place is that of an f16 of exponent e (−14 at least, for
//! subnormals). The addition rounds; the sum's mantissa, with the exponent, is the result.

use super::Lanes;
use crate::number::Number;

/// The upper half of a word.
const UPPER: u64 = 0xffff_0000;
/// The same without the sign.
const UPPER_MAGNITUDE: u64 = 0x7fff_0000;
/// The largest finite f16, in the upper half, and all bits below.
const LARGEST_F16: u64 = 0x7bff_ffff;
/// Sign, exponent and mantissa of an f16 in the upper half, shifted by three with the sign.
const SHIFTED_F16: u64 = 0x8fff_e000;
/// 112, as an exponent.
const TO_INFINITY: u64 = 112 << 23;
/// 2^112.
const UNIT_F16: f64 = (1u128 << 112) as f64;
/// The first power of two that is no f16; whatever is larger is as large.
const BEYOND_F16: f64 = 65536.0;
/// The smallest normal f16.
const SMALLEST_F16: f64 = 1.0 / 16384.0;
/// 13, as an exponent.
const ALIGN: u64 = 13 << 23;
/// What is too much in the exponent when a rounded sum becomes an f16.
const REST: u64 = 113 << 10;

/// The value of the element in the upper half of each lane, whatever stands in the lower.
#[inline(always)]
pub(crate) fn widen<L: Lanes>(lanes: &mut L, number: Number, word: L::Bits) -> L::Float {
    if number == Number::Bf16 {
        let upper = lanes.bits(UPPER);
        let bits = lanes.and(word, upper);
        return lanes.bits_to_float(bits);
    }
    let magnitude = lanes.bits(UPPER_MAGNITUDE);
    let magnitude = lanes.and(word, magnitude);
    let largest = lanes.bits(LARGEST_F16);
    let below = lanes.isub(largest, magnitude);
    let special = lanes.negative(below);
    let to_infinity = lanes.bits(TO_INFINITY);
    let special = lanes.and(special, to_infinity);
    let shifted = lanes.sar(word, 3);
    let kept = lanes.bits(SHIFTED_F16);
    let bits = lanes.and(shifted, kept);
    let float = lanes.bits_to_float(bits);
    let unit = lanes.float(UNIT_F16);
    let float = lanes.mul(float, unit);
    let bits = lanes.to_bits(float);
    let bits = lanes.or(bits, special);
    lanes.bits_to_float(bits)
}

/// The element nearest to y, in the upper half of each lane or in the lower; zeros in the other.
#[inline(always)]
pub(crate) fn narrow<L: Lanes>(lanes: &mut L, number: Number, y: L::Float, upper: bool) -> L::Bits {
    let bits = lanes.to_bits(y);
    if number == Number::Bf16 {
        // A NaN's lower half is zeros (of no NaN that recipes make more is set), so none becomes ∞.
        let last = lanes.shr(bits, 16);
        let one = lanes.bits(1u64);
        let last = lanes.and(last, one);
        let almost_half = lanes.bits(0x7fffu64);
        let bits = lanes.iadd(bits, almost_half);
        let bits = lanes.iadd(bits, last);
        if !upper {
            return lanes.shr(bits, 16);
        }
        let mask = lanes.bits(UPPER);
        return lanes.and(bits, mask);
    }
    let sign = lanes.bits(1u64 << 31);
    let sign = lanes.and(bits, sign);
    let magnitude = lanes.xor(bits, sign);
    let infinity = lanes.bits(f32::INFINITY.to_bits());
    let below = lanes.isub(infinity, magnitude);
    let nan = lanes.negative(below);
    let y = lanes.bits_to_float(magnitude);
    let beyond = lanes.float(BEYOND_F16);
    let y = lanes.min(beyond, y);
    let bits = lanes.to_bits(y);
    let power = lanes.and(bits, infinity);
    let power = lanes.bits_to_float(power);
    let smallest = lanes.float(SMALLEST_F16);
    let power = lanes.max(power, smallest);
    let power = lanes.to_bits(power);
    let align = lanes.bits(ALIGN);
    let aligned = lanes.iadd(power, align);
    let aligned = lanes.bits_to_float(aligned);
    let sum = lanes.add(y, aligned);
    let sum = lanes.to_bits(sum);
    let exponent = lanes.shr(power, 13);
    let result = lanes.iadd(sum, exponent);
    let rest = lanes.bits(REST);
    let result = lanes.isub(result, rest);
    let result = lanes.or(result, nan);
    let mask = lanes.bits(0x7fffu64);
    let result = lanes.and(result, mask);
    if upper {
        let result = lanes.shl(result, 16);
        return lanes.or(result, sign);
    }
    let sign = lanes.shr(sign, 16);
    lanes.or(result, sign)
}
