//! [`Output`]: a file that appears whole or not at all.
//!
//! Written beside its destination under another name, and renamed when all of it is there; dropped before that, it is
//! removed. So a full disk or a bad input leaves what was there before.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// A file being written.
pub struct Output {
    temporary: NamedTempFile,
    destination: PathBuf,
}

impl Output {
    /// Begins a file that [`commit`](Self::commit) puts at `path`.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let refuse = |why: &str| Failure::input(format_args!("cannot write {}: it is {why}", path.display()));
        let mut destination = path.to_owned();
        if let Ok(existing) = fs::metadata(path) {
            if existing.is_dir() {
                return Err(refuse("a directory"));
            }
            // Renaming would put a file in the place of a device or a pipe.
            if !existing.is_file() {
                return Err(refuse("not a regular file"));
            }
            // Renaming would go past it.
            if existing.permissions().readonly() {
                return Err(refuse("read-only"));
            }
            // A link stays a link.
            destination = fs::canonicalize(path).map_err(|error| cannot(path, &error))?;
        }
        if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(refuse("a directory"));
        }
        let folder = destination.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            let (path, folder) = (path.display(), folder.display());
            return Err(Failure::input(format_args!("cannot write {path}: there is no directory {folder}")));
        }
        // In full the error would name the temporary file.
        let temporary = beside(folder)
            .map_err(|error| Failure::input(format_args!("cannot write {}: {}", path.display(), error.kind())))?;
        Ok(Self { temporary, destination })
    }

    /// What is being written.
    pub fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Whether both will be put at the same place.
    pub fn is_same(&self, other: &Self) -> bool {
        let place = |output: &Self| {
            let folder = output.temporary.path().parent().and_then(|folder| fs::canonicalize(folder).ok());
            (folder, output.destination.file_name().map(std::ffi::OsStr::to_owned))
        };
        place(self) == place(other)
    }

    /// Writes all of the file, and puts it in its place.
    pub fn finish(mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file().write_all(bytes).map_err(|error| cannot(&self.destination, &error))?;
        self.commit()
    }

    /// Puts the file in its place, over whatever stands there.
    pub fn commit(self) -> Result<(), Failure> {
        let Self { temporary, destination } = self;
        temporary.persist(&destination).map(drop).map_err(|error| cannot(&destination, &error.error))
    }
}

/// The failure to write `path`.
pub fn cannot(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::input(format_args!("cannot write {}: {error}", path.display()))
}

/// A new file in `folder`, with the permissions that a fresh file has.
fn beside(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lrn-jit-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Less what umask takes away.
        builder.permissions(Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Opens a file to read.
pub fn open(path: &Path) -> Result<File, Failure> {
    let name = path.display();
    let cannot = |error| Failure::input(format_args!("cannot read {name}: {error}"));
    // Asked before opening: opening a pipe would wait for its writer.
    let kind = fs::metadata(path).map_err(cannot)?;
    if !kind.is_file() {
        let what = if kind.is_dir() { "a directory" } else { "not a regular file" };
        return Err(Failure::input(format_args!("cannot read {name}: it is {what}")));
    }
    File::open(path).map_err(cannot)
}
