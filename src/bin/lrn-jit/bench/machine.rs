//! What the numbers were measured on, as far as the system says it.

use std::fs;

/// Where and by what a report was made.
#[derive(Debug, Clone)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub system: String,
    pub tool: String,
    pub cranelift: &'static str,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let debug = if cfg!(debug_assertions) { " (debug build)" } else { "" };
        Self {
            processor: processor().unwrap_or_else(|| "unknown processor".into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            tool: format!("lrn-jit {}{debug}", env!("CARGO_PKG_VERSION")),
            cranelift: cranelift_codegen::VERSION,
        }
    }

    /// Two lines below a picture; `code` is what the library says about the code it makes.
    pub fn caption(&self, code: &str, quick: bool) -> [String; 2] {
        let Self { processor, cores, system, tool, cranelift } = self;
        let quick = if quick { "; --quick: rough numbers" } else { "" };
        [format!("{processor}, {cores} cores, {system}"), format!("{tool}, cranelift {cranelift}; {code}{quick}")]
    }

    /// All of it in a line.
    pub fn line(&self) -> String {
        let Self { processor, cores, system, tool, cranelift } = self;
        format!("{tool}, cranelift {cranelift}, {processor}, {cores} cores, {system}")
    }
}

/// The processor's name, and on x86-64 its family and model, without which "AMD EPYC" could be anything.
fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let of = |key: &str| {
        let line = text.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key))?;
        Some(line.split_once(':')?.1.trim().to_string())
    };
    let name = of("model name")?;
    Some(match (of("cpu family"), of("model")) {
        (Some(family), Some(model)) => format!("{name} (family {family}, model {model})"),
        _ => name,
    })
}

/// Bytes of memory to be had, where the system says.
pub fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
