//! Futures whose order matters: what they send leaves in it, and what comes back comes in it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Polls the futures until all are done; what they send first leaves in their order.
pub(super) async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut pending = false;
        for (future, output) in running.iter_mut().zip(&mut done) {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// How far [`in_order`] has come.
pub(super) enum Progress<'p, T> {
    /// All have been polled once.
    Started,
    /// Nothing more is there now; the outcomes up to here may be taken.
    Quiet(&'p mut [Option<T>]),
}

/// Polls all futures once, so that what they send leaves in their order, then always the first that is not done:
/// the answers come in that order too. Gives what was not taken.
pub(super) async fn in_order<F: Future>(
    futures: impl Iterator<Item = F>,
    mut progress: impl FnMut(Progress<'_, F::Output>),
) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    let (mut front, mut started) = (0, false);
    poll_fn(|context| {
        if !started {
            started = true;
            for (future, output) in running.iter_mut().zip(&mut done) {
                if let Poll::Ready(value) = future.as_mut().poll(context) {
                    *output = Some(value);
                }
            }
            progress(Progress::Started);
        }
        while let Some(future) = running.get_mut(front) {
            if done[front].is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => done[front] = Some(value),
                    Poll::Pending => {
                        progress(Progress::Quiet(&mut done[..front]));
                        return Poll::Pending;
                    }
                }
            }
            front += 1;
        }
        Poll::Ready(())
    })
    .await;
    done.into_iter().flatten().collect()
}
