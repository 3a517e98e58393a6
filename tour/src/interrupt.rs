//! Interrupt: Ctrl-C sets a flag once and ends the program the second time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Whether somebody asked for the end.
#[derive(Debug)]
pub(crate) struct Interrupt {
    flag: Arc<AtomicBool>,
    told: Receiver<()>,
}

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> io::Result<Interrupt> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let flag = Arc::new(AtomicBool::new(false));
        let (tell, told) = channel();
        let shared = flag.clone();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for _ in signals.forever() {
                    if shared.swap(true, Ordering::Relaxed) {
                        // Asked twice: whatever hangs, the person does not have to.
                        std::process::exit(130);
                    }
                    let _ = tell.send(());
                }
            })?;
        Ok(Interrupt { flag, told })
    }

    /// The flag, for threads that look now and then.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.flag
    }

    /// True once it was asked.
    pub(crate) fn came(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Sleeps until it is asked.
    pub(crate) fn wait(&self) {
        // An error means that the thread is gone, and with it whoever could ask.
        let _ = self.told.recv();
    }
}
