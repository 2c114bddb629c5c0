//! Safe calls over raw Node-API: beside `uv.rs` the only place of the package with `unsafe`.
//!
//! A `#[napi]` class method costs ten times a raw function, so what runs on every request is a module-level
//! raw function over a `u32` handle. A handler sees a [`Call`], answers with a [`Value`] or a [`Failure`], and
//! cannot take the process down: a panic is caught in [`entry`] and becomes a JavaScript error.
//!
//! Invariants: every `napi_value` lives inside the handle scope of the call it belongs to, which the lifetime of
//! [`Scope`] expresses; everything here runs on the JavaScript thread of the environment, except [`Waker::wake`].
#![allow(unsafe_code)]

mod call;
mod entry;
mod read;
mod scope;
mod typed;
mod wake;

pub use super::failure::Failure;
pub use call::{Answer, Call, Item};
pub use entry::{EnvId, Exports, on_env_close, quiet_panics};
pub use scope::{Object, Scope, Value};
pub use typed::Shared;
pub use wake::{Dispatcher, Waker};
