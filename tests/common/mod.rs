//! What the integration tests share. No test lives here.
#![allow(dead_code, reason = "every test file uses a part of it")]

pub mod case;
pub mod coverage;
pub mod derivative;
pub mod differences;
pub mod draw;
pub mod golden;
pub mod gradients;
pub mod measure;
pub mod place;
pub mod rng;
#[cfg(feature = "cli")]
pub mod tool;
