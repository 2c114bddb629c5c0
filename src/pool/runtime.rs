//! The thread on which PostgreSQL's sockets live: one for the process, started with the first connection, running a
//! current-thread runtime. It keeps nothing alive: when the process ends, it ends.

use super::error::PoolError;
use std::sync::{Mutex, PoisonError};
use tokio::runtime::{Builder, Handle};

static HANDLE: Mutex<Option<Handle>> = Mutex::new(None);

/// The runtime's handle; starts the thread when there is none yet.
pub fn handle() -> Result<Handle, PoolError> {
    let mut started = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*started {
        return Ok(handle.clone());
    }
    let failed = |error: std::io::Error| PoolError::Connect(format!("the connection thread did not start: {error}"));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("tooloo-postgres".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .map_err(failed)?;
    *started = Some(handle.clone());
    Ok(handle)
}
