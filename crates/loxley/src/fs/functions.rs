//! The functions of `std::fs`, each as one call on the pool.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use super::on_pool;

/// One documented function per call that takes a path.
macro_rules! of_a_path {
    ($($(#[$doc:meta])* $name:ident => $result:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// Those of the function of the same name in [`std::fs`].
        pub async fn $name(path: impl AsRef<Path>) -> io::Result<$result> {
            let path = path.as_ref().to_owned();
            on_pool(move || fs::$name(path)).await
        }
    )*};
}

/// One documented function per call that takes two paths.
macro_rules! of_two_paths {
    ($($(#[$doc:meta])* $name:ident($from:ident, $to:ident) => $result:ty, $std:path;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// Those of the function of the same name in the standard library.
        pub async fn $name(
            $from: impl AsRef<Path>,
            $to: impl AsRef<Path>,
        ) -> io::Result<$result> {
            let ($from, $to) = ($from.as_ref().to_owned(), $to.as_ref().to_owned());
            on_pool(move || $std($from, $to)).await
        }
    )*};
}

of_a_path! {
    /// The absolute path, without links, `.` and `..`.
    canonicalize => PathBuf;
    /// Makes a directory; its parent must be there.
    create_dir => ();
    /// Makes a directory and all its parents that are missing.
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley::fs;
    ///
    /// # #[loxley::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let folder = std::env::temp_dir().join(format!("loxley-doc-fs-{}", std::process::id()));
    /// fs::create_dir_all(folder.join("deep/down")).await?;
    /// fs::write(folder.join("deep/note"), "hello").await?;
    /// assert_eq!(fs::read_to_string(folder.join("deep/note")).await?, "hello");
    /// assert!(fs::metadata(folder.join("deep")).await?.is_dir());
    /// fs::remove_dir_all(&folder).await?;
    /// assert!(!fs::try_exists(&folder).await?);
    /// # Ok(())
    /// # }
    /// ```
    create_dir_all => ();
    /// What the system knows about a file; of a link, about the file that it leads to.
    metadata => Metadata;
    /// All of a file.
    read => Vec<u8>;
    /// Where a link leads.
    read_link => PathBuf;
    /// All of a file, which must be UTF-8.
    read_to_string => String;
    /// Removes an empty directory.
    remove_dir => ();
    /// Removes a directory with all that is in it. Use it with care.
    remove_dir_all => ();
    /// Removes a file.
    remove_file => ();
    /// What the system knows about a file; of a link, about the link itself.
    symlink_metadata => Metadata;
}

of_two_paths! {
    /// Copies a file's contents and permissions, and says how many bytes that was.
    copy(from, to) => u64, fs::copy;
    /// Makes another name for a file.
    hard_link(original, link) => (), fs::hard_link;
    /// Renames a file or directory, on the same file system; what is at `to` is replaced.
    rename(from, to) => (), fs::rename;
    /// Makes a link that leads to `original`.
    symlink(original, link) => (), std::os::unix::fs::symlink;
}

/// Sets who may do what with a file.
///
/// # Errors
///
/// Those of [`std::fs::set_permissions`].
pub async fn set_permissions(path: impl AsRef<Path>, perm: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    on_pool(move || fs::set_permissions(path, perm)).await
}

/// Whether there is anything at `path`.
///
/// # Errors
///
/// If that cannot be found out, for example because a directory on the way may not be read.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    let path = path.as_ref().to_owned();
    on_pool(move || path.try_exists()).await
}

/// Writes a whole file, which is made, or emptied before.
///
/// # Errors
///
/// Those of [`std::fs::write`].
///
/// # Cancellation
///
/// Dropping the future does not end the writing.
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    let contents = contents.as_ref().to_owned();
    on_pool(move || fs::write(path, contents)).await
}
