//! The JIT computes the bits of the interpreter: over a thousand configurations by more than twenty shapes each, with a
//! coverage table that says what was met (`cargo test --test bitwise -- --nocapture` prints it).

mod common;

use common::case::{Case, Settings};
use common::compare::{Compared, Task, check, compare};
use common::coverage::{Edge, Place, Table, places, recipe, taps_and_block};
use common::draw;
use common::rng::{Data, Rng};
use common::shrink;
use lrn_jit::{Activation, Backend, Boundary, Convention, Window};

/// Shapes of a configuration that fill the least full cells of the table.
const PLACED: usize = 20;
/// Shapes of a configuration drawn freely.
const FREE: usize = 4;
/// Configurations of each class.
const PER_CLASS: usize = 6;

#[test]
fn jit_and_interpreter_agree_on_every_recipe_and_shape() {
    let rng = &mut Rng::new(1);
    let (mut table, mut failures) = (Table::default(), vec![]);
    let (mut configurations, mut comparisons, mut elements, mut normal) = (0, 0, 0, 0);
    for settings in draw::every_class(rng, PER_CLASS, 60) {
        // Alive while its cases run, so that they share one compiled engine.
        let layers = settings.compiled::<f32>(1);
        let plan = layers[0].1.plan();
        let mut shapes = vec![];
        let row = table.row(&recipe(plan), settings.boundary);
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
            match compare::<f32>(Task::Forward, &case) {
                Ok(Compared { y, .. }) => {
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

#[test]
fn jit_and_interpreter_agree_on_cases_that_shrink() {
    shrink::run(600, &shrink::any_case(), |case| check::<f32>(Task::Forward, &case));
}

/// The longest stretch of one kernel call is 4096 columns, and up to 15 more where the rest would be short.
#[test]
fn long_rows_are_cut_where_nobody_sees_it() {
    for (i, inner) in (4080..=4128).chain(8185..=8210).enumerate() {
        for (size, beta) in [(5, 0.75), (20, 0.6)] {
            let settings = Settings::torch(size, 1.0, beta, 0.5);
            let (shape, seed) = (vec![1, 2, inner], i as u64);
            check::<f32>(Task::Forward, &Case { settings, shape, axis: 1, data: Data::Rare, seed }).unwrap();
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
        check::<f32>(Task::Forward, &case).unwrap();
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
                    size: 3, alpha: 0.0001, beta: -0.5, k: -0.0, boundary: Boundary::Zero, input: Activation::Identity }, \
                    shape: vec![1, 2], axis: -1, data: Data::Wild, seed: 7 }";
    assert_eq!(case.to_string(), expected);
}

/// The table's own test: a place draws tensors that are there.
#[test]
fn places_draw_what_they_say() {
    let rng = &mut Rng::new(2);
    for size in [1, 5, 12, 30] {
        let layer = Settings::torch(size, 1.0, 0.75, 1.0).layer::<f32>(Backend::Interpreter, 1);
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
