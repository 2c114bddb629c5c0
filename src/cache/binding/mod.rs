//! The raw functions of this room: instances by handle, and the tiers below JavaScript's values.

mod cdn;
mod files;
mod layers;
mod memory;
mod remote;
mod store;
mod watching;

use super::codec::Form;
use super::config::CacheConfig;
use super::policy::Policy;
use super::shared::Folder;
use crate::binding::raw::{Call, Exports, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use std::sync::Arc;

/// What the native half keeps of one instance.
struct Face {
    config: CacheConfig,
    form: Form,
    folder: Arc<Folder>,
    policy: Policy,
    /// Slots that have to go and that JavaScript has not heard of yet.
    gone: Vec<u32>,
    /// The number under which this thread watches the folder.
    watch: u32,
}

thread_local! {
    static FACES: Handles<Face> = const { handles() };
}

/// Adds the room's functions to the addon's exports.
pub fn register(exports: Exports<'_>) {
    memory::register(exports);
    store::register(exports);
    files::register(exports);
    cdn::register(exports);
    layers::register(exports);
    remote::register(exports);
    watching::register(exports);
}

/// Runs `body` with the instance whose handle is the first argument.
fn face<R>(call: &Call<'_>, body: impl FnOnce(&mut Face) -> R) -> Result<R, Failure> {
    FACES.with_object(call.uint_at(0)?, body)
}

/// The folder of the instance whose handle is the first argument, and its thread's watch number.
fn folder(call: &Call<'_>) -> Result<(Arc<Folder>, u32), Failure> {
    face(call, |face| (face.folder.clone(), face.watch))
}
