//! A seeded generator (splitmix64) and the data that tests draw from it.

use super::real::{Real, TAME};

/// Draws that depend on the seed alone.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// An integer below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// An integer from `first` to `last`, both included.
    pub fn between(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, pool: &[T]) -> T {
        pool[self.below(pool.len())]
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Between −2 and 2, small values more often.
    pub fn bell(&mut self) -> f32 {
        let bits = self.next();
        let half = |bits: u32| f64::from(bits as i32) / f64::from(1u32 << 31);
        (half(bits as u32) + half((bits >> 32) as u32)) as f32
    }
}

/// What a tensor is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Values around 1.
    Plain,
    /// Many decades, zeros of both signs and subnormals: nothing that overflows a sum of squares.
    Finite,
    /// The same with one value in fifty out of [`Real::SPECIAL`].
    Rare,
    /// Every second value out of [`Real::SPECIAL`].
    Wild,
}

impl Data {
    pub const ALL: [Self; 4] = [Self::Plain, Self::Finite, Self::Rare, Self::Wild];

    /// `length` elements of this kind.
    pub fn draw<E: Real>(self, length: usize, seed: u64) -> Vec<E> {
        let rng = &mut Rng::new(seed);
        let scale = 10f64.powi(rng.between(0, 3) as i32 - 1);
        // All bits of the mantissa.
        let bell = |rng: &mut Rng| match size_of::<E>() {
            8 => f64::from(rng.bell()) + rng.unit() / f64::from(1 << 24),
            _ => rng.bell().into(),
        };
        let spread = |rng: &mut Rng| bell(rng) * 10f64.powi(rng.between(0, E::DECADES) as i32 - E::DECADES as i32 / 2);
        (0..length)
            .map(|_| match self {
                Self::Plain => scale * bell(rng),
                Self::Finite if rng.one_in(8) => rng.pick(&E::SPECIAL[..TAME]),
                Self::Finite => spread(rng),
                Self::Rare if rng.one_in(50) => rng.pick(&E::SPECIAL),
                Self::Rare => scale * bell(rng),
                Self::Wild if rng.one_in(2) => rng.pick(&E::SPECIAL),
                Self::Wild => spread(rng),
            })
            .map(E::near)
            .collect()
    }
}
