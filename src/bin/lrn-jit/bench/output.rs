//! A file that is written whole or not at all, and is known to be writable before there is anything to write.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A file to be. Until it is finished there is a temporary one beside it; without an end that is removed.
pub struct Output {
    path: PathBuf,
    temporary: PathBuf,
    finished: bool,
}

impl Output {
    /// Makes sure that `path` can be written.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let cannot =
            |reason: &dyn std::fmt::Display| Failure::input(format!("cannot write {}: {reason}", path.display()));
        let Some(name) = path.file_name() else { return Err(cannot(&"not the name of a file")) };
        if path.is_dir() {
            return Err(cannot(&"it is a directory"));
        }
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let temporary = path.with_file_name(hidden);
        fs::write(&temporary, []).map_err(|error| cannot(&error))?;
        Ok(Self { path: path.to_path_buf(), temporary, finished: false })
    }

    /// Writes the file.
    pub fn finish(mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = fs::write(&self.temporary, bytes).and_then(|()| fs::rename(&self.temporary, &self.path));
        written.map_err(|error| Failure::input(format!("cannot write {}: {error}", self.path.display())))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.finished {
            // It may be gone already; nobody is left to be told.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
