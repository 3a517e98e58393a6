//! Who sleeps, who is woken: the protocol that loses no wake and wakes as few as possible.
//!
//! # Words
//!
//! A worker is *active* (polls tasks), *searching* (looks for one in other queues) or *parked* (asleep at its
//! station). To *announce* work is to make sure that somebody who is not busy will look for it.
//!
//! # Protocol
//!
//! Parking:
//! - I1 enter the list of sleepers and count as parked, no longer as searching, in one change of the word.
//! - I2 publish the park word and `fence(SeqCst)` (K1, K2 in `park.rs`).
//! - I3 re-check every source: injector, every hint, own deadlines, own registrations, shutdown.
//! - I4 found something: leave the list ([`Idle::unpark_self`]) and search. Else sleep.
//!
//! Announcing:
//! - A1 put the task where I3 looks.
//! - A2 `fence(SeqCst)` (pairs with I2: either I3 sees the task or A3 sees the parked worker).
//! - A3 read the word. Somebody searches, or nobody is parked: done. A searcher either finds the task, or passes
//!   I1 to I3 later, or finds other work and then goes through S2.
//! - A4 under the lock take the last one out of the list, count it as searching, unpark it.
//!
//! Searching:
//! - S1 a worker without work may search while less than half of the busy ones do; who was woken by A4 always
//!   does. Who is refused parks by I1 to I4 all the same.
//! - S2 whoever finds work stops searching *before* running anything. The last to stop announces: pushes that saw
//!   a searcher in A3 relied on him.
//!
//! Pollers of those who sleep:
//! - J1 who goes to sleep while others are awake, and may rely on them, *leaves* its poller to them: it sleeps on the
//!   futex, and they look into that poller whenever they look into their own.
//! - J2 who goes to sleep as the last, or may not rely on the others, is a *keeper*: it sleeps in its own poller and in
//!   all that are left, at once. Both are decided under the lock under which sleepers are counted, so that a poller that is
//!   left always has somebody awake, or a keeper.
//! - J3 who is awake and will not look for a while calls somebody ([`Idle::call_anybody`]): because it is slow, because it
//!   blocks, or, in the monitor's words, because it is stuck. It then may not be relied on, and J2 makes who was called
//!   the keeper. What it says and what J1 sets are re-checked on both sides of the fences of I2 and J3.
//!
//! So a client that keeps one worker busy wakes nobody else: an echo of 64 bytes cost two workers 10 µs of processor time
//! where it costs one 7.6.
//!
//! The most recently parked is woken first, its memory is warm; those who sit in a poller only when nobody sleeps
//! on a futex, because they are there for their sockets and cost an eventfd write to wake.
//!
//! # Rejected
//!
//! Waking on every push: tokio's ping-pong lost half its speed to a thief that came for a task of 200 ns.
//! A bitmap instead of the list: it forgets the order. Dozing before parking: 1.89 instead of 0.98 switches per
//! request (zio #739). A counter of jobs as in rayon: needs a `SeqCst` access that loom does not model.
//!
//! Checked by `loom-tests/tests/{idle,keeper,protocol}.rs` and the tests below.

use std::fmt;

use crate::park::How;
use crate::primitive::Mutex;
use crate::primitive::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

/// The word: searching workers in the low half, parked ones in the high half, and one bit at the top.
const HALF: u32 = usize::BITS / 2;
const SEARCHING: usize = 1;
const PARKED: usize = 1 << HALF;
const CLOSED: usize = 1 << (usize::BITS - 1);

/// Keeps account of who is active, searching and parked.
pub struct Idle {
    /// Changed by read-modify-writes only; PARKED only under the lock. Relaxed: the word publishes nothing but itself,
    /// and what two sides must see of each other the fences of A2 and I2 order.
    state: AtomicUsize,
    /// The stations whose pollers are left to those awake, a bit each. Written under the lock.
    left: AtomicU64,
    sleepers: Mutex<Sleepers>,
    stations: usize,
}

#[derive(Default)]
struct Sleepers {
    futex: Vec<usize>,
    poll: Vec<usize>,
    /// Of those left, the ones in which a keeper sleeps.
    kept: u64,
}

/// How many pollers may be left: whoever is awake looks into all of them.
const MOST_LEFT: u32 = 7;

