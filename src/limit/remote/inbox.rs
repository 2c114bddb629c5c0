//! Answers on their way from the thread of the sockets to the limiter's own.

use super::ops::Reply;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the store has answered to a question about leases.
#[derive(Debug)]
pub struct Answered {
    /// The client.
    pub slot: u32,
    /// Which of the client's questions it was.
    pub question: u64,
    /// What was asked for.
    pub asked: f64,
    /// What was leased.
    pub granted: f64,
    /// What else it said; `None` when it is away.
    pub reply: Option<Reply>,
}

/// Answers on their way from the thread of the sockets to this one.
#[derive(Debug, Default)]
pub struct Inbox {
    any: AtomicBool,
    answers: Mutex<Vec<Answered>>,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Vec<Answered>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether it was put in: not for a client that was forgotten.
    pub fn push(&self, answer: Answered, open: &AtomicBool) -> bool {
        let mut answers = self.lock();
        let open = open.load(Ordering::Relaxed);
        if open {
            answers.push(answer);
            self.any.store(true, Ordering::Release);
        }
        open
    }

    /// Takes out what has come.
    pub fn take(&self) -> Vec<Answered> {
        if self.any.load(Ordering::Acquire) { self.take_and_close(None) } else { Vec::new() }
    }

    /// The same, and from now on nothing is put in for a client that is forgotten with it.
    pub fn take_and_close(&self, open: Option<&AtomicBool>) -> Vec<Answered> {
        let mut answers = self.lock();
        self.any.store(false, Ordering::Relaxed);
        open.into_iter().for_each(|open| open.store(false, Ordering::Relaxed));
        std::mem::take(&mut *answers)
    }
}
