//! Members that are waited for together, each with a waker of its own.
//!
//! Each member has a *bell*: the waker with which it is polled. It writes the member's number into the *list* and wakes
//! whoever waits for them all. So a wait looks at the members that have rung, and at no others. A member whose number has
//! been given to another one may ring late; that costs one look.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use loxley_core::shared::WakerSlot;

pub(super) struct Bells<M> {
    members: Vec<Option<Member<M>>>,
    free: Vec<usize>,
    list: Arc<List>,
}

struct Member<M> {
    member: M,
    bell: Waker,
    rung: Arc<Bell>,
}

/// The members that have rung, and who waits for them.
#[derive(Default)]
struct List {
    rung: Mutex<VecDeque<usize>>,
    waker: WakerSlot,
}

struct Bell {
    number: usize,
    /// It is in the list.
    listed: AtomicBool,
    list: Arc<List>,
}

impl Bell {
    fn ring(&self) {
        // AcqRel: pairs with the swap in `look_at`: what was rung for is seen by whoever takes it off the list.
        if !self.listed.swap(true, Ordering::AcqRel) {
            self.list.lock().push_back(self.number);
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
        // After the lock: a waker is foreign code.
        if let Some(waker) = self.list.waker.take() {
            waker.wake();
        }
    }
}

impl List {
    fn lock(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Bells<M> {
    pub(super) fn len(&self) -> usize {
        self.members.len() - self.free.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &M> {
        self.members.iter().flatten().map(|member| &member.member)
    }

    pub(super) fn insert(&mut self, member: M) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.members.push(None);
            self.members.len() - 1
        });
        let rung = Arc::new(Bell {
            number,
            listed: AtomicBool::new(false),
            list: self.list.clone(),
        });
        let bell = Waker::from(rung.clone());
        // It has to be looked at once, to know its bell.
        rung.ring();
        self.members[number] = Some(Member { member, bell, rung });
    }

    /// Drops all members.
    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.free.clear();
    }

    /// Looks at the members that have rung, until one is ready, which is taken out. Each is looked at once: one that
    /// rings again meanwhile waits for the next call.
    pub(super) fn try_next<R>(
        &mut self,
        mut poll: impl FnMut(&mut M, &mut Context<'_>) -> Poll<R>,
    ) -> Option<R> {
        let rung = self.list.lock().len();
        (0..rung).find_map(|_| {
            let number = self.list.lock().pop_front()?;
            self.look_at(number, &mut poll)
        })
    }

    /// As [`Bells::try_next`], and has the caller woken if none is ready.
    pub(super) fn poll_next<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut M, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        if let Some(output) = self.try_next(&mut poll) {
            return Poll::Ready(output);
        }
        self.list.waker.register(cx.waker());
        // Who rang before has found nobody to wake. What it wants comes after the others' turn.
        if !self.list.lock().is_empty() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn look_at<R>(
        &mut self,
        number: usize,
        poll: impl FnOnce(&mut M, &mut Context<'_>) -> Poll<R>,
    ) -> Option<R> {
        let member = self.members.get_mut(number)?.as_mut()?;
        // AcqRel: pairs with the swap in `Bell::ring`. Before the look: a ring that comes after it is listed again.
        member.rung.listed.swap(false, Ordering::AcqRel);
        let polled = poll(&mut member.member, &mut Context::from_waker(&member.bell));
        let Poll::Ready(output) = polled else {
            return None;
        };
        self.members[number] = None;
        self.free.push(number);
        Some(output)
    }
}

impl<M> Default for Bells<M> {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            free: Vec::new(),
            list: Arc::default(),
        }
    }
}
