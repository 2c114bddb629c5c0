//! A call from JavaScript.

use super::Failure;
use super::read::{Text, read_text, scalar, type_of};
use super::scope::{Object, Scope, Value};
use super::typed::{Element, bytes_of};
use crate::options::Scalar;
use napi::sys;
use std::cell::Cell;
use std::ops::Deref;
use std::ptr;

/// The most arguments a raw function takes.
pub(super) const MAX_ARGS: usize = 12;

/// The result of a handler.
pub type Answer<'s> = Result<Value<'s>, Failure>;
/// What a raw function is made of.
pub type Handler = for<'s> fn(&Call<'s>) -> Answer<'s>;

/// A call from JavaScript: its arguments, and through `Deref` the [`Scope`] to make the answer in.
pub struct Call<'s> {
    pub(super) scope: Scope<'s>,
    pub(super) args: [sys::napi_value; MAX_ARGS],
    pub(super) count: usize,
}

impl<'s> Deref for Call<'s> {
    type Target = Scope<'s>;

    fn deref(&self) -> &Scope<'s> {
        &self.scope
    }
}

impl<'s> Call<'s> {
    pub(super) fn arg(&self, index: usize) -> sys::napi_value {
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
            sys::ValueType::napi_object => Ok(Object::of(self.scope, raw)),
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
    pub(in crate::binding) fn reference_to_function(&self, index: usize) -> Result<sys::napi_ref, Failure> {
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
