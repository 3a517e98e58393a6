//! What lies between a file and its jobs; the rules are in the head of `file.rs`.

use std::fs::File as StdFile;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loxley_core::shared::shut_down;
use parking_lot::{Mutex, MutexGuard};

use crate::io::{ReadBuf, retry};
use crate::task::spawn_blocking;

/// The first read takes at least so many bytes.
const FIRST_READ: usize = 16 * 1024;

/// Shared by the file and its job.
#[derive(Debug, Default)]
pub(super) struct Machine(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    busy: Busy,
    /// Rule 6.
    waiting: Vec<Waker>,
    ahead: Vec<u8>,
    taken: usize,
    /// How much the next read takes at least; 0: the first.
    next_read: usize,
    /// What the last read found, if that was no bytes: the end, or an error.
    found: Option<io::Result<()>>,
    out: Vec<u8>,
    /// Rule 4.
    error: Option<io::Error>,
    sought: Option<io::Result<u64>>,
    place: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Busy {
    #[default]
    No,
    Reading,
    Writing,
    Seeking,
}

impl State {
    /// Forgets what is ahead, and says how much that was.
    fn take_ahead(&mut self) -> usize {
        let ahead = self.ahead.len() - self.taken;
        self.ahead.clear();
        self.taken = 0;
        self.found = None;
        self.next_read = 0;
        ahead
    }
}

impl Machine {
    /// Waits while `busy` holds; ready with the state locked.
    fn poll_while(
        &self,
        cx: &mut Context<'_>,
        busy: impl FnOnce(&State) -> bool,
    ) -> Poll<MutexGuard<'_, State>> {
        // Cloned before the lock is taken: a waker may be anybody's code.
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        if !busy(&state) {
            return Poll::Ready(state);
        }
        if !state.waiting.iter().any(|other| other.will_wake(&waker)) {
            state.waiting.push(waker);
        }
        Poll::Pending
    }

    /// Waits for the job under way.
    pub(super) fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_while(cx, |state| state.busy != Busy::No)
            .map(drop)
    }

    /// Waits for writes under way.
    pub(super) fn poll_written(&self, cx: &mut Context<'_>) -> Poll<()> {
        let writing = |state: &State| state.busy == Busy::Writing;
        self.poll_while(cx, writing).map(drop)
    }

    /// Rule 1: `Some` is the length of the job that the caller starts, and that is already counted as under way.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        limit: usize,
    ) -> Poll<io::Result<Option<usize>>> {
        let state = self.poll_while(cx, |state| state.busy != Busy::No);
        let mut state = std::task::ready!(state);
        let state = &mut *state;
        let rest = &state.ahead[state.taken..];
        let len = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..len]);
        state.taken += len;
        if len > 0 || buf.remaining() == 0 {
            return Poll::Ready(Ok(None));
        }
        if let Some(found) = state.found.take() {
            return Poll::Ready(found.map(|()| None));
        }
        let asked = buf.remaining().max(state.next_read).max(FIRST_READ);
        let len = asked.min(limit);
        state.next_read = len.saturating_mul(2);
        state.busy = Busy::Reading;
        Poll::Ready(Ok(Some(len)))
    }

    /// Rule 2: how much was taken, and, if the caller has to start a job, how far that goes back first.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        limit: usize,
    ) -> Poll<io::Result<(usize, Option<usize>)>> {
        let state = self.poll_while(cx, |state| match state.busy {
            Busy::No => false,
            Busy::Writing => state.out.len() >= limit,
            Busy::Reading | Busy::Seeking => true,
        });
        let mut state = std::task::ready!(state);
        if let Some(error) = state.error.take() {
            return Poll::Ready(Err(error));
        }
        let len = buf.len().min(limit - state.out.len());
        if len == 0 {
            return Poll::Ready(Ok((0, None)));
        }
        state.out.extend_from_slice(&buf[..len]);
        if state.busy == Busy::Writing {
            return Poll::Ready(Ok((len, None)));
        }
        let ahead = state.take_ahead();
        state.busy = Busy::Writing;
        Poll::Ready(Ok((len, Some(ahead))))
    }

    /// Counts a seek as under way; says how much is ahead.
    pub(super) fn begin_seek(&self) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.busy != Busy::No {
            let message = "other file operation is pending, call poll_complete before start_seek";
            return Err(io::Error::other(message));
        }
        state.busy = Busy::Seeking;
        Ok(state.take_ahead())
    }

    /// What the last seek found.
    pub(super) fn place(&self) -> io::Result<u64> {
        let mut state = self.0.lock();
        match state.sought.take() {
            Some(Ok(place)) => {
                state.place = place;
                Ok(place)
            }
            Some(Err(error)) => Err(error),
            None => Ok(state.place),
        }
    }

    pub(super) fn take_ahead(&self) -> usize {
        self.0.lock().take_ahead()
    }

    pub(super) fn take_error(&self) -> io::Result<()> {
        self.0.lock().error.take().map_or(Ok(()), Err)
    }

    /// Whether nothing is under way, ahead or out.
    pub(super) fn is_still(&self) -> bool {
        let state = self.0.lock();
        state.busy == Busy::No && state.taken == state.ahead.len() && state.out.is_empty()
    }
}

