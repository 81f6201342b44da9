//! The library stays in memory once it was loaded: ONNX Runtime unloads it after each last session, and what is kept for the
//! next one (the compiler's tables, the operators) would be lost, and made again, every time.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if matches!(&*system, "linux" | "android" | "freebsd") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
