//! Handlers, by way of the signal-hook-registry package: it keeps the handlers that were there before, and `errno`.

use std::io;
use std::os::raw::c_int;

use super::Notifier;

/// One action of one signal's handler; it ends with this.
#[derive(Debug)]
pub(super) struct Action(signal_hook_registry::SigId);

/// Notifies whenever `signal` comes.
#[expect(
    unsafe_code,
    reason = "what runs in a signal handler is unsafe by nature"
)]
pub(super) fn notify_on(signal: c_int, notifier: Notifier) -> io::Result<Action> {
    // SAFETY: the action does nothing but `Notifier::notify`, which is async-signal-safe: an atomic swap and a `write`. It
    // cannot panic. The registry drops it outside the handler.
    let id = unsafe { signal_hook_registry::register(signal, move || notifier.notify()) };
    id.map(Action)
}

/// Whether a signal cannot be caught, or only by those who know what they do.
pub(super) fn is_forbidden(signal: c_int) -> bool {
    signal <= 0 || signal_hook_registry::FORBIDDEN.contains(&signal)
}

impl Drop for Action {
    fn drop(&mut self) {
        signal_hook_registry::unregister(self.0);
    }
}
