use super::*;
use std::sync::Mutex as StdMutex;
use std::task::Wake;

#[derive(Default)]
struct House {
    list: Option<Waiters<u32, u32>>,
    left: StdMutex<u32>,
    unclaimed: StdMutex<Vec<u32>>,
}

impl Home for House {
    type State = u32;
    type Note = u32;

    fn waiters(&self) -> &Waiters<u32, u32> {
        self.list.as_ref().unwrap()
    }

    fn left(&self, mut locked: Locked<'_, u32, u32>) {
        *locked += 1;
        *self.left.lock().unwrap() += 1;
    }

    fn unclaimed(&self, note: u32) {
        self.unclaimed.lock().unwrap().push(note);
    }
}

fn house() -> House {
    House {
        list: Some(Waiters::new(0)),
        ..House::default()
    }
}

struct Quiet;

impl Wake for Quiet {
    fn wake(self: Arc<Self>) {}
}

type Boxed<'a> = Pin<Box<Waiter<&'a House>>>;

fn enter<'a>(house: &'a House, note: u32, waker: Option<&Waker>) -> Boxed<'a> {
    let mut waiter = Box::pin(Waiter::new(house));
    let waker = waker.cloned();
    assert!(waiter.as_mut().enter(waker, |_, _| Some(note)));
    waiter
}

fn order(house: &House) -> Vec<u32> {
    let mut notes = Vec::new();
    let mut locked = house.waiters().lock();
    let mut wakes = Wakes::new();
    locked.serve_all(&mut wakes, |note| notes.push(*note));
    assert!(locked.is_empty());
    notes
}

#[test]
fn those_who_wait_are_served_in_the_order_in_which_they_came() {
    let house = house();
    let _waiters: Vec<_> = (0..5).map(|note| enter(&house, note, None)).collect();
    assert_eq!(house.waiters().lock().peek(|note| *note), Some(0));
    assert_eq!(order(&house), [0, 1, 2, 3, 4]);
    assert_eq!(house.waiters().lock().peek(|note| *note), None);
}

#[test]
fn the_last_can_be_served_first() {
    let house = house();
    let mut waiters: Vec<_> = (0..3).map(|note| enter(&house, note, None)).collect();
    let mut locked = house.waiters().lock();
    assert!(locked.serve_last(|note| *note += 10).unwrap().is_none());
    assert!(locked.serve_first(|note| *note += 20).unwrap().is_none());
    drop(locked);
    let polled: Vec<_> = waiters
        .iter_mut()
        .map(|waiter| waiter.as_mut().poll_served(None))
        .collect();
    assert_eq!(polled, [Poll::Ready(20), Poll::Pending, Poll::Ready(12)]);
}

#[test]
fn whoever_leaves_takes_nobody_along() {
    for gone in 0..4 {
        let house = house();
        let mut waiters: Vec<_> = (0..4).map(|note| enter(&house, note, None)).collect();
        drop(waiters.remove(gone as usize));
        assert_eq!(*house.left.lock().unwrap(), 1);
        assert_eq!(*house.waiters().lock(), 1);
        let rest: Vec<_> = (0..4).filter(|note| *note != gone).collect();
        assert_eq!(order(&house), rest);
    }
}

#[test]
fn what_was_given_and_not_looked_at_comes_back() {
    let house = house();
    let mut waiters: Vec<_> = (0..2).map(|note| enter(&house, note, None)).collect();
    order(&house);
    assert!(waiters[0].as_mut().poll_served(None).is_ready());
    assert!(!waiters[0].has_entered() && waiters[1].has_entered());
    drop(waiters);
    assert_eq!(*house.unclaimed.lock().unwrap(), [1]);
    assert_eq!(*house.left.lock().unwrap(), 0);
}

#[test]
fn a_waiter_keeps_one_clone_of_the_last_waker() {
    let house = house();
    let [first, second] = [(); 2].map(|()| Arc::new(Quiet));
    let wakers = [&first, &second].map(|quiet| Waker::from(quiet.clone()));
    let counts = || [&first, &second].map(Arc::strong_count);
    let mut waiter = enter(&house, 0, Some(&wakers[0]));
    assert_eq!(counts(), [3, 2]);
    for _ in 0..2 {
        assert!(waiter.as_mut().poll_served(Some(&wakers[1])).is_pending());
        assert_eq!(counts(), [2, 3]);
    }
    let waker = house.waiters().lock().serve_first(|_| {}).unwrap();
    assert!(waker.unwrap().will_wake(&wakers[1]));
    drop(enter(&house, 0, Some(&wakers[0])));
    assert_eq!(counts(), [2, 2]);
}

#[test]
fn a_waiter_can_enter_again() {
    let house = house();
    let mut waiter = enter(&house, 1, None);
    order(&house);
    assert!(waiter.as_mut().poll_served(None).is_ready());
    assert!(!waiter.as_mut().enter(None, |_, _| None));
    assert!(waiter.as_mut().enter(None, |_, _| Some(2)));
    assert_eq!(order(&house), [2]);
}

#[test]
#[should_panic(expected = "enters once")]
fn a_waiter_does_not_enter_twice() {
    let house = house();
    let mut waiter = enter(&house, 0, None);
    waiter.as_mut().enter(None, |_, _| Some(1));
}

/// Random entries, departures and servings against a plain vector.
#[test]
fn the_list_is_a_queue_whatever_happens() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let house = house();
    let mut real: Vec<Boxed<'_>> = Vec::new();
    let mut model: Vec<u32> = Vec::new();
    for step in 0..20_000 {
        match random(4) {
            0 | 1 if model.len() < 20 => {
                real.push(enter(&house, step, None));
                model.push(step);
            }
            2 if !model.is_empty() => {
                let gone = random(model.len());
                real.remove(gone);
                model.remove(gone);
            }
            3 if !model.is_empty() => {
                let last = random(2) == 0;
                let mut locked = house.waiters().lock();
                let mut seen = None;
                let served = match last {
                    true => locked.serve_last(|note| seen = Some(*note)),
                    false => locked.serve_first(|note| seen = Some(*note)),
                };
                drop(locked);
                let place = if last { model.len() - 1 } else { 0 };
                assert_eq!(seen, Some(model.remove(place)));
                assert!(served.is_some());
                assert!(real.remove(place).as_mut().poll_served(None).is_ready());
            }
            _ => {}
        }
    }
    assert_eq!(order(&house), model);
}
