//! The allow-list of [`lift`](super::lift): what each 128-bit instruction is called at other widths.
//!
//! Only instructions that do the same to every lane are here. Shuffles, broadcasts, conversions between lane sizes and
//! comparisons (which at EVEX write a mask register) must never be.

use iced_x86::Code;

use super::lift::Target;

/// How an instruction uses memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Computes; its last vector operand may be memory.
    Compute,
    /// Loads, or moves between registers.
    Move,
    /// Moves between registers; its memory form needs alignment.
    AlignedMove,
    /// Stores.
    Store,
    /// No memory.
    Zero,
    /// Loads halves, and converts them.
    Widen,
    /// Converts to halves, and stores them.
    Narrow,
}

/// What stands for conversions of f16: code that is emitted for nothing else, and that does something else before it is lifted.
pub(super) fn conversion(code: Code, target: Target) -> Option<(Shape, Code)> {
    match code {
        Code::VEX_Vpmovzxwd_xmm_xmmm64 => Some((
            Shape::Widen,
            match target {
                Target::Vex128 => Code::VEX_Vcvtph2ps_xmm_xmmm64,
                Target::Vex256 => Code::VEX_Vcvtph2ps_ymm_xmmm128,
                Target::Evex256 => Code::EVEX_Vcvtph2ps_ymm_k1z_xmmm128,
                Target::Evex512 => Code::EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae,
            },
        )),
        Code::VEX_Vmovsd_m64_xmm => Some((
            Shape::Narrow,
            match target {
                Target::Vex128 => Code::VEX_Vcvtps2ph_xmmm64_xmm_imm8,
                Target::Vex256 => Code::VEX_Vcvtps2ph_xmmm128_ymm_imm8,
                Target::Evex256 => Code::EVEX_Vcvtps2ph_xmmm128_k1z_ymm_imm8,
                Target::Evex512 => Code::EVEX_Vcvtps2ph_ymmm256_k1z_zmm_imm8_sae,
            },
        )),
        _ => None,
    }
}

/// An instruction at every width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forms {
    pub(super) shape: Shape,
    pub(super) vex256: Code,
    pub(super) evex256: Code,
    pub(super) evex512: Code,
}

macro_rules! table {
    ($($shape:ident: $narrow:ident => $vex:ident, $evex:ident, $wide:ident;)*) => {
        /// The forms of a 128-bit instruction; none if it is not on the list.
        pub(super) fn forms(code: Code) -> Option<&'static Forms> {
            match code {
                $(Code::$narrow => {
                    const FORMS: Forms =
                        Forms { shape: Shape::$shape, vex256: Code::$vex, evex256: Code::$evex, evex512: Code::$wide };
                    Some(&FORMS)
                })*
                _ => None,
            }
        }

        /// Everything on the list.
        #[cfg(test)]
        pub(super) const LIST: &[Code] = &[$(Code::$narrow),*];
    };
}

