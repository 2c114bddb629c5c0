//! Sockets on Node's own loop: libuv's poll handles behind a safe face, and the way from their callbacks into
//! JavaScript. Beside `raw/` the only place of the package with `unsafe`.
//!
//! libuv is part of Node's binary, not of Node-API: its functions are looked up at run time, and where they are
//! missing there is no [`Loop`]. Invariants: a loop is used only on its own thread and before its environment goes;
//! a handle's memory lives until libuv has called its close callback; an environment ends only after that.
#![allow(unsafe_code)]

use super::raw::{Call, EnvId, Exports, Failure};
use napi::sys;
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::OnceLock;

/// `UV_POLL` of `uv_handle_type`.
const POLL: c_int = 8;
const READABLE: c_int = 1;
const WRITABLE: c_int = 2;

/// Any pointer of libuv's.
type Opaque = *mut c_void;
type OnPoll = unsafe extern "C" fn(Opaque, c_int, c_int);
type OnClose = unsafe extern "C" fn(Opaque);

/// The functions of libuv, as `uv.h` declares them since 1.19.
struct Functions {
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    poll_init: unsafe extern "C" fn(Opaque, Opaque, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(Opaque, c_int, Option<OnPoll>) -> c_int,
    set_data: unsafe extern "C" fn(Opaque, Opaque),
    get_data: unsafe extern "C" fn(Opaque) -> Opaque,
    unref: unsafe extern "C" fn(Opaque),
    close: unsafe extern "C" fn(Opaque, Option<OnClose>),
}

#[cfg(unix)]
fn functions() -> Option<&'static Functions> {
    use std::ffi::{CStr, c_char};
    unsafe extern "C" {
        fn dlsym(handle: Opaque, name: *const c_char) -> Opaque;
    }
    /// `RTLD_DEFAULT`: everything that is loaded.
    const EVERYWHERE: isize = if cfg!(target_vendor = "apple") { -2 } else { 0 };
    static FOUND: OnceLock<Option<Functions>> = OnceLock::new();
    // SAFETY: `dlsym` is of the C library that the standard library links; the name ends with NUL.
    let find = |name: &CStr| unsafe { dlsym(EVERYWHERE as Opaque, name.as_ptr()) };
    let all = || {
        let names = [
            c"uv_handle_size",
            c"uv_poll_init",
            c"uv_poll_start",
            c"uv_handle_set_data",
            c"uv_handle_get_data",
            c"uv_unref",
            c"uv_close",
        ];
        let found = names.map(find);
        if found.iter().any(|function| function.is_null()) {
            return None;
        }
        // SAFETY: each is the function of that name in `uv.h`, whose type is written down above; none is null.
        unsafe {
            Some(Functions {
                handle_size: std::mem::transmute::<Opaque, unsafe extern "C" fn(c_int) -> usize>(found[0]),
                poll_init: std::mem::transmute::<Opaque, unsafe extern "C" fn(Opaque, Opaque, c_int) -> c_int>(
                    found[1],
                ),
                poll_start: std::mem::transmute::<Opaque, unsafe extern "C" fn(Opaque, c_int, Option<OnPoll>) -> c_int>(
                    found[2],
                ),
                set_data: std::mem::transmute::<Opaque, unsafe extern "C" fn(Opaque, Opaque)>(found[3]),
                get_data: std::mem::transmute::<Opaque, unsafe extern "C" fn(Opaque) -> Opaque>(found[4]),
                unref: std::mem::transmute::<Opaque, unsafe extern "C" fn(Opaque)>(found[5]),
                close: std::mem::transmute::<Opaque, unsafe extern "C" fn(Opaque, Option<OnClose>)>(found[6]),
            })
        }
    };
    FOUND.get_or_init(all).as_ref()
}

#[cfg(not(unix))]
fn functions() -> Option<&'static Functions> {
    None
}

