//! What the integration tests share. No test lives here.
#![allow(dead_code, reason = "every test file uses a part of it")]

pub mod boxes;
pub mod case;
pub mod compare;
pub mod coverage;
pub mod derivative;
pub mod differences;
pub mod draw;
pub mod golden;
pub mod gradients;
#[cfg(unix)]
pub mod guarded;
pub mod measure;
pub mod place;
pub mod pool;
pub mod real;
pub mod rng;
pub mod shrink;
pub mod stated;
#[cfg(feature = "cli")]
pub mod tool;
pub mod ways;
