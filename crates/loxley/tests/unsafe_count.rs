//! Where this crate uses unsafe code, and how often. Whoever needs more changes this list, and says why.

use std::fs;
use std::path::Path;

const BLOCKS: &[(&str, usize)] = &[
    ("fs/os.rs", 2),
    ("hyper.rs", 2),
    ("io/read_buf.rs", 29),
    // Two of them are declarations: tokio's `register` asks its callers for a promise.
    ("io/unix/os.rs", 3),
    ("net/os.rs", 4),
    ("process/command.rs", 2),
    ("signal/os.rs", 1),
    ("sync/guard.rs", 18),
    ("sync/mpsc/chan.rs", 3),
    ("sync/mpsc/queue.rs", 33),
    ("sync/once.rs", 3),
    ("sync/oneshot/state.rs", 29),
    // A box is emptied and filled again.
    ("sync/reusable_box.rs", 5),
    ("sync/waiters.rs", 23),
];

#[test]
fn unsafe_code_is_where_the_list_says() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    count(&source, &source, &mut found);
    found.sort();
    let found: Vec<_> = found
        .iter()
        .map(|(file, count)| (file.as_str(), *count))
        .collect();
    assert_eq!(found, BLOCKS);
}

/// Counts lines that open an unsafe block, function or implementation.
fn count(root: &Path, folder: &Path, found: &mut Vec<(String, usize)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count(root, &path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let count = text
            .lines()
            .map(str::trim)
            .filter(|line| is_unsafe(line))
            .count();
        if count > 0 {
            found.push((
                path.strip_prefix(root).unwrap().display().to_string(),
                count,
            ));
        }
    }
}

fn is_unsafe(line: &str) -> bool {
    !line.starts_with("//")
        && ["unsafe {", "unsafe fn", "unsafe impl"]
            .iter()
            .any(|word| line.contains(word))
}
