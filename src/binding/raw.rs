//! Safe calls over raw Node-API: beside `uv.rs` the only file of the package with `unsafe`.
//!
//! A `#[napi]` class method costs ten times a raw function, so what runs on every request is a module-level
//! raw function over a `u32` handle. A handler sees a [`Call`], answers with a [`Value`] or a [`Failure`], and
//! cannot take the process down: a panic is caught here and becomes a JavaScript error.
//!
//! Invariants: every `napi_value` lives inside the handle scope of the call it belongs to, which the lifetime of
//! [`Scope`] expresses; everything here runs on the JavaScript thread of the environment.
#![allow(unsafe_code)]

pub use super::failure::Failure;
use crate::error::ErrorClass;
use crate::options::{Options, Scalar};
use napi::sys;
use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char, c_void};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::slice;

/// The most arguments a raw function takes.
const MAX_ARGS: usize = 12;
/// Strings up to this many bytes are read without the heap.
const INLINE_TEXT: usize = 256;

/// A JavaScript value inside the current scope.
#[derive(Clone, Copy)]
pub struct Value<'s> {
    raw: sys::napi_value,
    scope: PhantomData<&'s ()>,
}

impl Value<'_> {
    /// For `uv.rs`.
    pub(super) fn raw(self) -> sys::napi_value {
        self.raw
    }
}

/// The result of a handler.
pub type Answer<'s> = Result<Value<'s>, Failure>;
/// What a raw function is made of.
pub type Handler = for<'s> fn(&Call<'s>) -> Answer<'s>;

/// Makes JavaScript values. Valid for one entry from JavaScript.
#[derive(Clone, Copy)]
pub struct Scope<'s> {
    env: sys::napi_env,
    scope: PhantomData<&'s ()>,
}