/// Goes back by what was read ahead.
pub(super) fn go_back(mut file: &StdFile, ahead: usize) -> io::Result<()> {
    if ahead == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::Current(-(ahead as i64))).map(drop)
}

/// What a job does; the numbers are lengths in bytes.
#[derive(Debug)]
pub(super) enum Work {
    Read { len: usize },
    Write { ahead: usize },
    Seek { to: SeekFrom, ahead: usize },
}

/// The thread's side of a call. Dropped before it is done, it says so.
struct Job {
    /// `None`: it is done. The file may then be the only owner.
    std: Option<Arc<StdFile>>,
    machine: Arc<Machine>,
}

/// A job that waits for its thread.
struct Waiting {
    job: Job,
    work: Option<Work>,
}

/// Starts a job that is counted as under way.
#[track_caller]
pub(super) fn start(std: &Arc<StdFile>, machine: &Arc<Machine>, work: Work) {
    let job = Job {
        std: Some(std.clone()),
        machine: machine.clone(),
    };
    let mut waiting = Waiting {
        job,
        work: Some(work),
    };
    drop(spawn_blocking(move || waiting.run()));
}

impl Waiting {
    fn run(&mut self) {
        match self.work.take() {
            Some(Work::Read { len }) => self.job.read(len),
            Some(Work::Write { ahead }) => self.job.write(ahead),
            Some(Work::Seek { to, ahead }) => self.job.seek(to, ahead),
            None => {}
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Rule 5.
        if let Some(Work::Write { ahead }) = self.work {
            self.work = None;
            self.job.write(ahead);
        }
    }
}

impl Job {
    fn file(&self) -> &StdFile {
        self.std.as_deref().expect("the job is not done")
    }

    fn read(&mut self, len: usize) {
        let mut bytes = std::mem::take(&mut self.machine.0.lock().ahead);
        bytes.resize(len, 0);
        let result = retry(|| self.file().read(&mut bytes));
        bytes.truncate(*result.as_ref().unwrap_or(&0));
        self.finish(|state| {
            state.found = match result {
                Ok(0) => Some(Ok(())),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            };
            state.ahead = bytes;
            state.taken = 0;
        });
    }

    fn write(&mut self, ahead: usize) {
        let mut bytes = Vec::new();
        let mut result = go_back(self.file(), ahead);
        while self.next_batch(&mut bytes, result) {
            result = self.file().write_all(&bytes);
        }
    }

    /// Rules 2 and 4: takes what is out; false if that is nothing, and then the job is done.
    fn next_batch(&mut self, bytes: &mut Vec<u8>, result: io::Result<()>) -> bool {
        bytes.clear();
        let machine = self.machine.clone();
        let mut state = machine.0.lock();
        if let Err(error) = result {
            state.out.clear();
            state.error = Some(error);
        }
        if state.out.is_empty() {
            self.finish_locked(state);
            return false;
        }
        std::mem::swap(&mut state.out, bytes);
        // There is room again.
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        true
    }

    fn seek(&mut self, to: SeekFrom, ahead: usize) {
        let result = match to {
            SeekFrom::Current(_) => go_back(self.file(), ahead),
            _ => Ok(()),
        };
        let result = result.and_then(|()| self.file().seek(to));
        self.finish(|state| state.sought = Some(result));
    }

    fn finish(&mut self, f: impl FnOnce(&mut State)) {
        let machine = self.machine.clone();
        let mut state = machine.0.lock();
        f(&mut state);
        self.finish_locked(state);
    }

    fn finish_locked(&mut self, mut state: MutexGuard<'_, State>) {
        // First: whoever finds the job done may want to be the only owner.
        drop(self.std.take());
        state.busy = Busy::No;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.std.is_none() {
            return;
        }
        self.finish(|state| match state.busy {
            Busy::Reading => state.found = Some(Err(shut_down())),
            Busy::Seeking => state.sought = Some(Err(shut_down())),
            Busy::Writing | Busy::No => state.error = Some(shut_down()),
        });
    }
}
