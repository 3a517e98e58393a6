//! What every socket and every stream can do, written once.
//!
//! The macros stand inside an `impl` of a type with a field `source: Source<_>`. They make public methods, with
//! their documentation; a type adds what is its own. The halves of streams are in `halves.rs`, the
//! implementations of traits in `traits.rs`.

/// Readiness, and operations of one's own.
macro_rules! readiness_methods {
    () => {
        /// Waits until it is ready for one of `interest`, and says for what.
        ///
        /// The answer may be out of date when it arrives: the `try_` operation that follows can still say
        /// `WouldBlock`, and only that clears the readiness.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses nothing.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            let event = self.source.ready(interest).await?;
            Ok(event.ready())
        }

        /// Waits until there is something to read, or the end, or an error.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses nothing.
        pub async fn readable(&self) -> io::Result<()> {
            self.ready(Interest::READABLE).await.map(drop)
        }

        /// Waits until there is room to write, or an error.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses nothing.
        pub async fn writable(&self) -> io::Result<()> {
            self.ready(Interest::WRITABLE).await.map(drop)
        }

        /// Does an operation of your own on the descriptor, if it is ready for `interest`.
        ///
        /// `f` must say `WouldBlock` if, and only if, it is not ready after all: that clears the readiness.
        ///
        /// # Errors
        ///
        /// `WouldBlock` without a call of `f` if it is not ready; otherwise what `f` says.
        pub fn try_io<R>(
            &self,
            interest: Interest,
            f: impl FnOnce() -> io::Result<R>,
        ) -> io::Result<R> {
            self.source.try_io(interest, |_| f())
        }

        /// Does an operation of your own on the descriptor, and waits for `interest` as long as `f` says
        /// `WouldBlock`.
        ///
        /// # Errors
        ///
        /// What `f` says, and if the runtime has shut down.
        ///
        /// # Cancellation
        ///
        /// Loses nothing if `f` loses nothing: the future waits outside `f` only.
        pub async fn async_io<R>(
            &self,
            interest: Interest,
            mut f: impl FnMut() -> io::Result<R>,
        ) -> io::Result<R> {
            self.source.async_io(interest, |_| f()).await
        }
    };
}

/// Readiness for those who poll by hand, under the names of the type.
macro_rules! poll_ready_methods {
    ($read:ident, $write:ident) => {
        /// As [`readable`](Self::readable), for those who poll by hand. Only the waker of the last call is kept.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        pub fn $read(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.source.poll_read_ready(cx).map_ok(drop)
        }

        /// As [`writable`](Self::writable), for those who poll by hand. Only the waker of the last call is kept.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        pub fn $write(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.source.poll_write_ready(cx).map_ok(drop)
        }
    };
}

/// Reading and writing of a stream over a socket of the standard library.
macro_rules! stream_methods {
    () => {
        /// Reads what is there into `buf`, without waiting; zero is the end of the stream.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is nothing now; otherwise those of the connection.
        pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.source
                .try_io(Interest::READABLE, |mut stream| retry(|| stream.read(buf)))
        }

        /// As [`try_read`](Self::try_read), into several buffers in order.
        ///
        /// # Errors
        ///
        /// Those of [`try_read`](Self::try_read).
        pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.source.try_io(Interest::READABLE, |mut stream| {
                retry(|| stream.read_vectored(bufs))
            })
        }

        /// As [`try_read`](Self::try_read), appending to `buf`; zero is also a `buf` without room.
        ///
        /// # Errors
        ///
        /// Those of [`try_read`](Self::try_read).
        pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            self.source.try_io(Interest::READABLE, |stream| {
                recv_buf(&SockRef::from(stream), buf, Receive::Take)
            })
        }

        /// Writes as much of `buf` as fits, without waiting.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if nothing fits now; otherwise those of the connection.
        pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
            self.source
                .try_io(Interest::WRITABLE, |mut stream| retry(|| stream.write(buf)))
        }

        /// As [`try_write`](Self::try_write), out of several buffers in order.
        ///
        /// # Errors
        ///
        /// Those of [`try_write`](Self::try_write).
        pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            self.source.try_io(Interest::WRITABLE, |mut stream| {
                retry(|| stream.write_vectored(bufs))
            })
        }

        /// Takes the error that the system holds for this socket (`SO_ERROR`).
        ///
        /// # Errors
        ///
        /// If the system does not answer; the outer one.
        pub fn take_error(&self) -> io::Result<Option<io::Error>> {
            self.source.get_ref().take_error()
        }

        /// The two halves, which borrow the stream; for one task that does both at a time.
        ///
        /// Costs nothing. For two tasks: [`into_split`](Self::into_split).
        pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
            split::split(self)
        }

        /// The two halves, which own the stream together; for two tasks.
        ///
        /// Dropping the writing half shuts the stream down for writing. Costs one allocation, no lock.
        pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
            split_owned::split(self)
        }

        #[inline]
        pub(in crate::net) fn poll_read_into(
            &self,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<usize>> {
            let asked = buf.remaining();
            poll_transfer(&self.source, cx, Direction::Read, |stream| {
                let bytes = recv_buf(&SockRef::from(stream), buf, Receive::Take)?;
                Ok(Moved { bytes, asked })
            })
        }

        pub(in crate::net) fn poll_read_slices(
            &self,
            cx: &mut Context<'_>,
            bufs: &mut [IoSliceMut<'_>],
        ) -> Poll<io::Result<usize>> {
            let asked = bufs.iter().map(|buf| buf.len()).sum();
            poll_transfer(&self.source, cx, Direction::Read, |mut stream| {
                let bytes = stream.read_vectored(bufs)?;
                Ok(Moved { bytes, asked })
            })
        }

        #[inline]
        pub(in crate::net) fn poll_write_from(
            &self,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let asked = buf.len();
            poll_transfer(&self.source, cx, Direction::Write, |mut stream| {
                let bytes = stream.write(buf)?;
                Ok(Moved { bytes, asked })
            })
        }

        pub(in crate::net) fn poll_write_slices(
            &self,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let asked = bufs.iter().map(|buf| buf.len()).sum();
            poll_transfer(&self.source, cx, Direction::Write, |mut stream| {
                let bytes = stream.write_vectored(bufs)?;
                Ok(Moved { bytes, asked })
            })
        }

        /// The halves have a method of this name too, for the macros.
        pub(in crate::net) fn stream(&self) -> &Self {
            self
        }

        /// The halves have a method of this name too, for the macros.
        pub(in crate::net) fn shut_down(&mut self) -> io::Result<()> {
            self.shut_down_writing()
        }

        pub(in crate::net) fn shut_down_writing(&self) -> io::Result<()> {
            self.source.get_ref().shutdown(Shutdown::Write)
        }
    };
}

/// From and to the type of the standard library that the source holds.
macro_rules! std_methods {
    ($std:ty) => {
        /// Takes over a value of the standard library and makes it non-blocking.
        ///
        /// # Errors
        ///
        /// If the system refuses to.
        ///
        /// # Panics
        ///
        /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
        #[track_caller]
        pub fn from_std(std: $std) -> io::Result<Self> {
            std.set_nonblocking(true)?;
            Self::from_nonblocking(std)
        }

        /// The value of the standard library. It stays non-blocking until that is changed with its
        /// `set_nonblocking`.
        ///
        /// # Errors
        ///
        /// If the system refuses to end the registration.
        pub fn into_std(self) -> io::Result<$std> {
            self.source.into_inner()
        }
    };
}

pub(super) use {poll_ready_methods, readiness_methods, std_methods, stream_methods};
