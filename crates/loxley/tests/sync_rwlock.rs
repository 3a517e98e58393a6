//! The laws of `RwLock`.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use loxley::sync::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard,
};
use loxley::task::yield_now;
use support::{assert_send_sync, current, each, panic_of, probe};

#[test]
fn guards_cross_threads_as_far_as_the_value_does() {
    auto_traits! {
        RwLock<u8>: yes yes yes;
        RwLock<Cell<u8>>: yes no yes;
        RwLock<Rc<u8>>: no no yes;
        RwLockReadGuard<'static, u8>: yes yes yes;
        RwLockReadGuard<'static, Cell<u8>>: no no yes;
        RwLockWriteGuard<'static, u8>: yes yes yes;
        // It could become a reader over there, beside a reader here.
        RwLockWriteGuard<'static, Cell<u8>>: no no yes;
        RwLockMappedWriteGuard<'static, u8>: yes yes yes;
        RwLockMappedWriteGuard<'static, Cell<u8>>: no no yes;
        OwnedRwLockReadGuard<u8, u8>: yes yes yes;
        OwnedRwLockReadGuard<u8, Cell<u8>>: no no yes;
        OwnedRwLockReadGuard<Cell<u8>, u8>: no no yes;
        OwnedRwLockWriteGuard<u8>: yes yes yes;
        OwnedRwLockWriteGuard<Cell<u8>>: no no yes;
        OwnedRwLockMappedWriteGuard<u8, u8>: yes yes yes;
        OwnedRwLockMappedWriteGuard<u8, Cell<u8>>: no no yes;
        OwnedRwLockMappedWriteGuard<Rc<u8>, u8>: no no yes;
    }
    let lock = Arc::new(RwLock::new(1));
    assert_send_sync(&lock.read());
    assert_send_sync(&lock.write());
    assert_send_sync(&lock.clone().read_owned());
    assert_send_sync(&lock.clone().write_owned());
}

