//! A host that denies executable memory gets the interpreter, told why, and the same bits. A child process denies it to
//! itself (Linux 6.3 and later) as systemd's MemoryDenyWriteExecute does; it is this test binary again.
#![cfg(target_os = "linux")]

use std::env;
use std::io;
use std::process::Command;

use lrn_jit::{Backend, BuildError, CompileError, LocalResponseNorm, LrnConfig};

const PR_SET_MDWE: libc::c_int = 65;
const PR_MDWE_REFUSE_EXEC_GAIN: libc::c_ulong = 1;

/// Set in the child.
const CHILD: &str = "LRN_JIT_HARDENED_CHILD";
/// Begins the child's lines that are meant for the parent.
const MARK: &str = "hardened:";
/// Short and long windows, and recipes of every class.
const CASES: [(usize, f64); 6] = [(5, 0.75), (4, 0.6), (3, 1.0), (40, 0.75), (1, 3.5), (2, 6.5)];

fn config(size: usize, beta: f64) -> LrnConfig {
    LrnConfig::new(size).alpha(2.0).beta(beta).k(0.5)
}

/// The bits of some outputs, for block and narrow tensors, apart and in place.
fn fingerprint(lrn: &LocalResponseNorm) -> String {
    let x: Vec<f32> = (0..24 * 18).map(|i| (i as f32 * 0.37).sin() * 5.0).collect();
    let mut y = lrn.forward(&x, &[1, 24, 18]).unwrap();
    y.extend(lrn.forward(&x, &[12, 2, 18]).unwrap());
    let mut in_place = x;
    lrn.forward_in_place(&mut in_place, &[18, 24]).unwrap();
    y.extend(in_place);
    y.iter().map(|y| format!("{:08x}", y.to_bits())).collect()
}

/// Denies this process executable memory, tries everything, and prints bits for the parent.
fn child() {
    // SAFETY: takes numbers only. From here on nothing in this process can become executable.
    if unsafe { libc::prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) } != 0 {
        return println!("{MARK}unsupported {}", io::Error::last_os_error());
    }
    for (size, beta) in CASES {
        let lrn = config(size, beta).build().unwrap();
        let report = lrn.backend();
        assert_eq!(report.backend, Backend::Interpreter);
        assert!(report.reason.contains("executable memory"), "{report}");
        println!("{MARK}bits {}", fingerprint(&lrn));
        println!("{MARK}reason {}", report.reason);

        let Err(error) = config(size, beta).backend(Backend::Jit).build() else { panic!("compiled all the same") };
        assert!(matches!(error, BuildError::Compile(CompileError::ExecutableMemory { .. })), "{error:?}");
        assert_eq!(error.to_string(), report.reason);
    }
    println!("{MARK}end");
}

#[test]
fn without_executable_memory_the_interpreter_gives_the_same_bits() {
    if env::var_os(CHILD).is_some() {
        return child();
    }
    let layers = CASES.map(|(size, beta)| config(size, beta).build().unwrap());
    if layers[0].backend().backend != Backend::Jit {
        return println!("skipped: this host does not compile ({})", layers[0].backend());
    }
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "without_executable_memory_the_interpreter_gives_the_same_bits", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    // The harness may leave a line of its own open.
    let said: Vec<_> = text.lines().filter_map(|line| line.split_once(MARK)).map(|(_, said)| said).collect();
    if let Some(reason) = said.iter().find_map(|said| said.strip_prefix("unsupported ")) {
        return println!("skipped: this kernel cannot deny executable memory to a process ({reason})");
    }
    assert_eq!(said.last(), Some(&"end"), "{text}");
    let bits: Vec<_> = said.iter().filter_map(|said| said.strip_prefix("bits ")).collect();
    assert_eq!(bits.len(), CASES.len());
    for ((lrn, bits), case) in layers.iter().zip(bits).zip(CASES) {
        assert_eq!(lrn.backend().backend, Backend::Jit);
        assert!(fingerprint(lrn) == bits, "the bits of {case:?} differ");
    }
    println!("denied: {}", said.iter().find_map(|said| said.strip_prefix("reason ")).unwrap());
}
