//! Giving up what is under way.

use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// A caller's word that a statement is not wanted any more.
#[derive(Debug, Default)]
pub struct Abandon {
    given: AtomicBool,
    notify: Notify,
}

impl Abandon {
    /// Gives the word.
    pub fn give(&self) {
        self.given.store(true, Ordering::Release);
        self.notify.notify_one();
    }

    /// Whether it was given.
    pub fn is_given(&self) -> bool {
        self.given.load(Ordering::Acquire)
    }

    /// Waits for it; one at a time may.
    pub async fn given(&self) {
        while !self.is_given() {
            self.notify.notified().await;
        }
    }
}
