use lrn_jit::*;
fn main() {
    let a: Vec<f64> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let l = LrnConfig::new(a[0] as usize).beta(a[1]).build().unwrap();
    println!("{}", l.assembly().unwrap());
    println!("{}", l.plan());
}
