//! Reading files: never more of them than is accepted, and none outside of the policy's directory.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::document::MAX_BYTES;

/// The most entries of a directory that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// Where the files come from that a policy includes. Paths are relative to the policy, with `/`, and without `..`.
pub trait Files {
    /// What a directory holds; the empty path is the directory of the policy itself.
    ///
    /// # Errors
    /// If there is no such directory, or if it cannot be read.
    fn entries(&self, directory: &str) -> io::Result<Vec<Entry>>;

    /// The bytes of a file, and of one that is too large one more than is accepted.
    ///
    /// # Errors
    /// If there is no such file, or if it cannot be read.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
}

/// What a directory holds under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// Whether it is a directory.
    pub is_directory: bool,
}

/// A directory of the file system. What leads out of it by a link is not read.
#[derive(Clone, Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// The directory in which a file is.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        Self(file.parent().unwrap_or(Path::new("")).to_owned())
    }

    fn within(&self, path: &str) -> io::Result<PathBuf> {
        let root = if self.0.as_os_str().is_empty() { Path::new(".") } else { &self.0 };
        let (root, path) = (root.canonicalize()?, root.join(path).canonicalize()?);
        if path.starts_with(root) {
            Ok(path)
        } else {
            Err(io::Error::other("it leads out of the policy's directory"))
        }
    }
}

impl Files for Directory {
    fn entries(&self, directory: &str) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.within(directory)?)? {
            let entry = entry?;
            // What is no text cannot be written in a policy, so no pattern speaks of it.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if entries.len() == MAX_ENTRIES {
                let message = format!("the directory holds more than {MAX_ENTRIES} files");
                return Err(io::Error::other(message));
            }
            let is_directory = fs::metadata(entry.path()).is_ok_and(|data| data.is_dir());
            entries.push(Entry { name, is_directory });
        }
        Ok(entries)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        read_bytes(&self.within(path)?)
    }
}

/// No files at all, for a policy that is not in a file itself.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn entries(&self, _: &str) -> io::Result<Vec<Entry>> {
        Err(io::Error::other("a policy that is in no file cannot include any"))
    }

    fn read(&self, _: &str) -> io::Result<Vec<u8>> {
        Err(io::Error::other("a policy that is in no file cannot include any"))
    }
}

/// The bytes of a file that is to be read as a [`document`](crate::document): of one that is too large for that, one more
/// than is accepted, so that it is known to be. A pipe or a device is refused before it is opened: it might never end.
///
/// # Errors
/// If it is no file, or cannot be read.
pub fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if !kind.is_file() {
        let what = if kind.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(io::Error::other(format!("it is {what}, not a file")));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
