//! One source and its poller: trying, waiting, and what lies between.
//!
//! A registration binds a descriptor to one poller for as long as it lives, whatever thread its tasks run on. It
//! does not own the descriptor: whoever does must drop the registration first.
//!
//! # Words
//!
//! *Unregistered*: the kernel does not know the source yet. Then nobody sets its readiness, and an operation is
//! simply tried (P1 in `poller.rs`). *Setup*: registering or deregistering, one thread at a time.
//!
//! # Rejected
//!
//! Clearing in `try_io` while unregistered: nobody would ever set it again, and a program that only ever tries
//! would never be told. A place in the waiter list for every `poll_*` call: a task that polls from one place
//! only has no future of ours in which to keep the key.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::budget::poll_proceed;
use crate::poller::Poller;
use crate::poller::error::{forked, shut_down};
use crate::poller::interest::{Direction, Interest, Ready};
use crate::poller::readiness::{ReadyEvent, State};
use crate::poller::slab::{Slot, Token};
use crate::primitive::atomic::Ordering;
use crate::primitive::{Arc, Mutex};
use crate::task::WakeList;

/// One source in one poller.
#[derive(Debug)]
pub struct Registration {
    poller: Arc<Poller>,
    /// `None`: the poller had been closed before.
    token: Option<Token>,
    fd: RawFd,
    /// Held while registering and deregistering.
    setup: Mutex<()>,
}

/// What an operation should do next.
enum Step {
    /// Try; then clear what was seen, if anything was.
    Try(Option<ReadyEvent>),
    Wait,
}

impl Registration {
    /// Binds a descriptor to a poller. No system call: the kernel learns of it at the first wait.
    pub fn new(poller: Arc<Poller>, fd: RawFd) -> Self {
        let token = poller.slab.insert();
        if token.is_some() {
            poller.sources.fetch_add(1, Ordering::Relaxed);
        }
        Self {
            token,
            poller,
            fd,
            setup: Mutex::new(()),
        }
    }

    /// Binds and registers at once, ready for nothing until the first event: for a `connect` under way.
    ///
    /// The `connect` must have been started: before it, the kernel calls a stream socket hung up.
    pub fn new_connecting(poller: Arc<Poller>, fd: RawFd) -> io::Result<Self> {
        let registration = Self::new(poller, fd);
        registration.register(false, Ready::EMPTY)?;
        Ok(registration)
    }

