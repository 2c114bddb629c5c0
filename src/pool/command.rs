//! What the pool answers, and what it leaves to be done.

#[cfg(doc)]
use super::pool::Pool;
use std::time::Duration;

/// Why a waiter is turned away without a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The pool was drained.
    Drained,
    /// The connection it waited for could not be made.
    CreateFailed,
}

/// Something to be done by whoever holds the connections, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Make a connection for the slot; report [`Pool::created`] or [`Pool::create_failed`] with the epoch.
    Create { slot: u32, epoch: u32 },
    /// Test the slot's connection; report [`Pool::tested`] with the epoch.
    Test { slot: u32, epoch: u32 },
    /// Close the slot's connection; the slot is free already.
    Close { slot: u32 },
    /// Give the slot's connection to the waiter. Until he has it in hand, a release of it is somebody's second one, not to
    /// be reported.
    Serve { slot: u32, waiter: u64 },
    /// Turn the waiter away.
    Reject { waiter: u64, why: Refusal },
}

/// The answer to a caller who wants a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Take this slot's connection now.
    Slot(u32),
    /// Wait under this number; commands may be pending.
    Wait(u64),
    /// As many wait as may.
    Refused,
}

/// The answer to a caller who brings a connection back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// It was not borrowed.
    Ignored,
    /// It is free again.
    Done,
    /// It is this waiter's now, as with [`Command::Serve`]; nothing else is to be done.
    Serve(u64),
    /// Commands are pending.
    Commands,
}

/// What to do about a connection that could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// The creation was given up before; nothing.
    Stale,
    /// Try again after this time.
    Retry(Duration),
    /// Give up; commands may be pending.
    GiveUp,
}

/// What a connection is made for, which decides about repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The first filling: one attempt, the next borrow tries again.
    Initial,
    /// Filling up to the minimum after a health check.
    Refill,
    /// Somebody waits.
    Waiter,
}
