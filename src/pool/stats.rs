//! What a pool says about itself.

use crate::stats::percent;

/// Running totals. Kept by the state machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters {
    /// Connections made, by whatever path.
    pub created: u64,
    /// Borrows granted.
    pub acquired: u64,
    /// Borrows ended.
    pub released: u64,
    /// Connections that could not be made, after the last attempt.
    pub failures: u64,
    /// Further attempts at making a connection.
    pub retries: u64,
    /// Connections given up, for whatever reason.
    pub closed: u64,
    /// Of these: idle for too long.
    pub reaped: u64,
    /// Of these: at the end of their lifetime.
    pub expired: u64,
    /// Waits that ended by their limit.
    pub timeouts: u64,
}

/// A snapshot of a pool.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PoolStats {
    /// Running totals.
    pub counters: Counters,
    /// Connections in somebody's hands.
    pub active: usize,
    /// Connections that exist.
    pub size: usize,
    /// Connections free to be borrowed.
    pub available: usize,
    /// Connections being made.
    pub creating: usize,
    /// Callers in the queue.
    pub waiting: usize,
    /// Active of the maximum, as `"50.00%"`.
    pub utilization: String,
}

impl PoolStats {
    /// The share of the maximum that is in use; above 100 % when the minimum exceeds the maximum.
    pub fn utilization(active: usize, max: usize) -> String {
        percent(active as f64, max as f64, "0.00%")
    }
}
