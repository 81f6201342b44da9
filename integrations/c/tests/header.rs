//! The header that is checked in is the one that cbindgen makes of the sources.
//!
//! `LRN_JIT_BLESS=1 cargo test -p lrn-jit-c --test header` writes it.

use std::path::Path;

#[test]
fn the_header_is_what_cbindgen_makes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut made = vec![];
    cbindgen::Builder::new().with_crate(root).with_config(config).generate().expect("sources").write(&mut made);
    let made = String::from_utf8(made).expect("UTF-8");
    let path = root.join("include/lrn_jit.h");
    if std::env::var_os("LRN_JIT_BLESS").is_some() {
        std::fs::write(&path, &made).expect("the header can be written");
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    let line = made.lines().zip(checked_in.lines()).position(|(made, checked_in)| made != checked_in);
    assert!(
        made == checked_in,
        "include/lrn_jit.h is stale from line {} on; LRN_JIT_BLESS=1 makes it anew",
        line.unwrap_or_else(|| made.lines().count().min(checked_in.lines().count())) + 1
    );
}
