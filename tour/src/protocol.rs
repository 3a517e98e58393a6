//! Protocol: what a client of either service sends and expects.

use std::time::Duration;

/// The length of one message of the echo service.
const MESSAGE: usize = 64;

/// The HTTP service answers every request with this text.
pub(crate) const GREETING: &str = "hello from loxley\n";

/// Which of the two services a client talks to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Protocol {
    /// Messages of 64 bytes come back as they were.
    Echo,
    /// `GET /` over a connection that stays open, answered with a greeting.
    Http,
}

/// What the received bytes begin with.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    /// Not yet a whole answer.
    Incomplete,
    /// An answer of so many bytes.
    Complete { length: usize, right: bool },
}

impl Protocol {
    /// How the tables call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Protocol::Echo => "echo",
            Protocol::Http => "http",
        }
    }

    /// Adds one request to what is to be sent; its due time makes it unlike the others.
    pub(crate) fn request(self, due: Duration, out: &mut Vec<u8>) {
        match self {
            Protocol::Echo => out.extend_from_slice(&message(due)),
            Protocol::Http => out.extend_from_slice(b"GET / HTTP/1.1\r\nhost: loxley\r\n\r\n"),
        }
    }

    /// Reads the answer to the request that was due then.
    pub(crate) fn answer(self, due: Duration, bytes: &[u8]) -> Answer {
        match self {
            Protocol::Echo => match bytes.get(..MESSAGE) {
                None => Answer::Incomplete,
                Some(bytes) => Answer::Complete {
                    length: MESSAGE,
                    right: bytes == message(due),
                },
            },
            Protocol::Http => http_answer(bytes),
        }
    }
}

fn message(due: Duration) -> [u8; MESSAGE] {
    let mut message = [b'.'; MESSAGE];
    message[..16].copy_from_slice(&due.as_nanos().to_be_bytes());
    message
}

/// Just as much HTTP as our own service speaks: a head and a body of the length that it states.
fn http_answer(bytes: &[u8]) -> Answer {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Answer::Incomplete;
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let body = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("content-length:")?
                .trim()
                .parse::<usize>()
                .ok()
        })
        .unwrap_or(0);
    let length = head + 4 + body;
    if bytes.len() < length {
        return Answer::Incomplete;
    }
    Answer::Complete {
        length,
        right: text.starts_with("http/1.1 200 ") && bytes[head + 4..length] == *GREETING.as_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: Duration = Duration::from_millis(7);

    #[test]
    fn an_echo_is_the_message_that_was_due_then() {
        let mut bytes = Vec::new();
        Protocol::Echo.request(DUE, &mut bytes);
        let length = MESSAGE;
        let echo = |due, bytes: &[u8]| Protocol::Echo.answer(due, bytes);
        assert_eq!(
            echo(DUE, &bytes),
            Answer::Complete {
                length,
                right: true
            }
        );
        assert_eq!(
            echo(DUE * 2, &bytes),
            Answer::Complete {
                length,
                right: false
            }
        );
        assert_eq!(echo(DUE, &bytes[1..]), Answer::Incomplete);
    }

    #[test]
    fn an_http_answer_ends_where_its_length_says() {
        let whole = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{GREETING}",
            GREETING.len()
        );
        let two = format!("{whole}{whole}");
        let answer = |bytes: &str| Protocol::Http.answer(DUE, bytes.as_bytes());
        let complete = Answer::Complete {
            length: whole.len(),
            right: true,
        };
        assert_eq!(answer(&two), complete);
        for cut in 0..whole.len() {
            assert_eq!(answer(&whole[..cut]), Answer::Incomplete, "{cut}");
        }
    }

    #[test]
    fn another_status_or_another_body_is_wrong() {
        for bad in [
            "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        ] {
            let answer = Protocol::Http.answer(DUE, bad.as_bytes());
            assert_eq!(
                answer,
                Answer::Complete {
                    length: bad.len(),
                    right: false
                }
            );
        }
    }
}
