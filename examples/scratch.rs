use lrn_jit::*;
use std::time::Instant;
fn time(mut f: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    let t0 = Instant::now();
    while t0.elapsed().as_millis() < 250 {
        let t = Instant::now();
        f();
        best = best.min(t.elapsed().as_secs_f64());
    }
    best
}
fn main() {
    let shape = [1usize, 96, 55, 55];
    let n: usize = shape.iter().product();
    let x: Vec<f32> = (0..n).map(|i| ((i * 7919) % 1000) as f32 * 0.3).collect();
    let mut y = vec![0f32; n];
    let mut z = vec![0f32; n];
    let m = time(|| {
        z.copy_from_slice(&x);
        std::hint::black_box(&mut z);
    });
    println!("memcpy {:.3}", m * 1e9 / n as f64);
    for (size, beta, k) in [
        (5, 0.75, 1.0),
        (1, 0.75, 1.0),
        (3, 0.75, 1.0),
        (4, 0.75, 1.0),
        (7, 0.75, 1.),
        (9, 0.75, 1.),
        (12, 0.75, 1.),
        (15, 0.75, 1.),
        (16, 0.75, 1.),
        (17, 0.75, 1.),
        (64, 0.75, 1.),
        (5, 0.5, 1.),
        (5, 0.25, 1.),
        (5, 1., 1.),
        (5, 1.5, 1.),
        (5, 2., 1.),
        (5, 0.6, 1.),
        (5, 1.3, 1.),
        (5, 2.7, 1.),
        (5, 3.5, 1.),
        (5, 5., 1.),
        (5, -0.6, 1.),
        (5, 0.75, 0.),
        (5, 0.5, 0.),
        (5, 0.6, 0.),
    ] {
        let t = Instant::now();
        let l = LrnConfig::new(size).beta(beta).k(k).build().unwrap();
        let c = t.elapsed().as_secs_f64() * 1e6;
        let t = Instant::now();
        l.forward_into(&x, &shape, &mut y).unwrap();
        let f = t.elapsed().as_secs_f64() * 1e6;
        let i = LrnConfig::new(size).beta(beta).k(k).backend(Backend::Interpreter).build().unwrap();
        i.forward_into(&x, &shape, &mut z).unwrap();
        let bad = y.iter().zip(&z).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
        let tj = time(|| l.forward_into(&x, &shape, &mut y).unwrap());
        let ti = time(|| i.forward_into(&x, &shape, &mut z).unwrap());
        let nh = time(|| {
            LrnConfig::new(size)
                .beta(beta)
                .k(k)
                .channel_axis(-1)
                .build()
                .unwrap()
                .forward_into(&x, &[55, 55, 96], &mut y)
                .unwrap()
        });
        let g = LrnConfig::new(size).beta(beta).k(k).backend(Backend::Generic).build().unwrap();
        let tg = time(|| g.forward_into(&x, &shape, &mut z).unwrap());
        println!(
            "n {size:2} b {beta:5} k {k} {}: compile {c:.0} first {f:.0} us, bad {bad}, jit {:.3} interp {:.3} nhwc {:.3} generic {:.3} ns/elem",
            l.backend(),
            tj * 1e9 / n as f64,
            ti * 1e9 / n as f64,
            nh * 1e9 / n as f64,
            tg * 1e9 / n as f64
        );
    }
}
