//! The fetcher: a session of reqwest's, with a limit on requests at a time, a limit of time whose error names the phase,
//! and a limit on the body.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

pub struct Fetcher {
    client: Client,
    slots: Semaphore,
    limits: Limits,
}

#[derive(Clone, Copy)]
pub struct Limits {
    /// Requests at a time; more wait in a queue, first come, first served.
    pub at_once: usize,
    /// For one connect.
    pub connect: Duration,
    /// For everything from the call to the end of the body, the queue too.
    pub total: Duration,
    /// Bytes of the body, decompressed.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 100,
            connect: Duration::from_secs(100),
            total: Duration::from_secs(100),
            body: 1 << 20,
        }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub url: String,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Phase {
    Queue,
    Connect,
    Answer,
    Body,
}

#[derive(Debug)]
pub enum Error {
    Late(Phase),
    TooLong,
    Client(reqwest::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(phase) => write!(f, "the time was over in the phase {phase:?}"),
            Self::TooLong => f.write_str("the body is longer than it may be"),
            Self::Client(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() && error.is_connect() {
            Self::Late(Phase::Connect)
        } else {
            Self::Client(error)
        }
    }
}

impl Fetcher {
    pub fn new(client: ClientBuilder, limits: Limits) -> Result<Self, Error> {
        Ok(Self {
            client: client.connect_timeout(limits.connect).build()?,
            slots: Semaphore::new(limits.at_once),
            limits,
        })
    }

    /// To make a request with, for [`fetch`](Self::fetch).
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub async fn get(&self, url: impl AsRef<str>) -> Result<Answer, Error> {
        self.fetch(self.client.get(url.as_ref())).await
    }

    pub async fn fetch(&self, request: RequestBuilder) -> Result<Answer, Error> {
        self.fetch_within(request, self.limits.total).await
    }

    /// Cancellation: dropping the future ends the request and frees its place, wherever it is.
    pub async fn fetch_within(
        &self,
        request: RequestBuilder,
        total: Duration,
    ) -> Result<Answer, Error> {
        let deadline = Instant::now() + total;
        let late = |phase| move |_| Error::Late(phase);
        let place = timeout_at(deadline, self.slots.acquire()).await;
        let _place = place
            .map_err(late(Phase::Queue))?
            .expect("it is never closed");
        let answer = timeout_at(deadline, request.send()).await;
        let mut answer = answer.map_err(late(Phase::Answer))??;
        let (status, url) = (answer.status(), answer.url().to_string());
        let mut body = BytesMut::new();
        while let Some(chunk) = timeout_at(deadline, answer.chunk())
            .await
            .map_err(late(Phase::Body))??
        {
            if body.len() + chunk.len() > self.limits.body {
                return Err(Error::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let body = body.freeze();
        Ok(Answer { status, url, body })
    }
}
