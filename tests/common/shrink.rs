//! Cases that shrink: drawn by proptest.

use std::fmt::Debug;

use lrn_jit::{Activation, Boundary, Convention, Window};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::case::{Case, Settings};
use super::draw::BETAS;
use super::rng::Data;

/// Cases as proptest draws and shrinks them.
pub fn any_case() -> impl Strategy<Value = Case> {
    let size = prop_oneof![8 => 1usize..=40, 1 => Just(64), 1 => Just(100), 1 => Just(1000), 1 => Just(1_000_000_000)];
    let beta = prop_oneof![proptest::sample::select(&BETAS[..]), -5.0..5.0];
    let alpha = proptest::sample::select(&[1.0, 10.0, 1e-4, -1.0, 0.0, 1e-30, 1e30][..]);
    let k = proptest::sample::select(&[1.0, 0.0, 2.0, 1e-6, 1e-40, -1.0, 14.2, 1e38][..]);
    let data = proptest::sample::select(&Data::ALL[..]);
    let lengths = (0usize..4, 1usize..36, prop_oneof![20 => 0usize..40, 1 => 4095usize..4116]);
    (size, 0.0..1.0, any::<bool>(), (alpha, beta, k), any::<bool>(), lengths, data, any::<u16>()).prop_map(
        |(size, before, torch, (alpha, beta, k), wraps, (outer, channels, inner), data, seed)| {
            let before = (before * size as f64) as usize;
            let window = Window { before, after: size - 1 - before, divisor: size as f64 };
            let convention = if torch { Convention::Torch } else { Convention::Window(window) };
            let boundary = if wraps { Boundary::Wrap } else { Boundary::Zero };
            let settings = Settings { convention, size, alpha, beta, k, boundary, input: Activation::Identity };
            let channels = if inner > 40 { 1 + channels % 4 } else { channels };
            Case { settings, shape: vec![outer, channels, inner], axis: 1, data, seed: seed.into() }
        },
    )
}

/// Checks so many cases, the same ones in every run; panics with the smallest that fails.
pub fn run<S: Strategy>(cases: u32, strategy: &S, check: impl Fn(S::Value) -> Result<(), String>)
where
    S::Value: Debug,
{
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    match runner.run(strategy, |case| check(case).map_err(TestCaseError::fail)) {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => panic!("{reason}\nthe smallest such case: {case:?}"),
        Err(abort) => panic!("{abort}"),
    }
}
