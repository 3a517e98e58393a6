//! What the monitor does while somebody is stuck: V3 to V7 of `monitor.rs`.

use std::time::Duration;

use super::os::{self, Wake};
use super::preempted::{Preempted, Timed};
use super::stalls::Stalls;
use super::{CONVICT, Monitor, Reason, Sample};
use crate::primitive::atomic::Ordering;
use crate::worker::Station;

/// Between two rounds.
const ROUND: Duration = Duration::from_micros(800);
/// How long work waits for a pool that only computes, in nanoseconds.
const PREEMPT: u64 = 10_000_000;
/// How long a spare may take to arrive before another is considered, in nanoseconds.
const ARRIVAL: u64 = 3_000_000;
/// The same where all compute: the spare waits for a processor like everybody else, and one is enough.
const ARRIVAL_AMONG_BUSY: u64 = 100_000_000;
/// How long somebody who was called for an event may take to harvest it before it counts as new, in nanoseconds.
const HARVEST: u64 = 150_000;

/// The rounds from the first verdict to the last return.
pub struct Rounds<'a> {
    monitor: &'a Monitor,
    stalls: &'a mut Stalls,
    preempted: &'a mut Preempted,
    /// Stations whose pollers are watched.
    watched: Vec<usize>,
    /// An event was seen in a watched poller since the last action.
    event: bool,
    /// When work was first seen waiting for a pool in which all are stuck.
    waiting_since: Option<u64>,
    /// Until when a spare that was started may take to arrive, and how many seats were active before.
    spare_due: Option<(u64, usize)>,
    /// Until when the events of watched pollers are somebody's who is on his way. Looking again at once would find the
    /// same event again and again, on the processor that he needs.
    harvest_until: u64,
}

impl<'a> Rounds<'a> {
    /// Nothing has been done yet.
    pub fn new(monitor: &'a Monitor, stalls: &'a mut Stalls, preempted: &'a mut Preempted) -> Self {
        Self {
            monitor,
            stalls,
            preempted,
            watched: Vec::new(),
            event: false,
            waiting_since: None,
            spare_due: None,
            harvest_until: 0,
        }
    }

    /// V3 to V7; `began`: when the verdict's first samples were taken.
    pub fn run(&mut self, mut stuck: Vec<Sample>, began: u64) -> Wake {
        let mut end = Wake::Time;
        self.publish(&stuck, &[], began);
        let clock = &self.monitor.scheduler.clock;
        let (mut before, mut sampled_at) = (self.timed(), clock.now());
        while !stuck.is_empty() {
            self.act(&stuck);
            end = self.rest();
            if end == Wake::Stop {
                break;
            }
            let (mut next, now) = (self.monitor.samples(), clock.now());
            // Who was stuck stays so while it does not move; others get the same time to move as the first, however many
            // events make rounds shorter than that.
            let settled = now - sampled_at >= CONVICT.as_nanos() as u64;
            let more = match settled {
                true => {
                    before.retain(|timed| {
                        next.contains(&timed.sample) && !stuck.contains(&timed.sample)
                    });
                    self.preempted.stuck(self.monitor, &before, now)
                }
                false => Vec::new(),
            };
            next.retain(|sample| stuck.contains(sample) || more.contains(sample));
            self.publish(&next, &stuck, sampled_at);
            stuck = next;
            if settled {
                (before, sampled_at) = (self.timed(), now);
            }
        }
        self.monitor.scheduler.stuck.set(std::iter::empty());
        self.monitor.scheduler.stuck.waits_no_more();
        self.watch(&[]);
        end
    }

    fn timed(&self) -> Vec<Timed> {
        let samples = self.monitor.samples().into_iter();
        samples.map(|sample| self.monitor.timed(sample)).collect()
    }

    /// V3.
    fn publish(&mut self, stuck: &[Sample], before: &[Sample], began: u64) {
        for sample in stuck {
            if !before.contains(sample) {
                self.monitor.tally.verdicts.fetch_add(1, Ordering::Relaxed);
                self.stalls.begin(self.monitor, *sample, began);
            }
            self.monitor.seat(sample.seat).convict(sample.progress);
        }
        let now = self.monitor.scheduler.clock.now();
        self.stalls.look(self.monitor, stuck, now);
        self.monitor
            .scheduler
            .stuck
            .set(stuck.iter().map(|sample| sample.seat));
        self.watch(stuck);
    }

    /// Watches the pollers of the stuck tenants, and of nobody else.
    fn watch(&mut self, stuck: &[Sample]) {
        let stations = &self.monitor.scheduler.stations;
        let wanted = stations.iter().enumerate().filter(|(_, station)| {
            station
                .tenant()
                .is_some_and(|tenant| stuck.iter().any(|sample| sample.seat == tenant))
        });
        let wanted: Vec<usize> = wanted.map(|(index, _)| index).collect();
        for &index in self.watched.iter().filter(|index| !wanted.contains(index)) {
            self.monitor.doors.unwatch(&stations[index]);
        }
        let settled = self.monitor.scheduler.clock.now() >= self.harvest_until;
        for &index in &wanted {
            let again = self.watched.contains(&index);
            // Again at every round: an event that nobody has taken in yet then shows again.
            if !again || settled {
                self.monitor.doors.watch(&stations[index], again);
            }
        }
        self.watched = wanted;
    }