    /// Waits until reading is worth a try. Of several tasks that poll, the last one is woken.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
        self.poll_ready(cx, Direction::Read)
    }

    /// Waits until writing is worth a try. Of several tasks that poll, the last one is woken.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
        self.poll_ready(cx, Direction::Write)
    }

    fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<ReadyEvent>> {
        let unit = ready!(poll_proceed(cx));
        let event = ready!(self.poll_event(cx, direction));
        unit.made_progress();
        Poll::Ready(event)
    }

    /// P4 with the waker slot of one half.
    fn poll_event(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<ReadyEvent>> {
        let slot = self.slot()?;
        let mask = direction.mask();
        loop {
            if let Some(event) = self.registered(slot, false)?.event(mask) {
                return Poll::Ready(Ok(event));
            }
            slot.half(direction).register(cx.waker());
            if let Some(found) = look_again(slot.word.load(), mask) {
                return found;
            }
        }
    }

    /// Waits for any of an interest. Any number of tasks may wait at the same time; an event wakes them all.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing behind and takes no event away from anybody.
    pub async fn ready(&self, interest: Interest) -> io::Result<ReadyEvent> {
        let mut waiting = Waiting {
            registration: self,
            interest,
            key: None,
        };
        poll_fn(|cx| {
            let unit = ready!(poll_proceed(cx));
            let event = ready!(Pin::new(&mut waiting).poll(cx));
            unit.made_progress();
            Poll::Ready(event)
        })
        .await
    }

    /// Forgets the readiness in `event`, unless another event has come since.
    ///
    /// To be called after `WouldBlock`. A closed half stays closed.
    #[inline]
    pub fn clear(&self, event: ReadyEvent) {
        if let Ok(slot) = self.slot() {
            slot.word.clear(event);
        }
    }

    /// Tries an operation, if it is worth a try; never waits.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the source is not ready, or if `operation` says so; whatever else `operation` says.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        let Step::Try(event) = self.step(interest.mask())? else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let result = operation();
        if let (Some(event), Err(error)) = (event, &result) {
            if error.kind() == io::ErrorKind::WouldBlock {
                self.clear(event);
            }
        }
        result
    }

    /// Tries an operation of one half, and waits as long as it says `WouldBlock`.
    ///
    /// Takes one unit of the task's budget for each try. Of several tasks that poll, the last one is woken.
    pub fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_transfer(cx, direction, || Ok((operation()?, false)))
    }

    /// As [`Registration::poll_io`], for an operation that knows when it has taken all there is.
    ///
    /// It says so beside its result; the half is then cleared (P3) without a try that would find nothing.
    #[inline]
    pub fn poll_transfer<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut operation: impl FnMut() -> io::Result<(R, bool)>,
    ) -> Poll<io::Result<R>> {
        loop {
            let unit = ready!(poll_proceed(cx));
            let event = match self.step(direction.mask())? {
                Step::Try(event) => event,
                Step::Wait => Some(ready!(self.poll_event(cx, direction))?),
            };
            unit.made_progress();
            if let Some(result) = self.attempt(event, direction.mask(), &mut operation) {
                let (value, drained) = result?;
                if let (true, Some(event)) = (drained, event) {
                    self.clear(event);
                }
                return Poll::Ready(Ok(value));
            }
        }
    }

    /// Tries an operation, and waits as long as it says `WouldBlock`. Any number of tasks may wait.
    ///
    /// Takes one unit of the task's budget for each try.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing behind: `operation` has then not succeeded.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        let mut waiting = Waiting {
            registration: self,
            interest,
            key: None,
        };
        poll_fn(|cx| {
            loop {
                let unit = ready!(poll_proceed(cx));
                let event = match self.step(interest.mask())? {
                    Step::Try(event) => event,
                    Step::Wait => Some(ready!(Pin::new(&mut waiting).poll(cx))?),
                };
                unit.made_progress();
                if let Some(result) = self.attempt(event, interest.mask(), &mut operation) {
                    return Poll::Ready(result);
                }
            }
        })
        .await
    }

    /// One try; `None` means: wait, then come back.
    #[inline]
    fn attempt<R>(
        &self,
        event: Option<ReadyEvent>,
        mask: Ready,
        operation: &mut impl FnMut() -> io::Result<R>,
    ) -> Option<io::Result<R>> {
        loop {
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.would_block(event, mask).err().map(Err);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Some(result),
            }
        }
    }

    /// P2 or P3: the try has found nothing.
    fn would_block(&self, event: Option<ReadyEvent>, mask: Ready) -> io::Result<()> {
        match event {
            Some(event) => {
                self.clear(event);
                Ok(())
            }
            // Nothing is known of the other half; writing is worth a try, it nearly always succeeds.
            None => self.register(mask.is_priority(), Ready::WRITABLE - mask),
        }
    }

    /// What an operation should do next.
    #[inline]
    fn step(&self, mask: Ready) -> io::Result<Step> {
        let state = alive(self.slot()?.word.load())?;
        Ok(match state.event(mask) {
            _ if !state.is_registered() => Step::Try(None),
            Some(event) => Step::Try(Some(event)),
            None => Step::Wait,
        })
    }

    /// The word, once the kernel knows the source, and its out-of-band data if that is asked for.
    fn registered(&self, slot: &Slot, priority: bool) -> io::Result<State> {
        let state = alive(slot.word.load())?;
        if state.is_registered() && (state.has_priority() || !priority) {
            return Ok(state);
        }
        self.register(priority, Ready::EMPTY)?;
        alive(slot.word.load())
    }

    /// P2. A failure changes nothing; the next wait tries again.
    #[cold]
    fn register(&self, priority: bool, hope: Ready) -> io::Result<()> {
        let (slot, token) = (self.slot()?, self.token());
        let _setup = self.setup.lock();
        let state = alive(slot.word.load())?;
        let doors = self.poller.doors().ok_or_else(shut_down)?;
        if !self.poller.is_here() {
            return Err(forked());
        }
        if !state.is_registered() {
            doors.register(self.fd, token, priority)?;
            slot.word.set_registered(priority, hope);
            self.poller.registration_added();
        } else if priority && !state.has_priority() {
            doors.register_priority(self.fd, token)?;
            slot.word.set_registered(true, Ready::EMPTY);
        }
        Ok(())
    }

    /// Makes the kernel forget the source. Whoever waits is woken, and registers it anew if it still waits.
    ///
    /// Dropping does the same. After the poller's end there is nothing left to do.
    pub fn deregister(&self) -> io::Result<()> {
        let Ok(slot) = self.slot() else {
            return Ok(());
        };
        if !self.poller.is_here() {
            return Err(forked());
        }
        let done = self.forget(slot);
        let mut wakes = WakeList::new();
        slot.take_all(&mut wakes);
        wakes.wake_all(|_| false, || {});
        done
    }

    fn forget(&self, slot: &Slot) -> io::Result<()> {
        let _setup = self.setup.lock();
        if !slot.word.load().is_registered() {
            return Ok(());
        }
        slot.word.clear_registered();
        self.poller.registration_removed();
        match self.poller.doors() {
            Some(doors) => doors.deregister(self.fd),
            None => Ok(()),
        }
    }

    #[inline]
    fn slot(&self) -> io::Result<&Slot> {
        self.token
            .and_then(|token| self.poller.slab.get(token.index))
            .ok_or_else(shut_down)
    }

    /// What the kernel gives back with this source's events.
    pub fn token(&self) -> usize {
        self.token.map_or(usize::MAX, Token::to_raw)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let Some(token) = self.token else {
            return;
        };
        if !self.poller.is_here() {
            // The epoll is the parent's, and so is whoever held a lock when this process was made.
            return;
        }
        if let Ok(slot) = self.slot() {
            // Whoever closed the descriptor before us has deregistered it: nothing to report, and no place for it.
            let _ = self.forget(slot);
        }
        let mut left = WakeList::new();
        self.poller.slab.remove(token, &mut left);
        self.poller.sources.fetch_sub(1, Ordering::Relaxed);
        // Nobody waits for a source that is gone. Dropping a waker is foreign code: no lock is held here.
        drop(left);
    }
}

