//! The JIT computes the bits of the interpreter: over a thousand configurations by more than twenty shapes each, with a
//! coverage table that says what was met (`cargo test --test bitwise -- --nocapture` prints it).

mod common;

use std::collections::HashSet;

use common::case::{Case, Settings, check, compare};
use common::coverage::{Edge, Place, Table, places, recipe, taps_and_block};
use common::draw::{self, BETAS, Class};
use common::rng::{Data, Rng};
use lrn_jit::{Backend, Boundary, Convention, Window};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Shapes of a configuration that fill the least full cells of the table.
const PLACED: usize = 20;
/// Shapes of a configuration drawn freely.
const FREE: usize = 4;
/// Configurations of each class.
const PER_CLASS: usize = 6;

const BOUNDARIES: [Boundary; 2] = [Boundary::Zero, Boundary::Wrap];

/// Every class of settings, several times over, in distinct draws.
fn all_settings(rng: &mut Rng) -> Vec<Settings> {
    let mut drawn = vec![];
    for beta in BETAS {
        for boundary in BOUNDARIES {
            for long in [false, true] {
                for at_least_k in [false, true] {
                    let class = Class { beta, at_least_k, long, boundary };
                    drawn.extend((0..PER_CLASS).map(|_| draw::settings(rng, class)));
                }
            }
            drawn.extend((0..3).map(|_| draw::without_window(rng, beta, boundary)));
        }
    }
    // Betas that are nobody's favourites.
    for _ in 0..60 {
        let beta = 9.0 * rng.unit() - 4.5;
        let (at_least_k, long, boundary) = (rng.one_in(2), rng.one_in(2), rng.pick(&BOUNDARIES));
        drawn.push(draw::settings(rng, Class { beta, at_least_k, long, boundary }));
    }
    let mut seen = HashSet::new();
    drawn.retain(|settings| seen.insert(format!("{settings:?}")));
    drawn
}

#[test]
fn jit_and_interpreter_agree_on_every_recipe_and_shape() {
    let rng = &mut Rng::new(1);
    let (mut table, mut failures) = (Table::default(), vec![]);
    let (mut configurations, mut comparisons, mut elements, mut normal) = (0, 0, 0, 0);
    for settings in all_settings(rng) {
        // Alive while its cases run, so that they share one compiled engine.
        let layers = settings.compiled(1);
        let layer = &layers[0];
        let plan = layer.plan();
        let mut shapes = vec![];
        let row = table.row(&recipe(layer), settings.boundary);
        // The least full cells first, in an order that varies.
        let mut order: Vec<_> =
            places().into_iter().map(|place| (row.get(&place).copied(), rng.next(), place)).collect();
        order.sort();
        for (_, _, place) in order {
            if shapes.len() == PLACED {
                break;
            }
            if let Some((channels, inner)) = place.draw(rng, plan) {
                let outer = if place.axis0 { 1 } else { rng.between(1, 4) };
                shapes.push(draw::shape(rng, outer, channels, inner, place.axis0));
                *row.entry(place).or_default() += 1;
            }
        }
        // Plans without a window have few places: more of the same, with other data.
        let (taps, _) = taps_and_block(plan);
        while shapes.len() < PLACED + FREE {
            let outer = rng.between(0, 5);
            let channels = draw::channels(rng, taps);
            let inner = if rng.one_in(40) { 0 } else { draw::inner(rng) };
            shapes.push(draw::shape(rng, outer.min(1 + 2000 / (channels * inner).max(1)), channels, inner, false));
        }
        for (shape, axis) in shapes {
            let case = Case { settings: settings.clone(), shape, axis, data: rng.pick(&Data::ALL), seed: rng.next() };
            match compare(&case) {
                Ok(y) => {
                    elements += y.len();
                    normal += y.iter().filter(|y| y.is_normal()).count();
                }
                Err(failure) => failures.push(failure),
            }
            comparisons += 1;
        }
        configurations += 1;
    }
    table.print();
    println!("{configurations} configurations, {comparisons} comparisons, {} cells", table.cells());
    println!("{elements} elements, of which {normal} came out normal");
    assert!(failures.is_empty(), "{} failures, the first:\n{}", failures.len(), failures[0]);
    assert!(configurations >= 1000 && comparisons >= 20 * configurations);
    // NaN equals NaN and 0 equals 0 in any kernel: enough must be something else.
    assert!(4 * normal > elements);
    assert_eq!(table.unknown(), Vec::<&str>::new());
    let missing = table.missing();
    assert!(missing.is_empty(), "{} cells were never reached: {:#?}", missing.len(), &missing[..missing.len().min(20)]);
}

