//! What is refused, and what is said then.

use candle_core::{CudaStorage, CustomOp1, DType, Device, Layout, MetalStorage, Module, Result, Tensor};
use lrn_jit_candle::{Convention, LocalResponseNorm, LocalResponseNormConfig, local_response_norm};

fn norm(config: LocalResponseNormConfig) -> LocalResponseNorm {
    local_response_norm(5, config).expect("a valid configuration")
}

fn zeros(shape: &[usize], dtype: DType) -> Tensor {
    Tensor::zeros(shape, dtype, &Device::Cpu).expect("zeros")
}

/// The message of an error, which names the operation or the type.
#[track_caller]
fn message<T>(result: Result<T>) -> String {
    result.err().expect("an error").to_string()
}

#[track_caller]
fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

#[test]
fn types_that_are_not_floats() {
    let norm = norm(LocalResponseNormConfig::default());
    for dtype in [DType::U8, DType::U32, DType::I64] {
        let message = message(norm.forward(&zeros(&[1, 3, 2], dtype)));
        assert_says(&message, &[&format!("{dtype:?}"), "local-response-norm", "F32, F64, F16 and BF16"]);
    }
}

#[test]
fn ranks_and_axes() {
    let config = LocalResponseNormConfig::default();
    for shape in [&[3][..], &[]] {
        let message = message(norm(config).forward(&zeros(shape, DType::F32)));
        assert_says(&message, &["local-response-norm", "rank 2 or more", &format!("rank {}", shape.len())]);
    }
    let on_axis_3 = norm(LocalResponseNormConfig { channel_axis: 3, ..config });
    let message_3 = message(on_axis_3.forward(&zeros(&[1, 2, 3], DType::F16)));
    assert_says(&message_3, &["channel axis 3", "-3 to 2"]);
    let within = norm(LocalResponseNormConfig { within_channel: Some(3), ..config });
    assert_says(&message(within.forward(&zeros(&[2, 3], DType::F64))), &["rank 3 or more", "rank 2"]);
    // Views are refused as their copies are.
    let view = zeros(&[2, 3], DType::F32).t().expect("a view");
    assert_says(&message(on_axis_3.forward(&view)), &["channel axis 3", "-2 to 1"]);
}

#[test]
fn parameters() {
    let default = LocalResponseNormConfig::default();
    assert_says(&message(local_response_norm(0, default)), &["local-response-norm", "size must be at least 1"]);
    let caffe = LocalResponseNormConfig { convention: Convention::Caffe, ..default };
    assert_says(&message(local_response_norm(4, caffe)), &["odd sizes only, got 4"]);
    let nan = LocalResponseNormConfig { beta: f64::NAN, ..default };
    assert_says(&message(local_response_norm(5, nan)), &["beta must be a finite number, got NaN"]);
    let within = LocalResponseNormConfig { within_channel: Some(4), ..default };
    assert_says(&message(local_response_norm(5, within)), &["1, 2 or 3 axes, got 4"]);
}

#[test]
fn gradients_of_another_shape_or_type() {
    let (norm, x) = (norm(LocalResponseNormConfig::default()), zeros(&[2, 3], DType::F32));
    let shape = message(norm.bwd(&x, &x, &zeros(&[3, 2], DType::F32)));
    assert_says(&shape, &["shape mismatch in local-response-norm", "[2, 3]", "[3, 2]"]);
    assert_says(&message(norm.bwd(&x, &x, &zeros(&[2, 3], DType::F64))), &["F32", "F64"]);
}

#[test]
fn other_devices() {
    let (norm, layout) = (norm(LocalResponseNormConfig::default()), Layout::contiguous((1, 3)));
    assert_says(&message(norm.cuda_fwd(&CudaStorage, &layout)), &["local-response-norm", "CPU", "CUDA"]);
    assert_says(&message(norm.metal_fwd(&MetalStorage, &layout)), &["local-response-norm", "CPU", "Metal"]);
}

/// A layout that leaves its storage, as only a caller of the operation itself can give.
#[test]
fn layouts_that_leave_their_storage() {
    let norm = norm(LocalResponseNormConfig::default());
    let x = zeros(&[2, 3], DType::F32);
    let (storage, _) = x.storage_and_layout();
    let candle_core::Storage::Cpu(storage) = &*storage else { panic!("zeros are on the CPU") };
    for layout in [Layout::contiguous_with_offset((2, 3), 1), Layout::new((2, 3).into(), vec![1, 4], 0)] {
        assert_says(&message(norm.cpu_fwd(storage, &layout)), &["local-response-norm", "input reaches"]);
    }
}