impl<'s> Scope<'s> {
    fn make(self, create: impl FnOnce(sys::napi_env, *mut sys::napi_value) -> sys::napi_status) -> Value<'s> {
        let mut raw = ptr::null_mut();
        // A status other than ok leaves null, which JavaScript receives as `undefined`.
        let _status = create(self.env, &mut raw);
        Value { raw, scope: PhantomData }
    }

    /// The environment this scope belongs to.
    pub fn env_id(self) -> EnvId {
        EnvId(self.env as usize)
    }

    /// `undefined`
    pub fn undefined(self) -> Value<'s> {
        Value { raw: ptr::null_mut(), scope: PhantomData }
    }

    /// `null`
    pub fn null(self) -> Value<'s> {
        // SAFETY: `env` is live for 's; the out pointer is a local.
        self.make(|env, out| unsafe { sys::napi_get_null(env, out) })
    }

    /// A boolean.
    pub fn boolean(self, value: bool) -> Value<'s> {
        // SAFETY: as in `null`.
        self.make(|env, out| unsafe { sys::napi_get_boolean(env, value, out) })
    }

    /// A number.
    pub fn number(self, value: f64) -> Value<'s> {
        // SAFETY: as in `null`.
        self.make(|env, out| unsafe { sys::napi_create_double(env, value, out) })
    }

    /// A small whole number, cheaper than [`Scope::number`].
    pub fn int(self, value: i32) -> Value<'s> {
        // SAFETY: as in `null`.
        self.make(|env, out| unsafe { sys::napi_create_int32(env, value, out) })
    }

    /// A whole number without a sign, such as a handle.
    pub fn uint(self, value: u32) -> Value<'s> {
        // SAFETY: as in `null`.
        self.make(|env, out| unsafe { sys::napi_create_uint32(env, value, out) })
    }

    /// A string.
    pub fn text(self, value: &str) -> Value<'s> {
        let (data, len) = (value.as_ptr().cast::<c_char>(), value.len() as isize);
        if value.is_ascii() {
            // SAFETY: the pointer and length are of a live `&str`, which V8 copies; ASCII is Latin-1.
            return self.make(|env, out| unsafe { sys::napi_create_string_latin1(env, data, len, out) });
        }
        // SAFETY: as above; a `str` is UTF-8.
        self.make(|env, out| unsafe { sys::napi_create_string_utf8(env, data, len, out) })
    }

    /// A string from UTF-16 code units.
    pub fn text_utf16(self, value: &[u16]) -> Value<'s> {
        // SAFETY: the pointer and length are of a live slice, which V8 copies.
        self.make(|env, out| unsafe { sys::napi_create_string_utf16(env, value.as_ptr(), value.len() as isize, out) })
    }

    /// An `ArrayBuffer` with a copy of `items`; `undefined` when there is no memory for it.
    pub fn array_buffer<T: Element>(self, items: &[T]) -> Value<'s> {
        let (mut data, size) = (ptr::null_mut(), std::mem::size_of_val(items));
        // SAFETY: the out pointers are locals.
        let buffer = self.make(|env, out| unsafe { sys::napi_create_arraybuffer(env, size, &mut data, out) });
        if !data.is_null() && !buffer.raw.is_null() {
            // SAFETY: V8 allocated at least this many bytes, and nothing else knows of them yet; an `Element` is a
            // plain number.
            unsafe { ptr::copy_nonoverlapping(items.as_ptr().cast::<u8>(), data.cast(), size) };
        }
        buffer
    }

    /// An empty plain object.
    pub fn object(self) -> Object<'s> {
        // SAFETY: as in `null`.
        Object { scope: self, value: self.make(|env, out| unsafe { sys::napi_create_object(env, out) }) }
    }

    /// An array of the given values.
    pub fn array(self, values: impl IntoIterator<Item = Value<'s>>) -> Value<'s> {
        // SAFETY: as in `null`.
        let array = self.make(|env, out| unsafe { sys::napi_create_array(env, out) });
        for (index, value) in values.into_iter().enumerate() {
            // SAFETY: both values belong to this scope; the array is ours.
            unsafe { sys::napi_set_element(self.env, array.raw, index as u32, self.present(value)) };
        }
        array
    }

    /// The JavaScript `Error` of a failure.
    pub fn error(self, failure: &Failure) -> Value<'s> {
        let (code, message) = (self.text(failure.code), self.text(&failure.message));
        // SAFETY: `code` and `message` are strings of this scope; the out pointer is a local.
        let error = self.make(|env, out| unsafe {
            match failure.class {
                ErrorClass::Error => sys::napi_create_error(env, code.raw, message.raw, out),
                ErrorClass::TypeError => sys::napi_create_type_error(env, code.raw, message.raw, out),
                ErrorClass::RangeError => sys::napi_create_range_error(env, code.raw, message.raw, out),
            }
        });
        let error = Object { scope: self, value: error };
        if failure.retryable {
            error.set("retryable", self.boolean(true));
        }
        if let Some(cause) = &failure.cause {
            let cause = Failure::new(ErrorClass::Error, failure.code, cause.as_str());
            error.set("cause", self.error(&cause));
        }
        error.value
    }

    /// `value`, with the null that stands for `undefined` replaced by the real one: only return values may be null.
    fn present(self, value: Value<'s>) -> sys::napi_value {
        if !value.raw.is_null() {
            return value.raw;
        }
        // SAFETY: as in `null`.
        self.make(|env, out| unsafe { sys::napi_get_undefined(env, out) }).raw
    }

    /// Throws the failure; JavaScript sees it when the current entry returns.
    fn throw(self, failure: &Failure) {
        let error = self.error(failure);
        // SAFETY: the error belongs to this scope. A pending exception makes this a no-op.
        unsafe { sys::napi_throw(self.env, error.raw) };
    }
}

/// A plain object under construction or being read.
#[derive(Clone, Copy)]
pub struct Object<'s> {
    scope: Scope<'s>,
    value: Value<'s>,
}

impl<'s> Object<'s> {
    /// Defines a property; the name may be any string, `__proto__` too.
    pub fn set(self, name: &str, value: Value<'s>) -> Self {
        let key = self.scope.text(name);
        let property = sys::napi_property_descriptor {
            utf8name: ptr::null(),
            name: key.raw,
            method: None,
            getter: None,
            setter: None,
            value: self.scope.present(value),
            // writable | enumerable | configurable, as an assignment would make it
            attributes: 1 | 2 | 4,
            data: ptr::null_mut(),
        };
        // SAFETY: one descriptor is passed, with a name and a value of this scope.
        unsafe { sys::napi_define_properties(self.scope.env, self.value.raw, 1, &property) };
        self
    }

    /// Defines a number property.
    pub fn number(self, name: &str, value: f64) -> Self {
        self.set(name, self.scope.number(value))
    }

    /// Defines a string property.
    pub fn text(self, name: &str, value: &str) -> Self {
        self.set(name, self.scope.text(value))
    }

    /// The finished object.
    pub fn value(self) -> Value<'s> {
        self.value
    }
}

impl Options for Object<'_> {
    fn get(&self, name: &str) -> Scalar {
        let key = self.scope.text(name);
        let mut raw = ptr::null_mut();
        // SAFETY: object and key belong to this scope; the out pointer is a local.
        let status = unsafe { sys::napi_get_property(self.scope.env, self.value.raw, key.raw, &mut raw) };
        if status != sys::Status::napi_ok { Scalar::Missing } else { scalar(self.scope.env, raw) }
    }
}

