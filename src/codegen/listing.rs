//! Listings: generated code as text, headed by what each part computes.
//!
//! Code that is only printed is generated with [`Notes`]: where a part begins, the emitter leaves a mark, a `sequence_point`
//! with the part's number, an instruction that becomes no machine code. Printed CLIF has headings in its place. In machine
//! code a mark can still change which registers are taken, so assembly is that of unmarked code, which has the same
//! instructions in the same order, moves aside; headings are brought over by counting.

use std::fmt::{self, Write as _};

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, DebugTag, Function, Inst, InstBuilder as _, InstructionData, Opcode, Value};
use cranelift_codegen::write::{FuncWriter, PlainWriter, decorate_function};
use cranelift_frontend::FunctionBuilder;

use super::backward::Rows;
use super::block::Layout;
use super::constants::SLOT_BYTES;
use super::cumulative::COMBINE_ROWS;
use super::{COMBINED, Kernel, Source, Sums};
use crate::config::Boundary;
use crate::plan::Plan;
use crate::task::Stage;

/// Where the comments of instructions stand.
const COMMENT_COLUMN: usize = 52;

/// What is noted about code while it is emitted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Notes {
    /// The parts' names, as they begin.
    parts: Vec<String>,
    /// The constants, in the order of their table.
    constants: Vec<Constant>,
}

#[derive(Debug, Clone, PartialEq)]
struct Constant {
    bits: u64,
    /// Bits of a number.
    length: u8,
    /// Asked for as a float, not as bits.
    float: bool,
    /// The part that was first to ask.
    part: Option<usize>,
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.float, self.length) {
            (true, 32) => write!(f, "{:?}", f32::from_bits(self.bits as u32)),
            (true, _) => write!(f, "{:?}", f64::from_bits(self.bits)),
            (false, 32) => write!(f, "{:#010x}", self.bits),
            (false, _) => write!(f, "{:#018x}", self.bits),
        }
    }
}

impl Notes {
    /// A part begins.
    pub(super) fn part(&mut self, builder: &mut FunctionBuilder<'_>, name: String) {
        let number = u32::try_from(self.parts.len()).expect("a kernel has few parts");
        self.parts.push(name);
        let mark = builder.ins().sequence_point();
        builder.func.debug_tags.set(mark, [DebugTag::User(number)]);
    }

    /// A new constant joins the table.
    pub(super) fn constant(&mut self, bits: u64, length: u8, float: bool) {
        self.constants.push(Constant { bits, length, float, part: self.parts.len().checked_sub(1) });
    }

    fn heading(&self, number: usize) -> String {
        format!("; — {} —", self.parts.get(number).map_or("?", String::as_str))
    }

    /// The table of constants.
    fn table(&self) -> String {
        let mut text = String::new();
        for (index, constant) in self.constants.iter().enumerate() {
            let part = constant.part.map_or("", |part| &self.parts[part]);
            let offset = format!("{:#x}", index * SLOT_BYTES);
            let _ = writeln!(text, ";   {offset:>6}  {:<16} {part}", constant.to_string());
        }
        text
    }
}

/// A kernel's CLIF: its constants, then its instructions under headings.
pub(crate) fn clif(plan: &Plan, kernel: Kernel, Source { function, constants }: &Source) -> String {
    let notes = constants.notes.clone().unwrap_or_default();
    let mut text = String::from("; v0: the rows' addresses, v1: the constants, v2: bytes of each row\n");
    if !notes.constants.is_empty() {
        text += "; constants: offset from v1, value (in every lane), the part that first uses it\n";
        text += &notes.table();
    }
    decorate_function(&mut Annotator { plan, kernel, notes }, &mut text, function).expect("a string takes all");
    text
}

/// A kernel's assembly: Cranelift's text of its code, with headings where the text of marked code has them.
pub(crate) fn assembly(plain: &str, marked: &str, notes: &Notes) -> String {
    let mut listing = String::new();
    if !notes.constants.is_empty() {
        listing += "; constants: offset in their table (the second argument), value, the part that first uses it\n";
        listing += &notes.table();
    }
    let mut headings = headings(plain, marked).into_iter().peekable();
    let lines: Vec<&str> = plain.lines().collect();
    let x86 = plain.contains('%');
    let mut counted = 0;
    for (at, line) in lines.iter().enumerate() {
        // A block's first part begins below its label.
        let until_next = lines[at..].iter().take_while(|line| computing(line, x86).is_none());
        if !until_next.clone().any(|line| line.ends_with(':')) {
            while let Some((_, part)) = headings.next_if(|&(before, _)| before <= counted) {
                listing += &format!("  {}\n", notes.heading(part));
            }
        }
        listing += &format!("{line}\n");
        counted += usize::from(computing(line, x86).is_some());
    }
    listing
}

