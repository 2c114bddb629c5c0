//! The raw functions of this room.

use crate::binding::raw::Exports;

/// Adds the room's functions to the addon's exports.
pub fn register(_exports: Exports<'_>) {}
