//! An executor that runs on the thread of its owner: futures are polled when the owner takes a turn, and a turn is
//! asked for when something becomes ready outside of one. For work whose results that thread waits for anyway, it
//! saves the way to another thread and back.

use std::cell::RefCell;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// What is run.
pub type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs what its [`Spawner`]s are given. Stays on its thread.
pub struct Executor {
    /// Every unfinished task, so that all can be dropped at the end.
    tasks: RefCell<Tasks>,
    shared: Arc<Shared>,
}

/// Gives work to an [`Executor`], from any thread.
#[derive(Clone)]
pub struct Spawner(Arc<Shared>);

#[derive(Default)]
struct Tasks {
    slots: Vec<Option<Arc<Task>>>,
    free: Vec<usize>,
}

struct Shared {
    /// Asks the owner for a turn.
    wake: Box<dyn Fn() + Send + Sync>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    ready: Vec<Arc<Task>>,
    fresh: Vec<Job>,
    /// A turn is under way, or will come.
    expected: bool,
    closed: bool,
}

struct Task {
    slot: usize,
    job: Mutex<Option<Job>>,
    queued: AtomicBool,
    shared: Arc<Shared>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn add(&self, add: impl FnOnce(&mut Queue)) {
        let mut queue = locked(&self.queue);
        if queue.closed {
            return;
        }
        add(&mut queue);
        if !std::mem::replace(&mut queue.expected, true) {
            drop(queue);
            (self.wake)();
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.shared.add(|queue| queue.ready.push(Arc::clone(self)));
        }
    }
}

impl PartialEq for Spawner {
    /// Whether both give work to the same executor.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Spawner {}

impl Hash for Spawner {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Spawner {
    /// Has `job` polled from the next turn on. After the executor's end it is dropped at once.
    pub fn spawn(&self, job: impl Future<Output = ()> + Send + 'static) {
        self.0.add(|queue| queue.fresh.push(Box::pin(job)));
    }

    /// Announces a turn that the caller takes soon: until then nothing asks the owner for one. `false`: one is expected
    /// already.
    pub fn expect_turn(&self) -> bool {
        !std::mem::replace(&mut locked(&self.0.queue).expected, true)
    }

    /// As [`Spawner::spawn`], for callers that see to the turn themselves; `true`: one has to be arranged.
    pub fn spawn_for_turn(&self, job: impl Future<Output = ()> + Send + 'static) -> bool {
        let mut queue = locked(&self.0.queue);
        if queue.closed {
            return false;
        }
        queue.fresh.push(Box::pin(job));
        !std::mem::replace(&mut queue.expected, true)
    }
}

impl Executor {
    /// An executor that asks for turns through `wake`, from whatever thread something became ready on.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let shared = Shared { wake: Box::new(wake), queue: Mutex::default() };
        Self { tasks: RefCell::default(), shared: Arc::new(shared) }
    }

    /// The way to give it work.
    pub fn spawner(&self) -> Spawner {
        Spawner(Arc::clone(&self.shared))
    }

    /// Whether a turn would poll anything.
    pub fn is_due(&self) -> bool {
        let mut queue = locked(&self.shared.queue);
        let due = !queue.ready.is_empty() || !queue.fresh.is_empty();
        queue.expected &= due;
        due
    }

    /// Takes a turn: polls until nothing is ready any more.
    pub fn run(&self) {
        loop {
            let (ready, fresh) = {
                let mut queue = locked(&self.shared.queue);
                if queue.ready.is_empty() && queue.fresh.is_empty() {
                    queue.expected = false;
                    return;
                }
                (std::mem::take(&mut queue.ready), std::mem::take(&mut queue.fresh))
            };
            for task in ready {
                self.poll(&task);
            }
            for job in fresh {
                self.poll(&self.adopt(job));
            }
        }
    }

    fn adopt(&self, job: Job) -> Arc<Task> {
        let tasks = &mut *self.tasks.borrow_mut();
        let slot = tasks.free.pop().unwrap_or(tasks.slots.len());
        let task =
            Task { slot, job: Mutex::new(Some(job)), queued: AtomicBool::new(true), shared: Arc::clone(&self.shared) };
        let task = Arc::new(task);
        match tasks.slots.get_mut(slot) {
            Some(place) => *place = Some(Arc::clone(&task)),
            None => tasks.slots.push(Some(Arc::clone(&task))),
        }
        task
    }