table! {
    Move: Movups_xmm_xmmm128 => VEX_Vmovups_ymm_ymmm256, EVEX_Vmovups_ymm_k1z_ymmm256, EVEX_Vmovups_zmm_k1z_zmmm512;
    Store: Movups_xmmm128_xmm => VEX_Vmovups_ymmm256_ymm, EVEX_Vmovups_ymmm256_k1z_ymm, EVEX_Vmovups_zmmm512_k1z_zmm;
    Move: VEX_Vmovups_xmm_xmmm128 => VEX_Vmovups_ymm_ymmm256, EVEX_Vmovups_ymm_k1z_ymmm256, EVEX_Vmovups_zmm_k1z_zmmm512;
    Store: VEX_Vmovups_xmmm128_xmm => VEX_Vmovups_ymmm256_ymm, EVEX_Vmovups_ymmm256_k1z_ymm, EVEX_Vmovups_zmmm512_k1z_zmm;
    Move: Movdqu_xmm_xmmm128 => VEX_Vmovdqu_ymm_ymmm256, EVEX_Vmovdqu32_ymm_k1z_ymmm256, EVEX_Vmovdqu32_zmm_k1z_zmmm512;
    Store: Movdqu_xmmm128_xmm => VEX_Vmovdqu_ymmm256_ymm, EVEX_Vmovdqu32_ymmm256_k1z_ymm, EVEX_Vmovdqu32_zmmm512_k1z_zmm;
    Move: VEX_Vmovdqu_xmm_xmmm128 => VEX_Vmovdqu_ymm_ymmm256, EVEX_Vmovdqu32_ymm_k1z_ymmm256, EVEX_Vmovdqu32_zmm_k1z_zmmm512;
    Store: VEX_Vmovdqu_xmmm128_xmm => VEX_Vmovdqu_ymmm256_ymm, EVEX_Vmovdqu32_ymmm256_k1z_ymm, EVEX_Vmovdqu32_zmmm512_k1z_zmm;
    AlignedMove: Movdqa_xmm_xmmm128 => VEX_Vmovdqa_ymm_ymmm256, EVEX_Vmovdqa32_ymm_k1z_ymmm256, EVEX_Vmovdqa32_zmm_k1z_zmmm512;
    AlignedMove: VEX_Vmovdqa_xmm_xmmm128 => VEX_Vmovdqa_ymm_ymmm256, EVEX_Vmovdqa32_ymm_k1z_ymmm256, EVEX_Vmovdqa32_zmm_k1z_zmmm512;
    AlignedMove: Movaps_xmm_xmmm128 => VEX_Vmovaps_ymm_ymmm256, EVEX_Vmovaps_ymm_k1z_ymmm256, EVEX_Vmovaps_zmm_k1z_zmmm512;
    AlignedMove: VEX_Vmovaps_xmm_xmmm128 => VEX_Vmovaps_ymm_ymmm256, EVEX_Vmovaps_ymm_k1z_ymmm256, EVEX_Vmovaps_zmm_k1z_zmmm512;

    Compute: VEX_Vaddps_xmm_xmm_xmmm128 => VEX_Vaddps_ymm_ymm_ymmm256, EVEX_Vaddps_ymm_k1z_ymm_ymmm256b32, EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er;
    Compute: VEX_Vsubps_xmm_xmm_xmmm128 => VEX_Vsubps_ymm_ymm_ymmm256, EVEX_Vsubps_ymm_k1z_ymm_ymmm256b32, EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er;
    Compute: VEX_Vmulps_xmm_xmm_xmmm128 => VEX_Vmulps_ymm_ymm_ymmm256, EVEX_Vmulps_ymm_k1z_ymm_ymmm256b32, EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er;
    Compute: VEX_Vdivps_xmm_xmm_xmmm128 => VEX_Vdivps_ymm_ymm_ymmm256, EVEX_Vdivps_ymm_k1z_ymm_ymmm256b32, EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er;
    Compute: VEX_Vminps_xmm_xmm_xmmm128 => VEX_Vminps_ymm_ymm_ymmm256, EVEX_Vminps_ymm_k1z_ymm_ymmm256b32, EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae;
    Compute: VEX_Vmaxps_xmm_xmm_xmmm128 => VEX_Vmaxps_ymm_ymm_ymmm256, EVEX_Vmaxps_ymm_k1z_ymm_ymmm256b32, EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae;
    Compute: VEX_Vsqrtps_xmm_xmmm128 => VEX_Vsqrtps_ymm_ymmm256, EVEX_Vsqrtps_ymm_k1z_ymmm256b32, EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er;
    Compute: VEX_Vcvtdq2ps_xmm_xmmm128 => VEX_Vcvtdq2ps_ymm_ymmm256, EVEX_Vcvtdq2ps_ymm_k1z_ymmm256b32, EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er;
    Compute: VEX_Vfmadd132ps_xmm_xmm_xmmm128 => VEX_Vfmadd132ps_ymm_ymm_ymmm256, EVEX_Vfmadd132ps_ymm_k1z_ymm_ymmm256b32, EVEX_Vfmadd132ps_zmm_k1z_zmm_zmmm512b32_er;
    Compute: VEX_Vfmadd213ps_xmm_xmm_xmmm128 => VEX_Vfmadd213ps_ymm_ymm_ymmm256, EVEX_Vfmadd213ps_ymm_k1z_ymm_ymmm256b32, EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er;
    Compute: VEX_Vfmadd231ps_xmm_xmm_xmmm128 => VEX_Vfmadd231ps_ymm_ymm_ymmm256, EVEX_Vfmadd231ps_ymm_k1z_ymm_ymmm256b32, EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er;

    Compute: VEX_Vpaddd_xmm_xmm_xmmm128 => VEX_Vpaddd_ymm_ymm_ymmm256, EVEX_Vpaddd_ymm_k1z_ymm_ymmm256b32, EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32;
    Compute: VEX_Vpsubd_xmm_xmm_xmmm128 => VEX_Vpsubd_ymm_ymm_ymmm256, EVEX_Vpsubd_ymm_k1z_ymm_ymmm256b32, EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32;
    Compute: VEX_Vpand_xmm_xmm_xmmm128 => VEX_Vpand_ymm_ymm_ymmm256, EVEX_Vpandd_ymm_k1z_ymm_ymmm256b32, EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32;
    Compute: VEX_Vpor_xmm_xmm_xmmm128 => VEX_Vpor_ymm_ymm_ymmm256, EVEX_Vpord_ymm_k1z_ymm_ymmm256b32, EVEX_Vpord_zmm_k1z_zmm_zmmm512b32;
    Compute: VEX_Vpxor_xmm_xmm_xmmm128 => VEX_Vpxor_ymm_ymm_ymmm256, EVEX_Vpxord_ymm_k1z_ymm_ymmm256b32, EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32;
    Zero: VEX_Vpslld_xmm_xmm_imm8 => VEX_Vpslld_ymm_ymm_imm8, EVEX_Vpslld_ymm_k1z_ymmm256b32_imm8, EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8;
    Zero: VEX_Vpsrld_xmm_xmm_imm8 => VEX_Vpsrld_ymm_ymm_imm8, EVEX_Vpsrld_ymm_k1z_ymmm256b32_imm8, EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8;
    Zero: VEX_Vpsrad_xmm_xmm_imm8 => VEX_Vpsrad_ymm_ymm_imm8, EVEX_Vpsrad_ymm_k1z_ymmm256b32_imm8, EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8;

    Compute: VEX_Vaddpd_xmm_xmm_xmmm128 => VEX_Vaddpd_ymm_ymm_ymmm256, EVEX_Vaddpd_ymm_k1z_ymm_ymmm256b64, EVEX_Vaddpd_zmm_k1z_zmm_zmmm512b64_er;
    Compute: VEX_Vsubpd_xmm_xmm_xmmm128 => VEX_Vsubpd_ymm_ymm_ymmm256, EVEX_Vsubpd_ymm_k1z_ymm_ymmm256b64, EVEX_Vsubpd_zmm_k1z_zmm_zmmm512b64_er;
    Compute: VEX_Vmulpd_xmm_xmm_xmmm128 => VEX_Vmulpd_ymm_ymm_ymmm256, EVEX_Vmulpd_ymm_k1z_ymm_ymmm256b64, EVEX_Vmulpd_zmm_k1z_zmm_zmmm512b64_er;
    Compute: VEX_Vdivpd_xmm_xmm_xmmm128 => VEX_Vdivpd_ymm_ymm_ymmm256, EVEX_Vdivpd_ymm_k1z_ymm_ymmm256b64, EVEX_Vdivpd_zmm_k1z_zmm_zmmm512b64_er;
    Compute: VEX_Vminpd_xmm_xmm_xmmm128 => VEX_Vminpd_ymm_ymm_ymmm256, EVEX_Vminpd_ymm_k1z_ymm_ymmm256b64, EVEX_Vminpd_zmm_k1z_zmm_zmmm512b64_sae;
    Compute: VEX_Vmaxpd_xmm_xmm_xmmm128 => VEX_Vmaxpd_ymm_ymm_ymmm256, EVEX_Vmaxpd_ymm_k1z_ymm_ymmm256b64, EVEX_Vmaxpd_zmm_k1z_zmm_zmmm512b64_sae;
    Compute: VEX_Vsqrtpd_xmm_xmmm128 => VEX_Vsqrtpd_ymm_ymmm256, EVEX_Vsqrtpd_ymm_k1z_ymmm256b64, EVEX_Vsqrtpd_zmm_k1z_zmmm512b64_er;
    Compute: VEX_Vfmadd132pd_xmm_xmm_xmmm128 => VEX_Vfmadd132pd_ymm_ymm_ymmm256, EVEX_Vfmadd132pd_ymm_k1z_ymm_ymmm256b64, EVEX_Vfmadd132pd_zmm_k1z_zmm_zmmm512b64_er;
    Compute: VEX_Vfmadd213pd_xmm_xmm_xmmm128 => VEX_Vfmadd213pd_ymm_ymm_ymmm256, EVEX_Vfmadd213pd_ymm_k1z_ymm_ymmm256b64, EVEX_Vfmadd213pd_zmm_k1z_zmm_zmmm512b64_er;
    Compute: VEX_Vfmadd231pd_xmm_xmm_xmmm128 => VEX_Vfmadd231pd_ymm_ymm_ymmm256, EVEX_Vfmadd231pd_ymm_k1z_ymm_ymmm256b64, EVEX_Vfmadd231pd_zmm_k1z_zmm_zmmm512b64_er;
    Compute: VEX_Vpaddq_xmm_xmm_xmmm128 => VEX_Vpaddq_ymm_ymm_ymmm256, EVEX_Vpaddq_ymm_k1z_ymm_ymmm256b64, EVEX_Vpaddq_zmm_k1z_zmm_zmmm512b64;
    Compute: VEX_Vpsubq_xmm_xmm_xmmm128 => VEX_Vpsubq_ymm_ymm_ymmm256, EVEX_Vpsubq_ymm_k1z_ymm_ymmm256b64, EVEX_Vpsubq_zmm_k1z_zmm_zmmm512b64;
    Zero: VEX_Vpsllq_xmm_xmm_imm8 => VEX_Vpsllq_ymm_ymm_imm8, EVEX_Vpsllq_ymm_k1z_ymmm256b64_imm8, EVEX_Vpsllq_zmm_k1z_zmmm512b64_imm8;
    Zero: VEX_Vpsrlq_xmm_xmm_imm8 => VEX_Vpsrlq_ymm_ymm_imm8, EVEX_Vpsrlq_ymm_k1z_ymmm256b64_imm8, EVEX_Vpsrlq_zmm_k1z_zmmm512b64_imm8;
    Move: VEX_Vmovupd_xmm_xmmm128 => VEX_Vmovupd_ymm_ymmm256, EVEX_Vmovupd_ymm_k1z_ymmm256, EVEX_Vmovupd_zmm_k1z_zmmm512;
    Store: VEX_Vmovupd_xmmm128_xmm => VEX_Vmovupd_ymmm256_ymm, EVEX_Vmovupd_ymmm256_k1z_ymm, EVEX_Vmovupd_zmmm512_k1z_zmm;
    Move: Movupd_xmm_xmmm128 => VEX_Vmovupd_ymm_ymmm256, EVEX_Vmovupd_ymm_k1z_ymmm256, EVEX_Vmovupd_zmm_k1z_zmmm512;
    Store: Movupd_xmmm128_xmm => VEX_Vmovupd_ymmm256_ymm, EVEX_Vmovupd_ymmm256_k1z_ymm, EVEX_Vmovupd_zmmm512_k1z_zmm;
    AlignedMove: VEX_Vmovapd_xmm_xmmm128 => VEX_Vmovapd_ymm_ymmm256, EVEX_Vmovapd_ymm_k1z_ymmm256, EVEX_Vmovapd_zmm_k1z_zmmm512;
    AlignedMove: Movapd_xmm_xmmm128 => VEX_Vmovapd_ymm_ymmm256, EVEX_Vmovapd_ymm_k1z_ymmm256, EVEX_Vmovapd_zmm_k1z_zmmm512;
}
