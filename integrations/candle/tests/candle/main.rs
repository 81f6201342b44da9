//! The adapter inside candle: against the same formula composed of candle's own operations, and candle's gradients of it.

mod composed;
mod errors;
mod gradients;
mod layouts;
mod threads;
mod values;
