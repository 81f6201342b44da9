use lrn_jit::*;
use std::hint::black_box;
use std::time::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let reps: usize = 300;
    for spec in &a[1..] {
        // shape:axis:size:beta
        let p: Vec<&str> = spec.split(':').collect();
        let shape: Vec<usize> = p[0].split(',').map(|s| s.parse().unwrap()).collect();
        let axis: isize = p.get(1).map_or(1, |s| s.parse().unwrap());
        let size: usize = p.get(2).map_or(5, |s| s.parse().unwrap());
        let beta: f64 = p.get(3).map_or(0.75, |s| s.parse().unwrap());
        let n: usize = shape.iter().product();
        let mut s = 1u32;
        let x: Vec<f32> = (0..n)
            .map(|_| {
                s = s.wrapping_mul(1664525).wrapping_add(1013904223);
                ((s >> 9) as f32 / 4194304.0 - 1.0) * 100.0
            })
            .collect();
        let al = |v: Vec<f32>| -> (Vec<f32>, usize) {
            let mut w = vec![0f32; v.len() + 64];
            let o = w.as_ptr().align_offset(64);
            w[o..o + v.len()].copy_from_slice(&v);
            (w, o)
        };
        let (x, xo) = al(x);
        let (mut y, yo) = al(vec![0f32; n]);
        let (mut z, zo) = al(x[xo..xo + n].to_vec());
        let x = &x[xo..xo + n];
        let y = &mut y[yo..yo + n];
        let z = &mut z[zo..zo + n];
        let reps = if n > 10_000_000 { 10 } else { reps };
        let inner = if n < 50_000 { 50 } else { 1 };
        print!("{spec:28}");
        let mut mc = f64::MAX;
        for _ in 0..reps {
            let t = Instant::now();
            for _ in 0..inner {
                y.copy_from_slice(black_box(x));
                black_box(&mut *y);
            }
            mc = mc.min(t.elapsed().as_secs_f64() * 1e9 / (n * inner) as f64);
        }
        for w in [Width::W128, Width::W256, Width::W512] {
            let l =
                LrnConfig::new(size).alpha(1e-4 * size as f64).beta(beta).channel_axis(axis).width(w).build().unwrap();
            let mut b = f64::MAX;
            let mut bi = f64::MAX;
            for _ in 0..reps {
                let t = Instant::now();
                for _ in 0..inner {
                    l.forward_into(black_box(x), &shape, &mut *y).unwrap();
                }
                b = b.min(t.elapsed().as_secs_f64() * 1e9 / (n * inner) as f64);
                if w == Width::W512 {
                    z.copy_from_slice(x);
                    let t = Instant::now();
                    for _ in 0..inner {
                        l.forward_in_place(black_box(&mut *z), &shape).unwrap();
                    }
                    bi = bi.min(t.elapsed().as_secs_f64() * 1e9 / (n * inner) as f64);
                }
            }
            print!(" {b:.3}");
            if w == Width::W512 {
                print!(" inplace {bi:.3} ({:.2}x)", bi / b);
            }
        }
        println!("  memcpy {mc:.3}");
    }
}
