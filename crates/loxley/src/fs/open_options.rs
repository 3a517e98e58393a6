//! [`OpenOptions`].

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{File, on_pool};

/// How a file is opened; the options of [`std::fs::OpenOptions`].
///
/// # Examples
///
/// ```
/// use loxley::fs::OpenOptions;
/// use loxley::io::AsyncWriteExt;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let path = std::env::temp_dir().join(format!("loxley-doc-open-{}", std::process::id()));
/// for line in ["one\n", "two\n"] {
///     let mut file = OpenOptions::new().append(true).create(true).open(&path).await?;
///     file.write_all(line.as_bytes()).await?;
///     file.flush().await?;
/// }
/// assert_eq!(loxley::fs::read(&path).await?, b"one\ntwo\n");
/// # loxley::fs::remove_file(path).await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(std::fs::OpenOptions);

/// One documented switch per option.
macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, $name: bool) -> &mut OpenOptions {
            self.0.$name($name);
            self
        }
    )*};
}

impl OpenOptions {
    /// Everything off.
    #[must_use]
    pub fn new() -> OpenOptions {
        OpenOptions(std::fs::OpenOptions::new())
    }

    switches! {
        /// Sets whether the file can be read.
        read;
        /// Sets whether the file can be written.
        write;
        /// Sets whether every write goes to the end, wherever that then is.
        append;
        /// Sets whether the file is emptied; it must be writable.
        truncate;
        /// Sets whether the file is made if there is none.
        create;
        /// Sets whether the file is made, and it is an error if there is one.
        create_new;
    }

    /// Sets the permissions of a new file, less the process's mask. Default: `0o666`.
    pub fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.0.mode(mode);
        self
    }

    /// Adds flags of the system's `open`. Those for reading and writing are ignored.
    pub fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.0.custom_flags(flags);
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::OpenOptions::open`].
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref().to_owned();
        let options = self.0.clone();
        let file = on_pool(move || options.open(path)).await?;
        Ok(File::from_std(file))
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions::new()
    }
}

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> OpenOptions {
        OpenOptions(options)
    }
}
