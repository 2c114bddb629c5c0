//! Reading JavaScript values.

use crate::options::Scalar;
use napi::sys;
use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::{ptr, slice};

/// Strings up to this many bytes are read without the heap.
const INLINE_TEXT: usize = 256;

pub(super) fn type_of(env: sys::napi_env, raw: sys::napi_value) -> i32 {
    let mut kind = sys::ValueType::napi_undefined;
    // SAFETY: the value belongs to the current scope; the out pointer is a local.
    unsafe { sys::napi_typeof(env, raw, &mut kind) };
    kind
}

pub(super) fn scalar(env: sys::napi_env, raw: sys::napi_value) -> Scalar {
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

pub(super) fn read_text(env: sys::napi_env, raw: sys::napi_value) -> Option<Text> {
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
