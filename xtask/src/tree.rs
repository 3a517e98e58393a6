//! `tree`: what people get when they depend on us does not bring tokio along.

use crate::command::{cargo, stdout};
use crate::gate::{Options, Outcome, Verdict};

/// `tree`
pub(crate) fn gate(_: &Options) -> Outcome {
    let mut seen = 0;
    for package in ["loxley-core", "loxley"] {
        let tree = stdout(cargo(&[
            "tree", "-e", "normal", "-p", package, "--prefix", "none",
        ]))?;
        let names = names(&tree);
        if !names.contains(&package) {
            return Err(format!(
                "`cargo tree` does not begin with {package}:\n{tree}"
            ));
        }
        if let Some(name) = names.iter().find(|name| is_tokio(name)) {
            return Err(format!(
                "{package} with default features depends on {name}; \
                 `cargo tree -e normal -p {package} -i {name}` shows by which way"
            ));
        }
        seen += names.len();
    }
    Ok(Verdict::Passed(format!(
        "{seen} packages, none of them tokio"
    )))
}

/// The names of the packages, one per line of the tree.
fn names(tree: &str) -> Vec<&str> {
    tree.lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .collect()
}

fn is_tokio(name: &str) -> bool {
    name == "tokio" || name.starts_with("tokio-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokio_in_the_tree_is_seen() {
        let tree = "loxley v0.1.0 (/x)\nmio v1.2.4\ntokio v1.54.1 (*)\n\ntokio-util v0.7.0\n";
        let names = names(tree);
        assert_eq!(names.len(), 4);
        assert_eq!(names.iter().filter(|name| is_tokio(name)).count(), 2);
        assert!(!is_tokio("tokiodb") && !is_tokio("not-tokio"));
    }
}