/// Cases as proptest draws and shrinks them.
fn any_case() -> impl Strategy<Value = Case> {
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
            let settings = Settings { convention, size, alpha, beta, k, boundary };
            let channels = if inner > 40 { 1 + channels % 4 } else { channels };
            Case { settings, shape: vec![outer, channels, inner], axis: 1, data, seed: seed.into() }
        },
    )
}

#[test]
fn jit_and_interpreter_agree_on_cases_that_shrink() {
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    match runner.run(&any_case(), |case| check(&case).map_err(proptest::test_runner::TestCaseError::fail)) {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => panic!("{reason}\nthe smallest such case: check(&{case})"),
        Err(abort) => panic!("{abort}"),
    }
}

/// The longest stretch of one kernel call is 4096 columns, and up to 15 more where the rest would be short.
#[test]
fn long_rows_are_cut_where_nobody_sees_it() {
    for (i, inner) in (4080..=4128).chain(8185..=8210).enumerate() {
        for (size, beta) in [(5, 0.75), (20, 0.6)] {
            let settings = Settings::torch(size, 1.0, beta, 0.5);
            let (shape, seed) = (vec![1, 2, inner], i as u64);
            check(&Case { settings, shape, axis: 1, data: Data::Rare, seed }).unwrap();
        }
    }
}

/// Cases that failed once; paste what a failure prints.
#[test]
fn cases_by_hand() {
    let cases = [
        // A window that wraps a billion times around one channel.
        Case {
            settings: Settings { boundary: Boundary::Wrap, ..Settings::torch(1_000_000_000, 1.0, 0.75, 1.0) },
            shape: vec![2, 1, 5],
            axis: 1,
            data: Data::Plain,
            seed: 1,
        },
        // Nothing to do, in all ways.
        Case {
            settings: Settings::torch(5, 1.0, 0.75, 1.0),
            shape: vec![0, 3, 4],
            axis: 1,
            data: Data::Plain,
            seed: 1,
        },
        Case {
            settings: Settings::torch(5, 1.0, 0.75, 1.0),
            shape: vec![4, 0, 3],
            axis: 1,
            data: Data::Plain,
            seed: 1,
        },
        Case {
            settings: Settings::torch(17, 1.0, 0.75, 1.0),
            shape: vec![2, 3, 0],
            axis: -2,
            data: Data::Plain,
            seed: 1,
        },
    ];
    for case in cases {
        check(&case).unwrap();
    }
}

#[test]
fn a_case_prints_as_what_makes_it() {
    let case = Case {
        settings: Settings {
            convention: Convention::Window(Window { before: 2, after: 0, divisor: 2.5 }),
            ..Settings::torch(3, 1e-4, -0.5, -0.0)
        },
        shape: vec![1, 2],
        axis: -1,
        data: Data::Wild,
        seed: 7,
    };
    let expected = "Case { settings: Settings { convention: Convention::Window(Window { before: 2, after: 0, divisor: 2.5 }), \
                    size: 3, alpha: 0.0001, beta: -0.5, k: -0.0, boundary: Boundary::Zero }, \
                    shape: vec![1, 2], axis: -1, data: Data::Wild, seed: 7 }";
    assert_eq!(case.to_string(), expected);
}

/// The table's own test: a place draws tensors that are there.
#[test]
fn places_draw_what_they_say() {
    let rng = &mut Rng::new(2);
    for size in [1, 5, 12, 30] {
        let layer = Settings::torch(size, 1.0, 0.75, 1.0).layer(Backend::Interpreter, 1);
        let (taps, block) = taps_and_block(layer.plan());
        for place in places() {
            let Some((channels, inner)) = place.draw(rng, layer.plan()) else { continue };
            let edge = match channels {
                1 => Edge::One,
                c if c < taps => Edge::BelowWindow,
                c if c < block.unwrap_or(0) => Edge::BelowBlock,
                _ => Edge::Interior,
            };
            let tail = if inner < 4 { inner } else { 4 + inner % 4 };
            assert_eq!(Place { tail, edge, axis0: place.axis0 }, place, "{channels} channels, inner {inner}");
        }
    }
}
