//! Names the shared library as the loader is to look for it: by what of the version an interface is bound to.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        let [major, minor] = ["MAJOR", "MINOR"].map(|part| var(format!("CARGO_PKG_VERSION_{part}")).unwrap());
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,liblrn_jit_c.so.{major}.{minor}");
    }
}