/// What a station's tenant wants of its sleep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Its poller has sources that somebody must look after.
    pub sources: bool,
    /// Whoever is awake may be relied on to look into other pollers soon.
    pub relies: bool,
}

/// Where it sleeps.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bed {
    /// On the futex or in the poller.
    pub how: How,
    /// The stations whose pollers it sleeps in beside its own (J2), a bit each.
    pub keeps: Stations,
    /// Its poller is left to those awake, and to no keeper: they must be reliable.
    pub relies: bool,
    /// Nobody is left awake.
    pub last: bool,
}

#[cfg(any(test, loxley_loom))]
impl Bed {
    /// On the futex, with no sources to leave.
    pub const FUTEX: Self = Self {
        how: How::Futex,
        keeps: Stations(0),
        relies: false,
        last: false,
    };
}

/// The bit of a station; those beyond the word are never left.
fn bit(station: usize) -> u64 {
    u32::try_from(station).map_or(0, |station| 1u64.checked_shl(station).unwrap_or(0))
}

/// Some stations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stations(u64);

impl Stations {
    /// True if there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Iterator for Stations {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let station = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (station < u64::BITS).then_some(station as usize)
    }
}

/// What a worker is after a sleep.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unparked {
    /// It woke by itself: an event, a deadline.
    Active,
    /// It was chosen by A4, or asked for it, and counts as searching.
    Searching,
}

/// What an announcement asks of the caller.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announce {
    /// Nothing.
    Nobody,
    /// Unpark the tenant of this station.
    Wake(usize),
    /// The runtime is shutting down: what was pushed into the injector is to be dropped.
    Closed,
}

impl Idle {
    /// Everybody is active.
    pub fn new(stations: usize) -> Self {
        Self {
            state: AtomicUsize::new(0),
            left: AtomicU64::new(0),
            sleepers: Mutex::new(Sleepers::default()),
            stations,
        }
    }

    /// A2 to A4; the caller has done A1.
    #[inline]
    pub fn announce(&self) -> Announce {
        fence(Ordering::SeqCst); // A2, pairs with I2
        let state = self.state.load(Ordering::Relaxed); // A3
        if state & CLOSED != 0 {
            return Announce::Closed;
        }
        if searching(state) != 0 || parked(state) == 0 {
            return Announce::Nobody;
        }
        self.choose()
    }

    /// A4.
    #[cold]
    fn choose(&self) -> Announce {
        let mut sleepers = self.sleepers.lock();
        // Relaxed: a searcher that appears now was chosen by somebody whose push it also finds.
        if searching(self.state.load(Ordering::Relaxed)) != 0 {
            return Announce::Nobody;
        }
        match self.pop(&mut sleepers) {
            Some(station) => Announce::Wake(station),
            None => Announce::Nobody,
        }
    }

    fn pop(&self, sleepers: &mut Sleepers) -> Option<usize> {
        let station = sleepers.futex.pop().or_else(|| sleepers.poll.pop())?;
        self.state
            .fetch_add(SEARCHING.wrapping_sub(PARKED), Ordering::Relaxed);
        Some(station)
    }

