//! Time limits of work whose socket may be on an event loop: what the loop does in the meantime is not the server's delay.

use crate::runtime::Site;
use std::pin::pin;
use std::time::{Duration, Instant};

/// What `work` comes to within the limit; `None` when it does not. On a loop that was kept busy the answer may lie in the
/// socket: `hurry` has it read, and where the loop came late by half of the limit, the work, which had no turns, has the
/// limit once more.
pub async fn within<T>(limit: Duration, site: &Site, hurry: impl Fn(), work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    loop {
        let began = Instant::now();
        let done = tokio::time::timeout(limit, work.as_mut()).await;
        if done.is_ok() || site.poller().is_none() {
            return done.ok();
        }
        hurry();
        tokio::task::yield_now().await;
        let done = tokio::time::timeout(Duration::ZERO, work.as_mut()).await;
        if done.is_ok() || began.elapsed() < limit.mul_f64(1.5) {
            return done.ok();
        }
    }
}
