use half::{bf16, f16};
use lrn_jit::*;
use std::time::Instant;
fn fill<E: Copy>(n: usize, of: impl Fn(f64) -> E, s: u32) -> Vec<E> {
    (0..n).map(|i| { let h = (i as u32).wrapping_add(s).wrapping_mul(2654435761) >> 8; of((h as f64 / 8388608.0 - 1.0) * 10.0) }).collect()
}
fn kind<E: Element>(name: &str, shape: &[usize], axis: isize, of: impl Fn(f64) -> E + Copy, base: &mut dyn FnMut() -> f64) {
    let n: usize = shape.iter().product();
    let l = LrnConfig::new(5).alpha(5e-4).channel_axis(axis).build_for::<E>().unwrap();
    let r = LrnConfig::new(5).alpha(5e-4).channel_axis(axis).input_activation(Activation::Relu).build_for::<E>().unwrap();
    let (x, g) = (fill(n, of, 1), fill(n, of, 99));
    let mut y = x.clone();
    let mut best = [f64::MAX; 4];
    let t = Instant::now();
    let secs = if n > 1 << 22 { 4.0 } else { 1.0 };
    while t.elapsed().as_secs_f64() < secs {
        best[0] = best[0].min(base());
        let s = Instant::now(); l.forward_into(&x, shape, &mut y).unwrap(); best[1] = best[1].min(s.elapsed().as_secs_f64());
        let s = Instant::now(); r.forward_into(&x, shape, &mut y).unwrap(); best[2] = best[2].min(s.elapsed().as_secs_f64());
        let s = Instant::now(); l.backward_into(&x, &g, shape, &mut y).unwrap(); best[3] = best[3].min(s.elapsed().as_secs_f64());
    }
    let b = best.map(|b| b * 1e9 / n as f64);
    println!("{name}: f32 {:.3} plain {:.3} ({:.3} of f32) relu {:.3} ({:.3} of plain) backward {:.3}", b[0], b[1], b[1] / b[0], b[2], b[2] / b[1], b[3]);
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let dram = a.len() > 1 && a[1] == "dram";
    let last = a.len() > 1 && a[1] == "last";
    let shape: Vec<usize> = if dram { vec![64, 96, 55, 55] } else if last { vec![1, 55, 55, 96] } else { vec![1, 96, 55, 55] };
    let axis = if last { -1 } else { 1 };
    let n: usize = shape.iter().product();
    let l = LrnConfig::new(5).alpha(5e-4).channel_axis(axis).build().unwrap();
    let x = fill(n, |v| v as f32, 1); let mut y = x.clone();
    let sh = shape.clone();
    let mut base = || { let s = Instant::now(); l.forward_into(&x, &sh, &mut y).unwrap(); s.elapsed().as_secs_f64() };
    kind::<f32>("f32", &shape, axis, |v| v as f32, &mut base);
    kind::<f64>("f64", &shape, axis, |v| v, &mut base);
    kind::<bf16>("bf16", &shape, axis, bf16::from_f64, &mut base);
    kind::<f16>("f16", &shape, axis, f16::from_f64, &mut base);
}
