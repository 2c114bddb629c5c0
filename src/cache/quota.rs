//! The bound on disk use: when it is passed, the files used longest ago go.
//!
//! A file's time of use is its modification time (reads from disk renew it), or a later use in memory.

use super::disk;
use super::name::{self, FileName};
use super::shared::now;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is left after an eviction, in tenths of the bound: room for writes until the next one.
const TENTHS_LEFT: u64 = 9;

/// The disk use of one folder. A limit of zero means none.
#[derive(Debug, Default)]
pub struct Quota {
    limit: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Never less than the truth; `None` before the first look.
    bytes: Option<u64>,
    uses: HashMap<FileName, f64>,
}

impl Quota {
    /// Sets the bound in bytes.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Whether there is a bound.
    pub fn is_limited(&self) -> bool {
        self.limit.load(Ordering::Relaxed) > 0
    }

    /// A value was used without its file being read.
    pub fn used(&self, key: &str) {
        if self.is_limited() {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.uses.insert(FileName::of(key), now());
        }
    }

    /// A file of `size` was written; on the writer thread only. Evicts when the bound is passed.
    pub fn wrote(&self, folder: &Path, size: u64) {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // An overwrite counts twice until the next look, which is on the safe side.
        let bytes = state.bytes.map(|bytes| bytes + size);
        state.bytes = match bytes {
            Some(bytes) if bytes <= limit => Some(bytes),
            _ => Some(evict(folder, limit, &mut state.uses)),
        };
    }
}

/// Removes the files used longest ago if there is more than `limit`; returns what is left.
fn evict(folder: &Path, limit: u64, uses: &mut HashMap<FileName, f64>) -> u64 {
    let mut files = Vec::new();
    let _ = disk::list(folder, |name, path| {
        if name::split(name).is_some()
            && let Some(stamp) = disk::stamp(path)
        {
            let own = FileName::parse(name).map(|(name, _)| name);
            let used = own.and_then(|name| uses.get(&name)).copied().unwrap_or(0.0);
            files.push((used.max(stamp.modified_millis()), stamp.size, own, path.to_path_buf()));
        }
    });
    files.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut total: u64 = files.iter().map(|file| file.1).sum();
    let target = if total > limit { limit / 10 * TENTHS_LEFT } else { limit };
    let mut kept = HashMap::new();
    for (used, size, own, path) in files {
        if total > target && disk::remove(&path).is_ok() {
            total -= size;
        } else if let Some(name) = own.filter(|name| uses.contains_key(name)) {
            kept.insert(name, used);
        }
    }
    *uses = kept;
    total
}
