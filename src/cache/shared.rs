//! What the instances and threads of a process share on one folder: the pending writes and the cache of bytes.
//!
//! The pending map hides both the byte cache and the disk: while a key is in it, it says what the key's newest value
//! is. The writer takes a key out only when the disk agrees and no newer change came.

use super::codec::{Form, Times};
use super::config::CacheConfig;
use super::disk::{self, Stamp};
use super::error::CacheError;
use super::name::FileName;
use super::quota::Quota;
use super::watch::{Wake, Watcher};
use super::writer::{Done, Job, Writer};
use crate::clock::{Clock, SystemClock};
use moka::Expiry;
use moka::sync::Cache;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What an entry takes beside its key and text.
const ENTRY_OVERHEAD: usize = 160;
/// Keys share this many version counters.
const STRIPES: usize = 256;
/// Milliseconds between two warnings about one folder.
const WARNING_PAUSE: i64 = 1000;

/// A value as JSON text; the write queue and the byte cache share it.
#[derive(Debug)]
pub struct Entry {
    /// Its key.
    pub key: Arc<str>,
    /// The JSON text of the value.
    pub text: Box<str>,
    /// Its times.
    pub times: Times,
    /// How its file is written.
    pub form: Form,
}

impl Entry {
    /// Bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.text.len() + ENTRY_OVERHEAD
    }
}

/// An entry that a file confirms.
#[derive(Clone)]
struct Stored {
    entry: Arc<Entry>,
    path: Arc<Path>,
    stamp: Stamp,
}

struct Pending {
    job: u64,
    /// `None` = deleted.
    entry: Option<Arc<Entry>>,
    bytes: usize,
    begun: bool,
    done: Vec<Done>,
}

struct State {
    pending: HashMap<Arc<str>, Pending>,
    next_job: u64,
    versions: [u32; STRIPES],
    epoch: u32,
    clearing: u32,
}

/// The version of a key at some moment; it changes with every set, delete and clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(u32, u32);

/// What the process knows of a key without reading a file.
pub enum Lookup {
    /// Its newest value.
    Found(Arc<Entry>),
    /// That it has none.
    Absent,
    /// Nothing: the file has to be read.
    Unknown,
}

struct UntilUseless;

impl Expiry<Arc<str>, Stored> for UntilUseless {
    fn expire_after_create(&self, _key: &Arc<str>, stored: &Stored, _at: Instant) -> Option<Duration> {
        let left = stored.entry.times.keep - now();
        left.is_finite().then(|| Duration::from_secs_f64((left / 1e3).clamp(0.0, 1e9)))
    }

    fn expire_after_update(
        &self,
        key: &Arc<str>,
        stored: &Stored,
        at: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, stored, at)
    }
}

/// Now, in milliseconds since the epoch.
pub fn now() -> f64 {
    SystemClock.unix_millis() as f64
}

/// One folder of the process.
pub struct Folder {
    /// Where the files are.
    pub path: PathBuf,
    /// The bound on disk use.
    pub quota: Quota,
    state: Mutex<State>,
    bytes: Cache<Arc<str>, Stored>,
    shared_bytes: u64,
    stripes: RandomState,
    watchers: Mutex<Vec<Arc<Watcher>>>,
    watching: AtomicUsize,
    warned: AtomicI64,
}

static FOLDERS: LazyLock<Mutex<HashMap<PathBuf, Weak<Folder>>>> = LazyLock::new(Mutex::default);

impl Folder {
    /// The folder of a configuration: the same object for every instance and thread that names the same folder.
    /// The byte cache is as large as its first user wants it.
    pub fn open(config: &CacheConfig) -> Arc<Self> {
        let path = disk::canonical(&config.folder);
        let mut folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = folders.get(&path).and_then(Weak::upgrade).unwrap_or_else(|| {
            folders.retain(|_, folder| folder.strong_count() > 0);
            let folder = Arc::new(Self::new(path.clone(), config.shared_bytes));
            folders.insert(path, Arc::downgrade(&folder));
            folder
        });
        if let Some(limit) = config.max_disk_bytes {
            folder.quota.set_limit(limit);
        }
        folder
    }