/// After how many computing instructions each part begins; nothing where the texts do not compute the same.
fn headings(plain: &str, marked: &str) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let x86 = plain.contains('%');
    let mut counted = 0;
    for line in marked.lines() {
        let mark = line.trim().strip_prefix("; ^-- debug @ Pre: [User(").and_then(|rest| rest.strip_suffix(")]"));
        if let Some(part) = mark.and_then(|number| number.parse().ok()) {
            parts.push((counted, part));
        }
        counted += usize::from(computing(line, x86).is_some());
    }
    let computing = |text| str::lines(text).filter_map(|line| computing(line, x86));
    if computing(marked).eq(computing(plain)) { parts } else { Vec::new() }
}

/// The mnemonic of an instruction that does more than move: moves come and go with the choice of registers. Of x86-64 the
/// vector instructions alone count, by the names they have at 128 bits: lifted code has others.
fn computing(line: &str, x86: bool) -> Option<&str> {
    let mut words = line.split_whitespace().filter(|word| !word.starts_with("0x"));
    let mnemonic = words.next()?;
    if x86 {
        let vector = mnemonic.starts_with('v') && !mnemonic.starts_with("vmov") && mnemonic != "vzeroupper";
        let narrow = ["vpand", "vpor", "vpxor"].into_iter().find(|name| mnemonic.strip_prefix(name) == Some("d"));
        return vector.then_some(narrow.unwrap_or(mnemonic));
    }
    let other = [";", "sequence_point"].contains(&mnemonic) || mnemonic.ends_with(':');
    let moves =
        ["mov", "ldr", "str", "ldp", "stp", "ldur", "stur", "sub", "add"].iter().any(|kind| mnemonic.starts_with(kind));
    (!other && !moves).then_some(mnemonic)
}

/// What the inputs and the outputs of a stage are called.
fn names(stage: Stage) -> (&'static [&'static str], &'static [&'static str]) {
    match stage {
        Stage::Forward => (&["x"], &["y"]),
        Stage::Jvp => (&["x", "v"], &["Jv"]),
        Stage::Gradient => (&["x", "g"], &["r", "h"]),
        Stage::Gather => (&["h", "r", "x"], &["dx"]),
        Stage::Second => (&["x", "u", "g"], &["p", "q", "t"]),
        Stage::SecondGather => (&["p", "q", "t", "x", "u"], &["dx"]),
        Stage::Linear => (&["x", "v"], &["y"]),
        Stage::Zero => (&["x"], &["y"]),
    }
}

/// Prints CLIF with headings and comments.
struct Annotator<'a> {
    plan: &'a Plan,
    kernel: Kernel,
    notes: Notes,
}

impl FuncWriter for Annotator<'_> {
    fn write_block_header(
        &mut self,
        w: &mut dyn fmt::Write,
        function: &Function,
        block: Block,
        _: usize,
    ) -> fmt::Result {
        PlainWriter.write_block_header(w, function, block, 4)
    }

    fn write_instruction(
        &mut self,
        w: &mut dyn fmt::Write,
        function: &Function,
        aliases: &SecondaryMap<Value, Vec<Value>>,
        inst: Inst,
        _: usize,
    ) -> fmt::Result {
        if function.dfg.insts[inst].opcode() == Opcode::SequencePoint {
            let Some(DebugTag::User(number)) = function.debug_tags.get(inst).first() else { return Ok(()) };
            return writeln!(w, "    {}", self.notes.heading(*number as usize));
        }
        let mut text = String::new();
        PlainWriter.write_instruction(&mut text, function, aliases, inst, 4)?;
        match self.comment(function, inst) {
            Some(comment) => writeln!(w, "{:<COMMENT_COLUMN$}; {comment}", text.trim_end()),
            None => w.write_str(&text),
        }
    }
}

