//! Gradients, beside those that burn takes of its own module.

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Distribution, Tensor};
use burn_nn::conv::{Conv2d, Conv2dConfig};
use lrn_jit_burn::LocalResponseNorm;

use crate::own::{cases, config, copied, elements, overall, own, random, same_bits, with_gradient};

/// With gradients: as burn keeps what it needs by default, and with gradient checkpointing.
fn tracked() -> [Device; 2] {
    [Device::flex().autodiff(), Device::flex().autodiff().gradient_checkpointing()]
}

fn check<const D: usize>(config: &lrn_jit_burn::LocalResponseNormConfig, norm: &LocalResponseNorm, shape: [usize; D]) {
    // Relative to the largest of a gradient. The halves: one rounding of it, and of what it is made from none.
    let allowed = [
        (DType::F64, 8.0 * f64::EPSILON),
        (DType::F32, 8.0 * f32::EPSILON as f64),
        (DType::F16, 0.51 / 1024.0),
        (DType::BF16, 0.501 / 128.0),
    ];
    let device = Device::flex();
    for (dtype, allowed) in allowed {
        let (x, w) = (random(shape, dtype, &device), random(shape, dtype, &device));
        let [wide_x, wide_w] = [&x, &w].map(|tensor| copied(tensor, DType::F64, &device));
        let [_, expected] = with_gradient(|x| own(config).forward(x), &wide_x, &wide_w, &tracked()[0]);
        for device in tracked() {
            let [y, got] = with_gradient(|x| norm.forward(x), &x, &w, &device);
            assert_eq!((got.dtype(), got.dims()), (dtype, shape));
            // The result does not depend on whether a gradient will be asked for.
            assert!(same_bits(&y, &norm.forward(x.clone())), "{config:?} {dtype:?} {shape:?}");
            let error = overall(&got, &expected);
            assert!(error <= allowed, "{config:?} {dtype:?} {shape:?}: {error:e} > {allowed:e}");
        }
    }
}

#[test]
fn of_burns_autodiff_they_are_the_same() {
    for config in cases() {
        let norm = config.init();
        check(&config, &norm, [2, 13, 5, 7]);
        check(&config, &norm, [3, 8, 9]);
    }
}

/// In the midst of a graph: after a product, before a square, twice in a row; the module is gone when the gradient is taken.
#[test]
fn it_is_chained() {
    let case = config(5, 2.0, 0.75, 1.0);
    for device in tracked() {
        let a = random([1, 13, 1], DType::F64, &device);
        let x = random([2, 13, 35], DType::F64, &device).require_grad();
        let gradient = |norm: &dyn Fn(Tensor<3>) -> Tensor<3>| {
            let loss = norm(norm(x.clone() * a.clone())).square().sum();
            x.grad(&loss.backward()).expect("a gradient")
        };
        let expected = gradient(&|x| own(&case).forward(x));
        let error = overall(&gradient(&|x| case.init().forward(x)), &expected);
        assert!(error <= 16.0 * f64::EPSILON, "{error:e}");
    }
}

/// Where no gradient is asked for, none is there.
#[test]
fn untracked_tensors_have_none() {
    let device = Device::flex().autodiff();
    let (x, y) = (random([2, 9, 4], DType::F32, &device), random([2, 9, 4], DType::F32, &device).require_grad());
    let normed = config(5, 2.0, 0.75, 1.0).init().forward(x.clone());
    assert!(!normed.is_require_grad());
    let gradients = (normed.clone() * y.clone()).sum().backward();
    assert!(x.grad(&gradients).is_none());
    assert!(same_bits(&y.grad(&gradients).expect("a gradient"), &normed.inner()));
}

/// A small network: a convolution before, what is normalized read twice.
#[derive(Module, Debug)]
struct Network {
    conv: Conv2d,
    norm: LocalResponseNorm,
}

impl Network {
    fn loss(&self, x: Tensor<4>, norm: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<1> {
        let x = relu(self.conv.forward(x));
        (norm(norm(x.clone())) * x).square().sum()
    }
}

#[test]
fn a_network_learns_as_with_burns_own() {
    let case = config(5, 2.0, 0.75, 1.0);
    for device in tracked() {
        let network = Network { conv: Conv2dConfig::new([3, 12], [3, 3]).init(&device), norm: case.init() };
        let x = Tensor::<4>::random([2, 3, 9, 9], Distribution::Normal(0.0, 2.0), &device).require_grad();
        let gradients = |norm: &dyn Fn(Tensor<4>) -> Tensor<4>| {
            let loss = network.loss(x.clone(), norm);
            let gradients = loss.backward();
            let weight = network.conv.weight.val().grad(&gradients).expect("the weight's");
            (loss.inner(), weight, x.grad(&gradients).expect("the input's"))
        };
        let (loss, weight, input) = gradients(&|x| network.norm.forward(x));
        let (own_loss, own_weight, own_input) = gradients(&|x| own(&case).forward(x));
        let errors = [overall(&loss, &own_loss), overall(&weight, &own_weight), overall(&input, &own_input)];
        assert!(errors.iter().all(|&error| error <= 1e-5), "{errors:?}");
        assert!(elements(&own_weight).iter().any(|x| x.abs() > 0.1));
        // As for inference: the same network without gradients.
        let valid = network.valid();
        let x = x.inner();
        assert!(overall(&valid.loss(x.clone(), |x| valid.norm.forward(x)), &own_loss) <= 1e-5);
    }
}
