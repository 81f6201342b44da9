//! As a module of burn: what it prints, its configuration, records of networks that hold it.

use burn::config::Config as _;
use burn::module::Module;
use burn::tensor::{DType, Device};
use burn_nn::{Linear, LinearConfig};
use lrn_jit_burn::{LocalResponseNorm, LocalResponseNormConfig};

use crate::own::{config, own, random, same_bits};

#[test]
fn it_reads_as_burns_own() {
    let case = config(4, 2.0, 0.5, 1.5);
    assert_eq!(case.init().to_string(), own(&case).to_string());
    assert_eq!(case.init().num_params(), 0);
    let defaults = burn_nn::LocalResponseNormConfig::new(5);
    assert_eq!(LocalResponseNormConfig::new(5).to_string(), defaults.to_string());
}

#[test]
fn a_configuration_is_read_from_burns_own() {
    let saved = burn_nn::LocalResponseNormConfig::new(4).with_alpha(2.0).with_k(0.5).to_string();
    let read = LocalResponseNormConfig::load_binary(saved.as_bytes()).expect("a configuration");
    assert_eq!((read.size, read.alpha, read.beta, read.k), (4, 2.0, 0.75, 0.5));
}

#[derive(Module, Debug)]
struct Ours {
    before: Linear,
    norm: LocalResponseNorm,
    after: Linear,
}

#[derive(Module, Debug)]
struct Owns {
    before: Linear,
    norm: burn_nn::LocalResponseNorm,
    after: Linear,
}

/// Weights saved of a network with the one are loaded into a network with the other.
#[test]
fn records_are_exchanged_with_burns_own() {
    let (device, case) = (Device::flex(), config(5, 2.0, 0.75, 0.5));
    let linear = || LinearConfig::new(6, 6).init(&device);
    let owns = Owns { before: linear(), norm: own(&case), after: linear() };
    let x = random([2, 9, 6], DType::F32, &device);
    let expected = owns.after.forward(case.init().forward(owns.before.forward(x.clone())));
    let ours = Ours { before: linear(), norm: case.init(), after: linear() }.load_record(owns.into_record());
    let got = ours.after.forward(ours.norm.forward(ours.before.forward(x.clone())));
    assert!(same_bits(&got, &expected));
    let back = Owns { before: linear(), norm: own(&case), after: linear() }.load_record(ours.into_record());
    let got = back.after.forward(case.init().forward(back.before.forward(x)));
    assert!(same_bits(&got, &expected));
}
