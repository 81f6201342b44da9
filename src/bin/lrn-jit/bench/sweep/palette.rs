//! Times to colours: viridis, whose lightness grows evenly and which the colour-blind read as well, over a logarithm.

use super::Sweep;

/// Viridis at eleven places, from dark to light.
const COLOURS: [[u8; 3]; 11] = [
    [0x44, 0x01, 0x54],
    [0x48, 0x24, 0x75],
    [0x41, 0x44, 0x87],
    [0x35, 0x5f, 0x8d],
    [0x2a, 0x78, 0x8e],
    [0x21, 0x91, 0x8c],
    [0x22, 0xa8, 0x84],
    [0x44, 0xbf, 0x70],
    [0x7a, 0xd1, 0x51],
    [0xbd, 0xdf, 0x26],
    [0xfd, 0xe7, 0x25],
];

/// ns to colours: the fastest is the darkest.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub least: f64,
    pub most: f64,
}

impl Scale {
    /// From the fastest to the slowest of a sweep.
    pub fn new(sweep: &Sweep) -> Self {
        let all = sweep.grid.iter().flatten().flatten().chain(&sweep.beyond).chain(sweep.places.iter().flatten());
        let extremes = |(least, most): (f64, f64), ns: f64| (least.min(ns), most.max(ns));
        let (least, most) = all.map(|point| point.ns).fold((f64::INFINITY, 0.0), extremes);
        // All of one colour would have no scale.
        Self { least, most: most.max(1.01 * least) }
    }

    /// Where on the scale, from 0 to 1.
    pub fn share(self, ns: f64) -> f64 {
        ((ns / self.least).ln() / (self.most / self.least).ln()).clamp(0.0, 1.0)
    }

    /// The colour at a place between 0 and 1.
    pub fn at(share: f64) -> [u8; 3] {
        let place = share * (COLOURS.len() - 1) as f64;
        let index = (place as usize).min(COLOURS.len() - 2);
        let [from, to] = [COLOURS[index], COLOURS[index + 1]];
        let mix = |i: usize| f64::from(from[i]) + (place - index as f64) * (f64::from(to[i]) - f64::from(from[i]));
        std::array::from_fn(|i| mix(i).round() as u8)
    }

    pub fn colour(self, ns: f64) -> [u8; 3] {
        Self::at(self.share(ns))
    }

    /// Whether dark text is read better on it.
    pub fn is_light(self, ns: f64) -> bool {
        self.share(ns) > 0.55
    }
}
