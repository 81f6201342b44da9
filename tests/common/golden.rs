//! The golden cases; tests/golden/README.md has their format.

use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use ndarray_npy::{ReadableElement, read_npy};

use super::case::Settings;

/// A case as PyTorch computed it.
pub struct Golden {
    pub name: String,
    pub settings: Settings,
    pub axis: isize,
    pub shape: Vec<usize>,
    pub x: Vec<f32>,
    /// PyTorch's float32.
    pub y: Vec<f32>,
    /// PyTorch's float64.
    pub y64: Vec<f64>,
}

impl Golden {
    /// Holds NaN, infinity, or a base that is zero or negative.
    pub fn is_special(&self) -> bool {
        self.name.starts_with("special_")
    }
}

/// A file under tests/.
pub fn path(relative: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(relative)
}

/// The shape and elements of an .npy file in C order.
pub fn read<T: ReadableElement + Clone>(relative: &str) -> (Vec<usize>, Vec<T>) {
    let array: ArrayD<T> = read_npy(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"));
    assert!(array.is_standard_layout());
    let shape = array.shape().to_vec();
    (shape, array.into_raw_vec_and_offset().0)
}

/// Every golden case.
pub fn cases() -> Vec<Golden> {
    let table = std::fs::read_to_string(path("golden/cases.tsv")).expect("cases.tsv");
    table.lines().skip(1).map(case).collect()
}

fn case(line: &str) -> Golden {
    let fields: Vec<_> = line.split('\t').collect();
    let [name, size, alpha, beta, k, axis, shape, _scale] = fields[..] else { panic!("eight columns: {line}") };
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let settings = Settings::torch(size.parse().expect("a size"), number(alpha), number(beta), number(k));
    let shape: Vec<usize> = shape.split(',').map(|extent| extent.parse().expect("an extent")).collect();
    let of_shape = |file: Vec<usize>| assert_eq!(file, shape, "{name}");
    let (file, x) = read(&format!("golden/{name}.x.npy"));
    of_shape(file);
    let (file, y) = read(&format!("golden/{name}.y.npy"));
    of_shape(file);
    let (file, y64) = read(&format!("golden/{name}.y64.npy"));
    of_shape(file);
    Golden { name: name.into(), settings, axis: axis.parse().expect("an axis"), shape, x, y, y64 }
}
