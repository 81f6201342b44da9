//! Many threads with one module, and rayon's pools.

use burn::tensor::{DType, Device, Tensor};
use lrn_jit_burn::LocalResponseNorm;
use rayon::ThreadPoolBuilder;

use crate::own::{DTYPES, config, random, same_bits, with_gradient};

/// The result and the gradient of its sum.
fn both<const D: usize>(norm: &LocalResponseNorm, x: &Tensor<D>) -> [Tensor<D>; 2] {
    with_gradient(|x| norm.forward(x), x, &x.ones_like(), &Device::flex().autodiff())
}

#[test]
fn a_module_is_shared_between_threads() {
    let case = config(5, 2.0, 0.75, 1.0);
    let inputs = DTYPES.map(|dtype| random([2, 24, 99], dtype, &Device::flex()));
    let expected = inputs.each_ref().map(|x| both(&case.init(), x));
    // One whose code for three types, and for gradients, is not compiled yet: threads meet there.
    let norm = case.init();
    std::thread::scope(|scope| {
        for start in 0..8 {
            let (norm, inputs, expected) = (norm.clone(), &inputs, &expected);
            scope.spawn(move || {
                for i in (0..64).map(|turn| (start + turn) % inputs.len()) {
                    for (got, expected) in both(&norm, &inputs[i]).iter().zip(&expected[i]) {
                        assert!(same_bits(got, expected));
                    }
                }
            });
        }
    });
}

/// Large enough to be cut for threads: the bits are those of one thread, for views as well.
#[test]
fn the_bits_do_not_depend_on_the_pool() {
    let norm = config(5, 2.0, 0.75, 1.0).init();
    let x = random([4, 40, 64, 65], DType::F32, &Device::flex());
    let view = x.clone().narrow(3, 0, 64).swap_dims(1, 2);
    let run = |threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| [both(&norm, &x), both(&norm, &view)].concat())
    };
    let serial = run(1);
    for threads in [2, 3, 8] {
        for (got, expected) in run(threads).iter().zip(&serial) {
            assert!(same_bits(got, expected), "{threads} threads");
        }
    }
}
