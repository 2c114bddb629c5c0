//! Making JavaScript values.

use super::Failure;
use super::entry::EnvId;
use super::read::scalar;
use super::typed::Element;
use crate::error::ErrorClass;
use crate::options::{Options, Scalar};
use napi::sys;
use std::ffi::c_char;
use std::marker::PhantomData;
use std::ptr;

/// A JavaScript value inside the current scope.
#[derive(Clone, Copy)]
pub struct Value<'s> {
    pub(super) raw: sys::napi_value,
    scope: PhantomData<&'s ()>,
}

impl Value<'_> {
    /// For `uv.rs`.
    pub(in crate::binding) fn raw(self) -> sys::napi_value {
        self.raw
    }
}

/// Makes JavaScript values. Valid for one entry from JavaScript.
#[derive(Clone, Copy)]
pub struct Scope<'s> {
    pub(super) env: sys::napi_env,
    scope: PhantomData<&'s ()>,
}

impl<'s> Scope<'s> {
    /// Of an environment that JavaScript has just entered native code from, for as long as that takes.
    pub(super) fn of(env: sys::napi_env) -> Self {
        Self { env, scope: PhantomData }
    }

    fn make(self, create: impl FnOnce(sys::napi_env, *mut sys::napi_value) -> sys::napi_status) -> Value<'s> {
        let mut raw = ptr::null_mut();
        // A status other than ok leaves null, which JavaScript receives as `undefined`.
        let _status = create(self.env, &mut raw);
        Value { raw, scope: PhantomData }
    }

    /// The environment this scope belongs to.
    pub fn env_id(self) -> EnvId {
        EnvId::of(self.env)
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
    pub(super) fn present(self, value: Value<'s>) -> sys::napi_value {
        if !value.raw.is_null() {
            return value.raw;
        }
        // SAFETY: as in `null`.
        self.make(|env, out| unsafe { sys::napi_get_undefined(env, out) }).raw
    }

    /// Throws the failure; JavaScript sees it when the current entry returns.
    pub(super) fn throw(self, failure: &Failure) {
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
    /// An object of `scope` that is there already.
    pub(super) fn of(scope: Scope<'s>, raw: sys::napi_value) -> Self {
        Self { scope, value: Value { raw, scope: PhantomData } }
    }

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
