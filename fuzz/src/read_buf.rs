//! `ReadBuf` beside a list of bytes that are known or not.

use std::mem::MaybeUninit;

use loxley::io::ReadBuf;

use crate::Input;

struct Model {
    /// What each byte holds, as far as it was ever written.
    bytes: Vec<Option<u8>>,
    filled: usize,
}

impl Model {
    fn initialized(&self) -> usize {
        self.bytes.iter().take_while(|byte| byte.is_some()).count()
    }

    fn write(&mut self, bytes: &[u8]) {
        for (at, byte) in bytes.iter().enumerate() {
            self.bytes[self.filled + at] = Some(*byte);
        }
    }

    fn known(&self, end: usize) -> Vec<u8> {
        self.bytes[..end]
            .iter()
            .map(|byte| byte.expect("known"))
            .collect()
    }
}

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (Some(len), Some(kind)) = (input.below(65), input.byte()) else {
        return;
    };
    if kind & 1 == 0 {
        let mut memory = vec![MaybeUninit::uninit(); len];
        let bytes = vec![None; len];
        let _ = operations(
            &mut input,
            ReadBuf::uninit(&mut memory),
            Model { bytes, filled: 0 },
        );
    } else {
        let mut memory = vec![7; len];
        let bytes = vec![Some(7); len];
        let _ = operations(
            &mut input,
            ReadBuf::new(&mut memory),
            Model { bytes, filled: 0 },
        );
    }
}

fn operations(input: &mut Input<'_>, mut buf: ReadBuf<'_>, mut model: Model) -> Option<()> {
    let capacity = model.bytes.len();
    loop {
        let room = capacity - model.filled;
        match input.below(8)? {
            0 => {
                let bytes = input.bytes(room)?;
                buf.put_slice(bytes);
                model.write(bytes);
                model.filled += bytes.len();
            }
            1 => {
                buf.clear();
                model.filled = 0;
            }
            2 => {
                let to = input.below(model.initialized() + 1)?;
                buf.set_filled(to);
                model.filled = to;
            }
            3 => {
                let n = input.below(room + 1)?;
                let given = buf.initialize_unfilled_to(n);
                assert_eq!(given.len(), n);
                for at in model.filled..model.filled + n {
                    let byte = *model.bytes[at].get_or_insert(0);
                    assert_eq!(given[at - model.filled], byte);
                }
                // Written through, as a reader does.
                let bytes = input.bytes(n)?;
                given[..bytes.len()].copy_from_slice(bytes);
                model.write(bytes);
            }
            4 => {
                let n = input.below(model.initialized().saturating_sub(model.filled) + 1)?;
                buf.advance(n);
                model.filled += n;
            }
            5 => {
                // A smaller buffer over the front of the rest, as an adapter makes it.
                let n = input.below(capacity + 9)?;
                let mut part = buf.take(n);
                assert_eq!(part.capacity(), n.min(room));
                let bytes = input.bytes(n.min(room))?;
                part.put_slice(bytes);
                assert_eq!(part.filled(), bytes);
                // SAFETY: these have just been put.
                unsafe { buf.assume_init(bytes.len()) };
                buf.advance(bytes.len());
                model.write(bytes);
                model.filled += bytes.len();
            }
            6 => {
                for byte in buf.filled_mut() {
                    *byte ^= 0x55;
                }
                for byte in &mut model.bytes[..model.filled] {
                    *byte = byte.map(|byte| byte ^ 0x55);
                }
            }
            _ => {
                for byte in buf.initialized_mut() {
                    *byte = byte.wrapping_add(1);
                }
                let initialized = model.initialized();
                for byte in &mut model.bytes[..initialized] {
                    *byte = byte.map(|byte| byte.wrapping_add(1));
                }
            }
        }
        assert_eq!(buf.filled(), model.known(model.filled));
        assert_eq!(buf.initialized(), model.known(model.initialized()));
        assert_eq!(
            (buf.capacity(), buf.remaining()),
            (capacity, capacity - model.filled)
        );
    }
}
