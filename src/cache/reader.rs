//! Threads that read files and scan folders. Two are enough to keep a disk busy and leave the cores to the app.

use super::codec::{self, Form, Times};
use super::disk;
use super::error::CacheError;
use super::name::FileName;
use super::seal::Seal;
use super::shared::{Entry, Folder, Lookup, now};
use super::writer::{Condition, Job, Writer};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

const THREADS: usize = 2;
/// A key that changes under every attempt to read it is given up after this many.
const ATTEMPTS: usize = 8;
/// A file counts as used again when it was used this many milliseconds ago.
const USE_PAUSE: f64 = 1000.0;

type Task = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    threads: usize,
    asleep: usize,
}

/// The reading threads of the process.
#[derive(Default)]
pub struct Reader {
    queue: Mutex<Queue>,
    work: Condvar,
}

impl Reader {
    /// The readers of the process.
    pub fn global() -> &'static Self {
        static READER: OnceLock<Reader> = OnceLock::new();
        READER.get_or_init(Self::default)
    }

    /// Runs a task on one of the threads. When the system gives no thread, the task is dropped, and with it the
    /// ticket it holds.
    pub fn run(&'static self, task: impl FnOnce() + Send + 'static) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.tasks.push_back(Box::new(task));
        if queue.asleep > 0 {
            self.work.notify_one();
        } else if queue.threads < THREADS {
            let thread = std::thread::Builder::new().name("tooloo-cache-reader".into());
            if thread.spawn(|| Self::global().serve()).is_ok() {
                queue.threads += 1;
            } else if queue.threads == 0 {
                queue.tasks.clear();
            }
        }
    }

    fn serve(&self) {
        loop {
            let task = {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    if let Some(task) = queue.tasks.pop_front() {
                        break task;
                    }
                    queue.asleep += 1;
                    queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                    queue.asleep -= 1;
                }
            };
            let _ = catch_unwind(AssertUnwindSafe(task));
        }
    }
}

/// A value and whether a file had to be read for it.
pub type Found = Option<(Arc<Entry>, bool)>;

/// The newest value of a key. `form` says which of its two files is tried first and what opens them; `dead_too` asks for values that
/// are past all use as well, for a caller with its own notion of expiry.
pub fn read(folder: &Arc<Folder>, key: &str, form: &Form, dead_too: bool) -> Found {
    for _ in 0..ATTEMPTS {
        let version = folder.version(key);
        match folder.lookup(key) {
            Lookup::Found(entry) => return Some((entry, false)),
            Lookup::Absent => return None,
            Lookup::Unknown => {}
        }
        let level = form.level.unwrap_or(1);
        let found = [form.level.is_some(), form.level.is_none()].into_iter().find_map(|compress| {
            let form = Form { level: compress.then_some(level), seal: form.seal.clone() };
            read_file(folder, key, &folder.file(key, compress), form, dead_too)
        });
        let entry = found.as_ref().map(|(entry, ..)| entry.clone());
        if folder.admit(version, found, key) {
            return entry.map(|entry| (entry, true));
        }
    }
    None
}

fn read_file(
    folder: &Arc<Folder>,
    key: &str,
    path: &Path,
    form: Form,
    dead_too: bool,
) -> Option<(Arc<Entry>, std::path::PathBuf, disk::Stamp)> {
    let (bytes, stamp) = disk::read(path).ok()?;
    let now = now();
    let wanted = |times: Times| dead_too || !times.dead(now);
    let spoiled = match codec::decode(key, &bytes, &form, wanted) {
        Ok(Some(item)) if wanted(item.times) => {
            let entry = Entry { key: key.into(), text: item.text.into(), times: item.times, form };
            let idle = folder.quota.is_limited() && now - stamp.modified_millis() > USE_PAUSE;
            let stamp = if idle { disk::mark_used(path).unwrap_or(stamp) } else { stamp };
            return Some((Arc::new(entry), path.to_path_buf(), stamp));
        }
        Ok(Some(_)) => Condition::Dead,
        // Another key with the same hash, a file of another making under this name, or one that somebody with other
        // keys may still want: not ours to remove.
        Ok(None) | Err(CacheError::Sealed) => return None,
        Err(_) => Condition::Unchanged(stamp),
    };
    remove_later(vec![(path.to_path_buf(), spoiled)]);
    None
}

fn remove_later(files: Vec<(std::path::PathBuf, Condition)>) {
    Writer::global().push(Job::Remove { files, done: Box::new(|_| ()) }, false);
}

/// Removes the files of a key when the writer finds them past all use.
pub fn remove_dead(folder: &Folder, key: &str) {
    remove_later(disk::paths(&folder.path, FileName::of(key)).map(|path| (path, Condition::Dead)).into());
}

/// The text in a file of any cache, after the writes that are under way.
pub fn read_text(path: &Path, seal: &Seal) -> Result<String, CacheError> {
    Writer::global().drain();
    codec::text_of_file(disk::name_of(path), disk::read(path)?.0, seal)
}