fn type_of(env: sys::napi_env, raw: sys::napi_value) -> i32 {
    let mut kind = sys::ValueType::napi_undefined;
    // SAFETY: the value belongs to the current scope; the out pointer is a local.
    unsafe { sys::napi_typeof(env, raw, &mut kind) };
    kind
}

fn scalar(env: sys::napi_env, raw: sys::napi_value) -> Scalar {
    match type_of(env, raw) {
        sys::ValueType::napi_undefined => Scalar::Missing,
        sys::ValueType::napi_null => Scalar::Null,
        sys::ValueType::napi_boolean => {
            let mut value = false;
            // SAFETY: the value is a boolean of the current scope.
            unsafe { sys::napi_get_value_bool(env, raw, &mut value) };
            Scalar::Bool(value)
        }
        sys::ValueType::napi_number => {
            let mut value = 0.0;
            // SAFETY: the value is a number of the current scope.
            unsafe { sys::napi_get_value_double(env, raw, &mut value) };
            Scalar::Number(value)
        }
        sys::ValueType::napi_string => {
            Scalar::Text(read_text(env, raw).map_or_else(String::new, |text| text.to_string()))
        }
        sys::ValueType::napi_symbol => Scalar::Other("symbol"),
        sys::ValueType::napi_function => Scalar::Other("function"),
        sys::ValueType::napi_bigint => Scalar::Other("bigint"),
        _ => Scalar::Other("object"),
    }
}

/// A string argument, on the stack when it is short.
pub struct Text {
    inline: [MaybeUninit<u8>; INLINE_TEXT],
    len: usize,
    heap: Option<String>,
}

impl Text {
    /// The text on the heap, without a copy when it is there already.
    pub fn into_string(mut self) -> String {
        self.heap.take().unwrap_or_else(|| self.to_string())
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        if let Some(heap) = &self.heap {
            return heap;
        }
        // SAFETY: V8 initialised the first `len` bytes.
        let bytes = unsafe { slice::from_raw_parts(self.inline.as_ptr().cast::<u8>(), self.len) };
        // SAFETY: V8 writes well-formed UTF-8 (lone surrogates become U+FFFD), never half a character.
        unsafe { str::from_utf8_unchecked(bytes) }
    }
}

fn read_text(env: sys::napi_env, raw: sys::napi_value) -> Option<Text> {
    let mut text = Text { inline: [MaybeUninit::uninit(); INLINE_TEXT], len: 0, heap: None };
    let buffer = text.inline.as_mut_ptr().cast::<c_char>();
    // SAFETY: the buffer is INLINE_TEXT bytes long; V8 writes at most that, a closing NUL included.
    let status = unsafe { sys::napi_get_value_string_utf8(env, raw, buffer, INLINE_TEXT, &mut text.len) };
    if status != sys::Status::napi_ok {
        return None;
    }
    // A cut-off string stops short of the buffer by at most one character of four bytes and the NUL.
    if text.len + 5 > INLINE_TEXT {
        let mut len = 0;
        // SAFETY: a null buffer asks for the length alone.
        unsafe { sys::napi_get_value_string_utf8(env, raw, ptr::null_mut(), 0, &mut len) };
        let mut bytes = vec![0u8; len + 1];
        // SAFETY: the buffer holds `len` bytes and the closing NUL.
        unsafe { sys::napi_get_value_string_utf8(env, raw, bytes.as_mut_ptr().cast(), bytes.len(), &mut len) };
        bytes.truncate(len);
        let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        text.heap = Some(String::from_utf8(bytes).unwrap_or_else(|error| lossy(error.into_bytes())));
    }
    Some(text)
}

/// A call from JavaScript: its arguments, and through `Deref` the [`Scope`] to make the answer in.
pub struct Call<'s> {
    scope: Scope<'s>,
    args: [sys::napi_value; MAX_ARGS],
    count: usize,
}

impl<'s> Deref for Call<'s> {
    type Target = Scope<'s>;

    fn deref(&self) -> &Scope<'s> {
        &self.scope
    }
}

impl<'s> Call<'s> {
    fn arg(&self, index: usize) -> sys::napi_value {
        // Node fills missing arguments up to MAX_ARGS with `undefined`; an index is always a literal below it.
        self.args[index]
    }

    /// How many arguments were given.
    pub fn len(&self) -> usize {
        self.count
    }

