//! How the threads of the process learn of each other's changes: a batch of keys for each thread, one wake-up a batch.

use std::sync::{Arc, Mutex, PoisonError};

/// Beyond this many keys a batch says "everything changed".
const MOST_KEYS: usize = 4096;

/// Brings a thread to look at its batch.
pub trait Wake: Send + Sync {
    /// Called from any thread when the batch was empty before.
    fn wake(&self, watcher: Arc<Watcher>);
}

/// What changed since the thread looked last.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// The keys that were set or deleted.
    pub keys: Vec<Arc<str>>,
    /// Everything may have changed.
    pub all: bool,
    /// Why a write failed, if one did.
    pub warning: Option<String>,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.keys.is_empty() && !self.all && self.warning.is_none()
    }
}

/// One thread that holds values of a folder in its memory.
pub struct Watcher {
    /// Names the thread in this folder; never 0.
    pub id: u32,
    changes: Mutex<Changes>,
    wake: Box<dyn Wake>,
}

impl Watcher {
    /// A watcher with nothing to tell.
    pub fn new(id: u32, wake: Box<dyn Wake>) -> Arc<Self> {
        Arc::new(Self { id, changes: Mutex::default(), wake })
    }

    fn add(self: &Arc<Self>, change: impl FnOnce(&mut Changes)) {
        let first = {
            let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            let empty = changes.is_empty();
            change(&mut changes);
            empty
        };
        if first {
            self.wake.wake(self.clone());
        }
    }

    /// A key changed; `None` means all of them.
    pub fn changed(self: &Arc<Self>, key: Option<&Arc<str>>) {
        self.add(|changes| match key {
            Some(key) if !changes.all && changes.keys.len() < MOST_KEYS => changes.keys.push(key.clone()),
            _ => {
                changes.keys = Vec::new();
                changes.all = true;
            }
        });
    }

    /// A write failed.
    pub fn warn(self: &Arc<Self>, reason: &str) {
        self.add(|changes| changes.warning = Some(reason.into()));
    }

    /// Takes the batch.
    pub fn take(&self) -> Changes {
        std::mem::take(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Count(Arc<AtomicUsize>);

    impl Wake for Count {
        fn wake(&self, _watcher: Arc<Watcher>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn many_changes_share_one_wake_up_and_a_flood_becomes_everything() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let watcher = Watcher::new(1, Box::new(Count(wakes.clone())));
        let key: Arc<str> = "k".into();
        (0..10).for_each(|_| watcher.changed(Some(&key)));
        assert_eq!((wakes.load(Ordering::Relaxed), watcher.take().keys.len()), (1, 10));
        (0..=MOST_KEYS).for_each(|_| watcher.changed(Some(&key)));
        assert_eq!(watcher.take(), Changes { all: true, ..Changes::default() });
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
    }
}
