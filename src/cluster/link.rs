//! One connection to the engine, whatever its topology.

use super::address::{Address, Topology};
use super::error::ClusterError;
use super::looped;
use super::patience::within;
use crate::runtime::Site;
use crate::runtime::socket::Ready;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, ProtocolVersion, PushInfo};
use redis::{RedisFuture, TlsMode, Value, cmd};
use std::num::NonZeroUsize;
use std::sync::{Once, Weak};
use std::time::Duration;

/// Requests that may wait for a place in the next write; more wait for their senders' turn.
const BUFFERED_REQUESTS: usize = 4096;

/// What is told of what the server sends unasked, and of the end of the connection.
pub type Pushes = tokio::sync::mpsc::UnboundedSender<PushInfo>;

/// A connection that many requests share. Clones are the same connection.
#[derive(Clone)]
pub enum Link {
    /// To one server; what is known of its socket where that is on somebody's loop.
    Server(MultiplexedConnection, Weak<Ready>),
    /// To all masters of a cluster.
    Cluster(ClusterConnection),
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection, _) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection, _) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection, _) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

impl Link {
    /// Makes a connection, and sees it answer. To be called where its socket is to be; see [`Address::fits_a_loop`].
    ///
    /// # Errors
    /// When no server of the address answers within its limit, or none takes the credentials.
    pub async fn dial(address: &Address, site: &Site, pushes: Option<Pushes>) -> Result<Self, ClusterError> {
        let answering = async {
            let mut link = Self::connect(address, site, pushes).await?;
            link.ping().await?;
            Ok(link)
        };
        let made = within(address.connect_timeout, site, || (), answering).await;
        made.unwrap_or(Err(ClusterError::Connect("no answer in time")))
    }

    /// Asks every server of the connection whether it is there.
    pub async fn ping(&mut self) -> Result<(), ClusterError> {
        Ok(cmd("PING").exec_async(self).await?)
    }

    /// Has a socket that is on a loop read at once, before that loop gets to it.
    pub fn hurry(&self) {
        if let Self::Server(_, readiness) = self {
            readiness.upgrade().into_iter().for_each(|ready| ready.signal(true, false));
        }
    }

    async fn connect(address: &Address, site: &Site, pushes: Option<Pushes>) -> Result<Self, ClusterError> {
        choose_cryptography();
        let servers = address.servers()?;
        // The engine has its own limits: for each call, and for making a connection.
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(address.connect_timeout))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(BUFFERED_REQUESTS);
        match &address.topology {
            Topology::Single => {
                config = pushes.into_iter().fold(config, AsyncConnectionConfig::set_push_sender);
                let Some(server) = servers.into_iter().next() else {
                    return Err(ClusterError::BadUrl("it has no host"));
                };
                if let Some(poller) = site.poller() {
                    return Ok(looped::connect(&server, poller, &config).await?);
                }
                let client = match address.certificates() {
                    Some(certificates) if address.is_encrypted() => Client::build_with_tls(server, certificates)?,
                    _ => Client::open(server)?,
                };
                let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                Ok(Self::Server(connection, Weak::new()))
            }
            Topology::Sentinel(master) => {
                config = pushes.into_iter().fold(config, AsyncConnectionConfig::set_push_sender);
                let mut client = sentinels(address, servers, master)?.build()?;
                Ok(Self::Server(client.get_async_connection_with_config(&config).await?, Weak::new()))
            }
            Topology::Cluster => {
                let mut builder = ClusterClientBuilder::new(servers)
                    .use_protocol(ProtocolVersion::RESP3)
                    .connection_timeout(address.connect_timeout)
                    // Who waits longer than that has gone; the answer is not needed any more.
                    .response_timeout(address.connect_timeout.max(Duration::from_secs(1)))
                    .max_connection_attempts(NonZeroUsize::MIN)
                    .retries(3)
                    .max_retry_wait(100);
                if let Some(pushes) = pushes {
                    builder = builder.push_sender(pushes);
                }
                if let Some(certificates) = address.certificates() {
                    builder = builder.certs(certificates);
                }
                Ok(Self::Cluster(builder.build()?.get_async_connection().await?))
            }
        }
    }
}

/// The sentinels' own connections carry no credentials: those of the address are the servers'.
fn sentinels(
    address: &Address,
    servers: Vec<ConnectionInfo>,
    master: &str,
) -> Result<SentinelClientBuilder, ClusterError> {
    let Some(first) = servers.first() else { return Err(ClusterError::BadUrl("it has no host")) };
    let (settings, encrypted) = (first.redis_settings().clone(), matches!(first.addr(), ConnectionAddr::TcpTls { .. }));
    let tcp = first.tcp_settings().clone();
    let hosts: Vec<_> = servers.iter().map(|server| server.addr().clone()).collect();
    let mut builder = SentinelClientBuilder::new(hosts, master, SentinelServerType::Master)?
        .set_client_to_redis_protocol(ProtocolVersion::RESP3)
        .set_client_to_redis_tcp_settings(tcp)
        .set_client_to_redis_db(settings.db());
    if let Some(username) = settings.username() {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = settings.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if encrypted {
        builder =
            builder.set_client_to_redis_tls_mode(TlsMode::Secure).set_client_to_sentinel_tls_mode(TlsMode::Secure);
        if let Some(certificates) = address.certificates() {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
    }
    Ok(builder)
}

/// The client library takes rustls' default provider, which the process has not chosen yet.
fn choose_cryptography() {
    static ONCE: Once = Once::new();
    // Somebody else's choice is as good.
    ONCE.call_once(|| _ = rustls::crypto::ring::default_provider().install_default());
}
