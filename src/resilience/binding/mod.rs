//! The raw functions of this room.

mod breaker;
mod dedup;
mod errors;
mod learner;
mod policy;
mod retry;

use crate::binding::raw::Exports;

/// Adds the room's functions to the addon's exports.
pub fn register(exports: Exports<'_>) {
    breaker::register(exports);
    dedup::register(exports);
    errors::register(exports);
    learner::register(exports);
    policy::register(exports);
    retry::register(exports);
}
