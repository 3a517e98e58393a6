//! A busy peer that makes no progress for a moment: its sockets, its timers, and what waits in its queue.
//!
//! Each worker has a poller and a queue of its own, so what arrives there waits for as long as its worker computes, or waits
//! for a processor; and others who are busy have no reason to steal. Therefore everybody visits its peers, one at each look:
//!
//! - T1 at a look, note a peer's progress.
//! - T2 at the next look, about 100 µs later, it is the same: take in the events and due timers of the peer's station; take
//!   its tasks too if many polls of one's own would have fitted into that time; and stay with this peer.
//! - T3 it has moved, or sleeps: go on to the next one.
//!
//! That costs a peer who moves one load of a word that it writes at each poll, and nobody a system call. The monitor comes to
//! the same in a millisecond or two, but only for who is stuck: a preempted thread is not (`monitor/preempted.rs`), and its
//! connections waited for its next time slice, while with one poller for all they are served on the other core.
//!
//! # Rejected
//!
//! Looking into all pollers at every look: a system call per peer, and pollers that are everybody's again. Taking tasks
//! from whoever makes no progress between two looks: two workers with long polls hand the same tasks to each other. Taking
//! them only if fewer wait here: who is fed by its own poller always has some, and those of a preempted peer are older.
//!
//! Checked by `tests/worker_visit.rs`.

use std::cell::Cell;

use super::{Seat, Worker};

/// Polls of one's own, on the average, after which a peer's tasks need not wait for its one poll.
const MANY: u64 = 8;

/// The peer that was noted last.
#[derive(Debug, Default)]
pub struct Visit {
    station: Cell<usize>,
    progress: Cell<Option<u64>>,
    /// When this progress was noted first.
    since: Cell<u64>,
}

impl Worker {
    /// T1 and T2.
    pub(super) fn visit_a_peer(&self, now: u64) {
        let stations = self.scheduler.stations.len();
        if cfg!(loxley_without_rescue) || stations < 2 {
            return;
        }
        let visit = &self.visit;
        let peer = self.busy_peer_at(visit.station.get());
        let noted = visit.progress.replace(peer.map(Seat::progress));
        match peer.filter(|_| noted == visit.progress.get()) {
            Some(peer) => self.visit(peer, now),
            None => {
                let next = (visit.station.get() + 1) % stations;
                visit.station.set(next);
                visit
                    .progress
                    .set(self.busy_peer_at(next).map(Seat::progress));
                visit.since.set(now);
            }
        }
    }

    fn visit(&self, peer: &Seat, now: u64) {
        let station = &self.scheduler.stations[self.visit.station.get()];
        let mut any = self.poll_station(station, now);
        if now.saturating_sub(self.visit.since.get()) > MANY * self.pace.mean_poll() {
            any |= self.take_tasks(peer) != (0, 0);
        }
        if any {
            self.counters().visits.add(1);
        }
    }

    /// The tenant of a station, if that is a peer who is awake.
    fn busy_peer_at(&self, station: usize) -> Option<&Seat> {
        let tenant = self.scheduler.stations[station].tenant()?;
        let seat = self.scheduler.seat(tenant);
        (tenant != self.seat_index && seat.is_active()).then_some(seat)
    }
}
