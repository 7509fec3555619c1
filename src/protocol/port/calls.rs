//! The calls of one HTTP/2 connection, run by the task of the connection itself.
//!
//! hyper hands every call to an executor. With a task a call each answer would be written when its task is done, a call of the
//! system each; here the answers that are ready when the connection is polled leave together, and a call costs no task.
//! What a call does between two waits is short: whatever takes long is done by other threads.

use futures_util::{
    FutureExt,
    stream::{FuturesUnordered, Stream},
};
use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the calls of a connection in, for hyper.
#[derive(Clone, Default)]
pub(super) struct Calls {
    new: Arc<Mutex<Vec<Boxed>>>,
}

impl<F> hyper::rt::Executor<F> for Calls
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        // As in a task of its own, a call that panics ends alone.
        let call = AssertUnwindSafe(call).catch_unwind().map(|ended| {
            if ended.is_err() {
                tracing::error!("a call panicked; its connection goes on");
            }
        });
        self.new.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(call));
    }
}

/// A connection and the calls over it; done when the connection is.
pub(super) struct WithCalls<C> {
    connection: Pin<Box<C>>,
    taken: Calls,
    running: FuturesUnordered<Boxed>,
}

impl<C: Future> WithCalls<C> {
    /// `calls` is the executor that `connection` was given.
    pub(super) fn new(connection: C, calls: Calls) -> Self {
        Self { connection: Box::pin(connection), taken: calls, running: FuturesUnordered::new() }
    }

    pub(super) fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }

    fn poll_running(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(())) = Pin::new(&mut self.running).poll_next(cx) {}
    }
}

impl<C: Future> Future for WithCalls<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let this = self.get_mut();
        // First the answers, then the connection, which writes them and reads what is new.
        this.poll_running(cx);
        if let Poll::Ready(ended) = this.connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        let new = std::mem::take(&mut *this.taken.new.lock().unwrap_or_else(PoisonError::into_inner));
        if !new.is_empty() {
            this.running.extend(new);
            // An answer given at once wakes the connection, and with it this task.
            this.poll_running(cx);
        }
        Poll::Pending
    }
}
