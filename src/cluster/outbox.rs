//! Messages on their way to the stream: a bounded queue that forgets the oldest when it is full, which readers notice by the
//! missing number.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Messages that wait at most.
const MOST_WAITING: usize = 10_000;
/// Messages that the server keeps for readers that are away.
pub const MOST_KEPT: u64 = 10_000;
/// Messages in one write.
const AT_ONCE: usize = 200;
/// How long messages are tried when nobody is left to hear the answer.
const LAST_TRIES: Duration = Duration::from_secs(5);

struct Waiting {
    message: Vec<u8>,
    since: Instant,
    /// `None` once its sender was told that it was delivered, or was given up.
    delivered: Option<oneshot::Sender<()>>,
}

/// See the module's documentation.
#[derive(Default)]
pub struct Outbox {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Waiting>,
    /// The number of the first that waits.
    first: u64,
    delivering: bool,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message; the receiver hears when the server has it, or is dropped when the message was forgotten.
    pub fn push(&self, message: Vec<u8>) -> oneshot::Receiver<()> {
        let (delivered, receiver) = oneshot::channel();
        let mut inner = self.lock();
        inner.waiting.push_back(Waiting { message, since: Instant::now(), delivered: Some(delivered) });
        if inner.waiting.len() > MOST_WAITING {
            inner.waiting.pop_front();
            inner.first += 1;
        }
        receiver
    }

    /// Whether the caller is to deliver now: nobody else does.
    pub fn begin(&self) -> bool {
        !std::mem::replace(&mut self.lock().delivering, true)
    }

    /// The next messages and the number of the first; `None` when there are none, which ends the delivery.
    pub fn next(&self) -> Option<(u64, Vec<Vec<u8>>)> {
        let mut inner = self.lock();
        if inner.waiting.is_empty() {
            inner.delivering = false;
            return None;
        }
        Some((inner.first, inner.waiting.iter().take(AT_ONCE).map(|waiting| waiting.message.clone()).collect()))
    }

    /// The server has `count` messages from number `first` on.
    pub fn sent(&self, first: u64, count: usize) {
        let mut inner = self.lock();
        while inner.first < first + count as u64 {
            let Some(waiting) = inner.waiting.pop_front() else { return };
            inner.first += 1;
            if let Some(delivered) = waiting.delivered {
                _ = delivered.send(());
            }
        }
    }

    /// Whether the message of that number has waited for long.
    pub fn is_old(&self, number: u64) -> bool {
        let inner = self.lock();
        inner.first > number || inner.waiting.front().is_none_or(|waiting| waiting.since.elapsed() > LAST_TRIES)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_told_to_its_sender_and_not_sent_again() {
        let outbox = Outbox::default();
        let (mut one, mut two) = (outbox.push(vec![1]), outbox.push(vec![2]));
        let (number, messages) = outbox.next().unwrap();
        assert_eq!(messages, [vec![1], vec![2]]);
        outbox.sent(number, 1);
        assert_eq!((one.try_recv().is_ok(), two.try_recv().is_ok()), (true, false));
        assert_eq!(outbox.next().unwrap(), (number + 1, vec![vec![2]]));
    }

    #[test]
    fn a_full_queue_forgets_the_oldest() {
        let outbox = Outbox::default();
        let mut first = outbox.push(vec![0]);
        let rest: Vec<_> = (0..MOST_WAITING).map(|_| outbox.push(vec![1])).collect();
        assert_eq!((outbox.len(), rest.len()), (MOST_WAITING, MOST_WAITING));
        assert!(matches!(first.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert_eq!(outbox.next().unwrap().0, 1);
    }

    #[test]
    fn one_delivers_at_a_time() {
        let outbox = Outbox::default();
        outbox.push(vec![1]);
        assert!(outbox.begin() && !outbox.begin());
        let (number, _) = outbox.next().unwrap();
        outbox.sent(number, 1);
        assert!(outbox.next().is_none() && outbox.begin());
    }
}