thread_local! {
    /// The loops of this thread's environments, as long as those live.
    static LIVE: RefCell<Vec<(EnvId, Opaque)>> = const { RefCell::new(Vec::new()) };
    /// Handles that libuv still knows.
    static OPEN: Cell<usize> = const { Cell::new(0) };
    /// Environments that wait for the last of them.
    static ENDING: RefCell<Vec<sys::napi_async_cleanup_hook_handle>> = const { RefCell::new(Vec::new()) };
}

/// Sees to the end of the environment. To be called before any hook that closes handles is added: hooks run in the
/// reverse order.
pub fn register(exports: Exports<'_>) {
    let env = exports.env_id();
    let data = Box::into_raw(Box::new(env)).cast::<c_void>();
    // SAFETY: the environment is live; the box comes back as the argument, once.
    unsafe { sys::napi_add_async_cleanup_hook(env.raw(), Some(end), data, ptr::null_mut()) };
}

/// Node waits for an asynchronous hook, running the loop, until its handle is removed.
unsafe extern "C" fn end(handle: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: `data` is the box that `register` made; Node runs a hook once.
    let env = *unsafe { Box::from_raw(data.cast::<EnvId>()) };
    LIVE.with_borrow_mut(|live| live.retain(|(known, _)| *known != env));
    ENDING.with_borrow_mut(|ending| ending.push(handle));
    if OPEN.get() == 0 {
        ended();
    }
}

fn ended() {
    for handle in ENDING.take() {
        // SAFETY: each was given to `end` and is removed once.
        unsafe { sys::napi_remove_async_cleanup_hook(handle) };
    }
}

/// The loop of an environment.
#[derive(Debug, Clone, Copy)]
pub struct Loop(EnvId);

impl Loop {
    /// The loop of the caller's environment; `None` where libuv is not to be had.
    pub fn of(call: &Call<'_>) -> Option<Self> {
        functions()?;
        let env = call.env_id();
        let known = LIVE.with_borrow(|live| live.iter().any(|(known, _)| *known == env));
        if !known {
            let mut found: *mut sys::uv_loop_s = ptr::null_mut();
            // SAFETY: the environment is that of the call; the out pointer is a local.
            let status = unsafe { sys::napi_get_uv_event_loop(env.raw(), &mut found) };
            if status != sys::Status::napi_ok || found.is_null() {
                return None;
            }
            LIVE.with_borrow_mut(|live| live.push((env, found.cast())));
        }
        Some(Self(env))
    }
}

/// What happened to a socket: whether it can be read from, and written to.
type OnEvent = Box<dyn Fn(bool, bool)>;

/// A socket watched by the loop of this thread, until this is dropped. It keeps no process alive.
pub struct Poll {
    handle: Opaque,
    functions: &'static Functions,
}

/// What a handle carries.
struct Record {
    /// The memory of the handle itself.
    _memory: Box<[u128]>,
    on_event: OnEvent,
}

impl Poll {
    /// Tells `on_event` whenever the descriptor can be read from. The caller keeps it open for as long. `None`: on
    /// another thread, after the environment's end, or when libuv does not take the descriptor.
    pub fn start(on: Loop, descriptor: c_int, on_event: OnEvent) -> Option<Self> {
        let functions = functions()?;
        let raw = LIVE.with_borrow(|live| live.iter().find(|(env, _)| *env == on.0).map(|(_, raw)| *raw))?;
        // SAFETY: a plain question.
        let size = unsafe { (functions.handle_size)(POLL) };
        let mut memory = vec![0u128; size.div_ceil(size_of::<u128>())].into_boxed_slice();
        let handle = memory.as_mut_ptr().cast::<c_void>();
        // SAFETY: the loop is live and of this thread, as `LIVE` says; the memory is large and aligned enough, and
        // stays where it is in its box.
        if unsafe { (functions.poll_init)(raw, handle, descriptor) } != 0 {
            return None;
        }
        let record = Box::into_raw(Box::new(Record { _memory: memory, on_event }));
        OPEN.set(OPEN.get() + 1);
        // SAFETY: the handle is initialised; the record is given back by `closed`, the only place that frees it.
        unsafe {
            (functions.set_data)(handle, record.cast());
            (functions.unref)(handle);
        }
        let poll = Self { handle, functions };
        poll.want(false).then_some(poll)
    }

