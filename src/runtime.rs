//! The thread on which the package's own sockets live: one for the process, started when it is first needed, running a
//! current-thread runtime. It keeps nothing alive: when the process ends, it ends.

pub mod local;
pub mod socket;

use crate::error::{Code, Coded};
use socket::Poller;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Builder, Handle};

static HANDLE: Mutex<Option<Handle>> = Mutex::new(None);

/// The thread could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the thread of the sockets did not start")]
pub struct NotStarted(#[from] std::io::Error);

impl Coded for NotStarted {
    fn code(&self) -> Code {
        Code::Connect
    }

    fn retryable(&self) -> bool {
        true
    }
}

/// The runtime's handle; starts the thread when there is none yet.
pub fn handle() -> Result<Handle, NotStarted> {
    let mut started = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*started {
        return Ok(handle.clone());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("tooloo-sockets".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    *started = Some(handle.clone());
    Ok(handle)
}

/// Where work with a socket is done.
#[derive(Clone)]
pub enum Site {
    /// On the thread of the sockets.
    Thread(Handle),
    /// On the loop of whoever waits for its results.
    Loop(Arc<dyn Poller>),
}

impl Site {
    /// The loop, where there is one; otherwise the thread of the sockets.
    ///
    /// # Errors
    /// When that thread cannot be started; a loop needs it too, for timers and for making connections.
    pub fn of(poller: Option<Arc<dyn Poller>>) -> Result<Self, NotStarted> {
        let thread = handle()?;
        Ok(poller.map_or(Self::Thread(thread), Self::Loop))
    }

    /// The loop, if it is one.
    pub fn poller(&self) -> Option<&Arc<dyn Poller>> {
        match self {
            Self::Loop(poller) => Some(poller),
            Self::Thread(_) => None,
        }
    }

    /// Has `job` done there.
    pub fn spawn(&self, job: impl Future<Output = ()> + Send + 'static) {
        match self {
            Self::Loop(poller) => poller.spawner().spawn(job),
            Self::Thread(handle) => _ = handle.spawn(job),
        }
    }

    /// Has `job`, which takes long, done where it holds nobody up: here on the thread of the sockets, but not on a loop.
    pub fn spawn_apart(&self, job: impl FnOnce() + Send + 'static) {
        match (self, handle()) {
            (Self::Loop(_), Ok(thread)) => _ = thread.spawn(async move { job() }),
            _ => job(),
        }
    }
}
