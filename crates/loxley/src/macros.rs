//! The macros that are no attributes, and what their expansions call.

mod join;
mod pin;
#[cfg(feature = "macros")]
mod select;
mod task_local;
mod try_join;

#[doc(hidden)]
pub mod support {
    //! What expansions name; no part of the API.

    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    pub use std::future::{Future as FutureTrait, IntoFuture, poll_fn};
    pub use std::option::Option::{self, None, Some};
    pub use std::pin::pin;
    pub use std::result::Result::{Err, Ok};
    pub use std::task::Poll::{Pending, Ready};

    #[cfg(feature = "macros")]
    pub use loxley_macros::select_pattern;

    use pin_project_lite::pin_project;

    /// Where `select!` begins: drawn from the runtime's seed.
    pub use loxley_core::shared::random_below as random;

    /// `Pending`, with a wake, if the task has spent its budget.
    pub fn poll_budget(cx: &mut Context<'_>) -> Poll<()> {
        if loxley_core::coop::has_budget_remaining() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    pin_project! {
        /// A future that keeps its output until it is asked for.
        #[project = Stage]
        #[project_replace = Taken]
        #[derive(Debug)]
        pub enum MaybeDone<F: Future> {
            Running {
                #[pin]
                future: F,
            },
            Done {
                output: F::Output,
            },
            Gone,
        }
    }

    /// Not polled yet.
    pub fn maybe_done<F: IntoFuture>(future: F) -> MaybeDone<F::IntoFuture> {
        MaybeDone::Running {
            future: future.into_future(),
        }
    }

    impl<F: Future> MaybeDone<F> {
        /// True once the output is there; until then each call polls.
        pub fn poll_done(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
            let output = match self.as_mut().project() {
                Stage::Running { future } => match future.poll(cx) {
                    Poll::Pending => return false,
                    Poll::Ready(output) => output,
                },
                Stage::Done { .. } => return true,
                Stage::Gone => panic!("the output was taken"),
            };
            self.set(MaybeDone::Done { output });
            true
        }

        /// The output, lent.
        pub fn output(self: Pin<&mut Self>) -> Option<&mut F::Output> {
            match self.project() {
                Stage::Done { output } => Some(output),
                _ => None,
            }
        }

        /// The output.
        pub fn take(self: Pin<&mut Self>) -> F::Output {
            match self.project_replace(MaybeDone::Gone) {
                Taken::Done { output } => output,
                _ => panic!("there is no output"),
            }
        }
    }
}