    fn new(path: PathBuf, shared_bytes: u64) -> Self {
        let bytes = Cache::builder()
            .max_capacity(shared_bytes)
            .weigher(|_: &Arc<str>, stored: &Stored| u32::try_from(stored.entry.bytes()).unwrap_or(u32::MAX))
            .expire_after(UntilUseless)
            .build();
        let state = State { pending: HashMap::new(), next_job: 0, versions: [0; STRIPES], epoch: 0, clearing: 0 };
        Self {
            path,
            quota: Quota::default(),
            state: Mutex::new(state),
            bytes,
            shared_bytes,
            stripes: RandomState::new(),
            watchers: Mutex::default(),
            watching: AtomicUsize::new(0),
            warned: AtomicI64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stripe(&self, key: &str) -> usize {
        self.stripes.hash_one(key) as usize % STRIPES
    }

    /// The path of a key's file.
    pub fn file(&self, key: &str, compress: bool) -> PathBuf {
        self.path.join(FileName::of(key).with_extension(compress))
    }

    /// Accepts a set: from now on every thread of the process sees it. Waits while the queue is over its bound.
    /// `by` is the watcher that needs no telling.
    pub fn set(self: &Arc<Self>, entry: Entry, done: Option<Done>, by: u32) {
        let entry = Arc::new(entry);
        let bytes = entry.bytes();
        self.change(entry.key.clone(), Some(entry), bytes, done, by);
        Writer::global().wait_for_room();
    }

    /// Accepts a delete.
    pub fn delete(self: &Arc<Self>, key: &str, done: Option<Done>, by: u32) {
        self.change(key.into(), None, key.len() + ENTRY_OVERHEAD, done, by);
    }

    fn change(self: &Arc<Self>, key: Arc<str>, entry: Option<Arc<Entry>>, bytes: usize, done: Option<Done>, by: u32) {
        let stripe = self.stripe(&key);
        let urgent = done.is_some();
        {
            let mut state = self.lock();
            let state = &mut *state;
            state.versions[stripe] = state.versions[stripe].wrapping_add(1);
            let queued = state.pending.get_mut(&key).filter(|pending| !pending.begun);
            if let Some(pending) = queued {
                // Its job is in the queue already and will find the newest value.
                Writer::global().resize(pending.bytes, bytes, urgent);
                pending.entry = entry;
                pending.bytes = bytes;
                pending.done.extend(done);
            } else {
                state.next_job += 1;
                let job = state.next_job;
                let before = state.pending.get(&key).map_or(0, |pending| pending.bytes);
                let pending = Pending { job, entry, bytes, begun: false, done: done.into_iter().collect() };
                state.pending.insert(key.clone(), pending);
                Writer::global().resize(before, bytes, false);
                Writer::global().push(Job::Write { folder: self.clone(), key: key.clone(), job }, urgent);
            }
        }
        self.announce(Some(&key), by);
    }

    /// Accepts a clear: pending writes are dropped, and everything set before it is gone for every thread at once.
    pub fn clear(self: &Arc<Self>, done: Done, by: u32) {
        {
            let mut state = self.lock();
            let mut waiting: Vec<Done> = vec![done];
            for (_, pending) in state.pending.drain() {
                Writer::global().resize(pending.bytes, 0, false);
                waiting.extend(pending.done);
            }
            state.epoch = state.epoch.wrapping_add(1);
            state.clearing += 1;
            Writer::global().push(Job::Clear { folder: self.clone(), done: waiting }, true);
        }
        self.announce(None, by);
    }

    /// What the process knows of a key. A value of the byte cache counts only while its file is the one it came
    /// from, so changes by other processes show.
    pub fn lookup(&self, key: &str) -> Lookup {
        {
            let state = self.lock();
            match state.pending.get(key) {
                Some(Pending { entry: Some(entry), .. }) => return Lookup::Found(entry.clone()),
                Some(_) => return Lookup::Absent,
                None if state.clearing > 0 => return Lookup::Absent,
                None => {}
            }
        }
        let Some(stored) = self.bytes.get(key) else { return Lookup::Unknown };
        if disk::stamp(&stored.path) != Some(stored.stamp) {
            self.bytes.invalidate(key);
            return Lookup::Unknown;
        }
        self.quota.used(key);
        Lookup::Found(stored.entry)
    }

    /// The version of a key now.
    pub fn version(&self, key: &str) -> Version {
        let stripe = self.stripe(key);
        let state = self.lock();
        Version(state.epoch, state.versions[stripe])
    }

    /// Takes what was read from a file into the byte cache, unless the key changed since `version`; whether it did
    /// not.
    pub fn admit(&self, version: Version, found: Option<(Arc<Entry>, PathBuf, Stamp)>, key: &str) -> bool {
        let stripe = self.stripe(key);
        let state = self.lock();
        if version != Version(state.epoch, state.versions[stripe]) {
            return false;
        }
        if let Some((entry, path, stamp)) = found {
            self.hold(entry, path, stamp);
        }
        true
    }

    /// What would not fit goes at once, not at moka's leisure.
    fn hold(&self, entry: Arc<Entry>, path: PathBuf, stamp: Stamp) {
        if entry.bytes() as u64 > self.shared_bytes {
            self.bytes.invalidate(&entry.key);
        } else {
            self.bytes.insert(entry.key.clone(), Stored { entry, path: path.into(), stamp });
        }
    }

    /// The writer takes up a job: what is to be on disk (`None` inside = nothing), and who waits for it. `None` when
    /// the job was overtaken by a clear.
    pub fn begin(&self, key: &str, job: u64) -> Option<(Option<Arc<Entry>>, Vec<Done>)> {
        let mut state = self.lock();
        let pending = state.pending.get_mut(key).filter(|pending| pending.job == job)?;
        pending.begun = true;
        Some((pending.entry.clone(), std::mem::take(&mut pending.done)))
    }

    /// The writer is done with a job; `stored` is what the disk holds now.
    pub fn finish(&self, key: &Arc<str>, job: u64, stored: Option<(Arc<Entry>, PathBuf, Stamp)>) {
        // Before the key leaves the pending map, which hides this.
        match stored {
            Some((entry, path, stamp)) => self.hold(entry, path, stamp),
            None => self.bytes.invalidate(key),
        }
        let mut state = self.lock();
        if state.pending.get(key).is_some_and(|pending| pending.job == job)
            && let Some(pending) = state.pending.remove(key)
        {
            Writer::global().resize(pending.bytes, 0, false);
        }
    }

    /// The writer has emptied the folder.
    pub fn cleared(&self) {
        self.bytes.invalidate_all();
        self.lock().clearing -= 1;
    }

    /// How many changes are not on disk yet.
    pub fn pending(&self) -> usize {
        self.lock().pending.len()
    }

    /// A thread begins to hold values of this folder; the number by which it names itself.
    pub fn watch(&self, wake: Box<dyn Wake>) -> u32 {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.push(Watcher::new(id, wake));
        self.watching.store(watchers.len(), Ordering::Release);
        id
    }

    /// A thread holds no values any more.
    pub fn unwatch(&self, id: u32) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| watcher.id != id);
        self.watching.store(watchers.len(), Ordering::Release);
    }

    fn announce(&self, key: Option<&Arc<str>>, by: u32) {
        if self.watching.load(Ordering::Acquire) < 2 {
            return;
        }
        let watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().filter(|watcher| watcher.id != by).for_each(|watcher| watcher.changed(key));
    }

    /// Tells one thread that a write failed, at most once a second.
    pub fn warn(&self, error: &CacheError) {
        let at = SystemClock.unix_millis();
        if at - self.warned.swap(at, Ordering::Relaxed) < WARNING_PAUSE {
            return;
        }
        let watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watcher) = watchers.first() {
            watcher.warn(&error.reason());
        }
    }
}
