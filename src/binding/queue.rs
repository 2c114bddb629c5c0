//! Completions on their way from threads to promises, many to a wake-up.
//!
//! JavaScript hands a request number to a raw function, which turns it into a [`Ticket`]. Any thread settles the
//! ticket; one threadsafe function drains all that is ready. While a ticket is out, the process stays alive; when
//! none is, it may end. A ticket that is dropped rejects its promise, so nothing waits for ever. When the
//! environment goes, the queue is closed under its lock before the threadsafe function is given up.
//!
//! Work whose results JavaScript waits for anyway may run on its own thread, in turns of an [`Executor`]: what a turn
//! settles is delivered at its end, without a wake-up. A turn is taken before each delivery, when a socket of the
//! loop is ready, and in a microtask after [`spawn_here`].

use super::raw::{Answer, Call, Dispatcher, EnvId, Exports, Failure, Scope, Waker, on_env_close};
use super::uv::Entry;
use crate::runtime;
use crate::runtime::local::{Executor, Spawner};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Finish = Box<dyn for<'s> FnOnce(Scope<'s>) -> Answer<'s> + Send>;

enum Message {
    /// Settles the promise of a request.
    Settle(u32, Finish),
    /// Calls a listener that stays registered; when told apart, JavaScript goes on before anything else is delivered.
    Notify(u32, Finish, bool),
    /// Tells a request, which goes on, of a part of its result.
    Progress(u32, Finish),
}

impl Message {
    fn is_apart(&self) -> bool {
        matches!(self, Self::Notify(.., true))
    }
}

struct Shared {
    env: EnvId,
    state: Mutex<State>,
}

struct State {
    /// `None` once the environment is gone.
    waker: Option<Waker>,
    ready: Vec<Message>,
    scheduled: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, message: Message) {
        let mut state = self.lock();
        let State { waker: Some(waker), ready, scheduled } = &mut *state else { return };
        ready.push(message);
        if !*scheduled && TURN.get() != Some(self.env) {
            *scheduled = true;
            waker.wake();
        }
    }

    /// What is to be delivered after what was told apart.
    fn put_back(&self, mut rest: Vec<Message>) {
        {
            let State { waker: Some(_), ready, .. } = &mut *self.lock() else { return };
            rest.append(ready);
            *ready = rest;
        }
        if !IN_LOOP.get() {
            self.wake();
        }
    }

    fn wake(&self) {
        let mut state = self.lock();
        let State { waker: Some(waker), scheduled, .. } = &mut *state else { return };
        if !std::mem::replace(scheduled, true) {
            waker.wake();
        }
    }
}

/// What one environment has of the queue.
struct EnvQueue {
    env: EnvId,
    shared: Arc<Shared>,
    dispatcher: Rc<Dispatcher>,
    /// Tickets that are not yet settled; the process stays alive while there are any.
    outstanding: u32,
    executor: Rc<Executor>,
    /// Has a turn taken in a microtask.
    schedule: Rc<Dispatcher>,
    /// Takes a turn from the loop.
    entry: Rc<Entry>,
}

thread_local! {
    /// One entry, unless the binary was loaded more than once on this thread.
    static QUEUES: RefCell<Vec<EnvQueue>> = const { RefCell::new(Vec::new()) };
    /// The environment whose turn is under way.
    static TURN: Cell<Option<EnvId>> = const { Cell::new(None) };
    /// Whether what is left is delivered by a callback of the loop, which needs no wake-up.
    static IN_LOOP: Cell<bool> = const { Cell::new(false) };
}

fn with_queue<R>(env: EnvId, body: impl FnOnce(&mut EnvQueue) -> R) -> Option<R> {
    QUEUES.with_borrow_mut(|queues| queues.iter_mut().find(|queue| queue.env == env).map(body))
}

/// Starts the queue of this environment: `startQueue((id, kind, value) => void, schedule, takeTurn)`, kind 0 = resolve,
/// 1 = reject, 2 = notify, 3 = progress; `schedule` has `takeTurn()` called in a microtask.
pub fn register(exports: Exports<'_>) {
    super::uv::register(exports);
    exports.function("takeTurn", |call| {
        drain(**call);
        Ok(call.undefined())
    });
    exports.function("startQueue", |call| {
        if with_queue(call.env_id(), |_| ()).is_some() {
            return Err(Failure::internal("the queue is started already"));
        }
        let dispatcher = Rc::new(Dispatcher::hold(call, 0)?);
        let schedule = Rc::new(Dispatcher::hold(call, 1)?);
        let entry = Rc::new(Entry::hold(call, 2, "tooloo-native")?);
        let waker = Waker::new(call, "tooloo-native", drain)?;
        let state = State { waker: Some(waker), ready: Vec::new(), scheduled: false };
        let shared = Arc::new(Shared { env: call.env_id(), state: Mutex::new(state) });
        let woken = Arc::clone(&shared);
        let executor = Rc::new(Executor::new(move || woken.wake()));
        let queue = EnvQueue { env: call.env_id(), shared, dispatcher, outstanding: 0, executor, schedule, entry };
        QUEUES.with_borrow_mut(|queues| queues.push(queue));
        Ok(call.undefined())
    });
    on_env_close(exports, close);
}