    /// S1: true if the caller, who is active, may search.
    pub fn start_searching(&self) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        let awake = self.stations.saturating_sub(parked(state));
        // Advice, not a bound: two who read the same count may both go.
        if 2 * searching(state) >= awake.max(1) {
            return false;
        }
        self.state.fetch_add(SEARCHING, Ordering::Relaxed);
        true
    }

    /// S2: the caller found work. The last searcher announces for those who relied on him.
    pub fn stop_searching(&self) -> Announce {
        let before = self.state.fetch_sub(SEARCHING, Ordering::Relaxed);
        debug_assert!(searching(before) > 0, "nobody was searching");
        if searching(before) == 1 {
            self.announce()
        } else {
            Announce::Nobody
        }
    }

    /// S2 for a searcher that parks next: I3 finds what others relied on it to find.
    pub fn give_up_searching(&self) {
        self.state.fetch_sub(SEARCHING, Ordering::Relaxed);
    }

    /// Chooses somebody to relieve a stuck worker, whether others search or not.
    pub fn call_anybody(&self) -> Option<usize> {
        let mut sleepers = self.sleepers.lock();
        self.pop(&mut sleepers)
    }

    /// True if all stations sleep.
    pub fn all_parked(&self) -> bool {
        parked(self.state.load(Ordering::Relaxed)) >= self.stations
    }

    /// I1, J1 and J2.
    pub fn park(&self, station: usize, wish: Wish, was_searching: bool) -> Bed {
        let mut sleepers = self.sleepers.lock();
        let searching = if was_searching { SEARCHING } else { 0 };
        // The fence of I2 follows in `Park::prepare`.
        let before = self
            .state
            .fetch_add(PARKED.wrapping_sub(searching), Ordering::Relaxed);
        let last = parked(before) + 1 >= self.stations;
        let left = self.left.load(Ordering::Relaxed);
        let unattended = left & !sleepers.kept;
        let relies = wish.relies && !last;
        let is_kept = sleepers.kept & bit(station) != 0;
        let has_room = bit(station) != 0 && left.count_ones() < MOST_LEFT;
        let nothing_to_keep = relies || unattended == 0;
        let how = match wish.sources {
            false if nothing_to_keep => How::Futex,
            true if nothing_to_keep && (is_kept || (relies && has_room)) => How::Left,
            _ => How::Poll,
        };
        let keeps = if relies { 0 } else { unattended };
        match how {
            How::Futex => sleepers.futex.push(station),
            How::Left => {
                sleepers.futex.push(station);
                self.left.store(left | bit(station), Ordering::Relaxed);
            }
            How::Poll => {
                sleepers.poll.push(station);
                sleepers.kept |= keeps;
            }
        }
        Bed {
            how,
            keeps: Stations(keeps),
            relies: how == How::Left && !is_kept,
            last,
        }
    }

    /// The end of every sleep, and I4. `search`: the caller will search, if it was not chosen anyway.
    pub fn unpark_self(&self, station: usize, bed: Bed, search: bool) -> Unparked {
        let mut sleepers = self.sleepers.lock();
        sleepers.kept &= !bed.keeps.0;
        if bed.how == How::Left {
            let left = self.left.load(Ordering::Relaxed);
            self.left.store(left & !bit(station), Ordering::Relaxed);
        }
        let Sleepers { futex, poll, .. } = &mut *sleepers;
        if !remove(futex, station) && !remove(poll, station) {
            return Unparked::Searching; // A4 took us out and counted us
        }
        let searching = if search { SEARCHING } else { 0 };
        self.state
            .fetch_add(searching.wrapping_sub(PARKED), Ordering::Relaxed);
        if search {
            Unparked::Searching
        } else {
            Unparked::Active
        }
    }

    /// The stations whose pollers are left to those who are awake.
    #[inline]
    pub fn left(&self) -> Stations {
        Stations(self.left.load(Ordering::Relaxed))
    }

    /// The same, without those that a keeper sleeps in.
    pub fn unattended(&self) -> Stations {
        let sleepers = self.sleepers.lock();
        Stations(self.left.load(Ordering::Relaxed) & !sleepers.kept)
    }

    /// From now on every announcement says so, and nobody parks any more.
    pub fn close(&self) {
        // Release: pairs with the Acquire in `is_closed`. What was closed before is behind locks, so that loom finds
        // nothing amiss without the two; they are for what may come to be read without one.
        self.state.fetch_or(CLOSED, Ordering::Release);
        fence(Ordering::SeqCst); // pairs with I2 and A2
    }

    /// True once [`Idle::close`] was called.
    #[inline]
    pub fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release in `close`, where it says what loom sees of it.
        self.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many are parked and how many search; for metrics and tests.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state.load(Ordering::Relaxed);
        (parked(state), searching(state))
    }
}

fn searching(state: usize) -> usize {
    state & (PARKED - 1)
}

fn parked(state: usize) -> usize {
    (state & !CLOSED) >> HALF
}

