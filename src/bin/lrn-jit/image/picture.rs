//! [`Picture`]: pixels as files hold them, and what else of a file goes into the next one.

use std::fmt;

/// The most pixels of a picture; a header's claims are looked at before anything of that size is allocated.
pub const MOST_PIXELS: usize = 1 << 27;

/// A picture, its samples interleaved: grey, grey and alpha, RGB, or RGB and alpha.
#[derive(Debug, Clone)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    /// RGB, not grey.
    pub colour: bool,
    /// The last sample of a pixel is its opacity.
    pub alpha: bool,
    /// 16 bits a sample, not 8.
    pub deep: bool,
    /// The samples; of two bytes the more significant comes first.
    pub bytes: Vec<u8>,
    pub tags: Tags,
}

/// What says how samples are meant: goes from file to file as it is.
#[derive(Debug, Clone, Default)]
pub struct Tags {
    pub icc_profile: Option<Vec<u8>>,
    pub srgb: Option<png::SrgbRenderingIntent>,
    pub gamma: Option<png::ScaledFloat>,
    pub chromaticities: Option<png::SourceChromaticities>,
    pub pixel_dims: Option<png::PixelDimensions>,
}

impl Picture {
    /// Channels that are colours: 1 or 3.
    pub fn colours(&self) -> usize {
        if self.colour { 3 } else { 1 }
    }

    /// Samples of a pixel.
    pub fn channels(&self) -> usize {
        self.colours() + usize::from(self.alpha)
    }

    /// Bytes of a pixel.
    pub fn pixel_bytes(&self) -> usize {
        self.channels() * (1 + usize::from(self.deep))
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.width * self.pixel_bytes()
    }

    pub fn pixels(&self) -> usize {
        self.width * self.height
    }
}

/// Sample `i` of some bytes, as a fraction of the largest.
pub fn sample(bytes: &[u8], i: usize, deep: bool) -> f32 {
    if deep {
        f32::from(u16::from_be_bytes([bytes[2 * i], bytes[2 * i + 1]])) / f32::from(u16::MAX)
    } else {
        f32::from(bytes[i]) / f32::from(u8::MAX)
    }
}

/// Puts a fraction in the place of sample `i`, rounded to the nearest; what is outside of 0 to 1 goes to the nearer end.
pub fn set_sample(bytes: &mut [u8], i: usize, deep: bool, value: f32) {
    // Conversions saturate.
    if deep {
        bytes[2 * i..2 * i + 2].copy_from_slice(&((value * f32::from(u16::MAX) + 0.5) as u16).to_be_bytes());
    } else {
        bytes[i] = (value * f32::from(u8::MAX) + 0.5) as u8;
    }
}

/// "640×480, 8-bit colour with alpha".
impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.deep { 16 } else { 8 };
        let kind = if self.colour { "colour" } else { "grey" };
        let alpha = if self.alpha { " with alpha" } else { "" };
        write!(f, "{}×{}, {bits}-bit {kind}{alpha}", self.width, self.height)
    }
}