impl Annotator<'_> {
    /// What an instruction loads, or where it jumps.
    fn comment(&self, function: &Function, inst: Inst) -> Option<String> {
        let entry = function.layout.entry_block()?;
        let &[rows, table, ..] = function.dfg.block_params(entry) else { return None };
        match &function.dfg.insts[inst] {
            InstructionData::Load { arg, offset, .. } => {
                let offset = usize::try_from(i32::from(*offset)).ok()?;
                if *arg == table {
                    Some(self.notes.constants.get(offset / SLOT_BYTES)?.to_string())
                } else if *arg == rows {
                    Some(self.row(offset / size_of::<u64>()))
                } else {
                    None
                }
            }
            // The start of a row that was loaded on entry.
            InstructionData::Binary { opcode: Opcode::Iadd, args }
                if function.layout.inst_block(inst) != Some(entry) =>
            {
                let start = function.dfg.value_def(args[0]).inst()?;
                let loaded = function.layout.inst_block(start) == Some(entry);
                loaded.then(|| self.comment(function, start)).flatten()
            }
            InstructionData::Brif { blocks, .. } => {
                let here = function.layout.inst_block(inst)?;
                let target = blocks[0].block(&function.dfg.value_lists);
                (target == here).then(|| "again, or done".into())
            }
            _ => None,
        }
    }

    /// What stands at place `row` of the rows. c is the first channel that is computed.
    fn row(&self, row: usize) -> String {
        let channel = |array: &str, at: usize, before: usize| match at.checked_sub(before) {
            Some(0) => format!("{array}[c]"),
            Some(after) => format!("{array}[c+{after}]"),
            None => format!("{array}[c−{}]", before - at),
        };
        let named = |names: &[&str], index: usize| names.get(index).map_or_else(String::new, ToString::to_string);
        match self.kernel {
            Kernel::Block { channels, stage, .. } => {
                let layout = Layout::new(self.plan, stage, channels);
                let (inputs, outputs) = names(stage);
                match row.checked_sub(layout.output(0)) {
                    Some(output) => channel(outputs[output / channels], output % channels, 0),
                    None => match row.checked_sub(layout.own(0)) {
                        Some(own) => channel(inputs[stage.tapped() + own / channels], own % channels, 0),
                        None => channel(inputs[row / layout.taps], row % layout.taps, layout.center),
                    },
                }
            }
            Kernel::Backward { channels, .. } => {
                let rows = Rows::new(self.plan, channels);
                let Rows { taps, carried_h, carried_r, .. } = rows;
                let arrays = [
                    ("x", taps, self.plan.before),
                    ("g", channels, 0),
                    ("h", carried_h, carried_h),
                    ("r", carried_r, carried_r),
                    ("dx", channels, carried_r),
                    ("h", rows.left_h(), 0),
                    ("r", rows.left_r(), 0),
                ];
                let mut at = row;
                for (name, count, before) in arrays {
                    if at < count {
                        return channel(name, at, before);
                    }
                    at -= count;
                }
                String::new()
            }
            Kernel::Elementwise { stage, sums, .. } => {
                let (inputs, outputs) = names(stage);
                let (taps, rolling) = (sums.rows(self.plan), sums == Sums::Rolling);
                let sums = taps * stage.terms().len();
                match row.checked_sub(sums) {
                    None if taps == 1 => "Σ".into(),
                    None => channel("Σ", row % taps, self.plan.reach(stage).before),
                    Some(row) if rolling => {
                        named(&[inputs, &["x (first tap of a later index)", "Σ (later index)"], outputs].concat(), row)
                    }
                    Some(row) => named(&[inputs, outputs].concat(), row),
                }
            }
            Kernel::Accumulate => named(&["start", "x", "step of x", "sums", "step of sums", "channels"], row),
            Kernel::Combine { one } => {
                let channels = if one { 1 } else { COMBINED };
                let ring = self.plan.boundary == Boundary::Wrap;
                match (row.checked_sub(channels * COMBINE_ROWS), ring) {
                    (Some(last), true) => named(&["turns"], last),
                    (Some(last), false) => named(&["carry", "next carry"], last),
                    (None, ring) => {
                        let third = if ring { "prefix" } else { "x (newest tap)" };
                        let names = ["x", "suffix", third, "total", "y"];
                        channel(names[row % COMBINE_ROWS], row / COMBINE_ROWS, 0)
                    }
                }
            }
        }
    }
}
