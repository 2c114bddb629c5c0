//! The only shared place that knows napi. A room's own `binding.rs` registers its raw functions here.

mod failure;
pub(crate) mod looped;
pub(crate) mod queue;
pub(crate) mod raw;
pub(crate) mod table;
pub(crate) mod uv;

use napi::bindgen_prelude::Object;
use napi_derive::napi;
use raw::Exports;

#[napi(module_exports)]
pub fn register(exports: Object<'_>, env: napi::Env) -> napi::Result<()> {
    raw::quiet_panics();
    let exports = Exports::from_hook(&env, &exports);
    queue::register(exports);
    crate::balance::binding::register(exports);
    crate::cache::binding::register(exports);
    crate::cluster::binding::register(exports);
    crate::limit::binding::register(exports);
    crate::metrics::binding::register(exports);
    crate::pool::binding::register(exports);
    crate::query::binding::register(exports);
    crate::resilience::binding::register(exports);
    crate::trace::binding::register(exports);
    Ok(())
}

/// The version of the native half, to be compared with the package's.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
