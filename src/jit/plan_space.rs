//! Plans of every kind, and all the kernels that each can need: what the tests of compiling and of lifting go through.

use super::blocks::largest_of_stage;
use super::host::{self, Vectors};
use super::{FEW, Size, adds_taps, kernel, kernels};
use crate::activation::Activation;
use crate::codegen::block::{block_channels, most_block_channels};
use crate::codegen::{self, Kernel, Sums, Traffic, backward, listing};
use crate::config::Boundary;
use crate::number::Number;
use crate::plan::Plan;
use crate::task::Stage;
use crate::{LrnConfig, Window};

/// The element types.
pub(super) const NUMBERS: [Number; 4] = [Number::F32, Number::F64, Number::F16, Number::Bf16];

/// A plan and kernels of it.
pub(super) type Kernels = (Plan, Vec<Kernel>);

/// All of it.
pub(super) fn plan_space() -> Vec<Kernels> {
    let forward = plans_of_f32().into_iter().map(|plan| {
        let kernels = forward_kernels(&plan);
        (plan, kernels)
    });
    forward.chain(plans_of_kinds()).collect()
}

/// The plan of a window of divisor 1.
fn plan((before, after): (usize, usize), number: Number, set: impl FnOnce(LrnConfig) -> LrnConfig) -> Plan {
    let config = set(LrnConfig::window(Window { before, after, divisor: 1.0 }));
    Plan::new(&config.resolve().unwrap(), number)
}

/// Plans of the forward pass of f32, in every combination.
pub(super) fn plans_of_f32() -> Vec<Plan> {
    let betas =
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.5, 0.6, 0.99, 1.3, 2.7, -0.5, -0.6, -1.0, -1.3, -7.0];
    let windows = [(0, 0), (1, 0), (2, 2), (7, 8), (8, 7), (0, 15), (16, 16)];
    let mut plans = vec![];
    for beta in betas {
        for window in windows {
            for (k, alpha) in [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0)] {
                // Code does not depend on the boundary.
                let boundary = if plans.len() % 2 == 0 { Boundary::Zero } else { Boundary::Wrap };
                plans.push(plan(window, Number::F32, |config| config.beta(beta).k(k).alpha(alpha).boundary(boundary)));
            }
        }
    }
    plans
}

/// Plans of every number, with and without an activation, and all of their kernels.
pub(super) fn plans_of_kinds() -> Vec<Kernels> {
    let betas = [0.25, 0.5, 0.75, 1.0, 1.5, 3.0, 5.0, 0.6, 2.7, 33.0, 40.5, -0.5, -1.3, -7.0];
    let activations = [Activation::Identity, Activation::Relu];
    let mut plans = vec![];
    for number in NUMBERS {
        for (b, beta) in betas.into_iter().enumerate() {
            for (w, window) in [(2, 2), (7, 8), (16, 16)].into_iter().enumerate() {
                for (i, k) in [1.0, 0.0].into_iter().enumerate() {
                    let input = activations[(b + w + i) % 2];
                    let plan = plan(window, number, |config| config.beta(beta).k(k).alpha(1.0).input_activation(input));
                    let halves = number != number.lane();
                    if halves && w == 0 {
                        plans.push(plan.of_lanes());
                    }
                    // Long windows of halves have no kernels of their own.
                    if !halves || !plan.is_cumulative() {
                        plans.push(plan);
                    }
                }
            }
        }
        for (beta, alpha) in [(0.0, 1.0), (0.75, 0.0)] {
            let of = |input| plan((2, 2), number, |config| config.beta(beta).alpha(alpha).input_activation(input));
            plans.extend(activations.map(of));
        }
        // Kernels that add the taps of an axis.
        for (beta, window) in
            [(0.75, (1, 1)), (0.6, (2, 1)), (33.0, (0, 1))].into_iter().filter(|_| number == number.lane())
        {
            plans.extend(activations.map(|input| {
                plan(window, number, |config| config.beta(beta).over_axes(&[0, 1]).input_activation(input))
            }));
        }
    }
    let with_kernels = |plan| {
        let kernels = all_kernels(&plan);
        (plan, kernels)
    };
    plans.into_iter().map(with_kernels).collect()
}

