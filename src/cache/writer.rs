//! The thread that changes files: the only one of the process, so that the changes of a key keep their order.
//!
//! It lingers a millisecond before it takes up work, so that quick sets of one key become one write. What waits is
//! bounded in bytes; beyond the bound the caller waits. Who asks for a result is served without lingering.

use super::codec::{self, Form};
use super::disk::{self, Stamp};
use super::error::CacheError;
use super::name::{self, FileName};
use super::scan;
use super::shared::{Folder, now};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;

/// How long the writer waits for more before it begins.
const LINGER: Duration = Duration::from_millis(1);
/// The most bytes that wait in memory.
const MOST_BYTES: usize = 16 << 20;
/// Jobs taken at a time.
const BATCH: usize = 32;

/// Called on the writer thread when the disk has what was asked for, or cannot have it.
pub type Done = Box<dyn FnOnce(Result<(), Arc<CacheError>>) + Send>;

/// What must still hold for a file to be removed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Condition {
    /// Nothing.
    Always,
    /// Its item is of no use any more.
    Dead,
    /// It is still this version of the file.
    Unchanged(Stamp),
}

/// A piece of work.
pub enum Job {
    /// Bring the disk up to date with a pending key.
    Write {
        /// Whose key.
        folder: Arc<Folder>,
        /// Which key.
        key: Arc<str>,
        /// Which change of it.
        job: u64,
    },
    /// Remove every file of the cache in a folder.
    Clear {
        /// Which folder.
        folder: Arc<Folder>,
        /// Who waits.
        done: Vec<Done>,
    },
    /// Remove files; `done` learns how many.
    Remove {
        /// Which files.
        files: Vec<(PathBuf, Condition)>,
        /// Who waits.
        done: Box<dyn FnOnce(usize) + Send>,
    },
    /// Write JSON to a file that the caller named.
    File {
        /// Where.
        path: PathBuf,
        /// The item's JSON.
        json: String,
        /// How it is written.
        form: Form,
        /// Who waits.
        done: Done,
    },
    /// Nothing but a mark: everything before it is done.
    Flush(Done),
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
    asleep: bool,
    urgent: bool,
    running: bool,
}

/// The queue of the process.
#[derive(Default)]
pub struct Writer {
    queue: Mutex<Queue>,
    work: Condvar,
    room: Condvar,
}

impl Writer {
    /// The writer of the process.
    pub fn global() -> &'static Self {
        static WRITER: OnceLock<Writer> = OnceLock::new();
        WRITER.get_or_init(Self::default)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job behind all others; `urgent` when somebody waits for it.
    pub fn push(&'static self, job: Job, urgent: bool) {
        let mut queue = self.lock();
        queue.jobs.push_back(job);
        self.stir(&mut queue, urgent);
    }

    fn stir(&'static self, queue: &mut Queue, urgent: bool) {
        let hurry = urgent && !queue.urgent;
        queue.urgent |= urgent;
        if !queue.running {
            let thread = std::thread::Builder::new().name("tooloo-cache-writer".into());
            queue.running = thread.spawn(|| Self::global().run()).is_ok();
        } else if queue.asleep || hurry {
            queue.asleep = false;
            self.work.notify_one();
        }
    }

    /// A pending change grew or shrank from `before` to `after` bytes.
    pub fn resize(&'static self, before: usize, after: usize, urgent: bool) {
        let mut queue = self.lock();
        queue.bytes = (queue.bytes + after).saturating_sub(before);
        if urgent {
            self.stir(&mut queue, true);
        }
        if after < before && queue.bytes <= MOST_BYTES {
            self.room.notify_all();
        }
    }

    /// Blocks while more waits than may.
    pub fn wait_for_room(&self) {
        let mut queue = self.lock();
        while queue.bytes > MOST_BYTES && queue.running {
            queue.urgent = true;
            self.work.notify_one();
            queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if !queue.running && queue.bytes > MOST_BYTES {
            // The system gives no thread: the caller does the work.
            while let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                execute(job);
                queue = self.lock();
            }
        }
    }

    /// Bytes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Whether nothing waits and nothing is being written. A `false` may be late.
    pub fn is_idle(&self) -> bool {
        let queue = self.lock();
        queue.jobs.is_empty() && (queue.asleep || !queue.running)
    }

