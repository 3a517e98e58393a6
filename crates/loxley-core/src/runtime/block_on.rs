//! Waiting for one future on this thread.
//!
//! On the multi-thread flavour the caller's thread polls the *root* future and sleeps; the workers do the rest.
//! On the current-thread flavour the caller becomes the worker. Of two concurrent callers one drives; the other
//! polls its own root only, and is handed the driver's place when the first leaves:
//!
//! - D1 a root that is not ready tries to sit down. It got the seat: it drives until its root is ready.
//! - D2 the seat is taken: it enters the list of those who wait, tries once more, and sleeps.
//! - D3 a driver that leaves stands up first, and then wakes one of the list, who goes back to D1.
//! - D4 a driver's root that has been woken goes behind the tasks that wait when that is seen, as a task would at the
//!   tail. A step may end before they have run, for a look; a root that came in between would see less done than was
//!   ready when it yielded. Those in the injector count: what the root's first poll has spawned waits there.
//! - D5 a root that is woken again while no task waits is polled, and the next step begins with a look at sockets and
//!   timers: with nobody else there, that is whom it makes room for.
//!
//! D2's second try and D3's order make sure that a seat never stays empty while somebody waits for it: both touch
//! the list's lock, so either the second try finds the seat empty or D3 finds the entry.
//!
//! Checked by `tests/runtime_current_thread.rs`.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

use super::Handle;
use crate::budget;
use crate::park::{How, NEVER, Park, Prepared};
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::primitive::{Arc, Mutex};
use crate::random;
use crate::worker::{Interrupt, Step, Worker};

/// What wakes a root future.
pub struct Root {
    raised: AtomicBool,
    /// Where its thread sleeps while it does not drive.
    park: Park,
    /// Where it sleeps while it drives.
    station: Option<Arc<Park>>,
}

impl Wake for Root {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: pairs with the Acquire in `take`. No model comes here, for loom's worlds have no root; what the flag
        // publishes the swap in `Park::unpark` publishes, too, and models look at that.
        if !self.raised.swap(true, Ordering::AcqRel) {
            self.park.unpark();
            if let Some(station) = &self.station {
                station.unpark();
            }
        }
    }
}

impl Interrupt for Root {
    fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }
}

impl Root {
    /// Wakes it for another reason than its future's.
    pub fn raise(self: &Arc<Self>) {
        self.wake_by_ref();
    }

    fn take(&self) -> bool {
        // Acquire: pairs with the Release in `wake_by_ref`; as there, loom does not see it. Looking first spares the locked
        // instruction.
        self.is_raised() && self.raised.swap(false, Ordering::AcqRel)
    }

    fn sleep(&self) {
        if self.park.prepare(How::Futex, NEVER) == Prepared::Ready {
            // The wake that raised the flag also unparks: no second look is needed.
            self.park.sleep(None);
            self.park.finish();
        }
    }
}

/// Those who wait for the driver's place.
#[derive(Default)]
pub struct Waiting(Mutex<Vec<Arc<Root>>>);

impl Handle {
    /// Polls `future` on this thread until it is ready; `may_drive`: as the worker, if the flavour has no threads.
    #[track_caller]
    pub(super) fn wait_for<F: Future>(&self, future: F, may_drive: bool) -> F::Output {
        self.assert_here();
        let seed = self.inner.scheduler.seed_for_root();
        let wait = || random::with_stream(seed, || self.wait_with(future, may_drive));
        super::context::drive(self, wait)
    }

    #[track_caller]
    fn wait_with<F: Future>(&self, future: F, may_drive: bool) -> F::Output {
        {
            let station = self.inner.scheduler.stations.first();
            let drives = may_drive && self.inner.is_current_thread();
            let root = Arc::new(Root {
                raised: AtomicBool::new(true),
                park: Park::futex_only(),
                station: station
                    .filter(|_| drives)
                    .map(|station| station.park.clone()),
            });
            let waker = Waker::from(root.clone());
            let mut cx = Context::from_waker(&waker);
            let mut future = pin!(future);
            let units = self.inner.scheduler.config.budget;
            let units = units.unwrap_or(budget::DEFAULT);
            // `None`: nobody ends this runtime while it is in use.
            let ends_by_panic = self.inner.failure.as_ref();
            let listed = ends_by_panic.map(|failure| failure.list(&root));
            let mut poll = || {
                if let Some(listed) = &listed {
                    listed.look();
                }
                match root.take() {
                    true => budget::with_units(units, || future.as_mut().poll(&mut cx)),
                    false => Poll::Pending,
                }
            };
            loop {
                if let Poll::Ready(output) = poll() {
                    return output;
                }
                if !drives {
                    root.sleep();
                } else if let Some(output) = self.drive_or_wait(&root, &mut poll) {
                    return output;
                }
            }
        }
    }

    /// D1 and D2.
    fn drive_or_wait<T>(&self, root: &Arc<Root>, poll: impl FnMut() -> Poll<T>) -> Option<T> {
        let waiting = &self.inner.waiting.0;
        let worker = self.sit_down(root).or_else(|| {
            waiting.lock().push(root.clone());
            self.sit_down(root)
        });
        let output = match worker {
            Some(worker) => self.drive(worker, root, poll),
            None => {
                root.sleep();
                None
            }
        };
        waiting.lock().retain(|waiter| !Arc::ptr_eq(waiter, root));
        output
    }

    fn sit_down(&self, root: &Arc<Root>) -> Option<Worker> {
        let scheduler = &self.inner.scheduler;
        let local = scheduler.seat(0).queue.sit_down()?;
        scheduler.stations[0].settle(0);
        let interrupt: Arc<dyn Interrupt> = root.clone();
        Some(Worker::new(scheduler.clone(), 0, 0, local, Some(interrupt)))
    }

    fn drive<T>(
        &self,
        worker: Worker,
        root: &Arc<Root>,
        mut poll: impl FnMut() -> Poll<T>,
    ) -> Option<T> {
        // D3, also if the root panics. It holds the only reference to the worker by then.
        struct StandUp<'a>(Option<Worker>, &'a Waiting);
        impl Drop for StandUp<'_> {
            fn drop(&mut self) {
                if let Some(worker) = self.0.take() {
                    worker.stand_up();
                }
                let next = self.1.0.lock().pop();
                if let Some(next) = next {
                    next.park.unpark();
                }
            }
        }
        let seated = StandUp(Some(worker), &self.inner.waiting);
        seated.0.as_ref()?.enter(|worker| {
            worker.begin_work();
            // D4: the number of polls at which it is the turn of a root that has been woken.
            let mut turn = None;
            loop {
                // First: a root that has just been polled and yielded gives way to the tasks that wait.
                let step = worker.step();
                match step {
                    Step::Ran => {}
                    Step::Idle if root.is_raised() => worker.look_next(),
                    Step::Idle => worker.park(),
                    Step::Done => return None,
                }
                if !root.is_raised() {
                    continue;
                }
                let polls = worker.counters().polls.get();
                let turn_at = *turn.get_or_insert_with(|| polls + worker.waiting());
                if step == Step::Ran && polls < turn_at {
                    continue;
                }
                turn = None;
                // Counts as a poll: a root that never stops yielding must not keep the worker from looking.
                worker.count_poll();
                if let Poll::Ready(output) = poll() {
                    return Some(output);
                }
            }
        })
    }
}