/// An error once the runtime is gone.
#[inline]
fn alive(state: State) -> io::Result<State> {
    if state.is_shut_down() {
        return Err(shut_down());
    }
    Ok(state)
}

/// P4, after the waker is in its place. `None`: a deregistration came in between, so start anew; it may have
/// taken its wakers before ours was there.
fn look_again(state: State, mask: Ready) -> Option<Poll<io::Result<ReadyEvent>>> {
    match alive(state) {
        Err(error) => Some(Poll::Ready(Err(error))),
        Ok(state) => match state.event(mask) {
            Some(event) => Some(Poll::Ready(Ok(event))),
            None => state.is_registered().then_some(Poll::Pending),
        },
    }
}

/// One task's wait through `&self`.
#[derive(Debug)]
struct Waiting<'a> {
    registration: &'a Registration,
    interest: Interest,
    /// The place in the waiter list.
    key: Option<usize>,
}

impl Future for Waiting<'_> {
    type Output = io::Result<ReadyEvent>;

    /// P4 with the waiter list. May be polled again after it was ready, for another wait.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (registration, interest) = (self.registration, self.interest);
        let (slot, mask) = (registration.slot()?, interest.mask());
        loop {
            let state = registration.registered(slot, interest.is_priority())?;
            if let Some(event) = state.event(mask) {
                return Poll::Ready(Ok(event));
            }
            let key = &mut self.key;
            let state = slot.waiters.wait(&slot.word, key, mask, cx.waker());
            if let Some(found) = look_again(state, mask) {
                return found;
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let (Some(key), Ok(slot)) = (self.key, self.registration.slot()) {
            slot.waiters.leave(key);
        }
    }
}