    /// Blocks until everything that was accepted so far is on disk.
    pub fn drain(&'static self) {
        if self.is_idle() {
            return;
        }
        let (done, wait) = mpsc::channel();
        let flush = Job::Flush(Box::new(move |_| {
            let _ = done.send(());
        }));
        self.push(flush, true);
        if self.lock().running {
            let _ = wait.recv();
        }
    }

    fn run(&self) {
        loop {
            for job in self.next_batch() {
                execute(job);
            }
        }
    }

    fn next_batch(&self) -> Vec<Job> {
        let mut queue = self.lock();
        if queue.jobs.is_empty() {
            queue.urgent = false;
            while queue.jobs.is_empty() {
                queue.asleep = true;
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.asleep = false;
            if !queue.urgent {
                let lingered = self.work.wait_timeout_while(queue, LINGER, |queue| !queue.urgent);
                queue = lingered.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        let count = queue.jobs.len().min(BATCH);
        queue.jobs.drain(..count).collect()
    }
}

fn execute(job: Job) {
    // A defect in one job must not end the thread that all caches depend on.
    let _ = catch_unwind(AssertUnwindSafe(|| match job {
        Job::Write { folder, key, job } => write(&folder, &key, job),
        Job::Clear { folder, done } => clear(&folder, done),
        Job::Remove { files, done } => {
            let now = now();
            done(files.into_iter().filter(|(path, condition)| remove(path, *condition, now)).count());
        }
        Job::File { path, json, form, done } => {
            let written =
                codec::encode_bare(disk::name_of(&path), &json, &form).and_then(|bytes| disk::replace(&path, &bytes));
            done(written.map(|_| ()).map_err(Arc::new));
        }
        Job::Flush(done) => done(Ok(())),
    }));
}

fn write(folder: &Folder, key: &Arc<str>, job: u64) {
    let Some((entry, done)) = folder.begin(key, job) else { return };
    let [compressed, plain] = disk::paths(&folder.path, FileName::of(key));
    let entry = entry.filter(|entry| !entry.times.dead(now()));
    let outcome = match entry {
        None => disk::remove(&compressed).and(disk::remove(&plain)).map(|_| None),
        Some(entry) => {
            let (path, other) = if entry.form.level.is_some() { (compressed, plain) } else { (plain, compressed) };
            codec::encode(key, &entry.text, entry.times, &entry.form)
                .and_then(|bytes| disk::replace(&path, &bytes))
                .inspect_err(|_| {
                    // The value before it must not come back.
                    let _ = disk::remove(&path);
                })
                // One key, one file: the other mode's would answer for it later.
                .and_then(|stamp| disk::remove(&other).map(|_| stamp))
                .map(|stamp| Some((entry, path, stamp)))
        }
    };
    let (stored, result) = match outcome {
        Ok(stored) => (stored, Ok(())),
        Err(error) => {
            folder.warn(&error);
            (None, Err(Arc::new(error)))
        }
    };
    let size = stored.as_ref().map(|(_, _, stamp)| stamp.size);
    folder.finish(key, job, stored);
    if let Some(size) = size {
        folder.quota.wrote(&folder.path, size);
    }
    done.into_iter().for_each(|done| done(result.clone()));
}

fn clear(folder: &Folder, done: Vec<Done>) {
    let outcome = disk::list(&folder.path, |name, path| {
        let left_behind = name.starts_with(name::TEMPORARY) && disk::left_behind(path, scan::STALE_TEMPORARY);
        if name::split(name).is_some() || left_behind {
            let _ = disk::remove(path);
        }
    });
    folder.cleared();
    let result = outcome.map_err(|error| {
        folder.warn(&error);
        Arc::new(error)
    });
    done.into_iter().for_each(|done| done(result.clone()));
}

fn remove(path: &Path, condition: Condition, now: f64) -> bool {
    let still = match condition {
        Condition::Always => true,
        Condition::Dead => scan::times(path).is_ok_and(|times| times.is_some_and(|times| times.dead(now))),
        Condition::Unchanged(stamp) => disk::stamp(path) == Some(stamp),
    };
    still && disk::remove(path).unwrap_or(false)
}