fn remove(list: &mut Vec<usize>, station: usize) -> bool {
    // From the end: who parked last is woken first.
    match list.iter().rposition(|&sleeper| sleeper == station) {
        Some(index) => {
            list.remove(index);
            true
        }
        None => false,
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parked, searching) = self.counts();
        f.debug_struct("Idle")
            .field("stations", &self.stations)
            .field("parked", &parked)
            .field("searching", &searching)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    fn parked_pool(how: [How; 3]) -> Idle {
        let idle = Idle::new(3);
        for (station, how) in how.into_iter().enumerate() {
            assert_eq!(park(&idle, station, how == How::Poll).how, how);
        }
        idle
    }

    fn park(idle: &Idle, station: usize, sources: bool) -> Bed {
        let wish = Wish {
            sources,
            relies: false,
        };
        idle.park(station, wish, false)
    }

    #[test]
    fn one_announcement_wakes_one_and_the_next_relies_on_it() {
        let idle = parked_pool([How::Futex; 3]);
        assert_eq!(idle.announce(), Announce::Wake(2));
        assert_eq!(idle.announce(), Announce::Nobody);
        assert_eq!(idle.counts(), (2, 1));
    }

    #[test]
    fn those_in_a_poller_are_woken_last() {
        let idle = parked_pool([How::Futex, How::Poll, How::Poll]);
        let mut order = Vec::new();
        while let Announce::Wake(station) = idle.announce() {
            order.push(station);
            let _ = idle.stop_searching_alone();
        }
        assert_eq!(order, [0, 2, 1]);
    }

    impl Idle {
        fn stop_searching_alone(&self) -> usize {
            self.state.fetch_sub(SEARCHING, Ordering::AcqRel)
        }
    }

    #[test]
    fn the_last_searcher_who_finds_work_announces() {
        let idle = parked_pool([How::Futex; 3]);
        assert_eq!(idle.announce(), Announce::Wake(2));
        assert_eq!(idle.stop_searching(), Announce::Wake(1));
    }

    #[test]
    fn a_worker_chosen_while_it_wakes_by_itself_searches() {
        let idle = parked_pool([How::Futex; 3]);
        assert_eq!(idle.announce(), Announce::Wake(2));
        assert_eq!(idle.unpark_self(2, Bed::FUTEX, false), Unparked::Searching);
        assert_eq!(idle.unpark_self(1, Bed::FUTEX, false), Unparked::Active);
        assert_eq!(idle.counts(), (1, 1));
    }

    #[test]
    fn at_most_half_of_the_awake_search_of_their_own_accord() {
        let idle = Idle::new(4);
        assert!(idle.start_searching());
        assert!(idle.start_searching());
        assert!(!idle.start_searching());
        let alone = Idle::new(1);
        assert!(alone.start_searching());
    }

    const RELIES: Wish = Wish {
        sources: true,
        relies: true,
    };

    #[test]
    fn pollers_are_left_to_those_awake_and_kept_by_the_last() {
        let idle = Idle::new(3);
        assert_eq!(idle.park(0, RELIES, false).how, How::Left);
        assert_eq!(idle.park(2, RELIES, false).how, How::Left);
        assert!(idle.left().eq([0, 2]));
        let keeper = idle.park(1, RELIES, false);
        assert!(keeper.last && keeper.how == How::Poll);
        assert!(keeper.keeps.eq([0, 2]));
        assert!(idle.unattended().is_empty());
        let _ = idle.unpark_self(1, keeper, false);
        assert!(idle.unattended().eq([0, 2]));
    }

    #[test]
    fn who_comes_back_while_a_keeper_sleeps_leaves_its_poller_to_it_again() {
        let idle = Idle::new(2);
        let left = idle.park(0, RELIES, false);
        let keeper = idle.park(1, RELIES, false);
        let _ = idle.unpark_self(0, left, false);
        assert!(idle.left().is_empty());
        let again = idle.park(0, RELIES, false);
        assert!(again.how == How::Left && !again.relies);
        let _ = idle.unpark_self(1, keeper, false);
        assert!(idle.unattended().eq([0]));
    }

    #[test]
    fn who_is_kept_need_not_rely_on_the_awake() {
        let idle = Idle::new(3);
        let left = idle.park(0, RELIES, false);
        assert!(left.relies);
        assert!(park(&idle, 1, true).keeps.eq([0]));
        let _ = idle.unpark_self(0, left, false);
        let again = park(&idle, 0, true);
        assert!(again.how == How::Left && !again.relies);
    }

    #[test]
    fn who_may_not_rely_on_the_others_keeps_what_is_left() {
        let idle = Idle::new(3);
        let _ = idle.park(0, RELIES, false);
        let bed = park(&idle, 1, false);
        assert_eq!(bed.how, How::Poll, "although it has no sources of its own");
        assert!(!bed.last && bed.keeps.eq([0]));
        assert_eq!(park(&idle, 2, true).keeps.count(), 0);
    }

    #[test]
    fn only_so_many_pollers_are_left() {
        let idle = Idle::new(20);
        let left = (0..19).filter(|&station| idle.park(station, RELIES, false).how == How::Left);
        assert_eq!(left.count(), MOST_LEFT as usize);
        assert_eq!(
            idle.park(19, RELIES, false).keeps.count(),
            MOST_LEFT as usize
        );
    }

    #[test]
    fn a_station_beyond_the_word_is_never_left() {
        let idle = Idle::new(100);
        assert_eq!(idle.park(63, RELIES, false).how, How::Left);
        assert_eq!(idle.park(64, RELIES, false).how, How::Poll);
        assert!(idle.left().eq([63]));
    }

    #[test]
    fn who_has_no_sources_leaves_no_poller() {
        let idle = Idle::new(3);
        let relies = Wish {
            sources: false,
            relies: true,
        };
        assert_eq!(park(&idle, 0, true).how, How::Poll);
        let bed = idle.park(1, relies, false);
        assert!(bed.how == How::Futex && !bed.relies && !bed.last);
        assert!(idle.left().is_empty());
        assert_eq!(idle.announce(), Announce::Wake(1));
    }

    #[test]
    fn a_keeper_that_comes_back_leaves_what_another_keeps_alone() {
        let idle = Idle::new(4);
        let first = idle.park(0, RELIES, false);
        let keeper = park(&idle, 1, false);
        assert!(keeper.keeps.eq([0]));
        let _ = idle.park(2, RELIES, false);
        let second = park(&idle, 3, false);
        assert!(second.keeps.eq([2]), "0 is kept already");
        let _ = idle.unpark_self(3, second, false);
        assert!(idle.unattended().eq([2]));
        assert!(idle.left().eq([0, 2]));
        let _ = idle.unpark_self(0, first, false);
        assert!(idle.left().eq([2]));
    }

    #[test]
    fn who_parks_or_gives_up_is_no_longer_counted_as_searching() {
        let idle = Idle::new(4);
        assert!(idle.start_searching() && idle.start_searching());
        assert_eq!(idle.counts(), (0, 2));
        idle.give_up_searching();
        assert_eq!(idle.counts(), (0, 1));
        let bed = idle.park(0, Wish::default(), true);
        assert_eq!(idle.counts(), (1, 0));
        assert_eq!(idle.unpark_self(0, bed, true), Unparked::Searching);
        assert_eq!(idle.counts(), (0, 1));
    }

    #[test]
    fn only_the_last_searcher_announces() {
        let idle = Idle::new(4);
        assert!(idle.start_searching() && idle.start_searching());
        let _ = park(&idle, 3, false);
        assert_eq!(idle.stop_searching(), Announce::Nobody);
        assert_eq!(idle.stop_searching(), Announce::Wake(3));
    }

    #[test]
    #[should_panic(expected = "nobody was searching")]
    #[cfg(debug_assertions)]
    fn who_does_not_search_cannot_stop() {
        let _ = Idle::new(1).stop_searching();
    }

    #[test]
    fn anybody_is_called_although_others_search() {
        let idle = parked_pool([How::Futex; 3]);
        assert_eq!(idle.announce(), Announce::Wake(2));
        assert_eq!(idle.call_anybody(), Some(1));
        assert_eq!(idle.call_anybody(), Some(0));
        assert_eq!(idle.call_anybody(), None);
        assert_eq!(idle.counts(), (0, 3));
    }

    #[test]
    fn all_are_parked_when_the_last_one_is() {
        let idle = Idle::new(2);
        assert!(!park(&idle, 0, false).last && !idle.all_parked());
        assert!(park(&idle, 1, false).last && idle.all_parked());
        assert_eq!(idle.announce(), Announce::Wake(1));
        assert!(!idle.all_parked());
    }

    #[test]
    fn a_closed_pool_tells_every_announcer() {
        let idle = parked_pool([How::Futex; 3]);
        assert!(!idle.is_closed());
        idle.close();
        assert!(idle.is_closed() && idle.all_parked());
        assert_eq!(idle.announce(), Announce::Closed);
        assert_eq!(idle.counts(), (3, 0));
    }

    #[test]
    fn the_account_can_be_read() {
        let idle = parked_pool([How::Futex; 3]);
        assert_eq!(idle.announce(), Announce::Wake(2));
        idle.close();
        assert_eq!(
            format!("{idle:?}"),
            "Idle { stations: 3, parked: 2, searching: 1, closed: true, .. }"
        );
    }
}
