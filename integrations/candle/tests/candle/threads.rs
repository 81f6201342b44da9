//! Many threads with one module, and rayon's pools.

use candle_core::{DType, Module, Result, Tensor, Var};
use lrn_jit_candle::LocalResponseNorm;
use rayon::ThreadPoolBuilder;

use crate::composed::{Case, random, same_bits};

/// The result and the gradient.
fn both(norm: &LocalResponseNorm, x: &Tensor) -> Result<[Tensor; 2]> {
    let var = Var::from_tensor(x)?;
    let y = norm.forward(&var)?;
    let grads = y.sum_all()?.backward()?;
    Ok([y.detach(), grads.get(&var).expect("a gradient").clone()])
}

#[test]
fn a_module_is_shared_between_threads() -> Result<()> {
    fn shareable<T: Clone + Send + Sync + 'static>(_: &T) {}
    let case = Case::torch(5, 2.0, 0.75, 1.0);
    let dtypes = [DType::F64, DType::F32, DType::F16, DType::BF16];
    let inputs = dtypes.iter().map(|&dtype| random(&[2, 24, 9, 11], dtype)).collect::<Result<Vec<_>>>()?;
    let expected = inputs.iter().map(|x| both(&case.build()?, x)).collect::<Result<Vec<_>>>()?;
    // One whose code for three types, and for gradients, is not compiled yet: threads meet there.
    let norm = case.build()?;
    shareable(&norm);
    std::thread::scope(|scope| {
        let work = |start: usize| {
            let (norm, inputs, expected) = (norm.clone(), &inputs, &expected);
            move || -> Result<()> {
                for i in (0..64).map(|turn| (start + turn) % inputs.len()) {
                    let got = both(&norm, &inputs[i])?;
                    for (got, expected) in got.iter().zip(&expected[i]) {
                        assert!(same_bits(got, expected)?);
                    }
                }
                Ok(())
            }
        };
        let threads: Vec<_> = (0..8).map(|start| scope.spawn(work(start))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })
}

/// Large enough to be cut for threads: the bits are those of one thread, for views as well.
#[test]
fn the_bits_do_not_depend_on_the_pool() -> Result<()> {
    let norm = Case::torch(5, 2.0, 0.75, 1.0).build()?;
    let x = random(&[4, 40, 64, 65], DType::F32)?;
    let view = x.narrow(3, 0, 64)?.transpose(1, 2)?;
    let run = |threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| Ok::<_, candle_core::Error>([both(&norm, &x)?, both(&norm, &view)?].concat()))
    };
    let serial = run(1)?;
    for threads in [2, 3, 8] {
        for (got, expected) in run(threads)?.iter().zip(&serial) {
            assert!(same_bits(got, expected)?, "{threads} threads");
        }
    }
    Ok(())
}
