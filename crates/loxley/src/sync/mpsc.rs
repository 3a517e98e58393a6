//! Many values, from many senders to one receiver.
//!
//! | | a full channel | made by |
//! |---|---|---|
//! | bounded | makes senders wait | [`channel`] |
//! | unbounded | does not exist: memory is the limit | [`unbounded_channel`] |
//!
//! Messages of one sender come in the order in which they were sent. When all senders are gone the receiver takes
//! what is left and then gets `None`; when the receiver is closed or gone, sending fails.
//!
//! A [`Permit`] is a place in a bounded channel, to be had before the message is made. A [`WeakSender`] does not keep
//! the channel open.
//!
//! # Threads
//!
//! A thread that drives no tasks uses [`Sender::blocking_send`] and [`Receiver::blocking_recv`], the one at the other
//! end `send` and `recv` as always; senders of an unbounded channel never wait.
//!
//! ```
//! # loxley::runtime::Runtime::new().unwrap().block_on(async {
//! use loxley::sync::mpsc;
//!
//! let (sender, mut receiver) = mpsc::channel(10);
//! for name in ["one", "two"] {
//!     let sender = sender.clone();
//!     loxley::spawn(async move { sender.send(name).await });
//! }
//! drop(sender);
//! let mut names = Vec::new();
//! while let Some(name) = receiver.recv().await {
//!     names.push(name);
//! }
//! names.sort();
//! assert_eq!(names, ["one", "two"]);
//! # });
//! ```

mod bounded;
mod chan;
pub mod error;
mod permit;
mod queue;
mod receiver;
mod unbounded;

pub use bounded::{Sender, WeakSender, channel};
pub use permit::{OwnedPermit, Permit, PermitIterator};
pub use receiver::{Receiver, UnboundedReceiver};
pub use unbounded::{UnboundedSender, WeakUnboundedSender, unbounded_channel};
