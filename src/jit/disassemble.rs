//! Machine code as text.

use iced_x86::{Decoder, DecoderOptions, Formatter as _, GasFormatter};

/// Instructions as text, a line each, with their offsets.
pub(crate) fn disassemble(code: &[u8]) -> String {
    let mut formatter = GasFormatter::new();
    let mut text = String::new();
    for instruction in Decoder::with_ip(64, code, 0, DecoderOptions::NONE).iter() {
        let mut line = String::new();
        formatter.format(&instruction, &mut line);
        text.push_str(&format!("  {:#06x}  {line}\n", instruction.ip()));
    }
    text
}