    /// Whether to tell, once, when the descriptor can be written to.
    pub fn want(&self, writable: bool) -> bool {
        let events = if writable { READABLE | WRITABLE } else { READABLE };
        // SAFETY: the handle is not closed before this is dropped, and `Poll` cannot leave its thread.
        unsafe { (self.functions.poll_start)(self.handle, events, Some(polled)) == 0 }
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        // SAFETY: closed once, on its thread; the record lives until `closed`.
        unsafe { (self.functions.close)(self.handle, Some(closed)) };
    }
}

unsafe extern "C" fn polled(handle: Opaque, status: c_int, events: c_int) {
    let Some(functions) = functions() else { return };
    // An error of the socket is seen by whoever reads or writes next.
    let events = if status < 0 { READABLE | WRITABLE } else { events };
    if events & WRITABLE != 0 {
        // SAFETY: libuv calls back for open handles only.
        unsafe { (functions.poll_start)(handle, READABLE, Some(polled)) };
    }
    // SAFETY: the data is the record of `Poll::start`, which outlives this call even if the handle is closed in it.
    let record = unsafe { &*(functions.get_data)(handle).cast::<Record>() };
    let tell = || (record.on_event)(events & READABLE != 0, events & WRITABLE != 0);
    let _ = catch_unwind(AssertUnwindSafe(tell));
}

unsafe extern "C" fn closed(handle: Opaque) {
    let Some(functions) = functions() else { return };
    // SAFETY: libuv is done with the handle; the data is the record of `Poll::start`, freed here and nowhere else.
    drop(unsafe { Box::from_raw((functions.get_data)(handle).cast::<Record>()) });
    OPEN.set(OPEN.get() - 1);
    if OPEN.get() == 0 {
        ended();
    }
}

/// A function of JavaScript that is called from the loop rather than from JavaScript.
pub struct Entry {
    env: EnvId,
    function: sys::napi_ref,
    context: sys::napi_async_context,
}

impl Entry {
    /// Holds the function in argument `index`, for the life of the environment.
    pub fn hold(call: &Call<'_>, index: usize, name: &str) -> Result<Self, Failure> {
        let function = call.reference_to_function(index)?;
        let (env, name, mut context) = (call.env_id(), call.text(name), ptr::null_mut());
        // SAFETY: the name is a string of this scope; no resource is given; the out pointer is a local.
        unsafe { sys::napi_async_init(env.raw(), ptr::null_mut(), name.raw(), &mut context) };
        Ok(Self { env, function, context })
    }

    /// Calls it from a callback of the loop, with everything that Node does after a callback. What it throws goes the
    /// way of uncaught exceptions.
    pub fn enter(&self) {
        let (env, mut handles) = (self.env.raw(), ptr::null_mut());
        // SAFETY: on the loop's thread and before its environment's end, since libuv called back; the scope is closed
        // below; the reference was made in this environment and is never deleted.
        unsafe {
            if sys::napi_open_handle_scope(env, &mut handles) != sys::Status::napi_ok {
                return;
            }
            let (mut function, mut receiver, mut result) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
            sys::napi_get_reference_value(env, self.function, &mut function);
            sys::napi_get_global(env, &mut receiver);
            let (none, context) = (ptr::null(), self.context);
            let status = sys::napi_make_callback(env, context, receiver, function, 0, none, &mut result);
            if status == sys::Status::napi_pending_exception {
                let mut thrown = ptr::null_mut();
                sys::napi_get_and_clear_last_exception(env, &mut thrown);
                sys::napi_fatal_exception(env, thrown);
            }
            sys::napi_close_handle_scope(env, handles);
        }
    }
}
