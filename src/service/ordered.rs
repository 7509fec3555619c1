//! Futures that run side by side and are answered in the order they were pushed.
//!
//! Every future is polled once in its turn, so that commands reach the engine in the order of the calls, and from then
//! on only the oldest is polled: the engine needs no polling to go on with the others.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

enum Slot<T> {
    Running(Boxed<T>),
    Done(T),
}

pub(super) struct Ordered<T> {
    slots: VecDeque<Slot<T>>,
    /// How many of `slots`, from the front, have been polled.
    started: usize,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), started: 0 }
    }
}

impl<T: Unpin> Ordered<T> {
    pub(super) fn push(&mut self, future: impl Future<Output = T> + Send + 'static) {
        self.slots.push_back(Slot::Running(Box::pin(future)));
    }

    /// Adds what is known already.
    pub(super) fn push_done(&mut self, value: T) {
        self.slots.push_back(Slot::Done(value));
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The oldest answer. Pending while there is none, also when nothing was pushed.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        if self.started > 0
            && let Some(Slot::Running(future)) = self.slots.front_mut()
            && let Poll::Ready(value) = future.as_mut().poll(cx)
            && let Some(slot) = self.slots.front_mut()
        {
            *slot = Slot::Done(value);
        }
        self.start(cx);
        match self.slots.front() {
            Some(Slot::Done(_)) => {}
            Some(Slot::Running(_)) | None => return Poll::Pending,
        }
        self.started -= 1;
        match self.slots.pop_front() {
            Some(Slot::Done(value)) => Poll::Ready(value),
            Some(Slot::Running(_)) | None => Poll::Pending,
        }
    }

    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> T {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn start(&mut self, cx: &mut Context<'_>) {
        for slot in self.slots.iter_mut().skip(self.started) {
            if let Slot::Running(future) = slot
                && let Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *slot = Slot::Done(value);
            }
        }
        self.started = self.slots.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, sync::Mutex, task::Waker};
    use tokio::sync::oneshot;

    #[test]
    fn answers_come_in_the_order_of_the_pushes() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut ordered = Ordered::default();
        let (first, answer) = oneshot::channel::<u32>();
        ordered.push(async move { answer.await.unwrap_or(0) });
        ordered.push(async { 2 });
        ordered.push_done(3);
        assert_eq!(ordered.poll_next(&mut cx), Poll::Pending);
        first.send(1).expect("it is awaited");
        for expected in 1..=3 {
            assert_eq!(ordered.poll_next(&mut cx), Poll::Ready(expected));
        }
        assert!(ordered.is_empty());
        assert_eq!(ordered.poll_next(&mut cx), Poll::Pending);
    }

    #[test]
    fn every_future_starts_in_its_turn_while_the_first_waits() {
        let mut cx = Context::from_waker(Waker::noop());
        let started = Arc::new(Mutex::new(Vec::new()));
        let mut ordered = Ordered::default();
        for round in 0..2 {
            for number in 0..3 {
                let started = started.clone();
                ordered.push(async move {
                    started.lock().expect("no panic").push(round * 3 + number);
                    std::future::pending::<()>().await;
                });
            }
            assert!(ordered.poll_next(&mut cx).is_pending());
        }
        assert_eq!(*started.lock().expect("no panic"), [0, 1, 2, 3, 4, 5]);
    }
}
