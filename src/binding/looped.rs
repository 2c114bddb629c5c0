//! Connections on Node's own loop: what the pool's core asks of a loop, answered by libuv.

use crate::binding::queue;
use crate::binding::raw::{Call, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::binding::uv::{Loop, Poll};
use crate::runtime::local::Spawner;
use crate::runtime::socket::{Poller, Ready, Stream, Watch};
use std::io;
use std::sync::Arc;
use std::thread::{self, ThreadId};

/// A socket that is watched.
struct Watched {
    /// Before the stream: what is watched is open.
    poll: Poll,
    _stream: Arc<Stream>,
}

thread_local! {
    static WATCHED: Handles<Watched> = const { handles() };
}

/// The loop of one environment.
struct NodeLoop {
    on: Loop,
    env: crate::binding::raw::EnvId,
    spawner: Spawner,
}

/// The loop of the caller, if it is wanted; `None` where connections have to be driven on the thread of the sockets.
pub fn node_loop(call: &Call<'_>, wanted: bool) -> Result<Option<Arc<dyn Poller>>, Failure> {
    let Some(on) = wanted.then(|| Loop::of(call)).flatten() else { return Ok(None) };
    Ok(Some(Arc::new(NodeLoop { on, env: call.env_id(), spawner: queue::spawner(call)? })))
}

impl Poller for NodeLoop {
    #[cfg(unix)]
    fn watch(&self, stream: &Arc<Stream>, ready: &Arc<Ready>) -> io::Result<Box<dyn Watch>> {
        use std::os::fd::AsRawFd;
        let (env, ready) = (self.env, Arc::clone(ready));
        let on_event = Box::new(move |readable, writable| {
            queue::turn_in_loop(env, || ready.signal(readable, writable));
        });
        let poll = Poll::start(self.on, stream.as_raw_fd(), on_event).ok_or(io::ErrorKind::Unsupported)?;
        let number = WATCHED.insert(Watched { poll, _stream: Arc::clone(stream) });
        Ok(Box::new(Token { number, thread: thread::current().id(), spawner: self.spawner.clone() }))
    }

    #[cfg(not(unix))]
    fn watch(&self, _: &Arc<Stream>, _: &Arc<Ready>) -> io::Result<Box<dyn Watch>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn spawner(&self) -> &Spawner {
        &self.spawner
    }
}

/// A watched socket, as the core holds it.
struct Token {
    number: u32,
    thread: ThreadId,
    spawner: Spawner,
}

impl Watch for Token {
    fn writable(&self, wanted: bool) {
        let _ = WATCHED.with_object(self.number, |watched| watched.poll.want(wanted));
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let number = self.number;
        if thread::current().id() == self.thread {
            drop(WATCHED.remove(number));
        } else {
            self.spawner.spawn(async move { drop(WATCHED.remove(number)) });
        }
    }
}
