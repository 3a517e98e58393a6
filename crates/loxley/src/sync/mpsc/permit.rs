//! Places in a bounded channel.

use std::fmt;
use std::iter::FusedIterator;
use std::mem::forget;

use super::Sender;
use super::chan::{Bounded, Chan};

/// One place; given back if it is dropped unused.
///
/// ```
/// let (sender, mut receiver) = loxley::sync::mpsc::channel(1);
/// drop(sender.try_reserve().unwrap());
/// sender.try_reserve().unwrap().send(5);
/// assert_eq!(receiver.try_recv(), Ok(5));
/// ```
#[must_use = "a place that is dropped is given back"]
pub struct Permit<'a, T> {
    chan: &'a Chan<T, Bounded>,
}

impl<'a, T> Permit<'a, T> {
    pub(super) fn new(chan: &'a Chan<T, Bounded>) -> Self {
        Self { chan }
    }

    /// Sends a message to this place; it never waits. If the receiver is gone the message is dropped with the channel.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(1);
    /// sender.try_reserve().unwrap().send("hello");
    /// assert_eq!(receiver.try_recv(), Ok("hello"));
    /// ```
    pub fn send(self, value: T) {
        let chan = self.chan;
        forget(self);
        chan.push(value);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.chan.give_back(1);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("chan", self.chan).finish()
    }
}

/// Several places, one by one; those that are left are given back when it is dropped.
///
/// ```
/// let (sender, mut receiver) = loxley::sync::mpsc::channel(3);
/// let mut permits = sender.try_reserve_many(3).unwrap();
/// permits.next().unwrap().send(5);
/// drop(permits);
/// assert_eq!((receiver.try_recv(), sender.capacity()), (Ok(5), 3));
/// ```
#[must_use = "places that are dropped are given back"]
pub struct PermitIterator<'a, T> {
    chan: &'a Chan<T, Bounded>,
    left: usize,
}

impl<'a, T> PermitIterator<'a, T> {
    pub(super) fn new(chan: &'a Chan<T, Bounded>, left: usize) -> Self {
        Self { chan, left }
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Permit<'a, T>> {
        self.left = self.left.checked_sub(1)?;
        Some(Permit::new(self.chan))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        if self.left > 0 {
            self.chan.give_back(self.left);
        }
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitIterator")
            .field("chan", self.chan)
            .field("capacity", &self.left)
            .finish()
    }
}

/// One place, together with its sender; given back if it is dropped unused.
///
/// ```
/// let (sender, mut receiver) = loxley::sync::mpsc::channel(1);
/// let permit = sender.try_reserve_owned().unwrap();
/// std::thread::spawn(move || permit.send(5)).join().unwrap();
/// assert_eq!(receiver.try_recv(), Ok(5));
/// ```
#[must_use = "a place that is dropped is given back"]
pub struct OwnedPermit<T> {
    /// `None`: used.
    sender: Option<Sender<T>>,
}

impl<T> OwnedPermit<T> {
    pub(super) fn new(sender: Sender<T>) -> Self {
        let sender = Some(sender);
        Self { sender }
    }

    fn take(&mut self) -> Sender<T> {
        let sender = self.sender.take();
        sender.expect("taken only by methods that consume the permit")
    }

    fn sender(&self) -> &Sender<T> {
        let sender = self.sender.as_ref();
        sender.expect("taken only by methods that consume the permit")
    }

    /// Sends a message to this place and gives the sender back; it never waits.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(1);
    /// let sender = sender.try_reserve_owned().unwrap().send("hello");
    /// assert_eq!(receiver.try_recv(), Ok("hello"));
    /// # drop(sender);
    /// ```
    pub fn send(mut self, value: T) -> Sender<T> {
        let sender = self.take();
        sender.tx.chan().push(value);
        sender
    }

    /// Gives the place and the sender back.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel::<u8>(1);
    /// let sender = sender.try_reserve_owned().unwrap().release();
    /// assert_eq!(sender.capacity(), 1);
    /// ```
    pub fn release(mut self) -> Sender<T> {
        let sender = self.take();
        sender.tx.chan().give_back(1);
        sender
    }

    /// True if both are places of one channel.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel::<u8>(2);
    /// let one = sender.clone().try_reserve_owned().unwrap();
    /// let two = sender.try_reserve_owned().unwrap();
    /// assert!(one.same_channel(&two));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        self.sender().same_channel(other.sender())
    }

    /// True if this is a place of the sender's channel.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel::<u8>(2);
    /// let permit = sender.clone().try_reserve_owned().unwrap();
    /// assert!(permit.same_channel_as_sender(&sender));
    /// ```
    pub fn same_channel_as_sender(&self, sender: &Sender<T>) -> bool {
        self.sender().same_channel(sender)
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.tx.chan().give_back(1);
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit")
            .field("sender", &self.sender)
            .finish()
    }
}
