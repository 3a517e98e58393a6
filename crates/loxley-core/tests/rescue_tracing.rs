//! With the feature `tracing` a long poll is a warning of the target `loxley::long_poll`.

#![cfg(feature = "tracing")]

use std::fmt::Debug;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use loxley_core::runtime::Builder;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Record};
use tracing::{Event, Id, Level, Metadata, Subscriber};

const HANG: Duration = Duration::from_secs(60);

/// Sends the fields of each event.
struct Listener(mpsc::Sender<Vec<(String, String)>>);

struct Fields(Vec<(String, String)>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name().to_owned(), format!("{value:?}")));
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "loxley::long_poll" && *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(Vec::new());
        event.record(&mut fields);
        self.0.send(fields.0).unwrap();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_long_poll_is_a_warning_with_its_task_and_place() {
    let (send, events) = mpsc::channel();
    tracing::subscriber::set_global_default(Listener(send)).unwrap();
    // Longer than a worker waits for a processor on a busy machine: what is reported then is the task's poll.
    let threshold = Duration::from_millis(200);
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .name("traced")
        .long_poll_threshold(threshold)
        .build()
        .unwrap();
    let builder = loxley_core::TaskBuilder::new().name("sleeper");
    let offend = async move {
        // Until the monitor has found this worker stuck, nobody takes the task out of its slot.
        let (send, receive) = mpsc::channel();
        loxley_core::spawn(async move { send.send(()).unwrap() });
        receive
            .recv_timeout(HANG)
            .expect("nobody came to the rescue");
        // The offence, as long as it takes to be one.
        thread::sleep(threshold);
    };
    let offender = builder.spawn_on(offend, runtime.handle()).unwrap();
    let fields = events.recv_timeout(HANG).expect("no event came");
    let field = |name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map_or_else(|| panic!("no {name} in {fields:?}"), |(_, value)| value)
    };
    assert_eq!(*field("task.id"), offender.id().to_string());
    assert_eq!(*field("task.name"), "\"sleeper\"");
    assert!(field("task.spawned_at").contains("rescue_tracing.rs"));
    assert!(field("duration_ms").parse::<u64>().unwrap() >= 200);
    assert_eq!(*field("kind"), "slept");
    assert_eq!(*field("runtime"), "\"traced\"");
    assert_eq!(*field("is_over"), "true");
}
