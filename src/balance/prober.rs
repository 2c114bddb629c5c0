//! Asks services over the network, many at once, away from the event loop.

use super::health::{Book, Endpoint, Finding, Probe, Status};
use crate::clock::{Clock, SystemClock};
use crate::random::Random;
use crate::runtime::{self, NotStarted};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Sockets that are open at once.
const MOST_SOCKETS: usize = 256;
/// What is read of a body, so that the service can end its answer; more is cut off.
const MOST_BODY: usize = 64 * 1024;

static SOCKETS: Semaphore = Semaphore::const_new(MOST_SOCKETS);

/// What a service answers within its time.
pub async fn ask(endpoint: &Endpoint, limit: Duration) -> Finding {
    let Ok(_socket) = SOCKETS.acquire().await else { return Finding { ok: false, ready: false } };
    match &endpoint.probe {
        Probe::Http { path, ready } => {
            let ok = is_ok(timeout(limit, get(endpoint, path)).await);
            let ready = match ready {
                Some(path) if ok => is_ok(timeout(limit, get(endpoint, path)).await),
                _ => ok,
            };
            Finding { ok, ready }
        }
        Probe::Tcp | Probe::Own => {
            let ok = matches!(timeout(limit, connect(endpoint)).await, Ok(Ok(_)));
            Finding { ok, ready: ok }
        }
    }
}

fn is_ok(answer: Result<io::Result<u16>, tokio::time::error::Elapsed>) -> bool {
    matches!(answer, Ok(Ok(200..=299)))
}

async fn connect(Endpoint { host, port, .. }: &Endpoint) -> io::Result<TcpStream> {
    if host == "localhost" {
        // Without asking for its addresses: services listen on either of these.
        return match TcpStream::connect(("127.0.0.1", *port)).await {
            Err(_) => TcpStream::connect(("::1", *port)).await,
            stream => stream,
        };
    }
    TcpStream::connect((host.as_str(), *port)).await
}

/// The status of the answer.
async fn get(endpoint: &Endpoint, path: &str) -> io::Result<u16> {
    let mut stream = connect(endpoint).await?;
    let host = if endpoint.host.contains(':') { format!("[{}]", endpoint.host) } else { endpoint.host.clone() };
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}:{}\r\nUser-Agent: tooloo-native\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        endpoint.port
    );
    stream.write_all(head.as_bytes()).await?;
    let (mut buffer, mut line) = ([0; 4096], Vec::new());
    let mut total = 0;
    loop {
        let count = stream.read(&mut buffer).await?;
        total += count;
        if line.len() < 12 {
            line.extend_from_slice(&buffer[..count]);
        }
        if count == 0 || total > MOST_BODY {
            return status_of(&line).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData));
        }
    }
}

/// From `HTTP/1.1 200`.
fn status_of(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?.get(1..)?.strip_prefix(b" ")?;
    std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()
}

/// Who hears of changes.
pub type OnChange = Arc<dyn Fn(u32, Status) + Send + Sync>;

/// Asks everybody in the book who is due, spread over a time, and drops `done` after the last answer.
pub fn round(
    book: &Arc<Mutex<Book>>,
    spread: Duration,
    on_change: &OnChange,
    done: impl Send + Sync + 'static,
) -> Result<(), NotStarted> {
    let (book, on_change) = (book.clone(), on_change.clone());
    // One hand-over to the other thread, which starts the probes by itself: each start from here would wake it.
    runtime::handle()?.spawn(async move {
        let (begun, limit) = {
            let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
            (book.begin(), book.config.timeout)
        };
        let done = Arc::new(done);
        let mut random = Random { state: SystemClock.monotonic_nanos() };
        for (number, endpoint) in begun {
            let (book, on_change, done) = (book.clone(), on_change.clone(), done.clone());
            let delay = spread.mul_f64(random.uniform());
            tokio::spawn(async move {
                if !delay.is_zero() {
                    sleep(delay).await;
                }
                let finding = ask(&endpoint, limit).await;
                let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
                let change = book.found(number, finding, SystemClock.unix_millis());
                drop(book);
                if let Some(status) = change {
                    on_change(number, status);
                }
                drop(done);
            });
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_three_digits_after_the_version() {
        assert_eq!(status_of(b"HTTP/1.1 204 No Content\r\n"), Some(204));
        assert_eq!(status_of(b"HTTP/1.0 503"), Some(503));
        for line in [&b"HTTP/2 200"[..], b"", b"HTTP/1.1 2", b"SSH-2.0-x", b"HTTP/1.1 2x0 "] {
            assert_eq!(status_of(line), None);
        }
    }
}
