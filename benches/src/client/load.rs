//! What a client does to a server, and its form on a command line.

use std::time::Duration;

/// How the client paces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The next request follows the last answer.
    Closed,
    /// So many requests per second over all connections.
    Open(u64),
    /// A new connection for each exchange, closed loop.
    Churn,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// So many bytes, which come back.
    Echo(usize),
    /// `GET /`, keep-alive.
    Http,
}

/// What the client does to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// How the client paces itself.
    pub pace: Pace,
    /// What is asked.
    pub exchange: Exchange,
    /// Connections open at a time.
    pub connections: usize,
    /// How long it is measured.
    pub duration: Duration,
    /// How long before that it is done without measuring.
    pub warm_up: Duration,
}

impl Load {
    /// As words of a command line.
    #[must_use]
    pub fn to_args(&self) -> Vec<String> {
        let pace = match self.pace {
            Pace::Closed => "closed".to_owned(),
            Pace::Open(rate) => format!("open:{rate}"),
            Pace::Churn => "churn".to_owned(),
        };
        let exchange = match self.exchange {
            Exchange::Echo(size) => format!("echo:{size}"),
            Exchange::Http => "http".to_owned(),
        };
        let numbers = [
            self.connections as u128,
            self.duration.as_millis(),
            self.warm_up.as_millis(),
        ];
        [pace, exchange]
            .into_iter()
            .chain(numbers.map(|number| number.to_string()))
            .collect()
    }

    /// The reverse of [`Load::to_args`].
    ///
    /// # Errors
    ///
    /// A sentence that names the word that is wrong or missing.
    pub fn from_args(args: &[String]) -> Result<Load, String> {
        let word = |index: usize| {
            args.get(index)
                .ok_or(format!("client: word {index} is missing"))
        };
        let number = |text: &str| {
            text.parse::<u64>()
                .map_err(|_| format!("client: no number: {text}"))
        };
        let pace = match word(0)?.split_once(':') {
            Some(("open", rate)) => Pace::Open(number(rate)?),
            None if word(0)? == "closed" => Pace::Closed,
            None if word(0)? == "churn" => Pace::Churn,
            _ => return Err(format!("client: no such pace: {}", word(0)?)),
        };
        let exchange = match word(1)?.split_once(':') {
            Some(("echo", size)) => Exchange::Echo(number(size)? as usize),
            None if word(1)? == "http" => Exchange::Http,
            _ => return Err(format!("client: no such exchange: {}", word(1)?)),
        };
        Ok(Load {
            pace,
            exchange,
            connections: number(word(2)?)? as usize,
            duration: Duration::from_millis(number(word(3)?)?),
            warm_up: Duration::from_millis(number(word(4)?)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_survives_its_command_line() {
        for (pace, exchange) in [
            (Pace::Closed, Exchange::Echo(64)),
            (Pace::Open(20_000), Exchange::Http),
            (Pace::Churn, Exchange::Echo(1)),
        ] {
            let load = Load {
                pace,
                exchange,
                connections: 64,
                duration: Duration::from_millis(1_000),
                warm_up: Duration::from_millis(100),
            };
            assert_eq!(Load::from_args(&load.to_args()), Ok(load));
        }
        assert!(
            Load::from_args(&["slow".to_owned()])
                .unwrap_err()
                .contains("slow")
        );
        assert!(Load::from_args(&[]).unwrap_err().contains("missing"));
    }
}