/// The kernels of the forward pass over planes.
fn forward_kernels(plan: &Plan) -> Vec<Kernel> {
    let mut all: Vec<Kernel> = kernels(plan).map(|(_, kernel)| kernel).collect();
    if plan.is_cumulative() {
        all.push(Kernel::Combine { one: true });
    } else {
        let traffic = [Traffic::Cached, Traffic::Beyond, Traffic::Past];
        // Whatever this host can do.
        let ways: &[bool] = if plan.number == Number::F16 { &[false, true] } else { &[false] };
        for &convert in ways {
            let block = |channels, traffic| Kernel::Block { channels, traffic, stage: Stage::Forward, convert };
            all.extend([1, FEW, most_block_channels(plan)].map(|channels| block(channels, Traffic::Cached)));
            all.extend(traffic.map(|traffic| block(block_channels(plan), traffic)));
        }
    }
    all
}

/// Every kernel that a plan can need.
pub(super) fn all_kernels(plan: &Plan) -> Vec<Kernel> {
    let mut all = forward_kernels(plan);
    // Derivatives of halves, and what has its sums made first, are computed of widened elements.
    if plan.number != plan.number.lane() {
        return all;
    }
    let stages: &[Stage] = match plan.summation() {
        Some(_) => &[Stage::Jvp, Stage::Gradient, Stage::Gather, Stage::Second, Stage::SecondGather],
        None => &[Stage::Linear, Stage::Zero],
    };
    if plan.summation().is_some() && !plan.is_cumulative() {
        for &stage in stages {
            for size in [Size::One, Size::Few, largest_of_stage(plan, stage)] {
                let channels = size.channels(plan);
                let traffic = [Traffic::Cached, Traffic::Beyond];
                all.extend(traffic.map(|traffic| Kernel::Block { channels, traffic, stage, convert: false }));
            }
        }
    }
    if backward::possible(plan) {
        for channels in [FEW, backward::block_channels(plan)] {
            all.extend([Traffic::Cached, Traffic::Beyond].map(|traffic| Kernel::Backward { channels, traffic }));
        }
    }
    let sums = if adds_taps(plan) { &[Sums::Whole, Sums::ByTap][..] } else { &[Sums::Whole] };
    for &sums in sums {
        all.extend([false, true].map(|past| Kernel::Elementwise { stage: Stage::Forward, past, sums }));
        all.extend(stages.iter().map(|&stage| Kernel::Elementwise { stage, past: false, sums }));
    }
    if adds_taps(plan) {
        all.push(Kernel::Elementwise { stage: Stage::Forward, past: false, sums: Sums::Rolling });
    }
    all
}

/// Not one that differs from another in what lifting adds alone.
pub(super) fn is_cached(kernel: &Kernel) -> bool {
    !matches!(
        kernel,
        Kernel::Block { traffic: Traffic::Beyond | Traffic::Past, .. }
            | Kernel::Backward { traffic: Traffic::Beyond | Traffic::Past, .. }
            | Kernel::Elementwise { past: true, .. }
    )
}

/// Every kernel of the space compiles for both architectures, without a call and without a relocation.
#[test]
fn every_plan_compiles_for_x86_64_and_aarch64() {
    for triple in ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"] {
        let isa = host::isa_for(triple.parse().unwrap()).unwrap();
        for (plan, kernels) in plan_space() {
            for kernel in kernels.into_iter().filter(is_cached) {
                let listing = kernel::listing(&plan, kernel, Vectors::Narrow, &*isa).unwrap();
                let calls = listing.lines().any(|line| {
                    let name = line.split_whitespace().next().unwrap_or_default();
                    name.starts_with("call") || ["bl", "blr"].contains(&name)
                });
                assert!(!calls, "{triple} {kernel:?}\n{plan}\n{listing}");
                let noted = codegen::generate_noted(&plan, kernel, Vectors::Narrow.lanes(), super::ANY_HOST);
                let parts = |text: &str| text.matches("; — ").count();
                let expected = parts(&listing::clif(&plan, kernel, &noted));
                assert_eq!(parts(&listing), expected, "{triple} {kernel:?}\n{plan}\n{listing}");
            }
        }
    }
}
