//! How a server is reached: the socket, with the options that `tokio-postgres` would set, and the protocol over it.

use super::error::PoolError;
use super::failure::Failure;
use super::tls::Tls;
use super::wire::Wire;
use crate::runtime::socket::{Poller, Socket};
use deadpool_postgres::Connect;
use socket2::{SockRef, TcpKeepalive};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config, Connection, Error, NoTls, SimpleQueryMessage};

tokio::task_local! {
    /// Where the wire of the connection that is being made is left, which deadpool has no place for.
    static MADE: Arc<Mutex<Option<Wire>>>;
}

/// Makes connections for deadpool.
pub struct Dialer {
    /// How they are wrapped.
    pub tls: Tls,
    /// The loop they are handed to.
    pub poller: Option<Arc<dyn Poller>>,
}

/// What `making` gives, and the wire of the connection that was made in it.
pub async fn with_wire<T, E>(making: impl Future<Output = Result<T, E>>) -> Result<(T, Option<Wire>), E> {
    let place = Arc::new(Mutex::new(None));
    let made = MADE.scope(Arc::clone(&place), making).await?;
    let wire = place.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok((made, wire))
}

impl Connect for Dialer {
    fn connect(
        &self,
        config: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        let config = config.clone();
        Box::pin(async move {
            let socket = socket(&config).await;
            let port = socket.port();
            let host = host_of(&config);
            let (client, protocol): (_, super::wire::Protocol) = match self.tls.clone() {
                Tls::Plain => {
                    let (client, connection) = config.connect_raw(socket, NoTls).await?;
                    (client, Box::pin(driven(connection)))
                }
                Tls::Rustls(mut connector) => match MakeTlsConnect::<Socket>::make_tls_connect(&mut connector, &host) {
                    Ok(tls) => {
                        let (client, connection) = config.connect_raw(socket, tls).await?;
                        (client, Box::pin(driven(connection)))
                    }
                    Err(error) => {
                        let why = io::Error::new(io::ErrorKind::InvalidInput, error.to_string());
                        let (client, connection) = config.connect_raw(Socket::broken(&why), NoTls).await?;
                        (client, Box::pin(driven(connection)))
                    }
                },
            };
            let (wire, task) = Wire::start(protocol, port, self.poller.clone());
            let _ = MADE.try_with(|made| made.lock().unwrap_or_else(PoisonError::into_inner).replace(wire));
            Ok((client, task))
        })
    }
}

async fn driven<S, T>(connection: Connection<S, T>)
where
    Connection<S, T>: Future<Output = Result<(), Error>>,
{
    // Whoever has a statement under way hears of it.
    let _ = connection.await;
}

fn host_of(server: &Config) -> String {
    match server.get_hosts() {
        [Host::Tcp(name), ..] => name.clone(),
        _ => server.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
    }
}

/// A socket to the server; what went wrong is said by its first use.
async fn socket(server: &Config) -> Socket {
    connected(server).await.unwrap_or_else(|error| Socket::broken(&error))
}

async fn connected(server: &Config) -> io::Result<Socket> {
    let port = server.get_ports().first().copied().unwrap_or(5432);
    #[cfg(unix)]
    if let [Host::Unix(folder)] = server.get_hosts() {
        let path = folder.join(format!(".s.PGSQL.{port}"));
        return tokio::net::UnixStream::connect(path).await.map(Socket::unix);
    }
    let addresses: Vec<SocketAddr> = match server.get_hostaddrs().first() {
        Some(&address) => vec![SocketAddr::new(address, port)],
        None => lookup_host((host_of(server), port)).await?.collect(),
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "could not resolve any addresses");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return tuned(stream, server).map(Socket::tcp),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn tuned(stream: TcpStream, server: &Config) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    #[cfg(target_os = "linux")]
    if let Some(limit) = server.get_tcp_user_timeout() {
        socket.set_tcp_user_timeout(Some(*limit))?;
    }
    if server.get_keepalives() {
        let mut keepalive = TcpKeepalive::new().with_time(server.get_keepalives_idle());
        if let Some(interval) = server.get_keepalives_interval() {
            keepalive = keepalive.with_interval(interval);
        }
        #[cfg(not(windows))]
        if let Some(retries) = server.get_keepalives_retries() {
            keepalive = keepalive.with_retries(retries);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    Ok(stream)
}

/// Refuses a server that is not of the kind that is wanted.
pub async fn check_kind(client: &Client, server: &Config) -> Result<(), Failure> {
    let wanted = server.get_target_session_attrs();
    if wanted == TargetSessionAttrs::Any {
        return Ok(());
    }
    let answer = client.simple_query("SHOW transaction_read_only").await.map_err(|error| Failure::from(&error))?;
    let read_only = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(|value| value == "on"),
        _ => None,
    });
    let why = match (wanted, read_only) {
        (TargetSessionAttrs::ReadWrite, Some(true)) => "database does not allow writes",
        (TargetSessionAttrs::ReadOnly, Some(false)) => "database is not read only",
        (_, None) => "the server did not say whether it allows writes",
        _ => return Ok(()),
    };
    Err(PoolError::Connect(why.into()).into())
}

/// Asks the server to break off what runs on the connection of this token.
pub async fn cancel(token: &CancelToken, server: &Config, tls: &Tls) -> Result<(), Error> {
    let socket = UntilClosed(socket(server).await);
    match tls.clone() {
        Tls::Plain => token.cancel_query_raw(socket, NoTls).await,
        Tls::Rustls(mut connector) => {
            match MakeTlsConnect::<UntilClosed>::make_tls_connect(&mut connector, &host_of(server)) {
                Ok(tls) => token.cancel_query_raw(socket, tls).await,
                Err(_) => Ok(()),
            }
        }
    }
}

/// A socket that is shut down only when the other side has closed it, which the server does when the cancellation was
/// passed on, and as libpq waits for it: PgBouncer 1.18 ends when the caller is gone before.
struct UntilClosed(Socket);

impl AsyncRead for UntilClosed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, out)
    }
}

impl AsyncWrite for UntilClosed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut unwanted = [0; 64];
        loop {
            let mut out = ReadBuf::new(&mut unwanted);
            match ready!(Pin::new(&mut self.0).poll_read(cx, &mut out)) {
                Ok(()) if !out.filled().is_empty() => {}
                // A reset is an end, too.
                _ => return Pin::new(&mut self.0).poll_shutdown(cx).map(|_| Ok(())),
            }
        }
    }
}
