//! What the limiter tells the task that asks the store, and what it hears.

use super::ops::{Reply, Request};
use std::sync::Arc;

/// Something to do.
pub enum Message {
    /// Somebody wants tokens.
    Acquire(Acquire),
    /// He does not want them any more.
    Withdraw(u64),
    /// Questions without a line; `None` comes back when the store is away.
    Call(Request, Box<dyn FnOnce(Option<Reply>) + Send>),
    /// Tells when everything asked so far is answered, and whether by the store.
    Flush(Box<dyn FnOnce(bool) + Send>),
    /// Everybody leaves.
    Stop,
}

/// Somebody who wants tokens.
#[derive(Debug, Clone)]
pub struct Acquire {
    /// His number, larger than all before.
    pub ticket: u64,
    /// His client's slot and bucket.
    pub slot: u32,
    /// The bucket's key.
    pub key: Arc<str>,
    /// What it holds.
    pub limit: f64,
    /// Tokens a second.
    pub rate: f64,
    /// What he wants.
    pub cost: f64,
    /// How long he waits, ms.
    pub timeout_ms: f64,
    /// Whether he stands in line; otherwise the first answer is the last.
    pub in_turn: bool,
}

/// What became of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// He has his tokens, and had to wait for a refill or not.
    Granted {
        /// Whether he was refused before.
        waited: bool,
    },
    /// Refused; he did not want to wait.
    Refused,
    /// They did not come in time.
    TimedOut,
    /// The bucket never holds that much.
    TooDear,
    /// Too many wait already.
    LineFull,
    /// The store is away, and that means no.
    Away,
}

/// What became of whom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// His number.
    pub ticket: u64,
    /// The answer.
    pub verdict: Verdict,
    /// Whole tokens left.
    pub remaining: f64,
    /// Milliseconds until his cost could be taken; infinite for never.
    pub retry_after_ms: f64,
    /// Milliseconds since he came.
    pub waited_ms: f64,
}
