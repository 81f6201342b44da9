//! `lrn-jit image`: local contrast normalization of pictures.
//!
//! A file is decoded ([`read`], upright by its [`exif`]), its luma normalized over space or its colours across their channels
//! ([`contrast`], which has the formula; local [`mean`]s), and written as PNG ([`write`]). Opacity is not touched, nor is what says
//! how colours are meant (an ICC profile, gamma).

mod contrast;
mod exif;
mod mean;
mod picture;
mod read;
mod write;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use lrn_jit::LrnConfig;

use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use picture::Picture;

/// Below the subcommand's help.
const FORMULA: &str = "\
Over space, in values from 0 to 1 as the file codes them:
  V  = 0.2126 R + 0.7152 G + 0.0722 B         luma
  U  = T(V): 1/2 (2v)^tone up to 1/2, above it the same turned about 1/2
  d  = U - mean(U)                            local mean, about size x size
  n  = d (k + alpha mean(d^2))^(-beta)        LRN, windows of size x size
  V' = U + n
  R' = V' + s (R - V), G' and B' alike        s = (V' + 1/32)/(V + 1/32)
Weak detail is amplified by 1 + k^(-beta), strong edges (deviations far above
sqrt(k/alpha)) hardly, flat areas no more than weak detail. Beyond its edges the
picture is mirrored. beta 0.5 divides by the local deviation: more of everything,
and halos.

With --across, each pixel by itself:
  c' = w c (k + alpha/size sum c^2)^(-beta)   c: R, G and B; w makes white white

Examples:
  lrn-jit image photo.jpg even.png
  lrn-jit image photo.jpg both.png --compare
  lrn-jit image scan.png scan.png --size 25 --k 0.3
  lrn-jit image photo.jpg bright.png --across

PNG (palettes, 1 to 16 bits, alpha; of an animation the first frame) and JPEG
(grey or colour) are read, turned upright; 8 and 16 bits stay what they are.
Exit code 2 and one line on standard error where something is wrong.";

/// Evens out the local contrast of a picture: opens shadows, brings out weak detail, leaves strong edges and hues as they are.
///
/// Reads PNG or JPEG and writes PNG. Normalizes the luma over windows in space, and lets colours follow; with --across, the three
/// colours of each pixel across their channels instead. Opacity stays.
#[derive(Args, Debug)]
#[command(after_help = FORMULA)]
pub struct Arguments {
    /// The picture to read: PNG or JPEG.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The PNG file to write, whole or not at all; may be the same.
    #[arg(value_name = "OUT.png")]
    output: PathBuf,
    /// Pixels of the window in each direction; with --across, channels [default: an eighth of the shorter side; with --across 5,
    /// which holds all three whatever the channel].
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// Weight of the mean of squares [default: 100; with --across 5].
    #[arg(long, value_name = "A", allow_hyphen_values = true)]
    alpha: Option<f64>,
    /// The exponent [default: 1; with --across 0.5].
    #[arg(long, value_name = "B", allow_hyphen_values = true)]
    beta: Option<f64>,
    /// The additive constant: what keeps flat areas from being amplified without end [default: 0.7; with --across 2].
    #[arg(long, value_name = "K", allow_hyphen_values = true)]
    k: Option<f64>,
    /// The exponent of the curve that opens shadows first, above 0; 1 leaves them [default: 0.6].
    #[arg(long, value_name = "T", conflicts_with = "across")]
    tone: Option<f32>,
    /// Normalizes across the colour channels, not over space.
    #[arg(long)]
    across: bool,
    /// Writes the picture as it was and as it became, side by side.
    #[arg(long)]
    compare: bool,
}

/// The exponent of the tone curve unless another is asked for.
const TONE: f32 = 0.6;

/// What is done to a picture.
struct Parameters {
    size: usize,
    config: LrnConfig,
    tone: f32,
}

impl Arguments {
    /// The parameters for a picture; defaults depend on its size alone.
    fn parameters(&self, picture: &Picture) -> Result<Parameters, Failure> {
        let shorter = picture.width.min(picture.height);
        let (size, alpha, beta, k) =
            if self.across { (5, 5.0, 0.5, 2.0) } else { ((shorter / 8) | 1, 100.0, 1.0, 0.7) };
        let size = self.size.unwrap_or(size);
        if !self.across && size > shorter {
            let (width, height) = (picture.width, picture.height);
            return Err(Failure::input(format_args!(
                "a window of {size} does not fit into a picture of {width}×{height}"
            )));
        }
        let tone = self.tone.unwrap_or(TONE);
        if !(tone > 0.0 && tone.is_finite()) {
            return Err(Failure::input(format_args!("tone must be above 0 and finite, and is {tone}")));
        }
        let config = LrnConfig::new(size)
            .alpha(self.alpha.unwrap_or(alpha))
            .beta(self.beta.unwrap_or(beta))
            .k(self.k.unwrap_or(k));
        Ok(Parameters { size, config: if self.across { config } else { config.within_channel(2) }, tone })
    }
}

/// Runs the subcommand.
pub fn execute(arguments: &Arguments, out: &mut impl Write) -> Result<(), Failure> {
    let begun = Instant::now();
    let path = &arguments.output;
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        return Err(Failure::input(format_args!("cannot write {}: its name must end in .png", path.display())));
    }
    let (mut picture, format) = read::read(&arguments.input)?;
    let parameters = arguments.parameters(&picture)?;
    let layer = parameters.config.build()?;
    let mut output = Output::create(path)?;
    let description = picture.to_string();
    let before = arguments.compare.then(|| picture.clone());
    let halves = if arguments.compare { 2 } else { 1 };
    let mut progress = Progress::new(((1 + halves) * picture.bytes.len()) as u64);

    let normalize = Instant::now();
    if arguments.across {
        contrast::across(&layer, &mut picture, &mut progress)?;
    } else {
        contrast::space(&layer, parameters.size, parameters.tone, &mut picture, &mut progress)?;
    }
    let normalized = normalize.elapsed();
    if let Some(before) = &before {
        picture = write::beside(before, &picture);
    }
    write::write(&picture, &mut output, path, &mut progress)?;
    output.commit()?;
    drop(progress);

    writeln!(out, "input      {}: {format}, {description}", arguments.input.display())?;
    if arguments.across {
        writeln!(out, "layer      {layer}, of each pixel's colours")?;
    } else {
        writeln!(out, "layer      {layer}, of the luma less its local mean, tone {}", parameters.tone)?;
    }
    writeln!(out, "backend    {}", layer.backend())?;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let (normalized, whole) = (milliseconds(normalized), milliseconds(begun.elapsed()));
    writeln!(out, "ran        normalized in {normalized:.2} ms; file to file in {whole:.2} ms")?;
    let compared = if arguments.compare { ", before and after" } else { "" };
    writeln!(out, "output     {}: PNG, {picture}{compared}", path.display())?;
    Ok(())
}