    /// V4 and V5.
    fn act(&mut self, stuck: &[Sample]) {
        let scheduler = &self.monitor.scheduler;
        for station in &scheduler.stations {
            // A thread that inserts a timer just when it loses its station tells nobody (`worker/station.rs`).
            station.park.deadline_added(station.timers.next_deadline());
        }
        if !scheduler.idle.unattended().is_empty() {
            // J3 of `idle.rs`: they may have been left to somebody who is stuck.
            self.call();
        }
        let now = scheduler.clock.now();
        if !self.has_work(stuck, now) {
            self.waiting_since = None;
            scheduler.stuck.waits_no_more();
            return;
        }
        if std::mem::take(&mut self.event) {
            self.harvest_until = now + HARVEST;
        }
        scheduler.stuck.waits(now);
        if self.call() {
            return;
        }
        let active = scheduler.seats().filter(|seat| seat.is_active()).count();
        if active > stuck.len() {
            self.waiting_since = None; // merely busy: they look at the mask
            return;
        }
        let since = *self.waiting_since.get_or_insert(now);
        self.stand_in(stuck, now, since);
    }

    /// Wakes somebody, if somebody sleeps.
    fn call(&self) -> bool {
        let scheduler = &self.monitor.scheduler;
        let Some(station) = scheduler.idle.call_anybody() else {
            return false;
        };
        self.monitor.tally.calls.fetch_add(1, Ordering::Relaxed);
        scheduler.stations[station].park.unpark();
        true
    }

    /// V5.
    fn stand_in(&mut self, stuck: &[Sample], now: u64, since: u64) {
        if let Some((until, seats)) = self.spare_due {
            let arrived = self
                .monitor
                .scheduler
                .seats()
                .filter(|seat| seat.is_active())
                .count()
                > seats;
            if !arrived && now < until {
                return;
            }
        }
        let asleep = |sample: &Sample| {
            let thread = self.monitor.thread(sample);
            thread.is_some_and(os::is_asleep)
        };
        let alone = stuck
            .iter()
            .all(|sample| sample.seat < self.monitor.scheduler.config.workers);
        if stuck.iter().any(asleep) {
            self.start_spare(stuck, Reason::Asleep, now);
        } else if alone && now - since >= PREEMPT {
            self.start_spare(stuck, Reason::Computing, now);
        }
    }

    /// Gives a station to a spare: a vacant one, or that of a stuck tenant.
    fn start_spare(&mut self, stuck: &[Sample], reason: Reason, now: u64) {
        let scheduler = &self.monitor.scheduler;
        let available = |station: &Station| match station.tenant() {
            None => true,
            Some(tenant) => {
                stuck.iter().any(|sample| sample.seat == tenant) && station.take_from(tenant)
            }
        };
        let Some(index) = scheduler
            .stations
            .iter()
            .position(|station| available(station))
        else {
            return;
        };
        if !(self.monitor.start_spare)(index) {
            // Tried again when the next one would have been considered.
            self.monitor
                .tally
                .spares_refused
                .fetch_add(1, Ordering::Relaxed);
            self.stalls.unrelieved(self.monitor, now);
            self.spare_due = Some((now + ARRIVAL, usize::MAX));
        } else {
            self.monitor
                .tally
                .of(reason)
                .fetch_add(1, Ordering::Relaxed);
            let active = scheduler.seats().filter(|seat| seat.is_active()).count();
            let arrival = match reason {
                Reason::Asleep => ARRIVAL,
                Reason::Computing => ARRIVAL_AMONG_BUSY,
            };
            self.spare_due = Some((now + arrival, active));
        }
    }

    /// True if somebody else could do something that waits for a stuck thread.
    fn has_work(&self, stuck: &[Sample], now: u64) -> bool {
        let scheduler = &self.monitor.scheduler;
        let due = |index: &usize| scheduler.stations[*index].timers.next_deadline() <= now;
        self.event
            || !scheduler.injector.is_empty()
            || stuck
                .iter()
                .any(|sample| self.monitor.seat(sample.seat).queue.len() > 0)
            || self.watched.iter().any(due)
    }

    /// V7.
    fn rest(&mut self) -> Wake {
        let scheduler = &self.monitor.scheduler;
        let deadlines = self
            .watched
            .iter()
            .map(|&index| scheduler.stations[index].timers.next_deadline());
        let next = deadlines.min().unwrap_or(u64::MAX);
        let now = scheduler.clock.now();
        let left = Duration::from_nanos(next.saturating_sub(now));
        // A deadline that has passed was acted upon; the next round sees whether it helped.
        let limit = if left.is_zero() {
            ROUND
        } else {
            left.min(ROUND)
        };
        let limit = match self.harvest_until.saturating_sub(now) {
            0 => limit,
            soon => limit.min(Duration::from_nanos(soon)),
        };
        loop {
            match self.monitor.doors.wait(Some(limit)) {
                Wake::Ring => scheduler.alarm.rang(),
                Wake::Event => {
                    self.event = true;
                    return Wake::Event;
                }
                end => return end,
            }
        }
    }
}
