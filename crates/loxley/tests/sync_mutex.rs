//! The laws of `Mutex`.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use loxley::sync::{
    MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard, TryLockError,
};
use loxley::task::yield_now;
use support::{assert_send_sync, current, each, panic_of, probe};

#[test]
fn guards_cross_threads_as_far_as_the_value_does() {
    auto_traits! {
        Mutex<u8>: yes yes yes;
        Mutex<Cell<u8>>: yes yes yes;
        Mutex<Rc<u8>>: no no yes;
        MutexGuard<'static, u8>: yes yes yes;
        MutexGuard<'static, Cell<u8>>: yes no yes;
        MutexGuard<'static, Rc<u8>>: no no yes;
        MappedMutexGuard<'static, u8>: yes yes yes;
        MappedMutexGuard<'static, Cell<u8>>: yes no yes;
        MappedMutexGuard<'static, Rc<u8>>: no no yes;
        OwnedMutexGuard<u8>: yes yes yes;
        OwnedMutexGuard<Cell<u8>>: yes no yes;
        OwnedMutexGuard<Rc<u8>>: no no yes;
        OwnedMappedMutexGuard<u8, Cell<u8>>: yes no yes;
        OwnedMappedMutexGuard<u8, Rc<u8>>: no no yes;
        OwnedMappedMutexGuard<Rc<u8>, u8>: no no yes;
        TryLockError: yes yes yes;
    }
    let lock = Arc::new(Mutex::new(Cell::new(1)));
    assert_send_sync(&lock.lock());
    assert_send_sync(&lock.clone().lock_owned());
}

#[test]
fn one_at_a_time() {
    each(|| async {
        let lock = Arc::new(Mutex::new(0));
        let tasks: Vec<_> = (0..20)
            .map(|turn| {
                let lock = lock.clone();
                loxley::spawn(async move {
                    for _ in 0..50 {
                        let mut value = match turn % 2 {
                            0 => lock.lock().await,
                            _ => {
                                *lock.clone().lock_owned().await += 1;
                                continue;
                            }
                        };
                        let before = *value;
                        yield_now().await;
                        *value = before + 1;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*lock.lock().await, 1000);
    });
}

#[test]
fn the_lock_goes_round_in_the_order_of_the_requests() {
    let lock = Mutex::new(());
    let held = lock.try_lock().unwrap();
    let (mut one, mut two) = (probe(lock.lock()), probe(lock.lock()));
    one.pending();
    two.pending();
    drop(held);
    assert!(one.is_woken() && !two.is_woken());
    // It is handed over: nobody can come in between.
    assert!(lock.try_lock().is_err());
    drop(one.ready());
    drop(two.ready());
    assert!(lock.try_lock().is_ok());
}

#[test]
fn whoever_leaves_hands_the_lock_on() {
    let lock = Mutex::new(());
    let held = lock.try_lock().unwrap();
    let (mut one, mut two) = (probe(lock.lock()), probe(lock.lock()));
    one.pending();
    two.pending();
    drop(held);
    drop(one);
    assert!(two.is_woken());
    drop(two);
    assert!(lock.try_lock().is_ok());
}

#[test]
fn a_panic_while_it_is_held_does_not_poison_it() {
    let lock = Arc::new(Mutex::new(1));
    panic_of(|| {
        let _guard = lock.try_lock().unwrap();
        panic!("on purpose");
    });
    panic_of(|| {
        MutexGuard::map(lock.try_lock().unwrap(), |_| -> &mut u8 {
            panic!("here too")
        })
    });
    assert_eq!(*lock.try_lock().unwrap(), 1);
}

#[test]
fn a_part_keeps_the_whole_locked() {
    let lock = Arc::new(Mutex::new((vec![1, 2], "text")));
    let list = MutexGuard::map(lock.try_lock().unwrap(), |pair| &mut pair.0);
    let mut first = MappedMutexGuard::map(list, |list| &mut list[0]);
    *first = 5;
    assert!(lock.try_lock().is_err());
    drop(first);
    let guard = lock.clone().try_lock_owned().unwrap();
    let guard = OwnedMutexGuard::try_map(guard, |pair| pair.0.get_mut(7)).unwrap_err();
    let list = OwnedMutexGuard::map(guard, |pair| &mut pair.0[..]);
    let first = OwnedMappedMutexGuard::try_map(list, |list| list.first_mut()).unwrap();
    assert_eq!(*first, 5);
    assert!(lock.try_lock().is_err());
    drop(first);
    assert!(lock.try_lock().is_ok());
}

#[test]
fn an_owned_guard_keeps_the_value_alive() {
    let lock = Arc::new(Mutex::new(String::from("text")));
    let guard = OwnedMutexGuard::map(lock.try_lock_owned().unwrap(), |text| text.as_mut_str());
    assert_eq!(&*guard, "text");
}

#[test]
fn unsized_values_are_welcome() {
    let lock: Arc<Mutex<dyn std::fmt::Debug + Send>> = Arc::new(Mutex::new(5));
    assert_eq!(format!("{:?}", lock.try_lock().unwrap()), "5");
    let guard: OwnedMutexGuard<dyn std::fmt::Debug + Send> = lock.try_lock_owned().unwrap();
    assert_eq!(format!("{guard:?}"), "5");
    let slice: Box<Mutex<[u8]>> = Box::new(Mutex::new([1, 2]));
    assert_eq!(slice.try_lock().unwrap().len(), 2);
}

#[test]
fn debug_shows_the_value_and_never_waits() {
    let lock = Mutex::new(5);
    assert_eq!(format!("{lock:?}"), "Mutex { data: 5 }");
    let guard = lock.try_lock().unwrap();
    assert_eq!(format!("{lock:?}"), "Mutex { data: <locked> }");
    assert_eq!(format!("{guard:?} {guard}"), "5 5");
}

#[test]
fn the_blocking_ways_wait_and_refuse_where_tasks_are_driven() {
    let lock = Arc::new(Mutex::new(0));
    let guard = lock.try_lock().unwrap();
    std::thread::scope(|scope| {
        let other = lock.clone();
        let waiting = scope.spawn(move || *other.blocking_lock() += 1);
        drop(guard);
        waiting.join().unwrap();
    });
    *lock.clone().blocking_lock_owned() += 1;
    assert_eq!(*lock.try_lock().unwrap(), 2);
    let message = current().block_on(async { panic_of(|| drop(lock.blocking_lock())) });
    assert!(message.contains("lock().await"), "{message}");
}
