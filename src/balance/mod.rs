//! How much capacity there is and where it is: when a service gets or loses instances, and whether a process is ready
//! to be sent traffic, and which of several gets the next request.
//!
//! The deciding files know numbers and a passed-in time. No process, no socket and no timer: who asks performs what is
//! decided here.

pub mod balancer;
pub mod circuit;
pub mod forward;
pub mod group;
pub mod health;
pub mod hpa;
pub mod instances;
pub mod outlier;
pub mod policy;
pub mod prober;
pub mod readiness;
pub mod ring;
pub mod router;
pub mod router_config;
pub mod scale;
pub mod select;
pub mod smooth;
pub mod tournament;
pub mod weights;

#[cfg(feature = "node")]
pub(crate) mod binding;
