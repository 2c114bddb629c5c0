//! The raw functions of this room.

mod forward;
mod health;
mod instances;
mod readiness;
mod router;
mod scale;
mod select;

use crate::binding::raw::Exports;

/// Adds the room's functions to the addon's exports.
pub fn register(exports: Exports<'_>) {
    forward::register(exports);
    health::register(exports);
    instances::register(exports);
    readiness::register(exports);
    router::register(exports);
    scale::register(exports);
    select::register(exports);
}