#[test]
fn readers_are_together_and_a_writer_is_alone() {
    let lock = RwLock::new(1);
    let (one, two) = (lock.try_read().unwrap(), lock.try_read().unwrap());
    assert!(lock.try_write().is_err());
    drop((one, two));
    let writing = lock.try_write().unwrap();
    assert!(lock.try_read().is_err() && lock.try_write().is_err());
    drop(writing);
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_writer_that_waits_is_not_starved_by_readers() {
    let lock = RwLock::new(1);
    let reading = lock.try_read().unwrap();
    let mut writer = probe(lock.write());
    writer.pending();
    let mut late = probe(lock.read());
    late.pending();
    assert!(lock.try_read().is_err());
    drop(reading);
    assert!(writer.is_woken() && !late.is_woken());
    drop(writer.ready());
    assert!(late.is_woken());
    drop(late.ready());
    // One that gives up makes way.
    let reading = lock.try_read().unwrap();
    let (mut writer, mut late) = (probe(lock.write()), probe(lock.read()));
    writer.pending();
    late.pending();
    drop(writer);
    assert!(late.is_woken());
    drop((reading, late.ready()));
}

#[test]
fn readers_see_no_change_in_the_middle() {
    each(|| async {
        let lock = Arc::new(RwLock::new((0, 0)));
        let tasks: Vec<_> = (0..20)
            .map(|turn| {
                let lock = lock.clone();
                loxley::spawn(async move {
                    for _ in 0..30 {
                        if turn % 5 == 0 {
                            let mut pair = lock.write().await;
                            pair.0 += 1;
                            yield_now().await;
                            pair.1 += 1;
                        } else {
                            let pair = lock.clone().read_owned().await;
                            yield_now().await;
                            assert_eq!(pair.0, pair.1);
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*lock.read().await, (120, 120));
    });
}

#[test]
fn a_downgrade_lets_readers_in_and_no_writer() {
    let lock = Arc::new(RwLock::new(vec![1, 2]));
    for owned in [false, true] {
        let (mut reader, mut writer);
        if owned {
            let guard = lock.clone().try_write_owned().unwrap();
            (reader, writer) = (probe(lock.read()), probe(lock.write()));
            reader.pending();
            writer.pending();
            let guard = OwnedRwLockWriteGuard::downgrade(guard);
            assert!(reader.is_woken() && !writer.is_woken());
            drop((reader.ready(), guard));
        } else {
            let guard = lock.try_write().unwrap();
            (reader, writer) = (probe(lock.read()), probe(lock.write()));
            reader.pending();
            writer.pending();
            let guard = RwLockWriteGuard::downgrade_map(guard, |list| &list[0]);
            assert!(reader.is_woken() && !writer.is_woken());
            assert_eq!(*guard, 1);
            drop((reader.ready(), guard));
        }
        drop(writer.ready());
    }
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_part_keeps_the_whole_locked() {
    let lock = Arc::new(RwLock::new((vec![1, 2], "text")));
    let guard = lock.try_write().unwrap();
    let guard = RwLockWriteGuard::try_map(guard, |pair| pair.0.get_mut(7)).unwrap_err();
    let list = RwLockWriteGuard::map(guard, |pair| &mut pair.0);
    let mut first = RwLockMappedWriteGuard::map(list, |list| &mut list[0]);
    *first = 5;
    assert!(lock.try_read().is_err());
    drop(first);
    let guard = lock.clone().try_write_owned().unwrap();
    let guard = OwnedRwLockWriteGuard::try_downgrade_map(guard, |_| None::<&u8>).unwrap_err();
    assert!(lock.try_read().is_err());
    let list = OwnedRwLockWriteGuard::into_mapped(guard);
    let first = OwnedRwLockMappedWriteGuard::try_map(list, |pair| pair.0.first_mut()).unwrap();
    assert!(lock.try_read().is_err());
    drop(first);
    let read = lock.clone().try_read_owned().unwrap();
    let read = OwnedRwLockReadGuard::try_map(read, |pair| pair.0.get(7)).unwrap_err();
    let read = OwnedRwLockReadGuard::map(read, |pair| &pair.0[0]);
    assert!(lock.try_write().is_err());
    assert_eq!(*read, 5);
    assert!(Arc::ptr_eq(OwnedRwLockReadGuard::rwlock(&read), &lock));
    drop(read);
    assert!(lock.try_write().is_ok());
}

#[test]
fn the_number_of_readers_has_limits() {
    let lock = RwLock::with_max_readers(1, 2);
    let (one, two) = (lock.try_read().unwrap(), lock.try_read().unwrap());
    let mut third = probe(lock.read());
    third.pending();
    drop(one);
    drop((third.ready(), two));
    drop(lock.try_write().unwrap());
    assert!(panic_of(|| RwLock::with_max_readers(1, u32::MAX)).contains("readers"));
    RwLock::with_max_readers(1, u32::MAX >> 3);
    // With no permits at all two writers would meet.
    assert!(panic_of(|| RwLock::with_max_readers(1, 0)).contains("at least one"));
}

#[test]
fn unsized_values_are_welcome() {
    let lock: Arc<RwLock<dyn std::fmt::Debug + Send + Sync>> = Arc::new(RwLock::new(5));
    assert_eq!(format!("{:?}", lock.try_read().unwrap()), "5");
    assert_eq!(format!("{:?}", lock.try_write_owned().unwrap()), "5");
}

#[test]
fn debug_shows_the_value_and_never_waits() {
    let lock = RwLock::new(5);
    let reading = lock.try_read().unwrap();
    assert_eq!(format!("{lock:?} {reading}"), "RwLock { data: 5 } 5");
    drop(reading);
    let _writing = lock.try_write().unwrap();
    assert_eq!(format!("{lock:?}"), "RwLock { data: <locked> }");
}

#[test]
fn a_panic_while_it_is_held_does_not_poison_it() {
    let lock = RwLock::new(1);
    panic_of(|| {
        let _guard = lock.try_write().unwrap();
        panic!("on purpose");
    });
    assert_eq!(*lock.try_read().unwrap(), 1);
}

#[test]
fn the_blocking_ways_wait_and_refuse_where_tasks_are_driven() {
    let lock = RwLock::new(1);
    *lock.blocking_write() += 1;
    assert_eq!(*lock.blocking_read(), 2);
    let messages = current().block_on(async {
        [
            panic_of(|| drop(lock.blocking_read())),
            panic_of(|| drop(lock.blocking_write())),
        ]
    });
    assert!(messages[0].contains("read().await"), "{messages:?}");
    assert!(messages[1].contains("write().await"), "{messages:?}");
}
