//! Staying up while something else is down. What the rooms share of it; `pool` and `cluster` may look in here.

pub mod backoff;
