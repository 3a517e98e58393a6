//! Paths of what std defines, within the text of a signature.

/// The crates that std consists of.
const ROOTS: [&str; 3] = ["core::", "std::", "alloc::"];

/// Modules of std and of `bytes` that are private, and where what they define is exported.
const EXPORTED: &[(&str, &str)] = &[
    ("core::future::future::", "core::future::"),
    ("core::future::into_future::", "core::future::"),
    ("core::iter::traits::collect::", "core::iter::"),
    ("core::iter::traits::iterator::", "core::iter::"),
    ("core::mem::maybe_uninit::", "core::mem::"),
    ("core::net::ip_addr::", "core::net::"),
    ("core::net::socket_addr::", "core::net::"),
    ("core::ops::deref::", "core::ops::"),
    ("core::ops::function::", "core::ops::"),
    ("core::ops::index::", "core::ops::"),
    ("core::ops::range::", "core::ops::"),
    ("core::panic::location::", "core::panic::"),
    ("core::panic::unwind_safe::", "core::panic::"),
    ("core::ptr::non_null::", "core::ptr::"),
    ("core::task::poll::", "core::task::"),
    ("core::task::wake::", "core::task::"),
    ("std::ffi::os_str::", "std::ffi::"),
    ("std::io::error::", "std::io::"),
    ("std::net::tcp::", "std::net::"),
    ("std::net::udp::", "std::net::"),
    ("std::os::fd::owned::", "std::os::fd::"),
    ("std::os::fd::raw::", "std::os::fd::"),
    ("std::os::unix::net::addr::", "std::os::unix::net::"),
    ("std::os::unix::net::datagram::", "std::os::unix::net::"),
    ("std::os::unix::net::listener::", "std::os::unix::net::"),
    ("std::os::unix::net::stream::", "std::os::unix::net::"),
    ("std::thread::id::", "std::thread::"),
    ("std::thread::local::", "std::thread::"),
    ("bytes::buf::buf_impl::", "bytes::"),
    ("bytes::buf::buf_mut::", "bytes::"),
];

/// Writes each path as a program can, whatever its modules are called.
pub(crate) fn writable(text: &str) -> String {
    let text = EXPORTED
        .iter()
        .fold(text.to_owned(), |text, (at, exported)| {
            text.replace(at, exported)
        });
    map_std_paths(&text, |path| match path.strip_prefix("alloc::") {
        Some(path) => format!("::std::{path}"),
        None => format!("::{path}"),
    })
}

/// Replaces each path of std.
pub(crate) fn map_std_paths(text: &str, map: impl Fn(&str) -> String) -> String {
    let is_part = |it: char| it == '_' || it == ':' || it.is_alphanumeric();
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|it| !is_part(it)).unwrap_or(rest.len());
        let (path, tail) = rest.split_at(end);
        let of_std = |root: &&str| path.starts_with(*root) && path.len() > root.len();
        match ROOTS.iter().any(of_std) {
            true => out += &map(path),
            false => out += path,
        }
        let next = tail.find(is_part).unwrap_or(tail.len());
        out += &tail[..next];
        rest = &tail[next..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_std_can_be_written_and_others_are_left_alone() {
        let text = "fn(&core::task::wake::Waker, [k::core::X; 2]) -> (alloc::vec::Vec<u8>, T) where T: std::io::Read";
        assert_eq!(
            writable(text),
            "fn(&::core::task::Waker, [k::core::X; 2]) -> (::std::vec::Vec<u8>, T) where T: ::std::io::Read"
        );
        assert_eq!(
            writable("<Self as core::iter::traits::iterator::Iterator>::Item"),
            "<Self as ::core::iter::Iterator>::Item"
        );
    }
}
