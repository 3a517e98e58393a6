//! [`DirBuilder`].

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::on_pool;

/// Makes directories, with choices.
///
/// # Examples
///
/// ```
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let folder = std::env::temp_dir().join(format!("loxley-doc-dir-{}", std::process::id()));
/// loxley::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join("a/b")).await?;
/// assert!(folder.join("a/b").is_dir());
/// # loxley::fs::remove_dir_all(folder).await
/// # }
/// ```
#[derive(Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    mode: Option<u32>,
}

impl DirBuilder {
    /// One directory, whose parent must be there.
    #[must_use]
    pub fn new() -> Self {
        DirBuilder::default()
    }

    /// Sets whether missing parents are made too, and a directory that is there is no error. Default: `false`.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// Sets the permissions of new directories, less the process's mask. Default: `0o777`.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Makes the directory.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::DirBuilder::create`].
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref().to_owned();
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(self.recursive);
        if let Some(mode) = self.mode {
            builder.mode(mode);
        }
        on_pool(move || builder.create(path)).await
    }
}
