//! The raw functions of this room.

mod instances;
mod readiness;
mod scale;
mod select;

use crate::binding::raw::Exports;

/// Adds the room's functions to the addon's exports.
pub fn register(exports: Exports<'_>) {
    instances::register(exports);
    readiness::register(exports);
    scale::register(exports);
    select::register(exports);
}
