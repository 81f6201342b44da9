//! [`Progress`]: a bar on standard error, where a person waits for long work.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// How much of the work is done.
pub struct Progress {
    begun: Instant,
    total: u64,
    done: u64,
    bar: Option<ProgressBar>,
    watched: bool,
}

impl Progress {
    /// For work of `total` bytes.
    pub fn new(total: u64) -> Self {
        Self { begun: Instant::now(), total, done: 0, bar: None, watched: io::stderr().is_terminal() }
    }

    /// Notes that `bytes` more are done.
    pub fn advance(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if !self.watched {
            return;
        }
        if self.bar.is_none() && self.begun.elapsed() > PATIENCE {
            let style = ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left")
                .expect("the template is well-formed");
            self.bar = Some(ProgressBar::new(self.total).with_style(style));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        }
    }
}

impl Drop for Progress {
    /// Takes the bar away: what follows it, a report or an error, stands alone.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