    /// A number, `NaN` and infinities included.
    pub fn number_at(&self, index: usize) -> Result<f64, Failure> {
        let mut value = 0.0;
        // SAFETY: the argument belongs to this call; the out pointer is a local.
        let status = unsafe { sys::napi_get_value_double(self.scope.env, self.arg(index), &mut value) };
        if status == sys::Status::napi_ok { Ok(value) } else { Err(Failure::wrong_type(index, "a number")) }
    }

    /// A whole number without a sign: a handle, a slot, a length. Other numbers wrap as JavaScript's `>>> 0` does.
    pub fn uint_at(&self, index: usize) -> Result<u32, Failure> {
        let mut value = 0;
        // SAFETY: as in `number_at`.
        let status = unsafe { sys::napi_get_value_uint32(self.scope.env, self.arg(index), &mut value) };
        if status == sys::Status::napi_ok { Ok(value) } else { Err(Failure::wrong_type(index, "a whole number")) }
    }

    /// A boolean.
    pub fn boolean_at(&self, index: usize) -> Result<bool, Failure> {
        let mut value = false;
        // SAFETY: as in `number_at`.
        let status = unsafe { sys::napi_get_value_bool(self.scope.env, self.arg(index), &mut value) };
        if status == sys::Status::napi_ok { Ok(value) } else { Err(Failure::wrong_type(index, "a boolean")) }
    }

    /// A string.
    pub fn text_at(&self, index: usize) -> Result<Text, Failure> {
        read_text(self.scope.env, self.arg(index)).ok_or_else(|| Failure::wrong_type(index, "a string"))
    }

    /// Any scalar.
    pub fn scalar_at(&self, index: usize) -> Scalar {
        scalar(self.scope.env, self.arg(index))
    }

    /// An options object. `undefined` reads as an empty one; `null` and other types are refused.
    pub fn options_at(&self, index: usize) -> Result<Object<'s>, Failure> {
        let raw = self.arg(index);
        match type_of(self.scope.env, raw) {
            sys::ValueType::napi_undefined => Ok(self.object()),
            sys::ValueType::napi_object => Ok(Object { scope: self.scope, value: Value { raw, scope: PhantomData } }),
            _ => Err(Failure::wrong_type(index, "an options object")),
        }
    }

    /// A string as UTF-16 code units: for long texts, which V8 copies so ten times as fast as it makes UTF-8 of them.
    pub fn utf16_at(&self, index: usize) -> Result<Vec<u16>, Failure> {
        let (env, raw, mut len) = (self.scope.env, self.arg(index), 0);
        // SAFETY: a null buffer asks for the length alone; a value that is no string gives a status.
        let status = unsafe { sys::napi_get_value_string_utf16(env, raw, ptr::null_mut(), 0, &mut len) };
        if status != sys::Status::napi_ok {
            return Err(Failure::wrong_type(index, "a string"));
        }
        let mut units = vec![0u16; len + 1];
        // SAFETY: the buffer holds `len` units and the closing NUL.
        unsafe { sys::napi_get_value_string_utf16(env, raw, units.as_mut_ptr(), units.len(), &mut len) };
        units.truncate(len);
        Ok(units)
    }

    /// An array of strings, buffers and `null`s (holes and `undefined` are `null` too).
    pub fn list_at(&self, index: usize) -> Result<Vec<Item>, Failure> {
        let (env, array, mut length) = (self.scope.env, self.arg(index), 0);
        // SAFETY: the argument belongs to this call (other values give a status); the out pointer is a local.
        let status = unsafe { sys::napi_get_array_length(env, array, &mut length) };
        if status != sys::Status::napi_ok {
            return Err(Failure::wrong_type(index, "an array"));
        }
        let read = |position| {
            let mut raw = ptr::null_mut();
            // SAFETY: as above.
            unsafe { sys::napi_get_element(env, array, position, &mut raw) };
            match type_of(env, raw) {
                sys::ValueType::napi_undefined | sys::ValueType::napi_null => Some(Item::Null),
                sys::ValueType::napi_string => read_text(env, raw).map(|text| Item::Text(text.to_string())),
                _ => bytes_of::<u8>(env, raw).map(|bytes| Item::Bytes(bytes.iter().map(Cell::get).collect())),
            }
        };
        let wrong = || Failure::wrong_type(index, "an array of strings, buffers and nulls");
        (0..length).map(|position| read(position).ok_or_else(wrong)).collect()
    }

    /// A typed array that both sides read and write during this call. `Cell`s, because JavaScript may pass one
    /// array twice. The package's own face passes these, never memory shared between threads.
    pub fn cells<T: Element>(&self, index: usize) -> Result<&'s [Cell<T>], Failure> {
        bytes_of::<T>(self.scope.env, self.arg(index)).ok_or_else(|| Failure::wrong_type(index, T::NAME))
    }

    /// A lasting reference to a function.
    pub(super) fn reference_to_function(&self, index: usize) -> Result<sys::napi_ref, Failure> {
        if type_of(self.scope.env, self.arg(index)) != sys::ValueType::napi_function {
            return Err(Failure::wrong_type(index, "a function"));
        }
        let mut reference = ptr::null_mut();
        // SAFETY: the argument is a function of this call; the out pointer is a local.
        unsafe { sys::napi_create_reference(self.scope.env, self.arg(index), 1, &mut reference) };
        Ok(reference)
    }

    /// Answers through a `Float64Array` of the caller's: its first elements become the values.
    pub fn fill(&self, index: usize, values: &[f64]) -> Result<(), Failure> {
        for (cell, value) in self.cells::<f64>(index)?.iter().zip(values) {
            cell.set(*value);
        }
        Ok(())
    }
}