fn close(env: EnvId) {
    let closed = QUEUES.with_borrow_mut(|queues| {
        let index = queues.iter().position(|queue| queue.env == env)?;
        Some(queues.swap_remove(index))
    });
    let Some(queue) = closed else { return };
    queue.executor.close();
    let (waker, dropped) = {
        let mut state = queue.shared.lock();
        (state.waker.take(), std::mem::take(&mut state.ready))
    };
    // Outside the lock: dropping a message drops tickets, which look at the queue again.
    drop(dropped);
    if let Some(waker) = waker {
        waker.release();
    }
}

/// Takes a turn. Returns whether there is something to deliver.
fn turn(env: EnvId) -> bool {
    let parts = with_queue(env, |queue| (queue.shared.clone(), queue.executor.clone()));
    let Some((shared, executor)) = parts else { return false };
    if executor.is_due() {
        // Timers and name look-ups are those of the thread of the sockets.
        let runtime = runtime::handle().ok();
        let _inside = runtime.as_ref().map(|runtime| runtime.enter());
        let before = TURN.replace(Some(env));
        executor.run();
        TURN.set(before);
    }
    !shared.lock().ready.is_empty()
}

/// Takes a turn in a callback of the loop, for what `begin` makes ready, and delivers what came of it.
pub fn turn_in_loop(env: EnvId, begin: impl FnOnce()) {
    // Or what becomes ready asks for a turn of its own: a write to the loop's wake-up and one more round of it.
    with_queue(env, |queue| queue.executor.spawner().expect_turn());
    let _ = catch_unwind(AssertUnwindSafe(begin));
    let Some((entry, shared)) = with_queue(env, |queue| (queue.entry.clone(), queue.shared.clone())) else { return };
    if !turn(env) {
        return;
    }
    let before = IN_LOOP.replace(true);
    // One callback more for each that is told apart, and no more: what comes meanwhile must not keep the loop here.
    let apart = shared.lock().ready.iter().filter(|message| message.is_apart()).count();
    for _ in 0..=apart {
        entry.enter();
        if shared.lock().ready.is_empty() {
            break;
        }
    }
    IN_LOOP.set(before);
    if !shared.lock().ready.is_empty() {
        shared.wake();
    }
}

/// Runs `job` on this thread, from the end of the JavaScript that runs now.
pub fn spawn_here(call: &Call<'_>, job: impl Future<Output = ()> + Send + 'static) -> Result<(), Failure> {
    let parts = with_queue(call.env_id(), |queue| (queue.executor.spawner(), queue.schedule.clone()));
    let (spawner, schedule) = parts.ok_or_else(not_started)?;
    if spawner.spawn_for_turn(job) {
        schedule.call(**call, &[]);
    }
    Ok(())
}

