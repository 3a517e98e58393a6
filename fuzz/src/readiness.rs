//! The readiness word beside a struct with one field per thing that is packed into it.

use loxley_core::doors::Readiness;
use loxley_core::io::{Ready, ReadyEvent};

use crate::Input;

/// Generations are as wide as a token has room for.
const GENERATIONS: u32 = 0xff_ffff;

const BITS: [Ready; 6] = [
    Ready::READABLE,
    Ready::WRITABLE,
    Ready::READ_CLOSED,
    Ready::WRITE_CLOSED,
    Ready::PRIORITY,
    Ready::ERROR,
];

#[derive(Default)]
struct Model {
    ready: Ready,
    tick: u16,
    generation: u32,
    registered: bool,
    priority: bool,
    awaited: bool,
    shut_down: bool,
}

fn ready(byte: u8) -> Ready {
    let set = BITS.into_iter().enumerate();
    set.filter(|(at, _)| byte & (1 << at) != 0)
        .fold(Ready::EMPTY, |ready, (_, bit)| ready | bit)
}

pub fn run(data: &[u8]) {
    let _ = operations(&mut Input(data));
}

fn operations(input: &mut Input<'_>) -> Option<()> {
    let word = Readiness::new();
    let mut model = Model::default();
    let mut seen: Option<(ReadyEvent, u16)> = None;
    loop {
        match input.below(9)? {
            0 | 1 => {
                let behind = u32::from(input.byte()? % 3);
                let generation = model.generation.wrapping_sub(behind) & GENERATIONS;
                let bits = ready(input.byte()?);
                let delivered = word.set_ready(generation, bits).is_some();
                assert_eq!(delivered, generation == model.generation);
                if delivered {
                    model.ready |= bits;
                    model.tick = model.tick.wrapping_add(1);
                }
            }
            2 => {
                let mask = ready(input.byte()?);
                let event = word.load().event(mask);
                let expected = model.ready & mask;
                assert_eq!(
                    event.map(|event| event.ready()),
                    (!expected.is_empty()).then_some(expected)
                );
                seen = event.map(|event| (event, model.tick)).or(seen);
            }
            3 => {
                let Some((event, tick)) = seen else { continue };
                let event = event.only(ready(input.byte()?));
                word.clear(event);
                if tick == model.tick {
                    let kept = Ready::READ_CLOSED | Ready::WRITE_CLOSED;
                    model.ready = model.ready - (event.ready() - kept);
                }
            }
            4 => {
                assert_eq!(word.set_awaited().is_awaited(), model.awaited);
                model.awaited = true;
            }
            5 => {
                word.clear_awaited();
                model.awaited = false;
            }
            6 => {
                let byte = input.byte()?;
                let (priority, bits) = (byte & 0x80 != 0, ready(byte));
                word.set_registered(priority, bits);
                model.registered = true;
                model.priority |= priority;
                model.ready |= bits;
            }
            7 => {
                word.clear_registered();
                (model.registered, model.priority) = (false, false);
                model.ready = Ready::EMPTY;
            }
            _ if input.byte()? < 16 => {
                word.set_shut_down();
                model.shut_down = true;
            }
            _ => {
                word.next_generation(GENERATIONS);
                model = Model {
                    generation: (model.generation + 1) & GENERATIONS,
                    shut_down: model.shut_down,
                    ..Model::default()
                };
                seen = None;
            }
        }
        let state = word.load();
        assert_eq!(state.ready(), model.ready);
        assert_eq!(state.generation(), model.generation);
        assert_eq!(state.is_registered(), model.registered);
        assert_eq!(state.has_priority(), model.priority);
        assert_eq!(state.is_awaited(), model.awaited);
        assert_eq!(state.is_shut_down(), model.shut_down);
    }
}
