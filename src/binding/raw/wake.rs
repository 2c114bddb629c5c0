//! How native code calls JavaScript when work is done.

use super::Failure;
use super::call::Call;
use super::entry::enter;
use super::scope::{Scope, Value};
use napi::sys;
use std::ffi::c_void;
use std::ptr;

/// A function of JavaScript that native code calls when work is done.
pub struct Dispatcher {
    reference: sys::napi_ref,
}

impl Dispatcher {
    /// Holds the function in argument `index`, for the life of the environment.
    pub fn hold(call: &Call<'_>, index: usize) -> Result<Self, Failure> {
        Ok(Self { reference: call.reference_to_function(index)? })
    }

    /// Calls the function. What it throws is dropped: the package's own dispatcher only settles promises.
    pub fn call(&self, scope: Scope<'_>, args: &[Value<'_>]) {
        let (mut function, mut this, mut result) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let args: Vec<_> = args.iter().map(|&arg| scope.present(arg)).collect();
        // SAFETY: the reference was made in this environment and is never deleted; the arguments belong to `scope`.
        unsafe {
            sys::napi_get_reference_value(scope.env, self.reference, &mut function);
            sys::napi_get_undefined(scope.env, &mut this);
            let status = sys::napi_call_function(scope.env, this, function, args.len(), args.as_ptr(), &mut result);
            if status == sys::Status::napi_pending_exception {
                sys::napi_get_and_clear_last_exception(scope.env, &mut result);
            }
        }
    }

    /// Runs `body` for each item inside its own handle scope, so that thousands of results do not pile up.
    pub fn scoped(scope: Scope<'_>, body: impl FnOnce(Scope<'_>)) {
        let mut handles = ptr::null_mut();
        // SAFETY: opened and closed in pairs on the same environment, in stack order, unless `body` unwinds, after
        // which Node closes the outer scope with everything in it.
        unsafe { sys::napi_open_handle_scope(scope.env, &mut handles) };
        body(Scope::of(scope.env));
        // SAFETY: as above.
        unsafe { sys::napi_close_handle_scope(scope.env, handles) };
    }
}

/// Wakes the JavaScript thread of one environment from any thread.
///
/// Whoever owns it must not use it once [`Waker::release`] was called; the completion queue guards that by its lock.
pub struct Waker {
    function: sys::napi_threadsafe_function,
}

// SAFETY: a threadsafe function may be called from any thread; `release` is guarded by the owner's lock.
unsafe impl Send for Waker {}

/// What a wake-up runs on the JavaScript thread.
pub type Drain = for<'s> fn(Scope<'s>);

impl Waker {
    /// A waker that keeps nothing alive until [`Waker::keep_alive`].
    pub fn new(call: &Call<'_>, name: &str, drain: Drain) -> Result<Self, Failure> {
        let (name, mut function) = (call.text(name), ptr::null_mut());
        // SAFETY: no JavaScript function and no finalizer are given; the context is a plain function pointer.
        let status = unsafe {
            let (null, context) = (ptr::null_mut(), drain as *mut c_void);
            let env = call.scope.env;
            sys::napi_create_threadsafe_function(
                env,
                null,
                null,
                name.raw,
                0,
                1,
                null.cast(),
                None,
                context,
                Some(run_drain),
                &mut function,
            )
        };
        if status != sys::Status::napi_ok {
            return Err(Failure::internal("the wake-up channel to JavaScript could not be made"));
        }
        // SAFETY: just created, on its own thread.
        unsafe { sys::napi_unref_threadsafe_function(call.scope.env, function) };
        Ok(Self { function })
    }

    /// Schedules one drain.
    pub fn wake(&self) {
        // SAFETY: not yet released, which the owner's lock guarantees.
        unsafe {
            sys::napi_call_threadsafe_function(
                self.function,
                ptr::null_mut(),
                sys::ThreadsafeFunctionCallMode::nonblocking,
            )
        };
    }

    /// Whether the process may not end by itself now. Only on the JavaScript thread.
    pub fn keep_alive(&self, scope: Scope<'_>, alive: bool) {
        // SAFETY: as in `wake`; a `Scope` exists only on the JavaScript thread.
        unsafe {
            if alive {
                sys::napi_ref_threadsafe_function(scope.env, self.function);
            } else {
                sys::napi_unref_threadsafe_function(scope.env, self.function);
            }
        }
    }

    /// Gives the function up; consumes the waker, so nothing can wake through it afterwards.
    pub fn release(self) {
        // SAFETY: the only release, under the owner's lock.
        unsafe { sys::napi_release_threadsafe_function(self.function, sys::ThreadsafeFunctionReleaseMode::abort) };
    }
}

unsafe extern "C" fn run_drain(
    env: sys::napi_env,
    _function: sys::napi_value,
    context: *mut c_void,
    _data: *mut c_void,
) {
    // Node passes a null env while it tears the environment down.
    if env.is_null() {
        return;
    }
    // SAFETY: the context is the `Drain` that `Waker::new` stored.
    let drain = unsafe { std::mem::transmute::<*mut c_void, Drain>(context) };
    enter(env, drain);
}