    fn poll(&self, task: &Arc<Task>) {
        task.queued.store(false, Ordering::Release);
        let mut place = locked(&task.job);
        let Some(job) = place.as_mut() else { return };
        let waker = Waker::from(Arc::clone(task));
        let polled = catch_unwind(AssertUnwindSafe(|| job.as_mut().poll(&mut Context::from_waker(&waker))));
        // A job that panicked is over; what it owed is settled by being dropped.
        if polled.is_ok_and(|polled| polled.is_pending()) {
            return;
        }
        let over = place.take();
        drop(place);
        let tasks = &mut *self.tasks.borrow_mut();
        if let Some(slot) = tasks.slots.get_mut(task.slot) {
            *slot = None;
            tasks.free.push(task.slot);
        }
        let _ = catch_unwind(AssertUnwindSafe(|| drop(over)));
    }

    /// Drops everything; what comes later is dropped too.
    pub fn close(&self) {
        let dropped = {
            let mut queue = locked(&self.shared.queue);
            queue.closed = true;
            (std::mem::take(&mut queue.ready), std::mem::take(&mut queue.fresh))
        };
        drop(dropped);
        let tasks = self.tasks.take();
        for task in tasks.slots.into_iter().flatten() {
            let job = locked(&task.job).take();
            drop(job);
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::task::Poll;

    fn counted() -> (Arc<AtomicU32>, Executor) {
        let count = Arc::new(AtomicU32::new(0));
        let wakes = Arc::clone(&count);
        (count, Executor::new(move || _ = wakes.fetch_add(1, Ordering::SeqCst)))
    }

    #[test]
    fn many_jobs_ask_for_one_turn() {
        let (turns, executor) = counted();
        let done = Arc::new(AtomicU32::new(0));
        for _ in 0..3 {
            let done = Arc::clone(&done);
            executor.spawner().spawn(async move { _ = done.fetch_add(1, Ordering::SeqCst) });
        }
        executor.run();
        assert_eq!((turns.load(Ordering::SeqCst), done.load(Ordering::SeqCst)), (1, 3));
    }

    #[test]
    fn who_takes_a_turn_anyway_is_not_asked_for_one() {
        let (turns, executor) = counted();
        assert!(executor.spawner().expect_turn() && !executor.spawner().expect_turn());
        executor.spawner().spawn(async {});
        assert!(executor.is_due());
        executor.run();
        assert_eq!(turns.load(Ordering::SeqCst), 0);
        executor.spawner().spawn(async {});
        assert_eq!(turns.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_waker_of_another_thread_asks_for_a_turn() {
        let (turns, executor) = counted();
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut first = true;
        executor.spawner().spawn(std::future::poll_fn(move |context| {
            if !std::mem::replace(&mut first, false) {
                return Poll::Ready(());
            }
            let _ = sender.send(context.waker().clone());
            Poll::Pending
        }));
        executor.run();
        let waker = receiver.recv().unwrap();
        std::thread::spawn(move || waker.wake()).join().unwrap();
        assert_eq!(turns.load(Ordering::SeqCst), 2);
        executor.run();
        assert!(executor.tasks.borrow().slots.iter().all(Option::is_none));
    }

    #[test]
    fn a_job_that_panics_takes_only_itself_down() {
        let (_, executor) = counted();
        let done = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&done);
        executor.spawner().spawn(async { panic!("of the test") });
        executor.spawner().spawn(async move { _ = seen.fetch_add(1, Ordering::SeqCst) });
        executor.run();
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_is_under_way_at_the_end_is_dropped() {
        let (_, executor) = counted();
        let held = Arc::new(());
        let inside = Arc::clone(&held);
        executor.spawner().spawn(async move {
            let _inside = inside;
            std::future::pending::<()>().await;
        });
        executor.run();
        executor.close();
        assert_eq!(Arc::strong_count(&held), 1);
        let late = Arc::clone(&held);
        executor.spawner().spawn(async move { drop(late) });
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
