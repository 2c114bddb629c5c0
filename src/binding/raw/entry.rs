//! Where JavaScript enters native code, and where an environment ends.

use super::Failure;
use super::call::{Call, Handler, MAX_ARGS};
use super::scope::Scope;
use napi::sys;
use std::cell::RefCell;
use std::ffi::{CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// Where raw functions are hung: the addon's `exports` object.
#[derive(Clone, Copy)]
pub struct Exports<'s> {
    scope: Scope<'s>,
    exports: sys::napi_value,
}

impl<'s> Exports<'s> {
    /// The exports object as napi's module hook hands it over.
    pub fn from_hook(env: &'s napi::Env, exports: &'s napi::bindgen_prelude::Object<'s>) -> Self {
        use napi::JsValue;
        Self { scope: Scope::of(env.raw()), exports: exports.raw() }
    }

    /// The environment that is being set up.
    pub fn env_id(self) -> EnvId {
        self.scope.env_id()
    }

    /// Adds a raw function.
    pub fn function(self, name: &str, handler: Handler) -> Self {
        let Ok(c_name) = CString::new(name) else { return self };
        let mut raw = ptr::null_mut();
        // SAFETY: the name is NUL-terminated; `trampoline` gets back as `data` the `Handler` given here.
        unsafe {
            let data = handler as *mut c_void;
            sys::napi_create_function(self.scope.env, c_name.as_ptr(), -1, Some(trampoline), data, &mut raw);
            sys::napi_set_named_property(self.scope.env, self.exports, c_name.as_ptr(), raw);
        }
        self
    }
}

unsafe extern "C" fn trampoline(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let mut args = [ptr::null_mut(); MAX_ARGS];
    let (mut count, mut data) = (MAX_ARGS, ptr::null_mut());
    // SAFETY: called by Node with a live env and info; `args` holds `count` values; the rest of it is filled with
    // `undefined`; `this` is not asked for.
    unsafe { sys::napi_get_cb_info(env, info, &mut count, args.as_mut_ptr(), ptr::null_mut(), &mut data) };
    // SAFETY: `data` is the function pointer that `Exports::function` stored.
    let handler = unsafe { std::mem::transmute::<*mut c_void, Handler>(data) };
    enter(env, |scope| match handler(&Call { scope, args, count }) {
        Ok(value) => value.raw,
        Err(failure) => {
            scope.throw(&failure);
            ptr::null_mut()
        }
    })
    .unwrap_or(ptr::null_mut())
}

/// Runs `body` on behalf of JavaScript; a panic in it becomes a pending exception and `None`.
pub(super) fn enter<T>(env: sys::napi_env, body: impl FnOnce(Scope<'_>) -> T) -> Option<T> {
    let scope = Scope::of(env);
    catch_unwind(AssertUnwindSafe(|| body(scope)))
        .inspect_err(|_| scope.throw(&Failure::internal(format!("internal error at {}", last_panic()))))
        .ok()
}

thread_local! {
    static PANIC_PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

fn last_panic() -> String {
    PANIC_PLACE.with_borrow(Clone::clone)
}

/// From now on a panic says only where it happened: its message may hold a key, a query or a parameter.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place =
            info.location().map_or_else(|| "an unknown place".into(), |at| format!("{}:{}", at.file(), at.line()));
        eprintln!("tooloo-native: internal error at {place}");
        let _ = PANIC_PLACE.try_with(|last| last.replace(place));
    }));
}

/// Names one load of the addon: each worker thread has its own, and so has each fresh `require` of the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvId(usize);

impl EnvId {
    pub(super) fn of(env: sys::napi_env) -> Self {
        Self(env as usize)
    }

    /// For `uv.rs`, which uses it only while the environment lives.
    pub(in crate::binding) fn raw(self) -> sys::napi_env {
        self.0 as sys::napi_env
    }
}

/// Runs when an environment (the process, or a worker thread) goes away.
pub fn on_env_close(exports: Exports<'_>, hook: fn(EnvId)) {
    let data = Box::into_raw(Box::new((hook, exports.scope.env_id())));
    // SAFETY: the box comes back as the argument, once.
    unsafe { sys::napi_add_env_cleanup_hook(exports.scope.env, Some(run_hook), data.cast()) };
}

unsafe extern "C" fn run_hook(data: *mut c_void) {
    // SAFETY: `data` is the box that `on_env_close` made; Node runs a hook once.
    let (hook, env) = *unsafe { Box::from_raw(data.cast::<(fn(EnvId), EnvId)>()) };
    let _ = catch_unwind(|| hook(env));
}
