//! How much capacity there is and where it is: when a service gets or loses instances, and whether a process is ready
//! to be sent traffic, and which of several gets the next request.
//!
//! The deciding files know numbers and a passed-in time. No process, no socket and no timer: who asks performs what is
//! decided here.

pub mod hpa;
pub mod instances;
pub mod policy;
pub mod readiness;
pub mod scale;
pub mod select;

#[cfg(feature = "node")]
pub(crate) mod binding;
