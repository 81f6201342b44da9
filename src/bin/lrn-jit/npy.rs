//! The .npy files that the tool reads: float32, float64 and float16 of any shape, in C or Fortran order and either byte order.
//!
//! The header is read by `ndarray-npy`, which keeps up with the format and, unlike others, multiplies no extents: those
//! are checked here against the file's real length, before anything is allocated. What the tool writes carries the
//! input's header, byte for byte, so shape, order, type and byte order stay.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use lrn_jit::Number;
use ndarray_npy::npy::header::{Header, ParseHeaderError, ReadHeaderError};

use crate::failure::Failure;
use crate::output;

const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header that is parsed: numpy's own limit.
const MAX_HEADER: usize = 10_000;
/// The deepest nesting of brackets that is parsed: a shape in a dictionary is two deep, a record type four. The parser's time
/// doubles with each level.
const MAX_DEPTH: usize = 6;

/// An open .npy file whose header fits its length.
pub struct Npy {
    /// Stands at the first element.
    pub file: File,
    /// All bytes before the first element.
    pub header: Vec<u8>,
    /// What its elements are.
    pub number: Number,
    /// As the header has it.
    pub shape: Shape,
    /// The first axis is the fastest.
    pub fortran: bool,
    /// The elements' most significant byte comes first.
    pub big_endian: bool,
}

/// A shape, printed as Python does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape(pub Vec<usize>);

impl Shape {
    /// The bytes of that many elements, if an address space holds them.
    fn bytes(&self, number: Number) -> Option<usize> {
        if self.0.contains(&0) {
            return Some(0);
        }
        let bytes = self.0.iter().try_fold(size(number), |product, &extent| product.checked_mul(extent))?;
        (bytes <= isize::MAX as usize).then_some(bytes)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [one] => write!(f, "({one},)"),
            extents => write!(f, "({})", extents.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// Opens a file and checks all that its header says.
pub fn open(path: &Path) -> Result<Npy, Failure> {
    let name = path.display();
    let cannot = |error| Failure::input(format_args!("cannot read {name}: {error}"));
    let mut file = output::open(path)?;
    let length = file.metadata().map_err(cannot)?.len();
    let header = header_bytes(&mut file, length).map_err(|why| Failure::input(format_args!("{name} {why}")))?;
    let Header { type_descriptor, layout, shape } =
        parse(&header).map_err(|why| Failure::input(format_args!("{name} is no valid .npy file: {why}")))?;
    let wrong = |why: fmt::Arguments<'_>| Err(Failure::input(format_args!("{name} {why}")));

    let Some(descriptor) = type_descriptor.as_string() else {
        return wrong(format_args!("holds records; {ALLOWED}"));
    };
    let Some((number, big_endian)) = element(descriptor) else {
        let other: String = descriptor.chars().take(16).collect();
        return wrong(format_args!("holds {}{other:?}; {ALLOWED}", known_name(&other)));
    };
    let shape = Shape(shape);
    let Some(bytes) = shape.bytes(number) else {
        return wrong(format_args!("claims the shape {shape}, more than any memory holds"));
    };
    let (expected, actual) = (bytes as u64, length - header.len() as u64);
    if actual != expected {
        let what = if actual < expected { "is cut off" } else { "is too long" };
        return wrong(format_args!("{what}: the shape {shape} takes {expected} bytes, {actual} follow the header"));
    }
    Ok(Npy { file, header, number, shape, fortran: layout.is_fortran(), big_endian })
}

/// What files may hold.
const ALLOWED: &str = "allowed are float32, float64 and float16: \"<f4\", \"<f8\", \"<f2\" (or \">\")";

/// An element type of files, and whether its most significant byte comes first.
fn element(descriptor: &str) -> Option<(Number, bool)> {
    let (order, name) = descriptor.split_at_checked(1)?;
    let big_endian = match order {
        "<" => false,
        ">" => true,
        _ => return None,
    };
    let number =
        [Number::F32, Number::F64, Number::F16].into_iter().find(|number| name == format!("f{}", size(*number)))?;
    Some((number, big_endian))
}

/// Bytes of an element.
pub fn size(number: Number) -> usize {
    match number {
        Number::F64 => 8,
        Number::F16 | Number::Bf16 => 2,
        _ => 4,
    }
}

/// What numpy calls a type of elements.
pub fn name(number: Number) -> String {
    format!("float{}", 8 * size(number))
}

/// Reads everything before the elements; the file has `length` bytes.
fn header_bytes(file: &mut File, length: u64) -> Result<Vec<u8>, String> {
    let cannot = |error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    Read::take(&mut *file, 8).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() < 8 || !bytes.starts_with(MAGIC) {
        return Err("is not a .npy file: it does not begin with \\x93NUMPY and a version".into());
    }
    let width = match (bytes[6], bytes[7]) {
        (1, 0) => 2,
        (2 | 3, 0) => 4,
        (major, minor) => return Err(format!("has .npy version {major}.{minor}; known are 1.0, 2.0 and 3.0")),
    };
    Read::take(&mut *file, width).read_to_end(&mut bytes).map_err(cannot)?;
    let text = bytes[8..].iter().rev().fold(0usize, |length, &byte| length << 8 | usize::from(byte));
    let total = 8 + width + text as u64;
    if length < total {
        return Err(format!("is cut off inside its header: {length} bytes of {total}"));
    }
    if text > MAX_HEADER {
        return Err(format!("has a header of {text} bytes; allowed are {MAX_HEADER}"));
    }
    Read::take(&mut *file, text as u64).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(bytes)
}

/// What a header says.
fn parse(mut bytes: &[u8]) -> Result<Header, String> {
    let mut depth = 0usize;
    for byte in bytes {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err("its header nests too deep".into());
        }
    }
    Header::from_reader(&mut bytes).map_err(|error| match error {
        // These would quote the header, in several lines.
        ReadHeaderError::Parse(ParseHeaderError::DictParse(_) | ParseHeaderError::MetaNotDict(_)) => {
            "its header is not a Python dictionary".into()
        }
        ReadHeaderError::Parse(ParseHeaderError::IllegalValue { key, .. }) => {
            format!("its header's {key:?} has a value that makes no sense")
        }
        ReadHeaderError::Parse(ParseHeaderError::UnknownKey(_)) => "its header has an unknown key".into(),
        ReadHeaderError::Parse(ParseHeaderError::MissingKey(_)) => {
            "its header lacks \"descr\", \"fortran_order\" or \"shape\"".into()
        }
        other => other.to_string(),
    })
}

/// What numpy calls a type, and a space.
fn known_name(descriptor: &str) -> &'static str {
    match descriptor.get(1..).unwrap_or_default() {
        "f2" => "float16 ",
        "f4" => "float32 ",
        "f8" => "float64 ",
        "f16" => "longdouble ",
        "i1" => "int8 ",
        "i2" => "int16 ",
        "i4" => "int32 ",
        "i8" => "int64 ",
        "u1" => "uint8 ",
        "u2" => "uint16 ",
        "u4" => "uint32 ",
        "u8" => "uint64 ",
        "b1" => "bool ",
        "c8" => "complex64 ",
        "c16" => "complex128 ",
        "O" => "Python objects ",
        _ => "",
    }
}
