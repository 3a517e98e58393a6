//! [`Race`]: the attempts of one connect. Steps 3 and 4 of the module above.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use super::error::Attempt;
use crate::time::{Duration, Sleep, sleep};

/// Dropping it closes what is open.
pub(super) struct Race<F, Fut> {
    dial: F,
    /// Not yet tried.
    rest: vec::IntoIter<SocketAddr>,
    /// Being tried, the oldest first.
    open: Vec<(SocketAddr, Pin<Box<Fut>>)>,
    /// In the order in which they failed.
    failed: Vec<Attempt>,
    head_start: Duration,
    /// When the head start of the newest attempt ends.
    next: Option<Pin<Box<Sleep>>>,
}

impl<T, F, Fut> Race<F, Fut>
where
    F: FnMut(SocketAddr) -> Fut,
    Fut: Future<Output = io::Result<T>>,
{
    pub(super) fn new(addresses: Vec<SocketAddr>, head_start: Duration, dial: F) -> Self {
        Race {
            dial,
            rest: addresses.into_iter(),
            open: Vec::new(),
            failed: Vec::new(),
            head_start,
            next: None,
        }
    }

    /// The winner, or `None` when all have failed.
    pub(super) async fn run(&mut self) -> Option<T> {
        self.start();
        let winner = poll_fn(|cx| self.poll(cx)).await;
        self.open.clear();
        winner
    }

    /// All that failed, and then all that did not end.
    pub(super) fn into_attempts(self) -> Vec<Attempt> {
        let mut attempts = self.failed;
        let unfinished = self.open.into_iter();
        attempts.extend(unfinished.map(|(address, _)| Attempt::unfinished(address)));
        attempts
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut at = 0;
        loop {
            while let Some((address, attempt)) = self.open.get_mut(at) {
                match attempt.as_mut().poll(cx) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Ok(winner)) => return Poll::Ready(Some(winner)),
                    Poll::Ready(Err(error)) => {
                        self.failed.push(Attempt::failed(*address, error));
                        self.open.remove(at);
                        self.start();
                    }
                }
            }
            // Each failure has started the next one, so nothing is left.
            if self.open.is_empty() {
                return Poll::Ready(None);
            }
            match &mut self.next {
                Some(next) => ready!(next.as_mut().poll(cx)),
                None => return Poll::Pending,
            }
            self.start();
        }
    }

    /// Starts the next attempt, if there is one; behind the open ones, so that `poll` comes by.
    fn start(&mut self) {
        self.next = None;
        if let Some(address) = self.rest.next() {
            self.open.push((address, Box::pin((self.dial)(address))));
            if self.rest.len() > 0 {
                self.next = Some(Box::pin(sleep(self.head_start)));
            }
        }
    }
}
