//! Whether what should happen happens in the end, with more threads than loom can take: every order of the steps of
//! three to five threads, and every fair way on for ever.
//!
//! Each scenario holds, and stops to hold when a step that it is about is left out.

#![cfg(not(loxley_loom))]

#[path = "protocol/machine.rs"]
mod machine;
#[path = "protocol/monitor.rs"]
mod monitor;
#[path = "protocol/steps.rs"]
mod steps;

use loom_tests::explore::explore;
use machine::{Machine, Task, Without};

/// More states than any scenario has.
const MOST: usize = 2_000_000;

fn holds(machine: Machine) {
    let found = explore(&machine, MOST);
    println!("{} states", found.states);
    if let Some(way) = found.counterexample {
        panic!("{machine:?}\n{way}");
    }
}

fn fails(machine: Machine, without: Without) {
    let found = explore(&machine.without(without), MOST);
    println!("without {without:?}: {} states", found.states);
    assert!(found.counterexample.is_some(), "nobody misses {without:?}");
}

/// Workers that are awake and have nothing to do, with a monitor.
fn pool(workers: usize) -> Machine {
    Machine {
        workers,
        spares: 0,
        queues: Vec::new(),
        asleep: Vec::new(),
        injected: Vec::new(),
        outside: Vec::new(),
        monitor: true,
        patient: false,
        returns: 0,
        shutdown: false,
        mistakes: 1,
        innocent: 1,
        without: Without::Nothing,
    }
}

/// Without a monitor nobody who is forgotten is found again.
fn unwatched(workers: usize) -> Machine {
    Machine {
        monitor: false,
        ..pool(workers)
    }
}

#[test]
fn what_is_spawned_outside_runs_although_all_go_to_sleep() {
    for (workers, asleep, tasks) in [(2, vec![], 2), (3, vec![], 1), (4, vec![2, 3], 1)] {
        let scenario = || Machine {
            asleep: asleep.clone(),
            outside: vec![Task::Innocent; tasks],
            innocent: tasks,
            ..unwatched(workers)
        };
        holds(scenario());
        fails(scenario(), Without::Recheck);
    }
}

#[test]
fn a_searcher_that_finds_what_blocks_has_announced_before() {
    let scenario = || Machine {
        asleep: vec![1, 2],
        outside: vec![Task::Block, Task::Innocent],
        ..unwatched(3)
    };
    holds(scenario());
    fails(scenario(), Without::LastSearcher);
}

#[test]
fn a_saturated_peer_relieves_the_stuck() {
    for stuck in [
        Task::WakeAndBlock,
        Task::TimerAndBlock,
        Task::RegisterAndBlock,
    ] {
        let scenario = || Machine {
            queues: vec![vec![stuck], vec![Task::Yield]],
            ..pool(2)
        };
        holds(scenario());
        fails(scenario(), Without::BusyRelief);
    }
}

#[test]
fn of_four_workers_two_may_be_stuck_and_two_saturated() {
    let scenario = || Machine {
        queues: vec![
            vec![Task::WakeAndBlock],
            vec![Task::Block],
            vec![Task::Yield],
            vec![Task::Yield],
        ],
        mistakes: 0,
        ..pool(4)
    };
    holds(scenario());
    fails(scenario(), Without::BusyRelief);
}

#[test]
fn a_sleeping_peer_relieves_the_stuck() {
    for (stuck, missed) in [
        (Task::WakeAndBlock, Without::SlotRelief),
        (Task::TimerAndBlock, Without::Deadlines),
        (Task::RegisterAndBlock, Without::Events),
        (Task::TimerAndBlock, Without::StationRelief),
    ] {
        let scenario = || Machine {
            queues: vec![vec![stuck]],
            asleep: vec![1, 2],
            ..pool(3)
        };
        holds(scenario());
        fails(scenario(), missed);
        fails(scenario(), Without::Call);
    }
}

#[test]
fn a_patient_worker_that_blocks_is_found_out() {
    let scenario = || Machine {
        queues: vec![vec![Task::SpawnAndBlock]],
        asleep: vec![1],
        patient: true,
        innocent: 2,
        ..pool(2)
    };
    holds(scenario());
    fails(scenario(), Without::Call);
}

#[test]
fn a_spare_comes_when_all_are_stuck() {
    for stuck in [
        Task::WakeAndBlock,
        Task::TimerAndBlock,
        Task::RegisterAndBlock,
    ] {
        let scenario = || Machine {
            spares: 1,
            queues: vec![vec![stuck], vec![Task::Block]],
            ..pool(2)
        };
        holds(scenario());
        fails(scenario(), Without::Spares);
        if stuck == Task::TimerAndBlock {
            fails(scenario(), Without::LateNudge);
        }
    }
}

#[test]
fn a_spare_that_gets_stuck_is_relieved_by_another() {
    let scenario = || Machine {
        spares: 2,
        queues: vec![vec![Task::Block], vec![Task::Block]],
        outside: vec![Task::WakeAndBlock],
        ..pool(2)
    };
    holds(scenario());
    fails(scenario(), Without::SecondSpare);
}

#[test]
fn whoever_comes_back_and_whoever_stood_in_strand_nothing() {
    for task in [Task::WakeAndBlock, Task::TimerAndBlock] {
        let scenario = || Machine {
            spares: 1,
            queues: vec![vec![task], vec![Task::Block]],
            returns: 1,
            mistakes: 0,
            ..pool(2)
        };
        holds(scenario());
        fails(scenario(), Without::Spares);
        fails(scenario(), Without::Asking);
        if task == Task::TimerAndBlock {
            fails(scenario(), Without::HandOver);
        }
    }
}

#[test]
fn a_registration_reaches_whoever_sleeps_on_the_futex() {
    for task in [Task::RegisterAtFirst, Task::TimerAtFirst] {
        let scenario = || Machine {
            queues: vec![vec![], vec![task]],
            ..unwatched(2)
        };
        holds(scenario());
        fails(scenario(), Without::Nudge);
        fails(scenario(), Without::RecheckOfSources);
    }
}

#[test]
fn every_worker_leaves_at_the_end_and_no_task_stays() {
    let scenario = || Machine {
        asleep: vec![1],
        outside: vec![Task::Innocent, Task::Innocent],
        innocent: 2,
        shutdown: true,
        ..unwatched(2)
    };
    holds(scenario());
    fails(scenario(), Without::EndOfSleeps);
    fails(scenario(), Without::PushersDrop);
}
