//! How a camera was held: the orientation that EXIF tells, and turning a picture upright.
//!
//! EXIF is a TIFF file: a byte order, and a directory of entries of 12 bytes (tag, type, count, value). One tag is looked for.

use super::picture::Picture;

/// The tag of the orientation.
const ORIENTATION: u16 = 0x0112;

/// The orientation, 1 to 8; 1, upright, where nothing sensible says otherwise.
pub fn orientation(exif: &[u8]) -> u8 {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    find(tiff).filter(|orientation| (1..=8).contains(orientation)).map_or(1, |orientation| orientation as u8)
}

fn find(tiff: &[u8]) -> Option<u16> {
    let big = match tiff.get(..4)? {
        b"II*\0" => false,
        b"MM\0*" => true,
        _ => return None,
    };
    let bytes = |at: usize| tiff.get(at..at.checked_add(4)?)?.try_into().ok();
    let long = |at| bytes(at).map(|bytes| if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) });
    let short = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let directory = long(4)? as usize;
    let entries = usize::from(short(directory)?);
    let entry = (0..entries).map(|i| directory + 2 + 12 * i).find(|&at| short(at) == Some(ORIENTATION))?;
    short(entry + 8)
}

/// The picture upright.
pub fn upright(picture: Picture, orientation: u8) -> Picture {
    if orientation <= 1 {
        return picture;
    }
    let (width, height, size) = (picture.width, picture.height, picture.pixel_bytes());
    let sideways = orientation >= 5;
    let (across, down) = if sideways { (height, width) } else { (width, height) };
    let mut bytes = Vec::with_capacity(picture.bytes.len());
    for y in 0..down {
        for x in 0..across {
            let (a, b) = if sideways { (y, x) } else { (x, y) };
            let (right, below) = (width - 1 - a, height - 1 - b);
            let (column, row) = match orientation {
                2 | 8 => (right, b),
                3 | 7 => (right, below),
                4 | 6 => (a, below),
                _ => (a, b),
            };
            let at = (row * width + column) * size;
            bytes.extend_from_slice(&picture.bytes[at..at + size]);
        }
    }
    Picture { width: across, height: down, bytes, ..picture }
}
