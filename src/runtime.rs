//! The thread on which the package's own sockets live: one for the process, started when it is first needed, running a
//! current-thread runtime. It keeps nothing alive: when the process ends, it ends.

pub mod local;

use crate::error::{Code, Coded};
use std::sync::{Mutex, PoisonError};
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
