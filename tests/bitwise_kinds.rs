//! The JIT computes the bits of the interpreter for every element type, task and input activation, by way of every driver; of the
//! forward pass of f32 `bitwise` asks more (`cargo test --test bitwise_kinds -- --nocapture` prints what was met).

mod common;

use common::case::{Case, Settings};
use common::compare::{Compared, Task, check, compare};
use common::coverage::{all_recipes, all_recipes_of_f64, recipe, taps_and_block};
use common::draw;
use common::real::Real;
use common::rng::{Data, Rng};
use common::shrink;
use common::ways::{Cells, Way, class};
use half::{bf16, f16};
use lrn_jit::{Activation, Boundary, Number, Width};
use proptest::prelude::Strategy;

/// Configurations of each class of a number.
const PER_CLASS: usize = 2;
/// Configurations of a number with any beta.
const FREE: usize = 40;
/// Tensors of a configuration, each with every task.
const SHAPES: usize = 3;

/// Numbers that come out as numbers more often than not.
const DATA: [Data; 5] = [Data::Plain, Data::Plain, Data::Finite, Data::Rare, Data::Wild];
const ACTIVATIONS: [Activation; 2] = [Activation::Identity, Activation::Relu];

/// What is summed up of a number.
#[derive(Default)]
struct Tally {
    configurations: usize,
    comparisons: usize,
    elements: usize,
    normal: usize,
    ways: Cells,
    recipes: Cells,
    classes: Cells,
    failures: Vec<String>,
}

/// Compares every class of configurations.
fn agree<E: Real>(seed: u64) {
    let rng = &mut Rng::new(seed);
    let mut tally = Tally::default();
    let mut ways = Way::ALL.iter().cycle();
    let mut drawn = draw::every_class(rng, PER_CLASS, FREE);
    // As one factor this scale is subnormal in f64, which few are.
    drawn.push(Settings::torch(5, 0.0, -8.0, 1e-40));
    for mut settings in drawn {
        settings.input = rng.pick(&ACTIVATIONS);
        if E::NUMBER == Number::F64 && settings.k.abs() < 1e-37 && settings.alpha != 0.0 {
            // Subnormal, too.
            settings.k *= 1e-270;
        }
        // Alive while its cases run, so that they share one compiled engine of each width.
        let layers = settings.compiled::<E>(1);
        let plan = layers[0].1.plan();
        for _ in 0..SHAPES {
            let way = *ways.next().expect("a cycle");
            let [outer, channels, inner] = way.draw(rng, taps_and_block(plan).0);
            let axis0 = outer == 1 && rng.one_in(4);
            let (shape, axis) = draw::shape(rng, outer, channels, inner, axis0);
            let (data, seed) = (rng.pick(&DATA), rng.next());
            let case = Case { settings: settings.clone(), shape, axis, data, seed };
            for task in Task::ALL {
                match compare::<E>(task, &case) {
                    Ok(Compared { y, widths }) => {
                        tally.elements += y.len();
                        tally.normal += y.iter().filter(|y| y.value() != 0.0 && y.value().is_finite()).count();
                        widths.iter().for_each(|width| tally.ways.meet(format!("{task}, {width} bits, {way:?}")));
                        let (input, boundary) = (settings.input, settings.boundary);
                        tally.classes.meet(format!("{task}, {}, {boundary:?}, {input:?}", class(plan)));
                        let derived = if task.inputs() == 1 { "forward" } else { "derivatives" };
                        tally.recipes.meet(format!("{derived}: {}", recipe(plan)));
                    }
                    Err(failure) => tally.failures.push(failure),
                }
                tally.comparisons += 1;
            }
        }
        tally.configurations += 1;
    }
    tally.assert_complete::<E>();
}

impl Tally {
    fn assert_complete<E: Real>(&self) {
        let &Self { configurations, comparisons, elements, normal, ref failures, .. } = self;
        println!("{}: {configurations} configurations, {comparisons} comparisons", E::NAME);
        println!("{elements} elements, of which {normal} came out finite and not 0");
        failures.iter().for_each(|failure| println!("{failure}"));
        assert!(failures.is_empty(), "{} failures, the first:\n{}", failures.len(), failures[0]);
        assert!(configurations > 1000 && comparisons >= 15 * configurations);
        // NaN equals NaN and 0 equals 0 in any kernel: enough must be something else.
        assert!(4 * normal > elements);
        let widths: Vec<Width> =
            Settings::torch(5, 1.0, 0.75, 1.0).compiled::<E>(1).into_iter().map(|(width, _)| width).collect();
        let each_task = |cells: &dyn Fn(Task) -> Vec<String>| Task::ALL.into_iter().flat_map(cells).collect::<Vec<_>>();
        let ways = |task| {
            let each = |width| Way::ALL.map(|way| format!("{task}, {width} bits, {way:?}"));
            widths.iter().flat_map(each).collect()
        };
        self.ways.assert_are("tasks, widths and ways", each_task(&ways));
        let guarded = |summation| ["AtLeastK", "Any", "Magnitude"].map(|guard| format!("{summation}, {guard}"));
        let formulas: Vec<String> =
            ["unrolled", "block sums"].into_iter().flat_map(guarded).chain(["copy".into(), "scale".into()]).collect();
        let classes = |task| {
            let mut cells = vec![];
            for formula in &formulas {
                for boundary in [Boundary::Zero, Boundary::Wrap] {
                    cells.extend(ACTIVATIONS.map(|input| format!("{task}, {formula}, {boundary:?}, {input:?}")));
                }
            }
            cells
        };
        self.classes.assert_are("tasks and classes", each_task(&classes));
        let recipes = if E::NUMBER == Number::F64 { all_recipes_of_f64() } else { all_recipes() };
        let both =
            recipes.iter().flat_map(|recipe| ["forward", "derivatives"].map(|derived| format!("{derived}: {recipe}")));
        self.recipes.assert_are("recipes", both);
    }
}

#[test]
fn f32_agrees() {
    agree::<f32>(11);
}

#[test]
fn f64_agrees() {
    agree::<f64>(12);
}

#[test]
fn f16_agrees() {
    agree::<f16>(13);
}

#[test]
fn bf16_agrees() {
    agree::<bf16>(14);
}

/// Cases that shrink, of every number, task and activation.
fn shrinking<E: Real>() {
    let case =
        (shrink::any_case(), proptest::sample::select(&Task::ALL[..]), proptest::sample::select(&ACTIVATIONS[..]));
    let case = case.prop_map(|(mut case, task, input)| {
        case.settings.input = input;
        (task, case)
    });
    shrink::run(120, &case, |(task, case)| check::<E>(task, &case));
}

#[test]
fn cases_that_shrink() {
    shrinking::<f32>();
    shrinking::<f64>();
    shrinking::<f16>();
    shrinking::<bf16>();
}