/// Runs `body`, and takes a turn for what it made ready on this thread, which saves a wake-up.
pub fn with_turn<R>(call: &Call<'_>, body: impl FnOnce() -> R) -> R {
    let env = call.env_id();
    let parts = with_queue(env, |queue| (queue.executor.spawner(), queue.schedule.clone()));
    let Some((spawner, schedule)) = parts else { return body() };
    spawner.expect_turn();
    let result = catch_unwind(AssertUnwindSafe(body));
    if turn(env) {
        schedule.call(**call, &[]);
    }
    // Only now: turns would not be asked for any more.
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Runs `body`; what it and others make ready on this thread is done together, at the end of the JavaScript that runs now.
pub fn with_turn_later<R>(call: &Call<'_>, body: impl FnOnce() -> R) -> R {
    let parts = with_queue(call.env_id(), |queue| (queue.executor.spawner(), queue.schedule.clone()));
    let Some((spawner, schedule)) = parts else { return body() };
    if spawner.expect_turn() {
        schedule.call(**call, &[]);
    }
    body()
}

/// The way to run jobs on this thread.
pub fn spawner(call: &Call<'_>) -> Result<Spawner, Failure> {
    with_queue(call.env_id(), |queue| queue.executor.spawner()).ok_or_else(not_started)
}

fn drain(scope: Scope<'_>) {
    let parts = with_queue(scope.env_id(), |queue| (queue.shared.clone(), queue.dispatcher.clone()));
    let Some((shared, dispatcher)) = parts else { return };
    // Before the turn: what becomes ready right after it needs a wake-up of its own.
    shared.lock().scheduled = false;
    turn(scope.env_id());
    let ready = std::mem::take(&mut shared.lock().ready);
    let (mut settled, mut ready) = (0, ready.into_iter());
    for message in ready.by_ref() {
        let apart = message.is_apart();
        Dispatcher::scoped(scope, |scope| {
            let (id, kind, finish) = match message {
                Message::Settle(id, finish) => {
                    settled += 1;
                    (id, 0, finish)
                }
                Message::Notify(id, finish, _) => (id, 2, finish),
                Message::Progress(id, finish) => (id, 3, finish),
            };
            match (guarded(scope, finish), kind) {
                (Ok(value), _) => dispatcher.call(scope, &[scope.uint(id), scope.int(kind), value]),
                (Err(failure), 0) => dispatcher.call(scope, &[scope.uint(id), scope.int(1), scope.error(&failure)]),
                // A notification that cannot be made has nobody to tell.
                (Err(_), _) => {}
            }
        });
        if apart {
            break;
        }
    }
    if ready.len() > 0 {
        shared.put_back(ready.collect());
    }
    with_queue(scope.env_id(), |queue| {
        queue.outstanding -= settled;
        if queue.outstanding == 0 && settled > 0 {
            keep_alive(&queue.shared, scope, false);
        }
    });
}

fn guarded(scope: Scope<'_>, finish: Finish) -> Answer<'_> {
    catch_unwind(AssertUnwindSafe(|| finish(scope)))
        .unwrap_or_else(|_| Err(Failure::internal("internal error while a result was delivered")))
}

fn keep_alive(queue: &Shared, scope: Scope<'_>, alive: bool) {
    if let Some(waker) = &queue.lock().waker {
        waker.keep_alive(scope, alive);
    }
}

fn not_started() -> Failure {
    Failure::internal("the queue is not started")
}

/// The duty to settle one promise. Dropping it unsettled rejects the promise.
pub struct Ticket {
    id: u32,
    queue: Option<Arc<Shared>>,
}

impl Ticket {
    /// The ticket for the request number in argument `index`.
    pub fn from_call(call: &Call<'_>, index: usize) -> Result<Self, Failure> {
        let id = call.uint_at(index)?;
        with_queue(call.env_id(), |queue| {
            queue.outstanding += 1;
            if queue.outstanding == 1 {
                keep_alive(&queue.shared, **call, true);
            }
            Self { id, queue: Some(queue.shared.clone()) }
        })
        .ok_or_else(not_started)
    }

    /// Settles the promise with what `finish` makes on the JavaScript thread.
    pub fn settle(mut self, finish: impl for<'s> FnOnce(Scope<'s>) -> Answer<'s> + Send + 'static) {
        if let Some(queue) = self.queue.take() {
            queue.push(Message::Settle(self.id, Box::new(finish)));
        }
    }
}

impl Ticket {
    /// Delivers a part of the result; the promise stays open.
    pub fn progress(&self, finish: impl for<'s> FnOnce(Scope<'s>) -> Answer<'s> + Send + 'static) {
        if let Some(queue) = &self.queue {
            queue.push(Message::Progress(self.id, Box::new(finish)));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            let failure = Failure::internal("the work behind this promise was dropped");
            queue.push(Message::Settle(self.id, Box::new(move |_| Err(failure))));
        }
    }
}

/// Calls a listener of JavaScript from any thread, without keeping the process alive.
#[derive(Clone)]
pub struct Notifier {
    id: u32,
    queue: Arc<Shared>,
}

impl Notifier {
    /// The notifier for the listener number in argument `index`.
    pub fn from_call(call: &Call<'_>, index: usize) -> Result<Self, Failure> {
        let id = call.uint_at(index)?;
        with_queue(call.env_id(), |queue| Self { id, queue: queue.shared.clone() }).ok_or_else(not_started)
    }

    /// Delivers what `finish` makes on the JavaScript thread. Nothing happens once the environment is gone.
    pub fn notify(&self, finish: impl for<'s> FnOnce(Scope<'s>) -> Answer<'s> + Send + 'static) {
        self.queue.push(Message::Notify(self.id, Box::new(finish), false));
    }

    /// As [`Notifier::notify`]; JavaScript goes on with it before anything else is delivered.
    pub fn notify_apart(&self, finish: impl for<'s> FnOnce(Scope<'s>) -> Answer<'s> + Send + 'static) {
        self.queue.push(Message::Notify(self.id, Box::new(finish), true));
    }
}
