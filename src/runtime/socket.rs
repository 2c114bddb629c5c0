//! A socket that can move between the thread of the sockets and a loop of somebody else's: where it is polled is
//! changed under the protocol that reads and writes it.

use super::local::Spawner;
use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes read from the system at once.
const AHEAD: usize = 64 * 1024;
/// Bytes read in one turn of a foreign loop; the rest is read in the next, so that others get their turn.
const A_TURN: usize = 512 * 1024;

/// A connected socket that does not block.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(std::net::TcpStream),
    /// Over a socket of this machine.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

impl Stream {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).read(into),
            #[cfg(unix)]
            Self::Unix(stream) => (&*stream).read(into),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => (&*stream).write(bytes),
        }
    }

    fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            #[cfg(unix)]
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    fn shut(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
        };
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for Stream {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

/// A foreign loop that says when sockets are ready, and runs what waits for them.
pub trait Poller: Send + Sync {
    /// Has `ready` told from now on. To be called on the loop's thread.
    fn watch(&self, stream: &Arc<Stream>, ready: &Arc<Ready>) -> io::Result<Box<dyn Watch>>;
    /// Runs jobs on the loop's thread.
    fn spawner(&self) -> &Spawner;
}

/// As long as it is there, the loop watches. To be used and dropped on the loop's thread.
pub trait Watch: Send {
    /// Whether to tell when the socket can be written to.
    fn writable(&self, wanted: bool);
}

/// What the loop said last of a socket, and who waits for it.
#[derive(Debug, Default)]
pub struct Ready(Mutex<Readiness>);

#[derive(Debug, Default)]
struct Readiness {
    readable: bool,
    writable: bool,
    /// Bytes that may still be read in this turn.
    budget: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, Readiness> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop found the socket ready.
    pub fn signal(&self, readable: bool, writable: bool) {
        let (reader, writer) = {
            let mut now = self.lock();
            now.readable |= readable;
            now.writable |= writable;
            now.budget = A_TURN;
            (readable.then(|| now.reader.take()).flatten(), writable.then(|| now.writer.take()).flatten())
        };
        for waker in [reader, writer].into_iter().flatten() {
            waker.wake();
        }
    }
}

/// Where a socket is polled.
enum State {
    Thread(Registered),
    Loop(Polled),
    /// On its way, or broken beyond use.
    Nowhere,
    /// Being moved.
    Resting(Arc<Stream>),
    /// Never connected.
    Broken(ErrorKind, String),
}

/// Polled by tokio.
enum Registered {
    Tcp(tokio::net::TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

/// Polled by a foreign loop.
struct Polled {
    /// Before the stream, which it watches.
    watch: Box<dyn Watch>,
    stream: Arc<Stream>,
    ready: Arc<Ready>,
}

/// What was read and is not wanted yet.
#[derive(Default)]
struct Ahead {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Ahead {
    fn give(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let count = buffer.remaining().min(self.end - self.start);
        buffer.put_slice(&self.bytes[self.start..self.start + count]);
        self.start += count;
        count > 0
    }
}

struct Inner {
    state: State,
    ahead: Ahead,
}

/// The socket, for whoever speaks the protocol.
pub struct Socket(Arc<Mutex<Inner>>);

/// The same socket, for whoever moves it.
#[derive(Clone)]
pub struct Port(Arc<Mutex<Inner>>);

fn locked(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Socket {
    fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(Inner { state, ahead: Ahead::default() })))
    }

    /// On the thread of the sockets.
    pub fn tcp(stream: tokio::net::TcpStream) -> Self {
        Self::new(State::Thread(Registered::Tcp(stream)))
    }

    /// On the thread of the sockets.
    #[cfg(unix)]
    pub fn unix(stream: tokio::net::UnixStream) -> Self {
        Self::new(State::Thread(Registered::Unix(stream)))
    }

    /// A socket that could not be connected, which says so when it is used.
    pub fn broken(error: &io::Error) -> Self {
        Self::new(State::Broken(error.kind(), error.to_string()))
    }

    /// The way to move it.
    pub fn port(&self) -> Port {
        Port(Arc::clone(&self.0))
    }
}

impl Port {
    /// Takes the socket from where it is polled. On the thread that polled it.
    pub fn leave(&self) -> io::Result<()> {
        let mut inner = locked(&self.0);
        let stream = match std::mem::replace(&mut inner.state, State::Nowhere) {
            State::Thread(Registered::Tcp(stream)) => Arc::new(Stream::Tcp(stream.into_std()?)),
            #[cfg(unix)]
            State::Thread(Registered::Unix(stream)) => Arc::new(Stream::Unix(stream.into_std()?)),
            State::Loop(Polled { watch, stream, .. }) => {
                drop(watch);
                stream
            }
            State::Resting(stream) => stream,
            State::Nowhere | State::Broken(..) => return Err(ErrorKind::NotConnected.into()),
        };
        inner.state = State::Resting(stream);
        Ok(())
    }

    /// What its loop said of it last; nothing on the thread of the sockets.
    pub fn readiness(&self) -> Weak<Ready> {
        match &locked(&self.0).state {
            State::Loop(polled) => Arc::downgrade(&polled.ready),
            _ => Weak::new(),
        }
    }

    /// Closes it. On the thread that polls it.
    pub fn close(&self) {
        locked(&self.0).state = State::Nowhere;
    }

    fn resting(inner: &mut Inner) -> io::Result<Arc<Stream>> {
        match std::mem::replace(&mut inner.state, State::Nowhere) {
            State::Resting(stream) => Ok(stream),
            _ => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Has it polled by tokio, in whose context this is called.
    pub fn enter_thread(&self) -> io::Result<()> {
        let mut inner = locked(&self.0);
        let stream = Self::resting(&mut inner)?;
        let stream = Arc::try_unwrap(stream).or_else(|shared| shared.again())?;
        inner.state = State::Thread(match stream {
            Stream::Tcp(stream) => Registered::Tcp(tokio::net::TcpStream::from_std(stream)?),
            #[cfg(unix)]
            Stream::Unix(stream) => Registered::Unix(tokio::net::UnixStream::from_std(stream)?),
        });
        Ok(())
    }

    /// Has it polled by the loop of this thread. After an error it still rests.
    pub fn enter_loop(&self, poller: &dyn Poller) -> io::Result<()> {
        let mut inner = locked(&self.0);
        let stream = Self::resting(&mut inner)?;
        // Until the loop has spoken, both are tried.
        let ready = Readiness { readable: true, writable: true, budget: A_TURN, ..Readiness::default() };
        let ready = Arc::new(Ready(Mutex::new(ready)));
        match poller.watch(&stream, &ready) {
            Ok(watch) => {
                inner.state = State::Loop(Polled { watch, stream, ready });
                Ok(())
            }
            Err(error) => {
                inner.state = State::Resting(stream);
                Err(error)
            }
        }
    }
}

impl Polled {
    fn poll_fill(&self, context: &Context<'_>, ahead: &mut Ahead) -> Poll<io::Result<()>> {
        let mut ready = self.ready.lock();
        if ahead.bytes.is_empty() {
            ahead.bytes = vec![0; AHEAD].into_boxed_slice();
        }
        while ready.readable {
            match self.stream.read(&mut ahead.bytes) {
                Ok(count) => {
                    // A short read has emptied the socket; the loop tells when there is more.
                    ready.budget = ready.budget.saturating_sub(count);
                    ready.readable = count == ahead.bytes.len() && ready.budget > 0;
                    (ahead.start, ahead.end) = (0, count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        ready.reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn poll_write(&self, context: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut ready = self.ready.lock();
        while ready.writable {
            match self.stream.write(bytes) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready.writable = false;
                    self.watch.writable(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        ready.writer = Some(context.waker().clone());
        Poll::Pending
    }
}

impl State {
    fn unusable<T>(&self) -> Poll<io::Result<T>> {
        match self {
            Self::Broken(kind, text) => Poll::Ready(Err(io::Error::new(*kind, text.clone()))),
            // Whoever moves it polls again when it has arrived.
            Self::Resting(_) => Poll::Pending,
            _ => Poll::Ready(Err(ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Inner { state, ahead } = &mut *locked(&self.0);
        if ahead.give(buffer) {
            return Poll::Ready(Ok(()));
        }
        match state {
            State::Thread(Registered::Tcp(stream)) => Pin::new(stream).poll_read(context, buffer),
            #[cfg(unix)]
            State::Thread(Registered::Unix(stream)) => Pin::new(stream).poll_read(context, buffer),
            State::Loop(polled) => {
                ready!(polled.poll_fill(context, ahead))?;
                ahead.give(buffer);
                Poll::Ready(Ok(()))
            }
            other => other.unusable(),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut locked(&self.0).state {
            State::Thread(Registered::Tcp(stream)) => Pin::new(stream).poll_write(context, bytes),
            #[cfg(unix)]
            State::Thread(Registered::Unix(stream)) => Pin::new(stream).poll_write(context, bytes),
            State::Loop(polled) => polled.poll_write(context, bytes),
            other => other.unusable(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut locked(&self.0).state {
            State::Thread(Registered::Tcp(stream)) => Pin::new(stream).poll_shutdown(context),
            #[cfg(unix)]
            State::Thread(Registered::Unix(stream)) => Pin::new(stream).poll_shutdown(context),
            State::Loop(polled) => {
                polled.stream.shut();
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Ok(())),
        }
    }
}
