//! A connection to one server whose socket is on the loop of whoever waits for the answers.

use super::link::Link;
use crate::runtime::socket::{Poller, Socket};
use futures_util::future::select_ok;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, RedisResult};
use std::io;
use std::sync::Arc;
use tokio::net::{TcpStream, lookup_host};

/// Makes the connection. To be called on the loop's thread.
pub async fn connect(
    server: &ConnectionInfo,
    poller: &Arc<dyn Poller>,
    config: &AsyncConnectionConfig,
) -> RedisResult<Link> {
    let socket = socket(server.addr()).await?;
    let port = socket.port();
    port.leave()?;
    if port.enter_loop(&**poller).is_err() {
        // Woken by the thread of the sockets then: slower, but the same.
        port.enter_thread()?;
    }
    let readiness = port.readiness();
    let (connection, driver) =
        MultiplexedConnection::new_with_config(server.redis_settings(), socket, config.clone()).await?;
    poller.spawner().spawn(driver);
    Ok(Link::Server(connection, readiness))
}

async fn socket(address: &ConnectionAddr) -> io::Result<Socket> {
    match address {
        ConnectionAddr::Tcp(host, port) => {
            // All at once, as the client library does it: one of them may swallow what is sent to it.
            let addresses = lookup_host((host.as_str(), *port)).await?;
            let attempts: Vec<_> = addresses.map(|address| Box::pin(TcpStream::connect(address))).collect();
            if attempts.is_empty() {
                return Err(io::ErrorKind::NotFound.into());
            }
            let (stream, _) = select_ok(attempts).await?;
            stream.set_nodelay(true)?;
            Ok(Socket::tcp(stream))
        }
        #[cfg(unix)]
        ConnectionAddr::Unix(path) => Ok(Socket::unix(tokio::net::UnixStream::connect(path).await?)),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}