/// One item of an array argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// `null`, `undefined` or a hole.
    Null,
    /// A string.
    Text(String),
    /// A copy of a `Buffer`'s or `Uint8Array`'s bytes.
    Bytes(Vec<u8>),
}

/// The elements of a typed array of the current scope; `None` for other values. Named for the scope's life by its
/// callers, which use it before JavaScript runs again.
fn bytes_of<'s, T: Element>(env: sys::napi_env, raw: sys::napi_value) -> Option<&'s [Cell<T>]> {
    let (mut kind, mut length, mut data) = (0, 0, ptr::null_mut());
    let null = ptr::null_mut();
    // SAFETY: the value belongs to the current scope (other values give a status); the out pointers are locals or null.
    let status =
        unsafe { sys::napi_get_typedarray_info(env, raw, &mut kind, &mut length, &mut data, null, null.cast()) };
    if status != sys::Status::napi_ok || kind != T::KIND {
        return None;
    }
    if length == 0 || data.is_null() {
        return Some(&[]);
    }
    // SAFETY: `data` points to `length` aligned elements of the checked type, kept alive by the value for as long as
    // its scope; no JavaScript runs meanwhile; `Cell<T>` has the layout of `T`.
    Some(unsafe { slice::from_raw_parts(data.cast::<Cell<T>>(), length) })
}

/// A typed array of JavaScript that native code fills again and again.
pub struct Shared<T> {
    reference: sys::napi_ref,
    element: PhantomData<T>,
}

impl<T: Element> Shared<T> {
    /// Holds the typed array in argument `index`, for the life of the environment.
    pub fn hold(call: &Call<'_>, index: usize) -> Result<Self, Failure> {
        call.cells::<T>(index)?;
        let mut reference = ptr::null_mut();
        // SAFETY: the argument is a typed array of this call; the out pointer is a local.
        unsafe { sys::napi_create_reference(call.scope.env, call.arg(index), 1, &mut reference) };
        Ok(Self { reference, element: PhantomData })
    }

    /// Its elements, until JavaScript runs again.
    pub fn cells<'s>(&self, scope: Scope<'s>) -> &'s [Cell<T>] {
        let mut raw = ptr::null_mut();
        // SAFETY: the reference was made in this environment and is never deleted.
        unsafe { sys::napi_get_reference_value(scope.env, self.reference, &mut raw) };
        bytes_of(scope.env, raw).unwrap_or_default()
    }
}

/// An element type of a typed array.
pub trait Element: Copy + sealed::Sealed {
    #[doc(hidden)]
    const KIND: i32;
    #[doc(hidden)]
    const NAME: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! element {
    ($type:ty, $kind:ident, $name:literal) => {
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const KIND: i32 = sys::TypedarrayType::$kind;
            const NAME: &'static str = $name;
        }
    };
}
element!(u8, uint8_array, "a Uint8Array");
element!(u32, uint32_array, "a Uint32Array");
element!(i32, int32_array, "an Int32Array");
element!(f64, float64_array, "a Float64Array");

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
        Self { scope: Scope { env: env.raw(), scope: PhantomData }, exports: exports.raw() }
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
fn enter<T>(env: sys::napi_env, body: impl FnOnce(Scope<'_>) -> T) -> Option<T> {
    let scope = Scope { env, scope: PhantomData };
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
    /// For `uv.rs`, which uses it only while the environment lives.
    pub(super) fn raw(self) -> sys::napi_env {
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
        body(Scope { env: scope.env, scope: PhantomData });
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
