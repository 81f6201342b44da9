use lrn_jit::*;
use std::time::Instant;
fn main(){
  let shape=[1usize,96,55,55]; let n:usize=shape.iter().product();
  let x:Vec<f32>=(0..n).map(|i| ((i*7919)%1000) as f32*0.3).collect();
  let mut y=vec![0f32;n];
  let ls:Vec<(String,LocalResponseNorm)>=std::env::args().skip(1).map(|a|{let (s,b)=a.split_once(':').unwrap(); (a.clone(),LrnConfig::new(s.parse().unwrap()).beta(b.parse().unwrap()).build().unwrap())}).collect();
  let mut best=vec![f64::MAX;ls.len()];
  let t0=Instant::now(); while t0.elapsed().as_secs_f64()<0.4*ls.len() as f64 { for (i,(_,l)) in ls.iter().enumerate(){ for _ in 0..5 {let t=Instant::now(); l.forward_into(&x,&shape,&mut y).unwrap(); best[i]=best[i].min(t.elapsed().as_secs_f64());} } }
  for (i,(a,_)) in ls.iter().enumerate(){ println!("{a}: {:.3} ns  {:.2}x", best[i]*1e9/n as f64, best[i]/best[0]); }
}
