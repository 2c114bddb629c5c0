//! Giving up what is under way: the word for it, and what a connection does then.

use super::connection::{Connection, Request};
use super::dial;
use super::error::PoolError;
use super::failure::Failure;
use super::row::Delivery;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Between the cancellations of statements that are under way together.
const BETWEEN_CANCELLATIONS: Duration = Duration::from_millis(100);

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

impl Connection {
    /// Asks the server to break off what runs on this connection, within the limit.
    pub(super) async fn cancel(&self) {
        let token = self.client.cancel_token();
        let asked = dial::cancel(&token, &self.route.server, &self.route.tls);
        // Whether it worked is seen by how the statement ends.
        let _ = tokio::time::timeout(self.limit, asked).await;
    }

    /// The limit of the end of what was cancelled.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Runs requests that their caller may abandon. They are cancelled at the server then, and the connection goes on
    /// only if the server says of as many statements that this is how they ended as were cancelled: a cancellation that
    /// comes late would hit the next one.
    pub async fn run_until(&self, requests: Vec<Request>, abandon: &Abandon) -> Option<Delivery> {
        let work = async {
            let mut statements = tokio::select! {
                biased;
                () = abandon.given() => return Err(Failure::from(PoolError::QueryAborted)),
                statements = self.statements.lock() => statements,
            };
            let work = self.deliver(&requests, &mut statements);
            tokio::pin!(work);
            tokio::select! {
                biased;
                (delivery, _) = &mut work => return Ok(delivery),
                () = abandon.given() => {}
            }
            let mut asked = 0;
            let over = AtomicBool::new(false);
            let cancelling = async {
                // Each of several statements has to be cancelled; one alone is asked for once.
                while asked < requests.len() && !over.load(Ordering::Acquire) {
                    asked += 1;
                    // To its end: what is still on its way could hit another statement.
                    self.cancel().await;
                    if asked < requests.len() {
                        tokio::time::sleep(BETWEEN_CANCELLATIONS).await;
                    }
                }
            };
            let ended = async {
                let ended = tokio::time::timeout(self.limit, &mut work).await;
                over.store(true, Ordering::Release);
                ended
            };
            let (ended, ()) = tokio::join!(ended, cancelling);
            match ended {
                Ok((delivery, cancelled)) if cancelled == asked => Ok(delivery),
                _ => {
                    self.spoil();
                    Err(Failure::from(PoolError::QueryAborted).on_lost_connection())
                }
            }
        };
        let done = self.unless_killed(work).await?;
        Some(done.unwrap_or_else(|failure| {
            let mut delivery = Delivery::default();
            requests.iter().for_each(|_| delivery.error(&failure.description()));
            delivery
        }))
    }

    /// What `work` gives, unless it is abandoned: it is cancelled at the server then, and the connection goes on only
    /// if the server says that it ended by that.
    pub(super) async fn unless_abandoned<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
        abandon: &Abandon,
    ) -> Result<T, Failure> {
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = abandon.given() => {}
        }
        let ended = tokio::time::timeout(self.limit, &mut work);
        match tokio::join!(self.cancel(), ended) {
            ((), Ok(Err(failure))) if failure.is_cancelled() => Err(failure),
            _ => {
                self.spoil();
                Err(Failure::from(PoolError::QueryAborted).on_lost_connection())
            }
        }
    }
}
