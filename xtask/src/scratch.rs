//! Packages that a gate writes below the target directory, to look at ours from outside.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{read, target_directory};

/// Writes the files, beside the lock file of the workspace. What has not changed is left alone, or cargo would build it anew.
pub(crate) fn prepare(name: &str, files: &[(impl AsRef<Path>, String)]) -> Result<PathBuf, String> {
    let directory = target_directory()?.join(name);
    for (path, text) in files {
        write(&directory.join(path), text)?;
    }
    // Cargo adds to the lock file what the packages need beyond the workspace, so a copy says what it was made from.
    let (lock, basis) = (read("Cargo.lock")?, directory.join("basis.lock"));
    if fs::read_to_string(&basis).ok().as_ref() != Some(&lock) {
        write(&directory.join("Cargo.lock"), &lock)?;
        write(&basis, &lock)?;
    }
    Ok(directory)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
