//! Children that were dropped before their end.

use std::process::Child;

use parking_lot::Mutex;

use super::exit::Exit;
use crate::runtime::Handle;

/// Those whose runtime has ended too.
static ORPHANS: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// A child that nobody asks for any more.
struct Orphan(Option<Child>);

impl Orphan {
    async fn wait(mut self, mut exit: Exit) {
        if let Some(child) = &mut self.0 {
            if exit.wait(child).await.is_ok() {
                drop(self.0.take());
            }
        }
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        if let Some(child) = self.0.take() {
            ORPHANS.lock().push(child);
        }
    }
}

/// Waits for a child in the background.
pub(super) fn adopt(mut child: Child, exit: Option<Exit>) {
    sweep();
    if !runs(&mut child) {
        return;
    }
    let orphan = Orphan(Some(child));
    if let (Some(exit), Ok(runtime)) = (exit, Handle::try_current()) {
        drop(runtime.spawn(orphan.wait(exit)));
    }
}

/// Asks for every orphan whether it has ended.
pub(super) fn sweep() {
    ORPHANS.lock().retain_mut(runs);
}

/// How many wait for the next sweep.
#[cfg(test)]
pub(super) fn count() -> usize {
    ORPHANS.lock().len()
}

/// False if it has ended, and is now gone from the system's table. An error means that it was gone before.
fn runs(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_is_taken_in_by_a_later_sweep() {
        let mut command = std::process::Command::new("cat");
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let before = count();
        // No runtime here: it goes into the list at once.
        adopt(child, None);
        assert_eq!(count(), before + 1);
        drop(input);
        while count() > before {
            sweep();
            std::thread::yield_now();
        }
    }
}
