//! Typed arrays, which both sides read and write without copies.

use super::Failure;
use super::call::Call;
use super::scope::Scope;
use napi::sys;
use std::cell::Cell;
use std::marker::PhantomData;
use std::{ptr, slice};

/// The elements of a typed array of the current scope; `None` for other values. Named for the scope's life by its
/// callers, which use it before JavaScript runs again.
pub(super) fn bytes_of<'s, T: Element>(env: sys::napi_env, raw: sys::napi_value) -> Option<&'s [Cell<T>]> {
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

    /// Writes `values` to its beginning; `false`: they do not fit.
    pub fn fill(&self, scope: Scope<'_>, values: &[T]) -> bool {
        let place = self.cells(scope).get(..values.len());
        place.inspect(|place| place.iter().zip(values).for_each(|(cell, &value)| cell.set(value))).is_some()
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
