//! Handles: the numbers by which JavaScript names native objects.

use super::raw::Failure;
use crate::error::{Code, ErrorClass};
use std::cell::RefCell;
use std::thread::LocalKey;

/// The native objects of one kind in one environment (one thread), by handle.
pub struct Table<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Table<T> {
    /// No objects.
    pub const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

/// A thread's table of objects of one kind: `thread_local! { static POOLS: Handles<Pool> = const { handles() } }`.
pub type Handles<T> = RefCell<Table<T>>;

/// An empty table.
pub const fn handles<T>() -> Handles<T> {
    RefCell::new(Table::new())
}

/// What can be done with a table from a handler. No JavaScript runs while the object is borrowed.
pub trait HandleTable<T> {
    /// Keeps an object and names it.
    fn insert(&'static self, object: T) -> u32;
    /// Runs `body` with the object.
    fn with_object<R>(&'static self, handle: u32, body: impl FnOnce(&mut T) -> R) -> Result<R, Failure>;
    /// Takes the object out; `None` when it is gone already.
    fn remove(&'static self, handle: u32) -> Option<T>;
}

impl<T: 'static> HandleTable<T> for LocalKey<Handles<T>> {
    fn insert(&'static self, object: T) -> u32 {
        self.with_borrow_mut(|table| match table.free.pop() {
            Some(handle) => {
                table.slots[handle as usize] = Some(object);
                handle
            }
            None => {
                table.slots.push(Some(object));
                (table.slots.len() - 1) as u32
            }
        })
    }

    fn with_object<R>(&'static self, handle: u32, body: impl FnOnce(&mut T) -> R) -> Result<R, Failure> {
        self.with_borrow_mut(|table| match table.slots.get_mut(handle as usize) {
            Some(Some(object)) => Ok(body(object)),
            _ => Err(Failure::new(ErrorClass::Error, Code::Closed.as_str(), "the native object is gone")),
        })
    }

    fn remove(&'static self, handle: u32) -> Option<T> {
        self.with_borrow_mut(|table| {
            let object = table.slots.get_mut(handle as usize)?.take()?;
            table.free.push(handle);
            Some(object)
        })
    }
}
