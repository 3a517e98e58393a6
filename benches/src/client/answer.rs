//! When is an answer complete?

use std::io;

use super::Exchange;

/// How much of an answer has come.
#[derive(Debug)]
pub(super) enum Answer {
    Echo {
        size: usize,
        received: usize,
    },
    /// The head and body so far, and the length of both once the head is complete.
    Http {
        received: Vec<u8>,
        length: Option<usize>,
    },
}

impl Answer {
    pub(super) fn to(exchange: Exchange) -> Answer {
        match exchange {
            Exchange::Echo(size) => Answer::Echo { size, received: 0 },
            Exchange::Http => Answer::Http {
                received: Vec::new(),
                length: None,
            },
        }
    }

    /// Takes in what was read; true when the answer is complete, and then it starts over.
    pub(super) fn take(&mut self, data: &[u8]) -> io::Result<bool> {
        match self {
            Answer::Echo { size, received } => {
                *received += data.len();
                if *received > *size {
                    return Err(io::Error::other("more came back than was sent"));
                }
                let complete = received == size;
                if complete {
                    *received = 0;
                }
                Ok(complete)
            }
            Answer::Http { received, length } => {
                received.extend_from_slice(data);
                if length.is_none() {
                    *length = http_length(received)?;
                }
                let complete = *length == Some(received.len());
                if complete {
                    received.clear();
                    *length = None;
                }
                Ok(complete)
            }
        }
    }
}

/// Length of head and body, once the head is there; the answer must be a 200 with a `content-length`.
fn http_length(received: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&received[..end]).map_err(io::Error::other)?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(format!("not a 200: {head}")));
    }
    let body = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse::<usize>().ok())
        .ok_or_else(|| io::Error::other(format!("no content-length: {head}")))?;
    Ok(Some(end + 4 + body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_answer_is_complete_when_its_body_is() {
        let mut answer = Answer::to(Exchange::Http);
        assert!(!answer.take(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap());
        assert!(!answer.take(b"ngth: 5\r\n\r\nhel").unwrap());
        assert!(answer.take(b"lo").unwrap());
        assert!(
            answer
                .take(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .unwrap()
        );
        assert!(
            answer
                .take(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                .is_err()
        );
    }

    #[test]
    fn an_echo_is_complete_at_its_size_and_never_beyond() {
        let mut answer = Answer::to(Exchange::Echo(8));
        assert!(!answer.take(b"1234").unwrap());
        assert!(answer.take(b"5678").unwrap());
        assert!(answer.take(b"123456789").is_err());
    }
}
