//! Staying up while something else is down. What the rooms share of it; `pool` and `cluster` may look in here.
//!
//! A breaker is a state machine over a passed-in time that says "permit", "probe" or "reject"; retry is a verdict on
//! an error and a delay; the learner is arithmetic over a list of observations. The room knows no function of the
//! user, no promise and no timer: the caller performs what is decided here and reports the outcome.

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod bulkhead;
pub mod config;
pub mod dedup;
pub mod error;
pub mod hedge;
pub mod learner;
pub mod lifetime;
pub mod retry;
pub mod window;

#[cfg(feature = "node")]
pub(crate) mod binding;
