//! The laws of the queues for one thread; what several do at once is for the models of `loom-tests`.

use std::ptr::NonNull;

use super::*;
use crate::primitive::Arc;

impl SlotItem for Arc<usize> {
    fn into_ptr(self) -> NonNull<()> {
        NonNull::new(Arc::into_raw(self).cast_mut().cast()).expect("an Arc is somewhere")
    }

    unsafe fn from_ptr(ptr: NonNull<()>) -> Self {
        // SAFETY: by the trait's contract it came from `into_raw` above, and is used once.
        unsafe { Arc::from_raw(ptr.as_ptr().cast()) }
    }
}

type Item = Arc<usize>;

/// A queue and its owner's side.
fn seat() -> (Public<Item>, Local<Item>) {
    let public = Public::new();
    let local = public.sit_down().expect("nobody sits there");
    (public, local)
}

/// A queue with these in it.
fn holding(items: std::ops::Range<usize>) -> (Public<Item>, Local<Item>) {
    let (public, local) = seat();
    for item in items {
        assert!(!matches!(
            local.push(&public, Arc::new(item)),
            Push::Full(_)
        ));
    }
    (public, local)
}

/// Everything that the owner can still take, in order.
fn rest(public: &Public<Item>, local: &Local<Item>) -> Vec<usize> {
    std::iter::from_fn(|| local.pop(public).map(|item| *item)).collect()
}

#[test]
fn tasks_leave_in_the_order_in_which_they_came() {
    let (public, local) = holding(0..5);
    assert_eq!(local.length(), 5);
    assert_eq!(*local.pop(&public).unwrap(), 0);
    assert_eq!(local.length(), 4);
    assert_eq!(rest(&public, &local), [1, 2, 3, 4]);
    assert_eq!(local.length(), 0);
    assert!(local.pop(&public).is_none());
}

#[test]
fn the_first_push_into_an_empty_deque_is_announced_and_no_other() {
    let (public, local) = seat();
    for _ in 0..3 {
        assert!(!public.is_promising());
        assert!(matches!(local.push(&public, Arc::new(0)), Push::Announce));
        assert!(matches!(local.push(&public, Arc::new(1)), Push::Queued));
        assert!(local.pop(&public).is_some());
        assert!(public.is_promising(), "one is left");
        assert!(local.pop(&public).is_some());
    }
}

#[test]
fn a_full_deque_gives_the_task_back_and_counts_what_thieves_took() {
    let (public, local) = holding(0..LOCAL_CAPACITY);
    let Push::Full(item) = local.push(&public, Arc::new(99)) else {
        panic!("there is no room");
    };
    assert_eq!(*item, 99);
    let (_, thief) = seat();
    let Stolen::Batch(first, more) = public.steal_into(&thief) else {
        panic!("there is something");
    };
    assert_eq!((*first, more), (0, LOCAL_CAPACITY / 2 - 1));
    assert_eq!(local.length(), LOCAL_CAPACITY, "nobody has told the owner");
    for _ in 0..LOCAL_CAPACITY / 2 {
        assert!(matches!(local.push(&public, Arc::new(1)), Push::Queued));
        assert_eq!(local.length(), public.len());
    }
    assert!(matches!(local.push(&public, Arc::new(1)), Push::Full(_)));
}

#[test]
fn a_batch_fits_as_long_as_half_is_free() {
    let (public, local) = holding(0..LOCAL_CAPACITY / 2);
    assert!(local.has_room_for_a_batch());
    let _ = local.push(&public, Arc::new(0));
    assert!(!local.has_room_for_a_batch());
}

#[test]
fn half_is_stolen_rounded_up_and_the_old_ones_are_not_counted() {
    let (public, _local) = holding(0..5);
    let (thiefs, thief) = holding(10..13);
    let Stolen::Batch(first, more) = public.steal_into(&thief) else {
        panic!("there is something");
    };
    assert_eq!((*first, more), (0, 2));
    assert_eq!(thief.length(), 5);
    assert_eq!(rest(&thiefs, &thief), [10, 11, 12, 1, 2]);
    assert_eq!(public.len(), 2);
    assert!(thief.publish(&thiefs), "the first to say so");
    assert!(!thief.publish(&thiefs));
    assert!(thiefs.is_promising());
    let (empty, _owner) = seat();
    assert!(matches!(empty.steal_into(&thief), Stolen::Nothing));
}

#[test]
fn who_parks_sees_a_task_and_takes_a_stale_hint_back() {
    let (public, local) = seat();
    assert!(!public.has_work_before_park());
    let _ = local.push(&public, Arc::new(0));
    assert!(public.has_work_before_park());
    assert!(public.take().is_some());
    assert!(public.is_promising(), "a thief leaves the hint");
    assert!(!public.has_work_before_park());
    assert!(!public.is_promising());
    assert!(matches!(local.push(&public, Arc::new(1)), Push::Announce));
}

#[test]
fn whoever_has_no_deque_takes_the_slot_first() {
    let (public, _local) = holding(1..3);
    assert!(public.slot.put(Arc::new(0)).is_none());
    assert_eq!(public.len(), 3);
    assert_eq!(format!("{public:?}"), "Public { len: 3, .. }");
    let taken: Vec<usize> = std::iter::from_fn(|| public.take().map(|item| *item)).collect();
    assert_eq!(taken, [0, 1, 2]);
    assert_eq!(public.len(), 0);
}

#[test]
fn one_sits_and_leaves_the_tasks_to_the_next() {
    let (public, local) = holding(0..3);
    assert!(public.sit_down().is_none());
    public.stand_up(local);
    let next = public.sit_down().unwrap();
    assert_eq!(next.length(), 3);
    assert_eq!(format!("{next:?}"), "Local { length: 3, .. }");
    assert_eq!(rest(&public, &next), [0, 1, 2]);
}

#[test]
fn the_injector_keeps_its_order_and_gives_batches() {
    let injector = Injector::new();
    assert!(injector.is_empty() && injector.pop().is_none());
    for item in 0..4 {
        injector.push(Arc::new(item));
    }
    assert!(!injector.is_empty());
    assert_eq!(format!("{injector:?}"), "Injector { len: 4 }");
    assert_eq!(*injector.pop().unwrap(), 0);
    assert_eq!(injector.len(), 3);
    let (public, local) = seat();
    let Stolen::Batch(first, more) = injector.take_into(&local) else {
        panic!("there is something");
    };
    assert_eq!((*first, more, local.length()), (1, 1, 1));
    assert_eq!(rest(&public, &local), [2]);
    assert_eq!(injector.len(), 1);
    assert!(injector.pop().is_some());
    assert!(matches!(injector.take_into(&local), Stolen::Nothing));
}

#[test]
fn a_slot_holds_one_and_hands_out_what_it_displaces() {
    let slot: Slot<Item> = Slot::new();
    assert!(slot.is_empty() && slot.take().is_none() && slot.take_seen().is_none());
    assert!(slot.put(Arc::new(1)).is_none());
    assert_eq!(format!("{slot:?}"), "Slot { empty: false }");
    assert_eq!(slot.put(Arc::new(2)).as_deref(), Some(&1));
    assert!(!slot.is_empty());
    assert_eq!(slot.take().as_deref(), Some(&2));
    assert!(slot.is_empty());
    let last = Arc::new(3);
    assert!(slot.put(last.clone()).is_none());
    assert_eq!(slot.take_seen().as_deref(), Some(&3));
    assert!(slot.put(last.clone()).is_none());
    drop(slot);
    assert_eq!(Arc::strong_count(&last), 1, "a slot drops what it holds");
}
