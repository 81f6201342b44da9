use half::{bf16, f16};
use lrn_jit::*;
use std::time::Instant;
fn bench(mut f: impl FnMut(), n: usize, secs: f64) -> f64 {
    let mut best = f64::MAX;
    let t = Instant::now();
    while t.elapsed().as_secs_f64() < secs { let s = Instant::now(); f(); best = best.min(s.elapsed().as_secs_f64()); }
    best * 1e9 / n as f64
}
fn fill<E: Copy>(n: usize, of: impl Fn(f64) -> E, s: u32) -> Vec<E> {
    (0..n).map(|i| { let h = (i as u32).wrapping_add(s).wrapping_mul(2654435761) >> 8; of((h as f64 / 8388608.0 - 1.0) * 10.0) }).collect()
}
fn kind<E: Element>(shape: &[usize], axis: isize, of: impl Fn(f64) -> E + Copy, secs: f64, beta: f64) -> [f64; 5] {
    let n: usize = shape.iter().product();
    let l = LrnConfig::new(5).alpha(5e-4).beta(beta).channel_axis(axis).build_for::<E>().unwrap();
    let r = LrnConfig::new(5).alpha(5e-4).beta(beta).channel_axis(axis).input_activation(Activation::Relu).build_for::<E>().unwrap();
    let (x, g) = (fill(n, of, 1), fill(n, of, 99));
    let mut y = x.clone();
    [bench(|| l.forward_into(&x, shape, &mut y).unwrap(), n, secs),
    bench(|| r.forward_into(&x, shape, &mut y).unwrap(), n, secs),
    bench(|| l.backward_into(&x, &g, shape, &mut y).unwrap(), n, secs),
    bench(|| l.jvp_into(&x, &g, shape, &mut y).unwrap(), n, secs),
    bench(|| l.double_backward_into(&x, &g, &g, shape, &mut y).unwrap(), n, secs)]
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let dram = a.len() > 1 && a[1] == "dram";
    let last = a.len() > 1 && a[1] == "last";
    let shape: Vec<usize> = if dram { vec![64, 96, 55, 55] } else if last { vec![1, 55, 55, 96] } else { vec![1, 96, 55, 55] };
    let axis = if last { -1 } else { 1 };
    let s = if dram { 0.8 } else { 0.25 };
    let n: usize = shape.iter().product();
    let (x, g) = (vec![1f32; n], vec![2f32; n]); let mut y = vec![0f32; n];
    let cp = bench(|| y.copy_from_slice(&x), n, s);
    let stream = bench(|| { for ((y, x), g) in y.iter_mut().zip(&x).zip(&g) { *y = *x + *g; } std::hint::black_box(&mut y); }, n, s);
    println!("memcpy {cp:.3} two reads one write {stream:.3}");
    println!("      forward relu backward jvp double");
    for (name, r) in [("f32", kind::<f32>(&shape, axis, |v| v as f32, s, 0.75)), ("f64", kind::<f64>(&shape, axis, |v| v, s, 0.75)), ("bf16", kind::<bf16>(&shape, axis, bf16::from_f64, s, 0.75)), ("f16", kind::<f16>(&shape, axis, f16::from_f64, s, 0.75)), ("f64 .6", kind::<f64>(&shape, axis, |v| v, s, 0.6))] {
        println!("{name:7} {}", r.iter().map(|v| format!("{v:.3}")).collect::<Vec<_>>().join("  "));
    }
}
