//! PostgreSQL connections: made through deadpool-postgres on the first server that takes one, and kept by number.

use super::address::Address;
use super::connection::{Connection, Route};
use super::dial::{Dialer, check_kind, with_wire};
use super::error::PoolError;
use super::failure::Failure;
use super::statement::Statements;
use super::tls::Tls;
use super::wire::Wire;
use crate::runtime;
use crate::runtime::socket::Poller;
use deadpool_postgres::{ClientWrapper, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio_postgres::Config;

/// Connections being made at the same time; more than a server would take.
const CONNECTING_AT_ONCE: usize = 64;

/// The servers of one address, as seen by one pool.
pub struct Postgres {
    address: Arc<Address>,
    timeout: Duration,
    /// The loop on which connections are driven; without one, it is the thread of the sockets.
    poller: Option<Arc<dyn Poller>>,
    source: OnceCell<Source>,
    connections: Mutex<Connections>,
}

/// What connections are made with.
struct Source {
    /// For each demand on the servers, the servers.
    rounds: Vec<Vec<Server>>,
}

/// One server: what makes connections to it, how long that may take, and how they are wrapped.
struct Server {
    pool: Pool,
    limit: Duration,
    config: Config,
    tls: Tls,
}

#[derive(Default)]
struct Connections {
    by_number: HashMap<u32, Arc<Connection>>,
    last: u32,
    closed: bool,
}

impl Postgres {
    /// Connects to nothing yet.
    pub fn new(address: Address, timeout: Duration, poller: Option<Arc<dyn Poller>>) -> Self {
        let (address, source) = (Arc::new(address), OnceCell::new());
        Self { address, timeout, poller, source, connections: Mutex::default() }
    }

    /// Where the servers are.
    pub fn address(&self) -> Arc<Address> {
        Arc::clone(&self.address)
    }

    /// The limit of the making of a connection.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn source(&self) -> Result<&Source, PoolError> {
        self.source.get_or_try_init(async || Source::new(&self.address, self.poller.as_ref())).await
    }

    async fn dial(&self) -> Result<(ClientWrapper, Wire, Route), Failure> {
        let source = self.source().await?;
        let mut last = Failure::from(PoolError::CreateTimeout);
        for round in &source.rounds {
            let first = if self.address.shuffled { getrandom::u32().unwrap_or(0) as usize } else { 0 };
            for step in 0..round.len() {
                let server = &round[(first.wrapping_add(step)) % round.len()];
                last = match tokio::time::timeout(server.limit, server.dial()).await {
                    Ok(Ok(made)) => return Ok(made),
                    Ok(Err(failure)) => failure,
                    Err(_) => PoolError::CreateTimeout.into(),
                };
                if last.is_final_refusal() {
                    return Err(last);
                }
            }
        }
        Err(last)
    }

    /// Makes a connection and numbers it.
    pub async fn connect(&self) -> Result<u32, Failure> {
        let (client, wire, route) = match tokio::time::timeout(self.timeout, self.dial()).await {
            Ok(made) => made?,
            Err(_) => return Err(PoolError::CreateTimeout.into()),
        };
        let statements = Statements::new(self.address.statements, self.address.named);
        // What is cancelled gives way before those who wait for its connection give up.
        let connection = Connection::new(client, wire, route, self.timeout / 2, statements);
        let mut connections = self.lock();
        if connections.closed {
            return Err(PoolError::Drained.into());
        }
        connections.last = connections.last.wrapping_add(1);
        let number = connections.last;
        connections.by_number.insert(number, Arc::new(connection));
        Ok(number)
    }

    /// The connection of a number, unless it was closed.
    pub fn connection(&self, number: u32) -> Option<Arc<Connection>> {
        self.lock().by_number.get(&number).cloned()
    }

    /// Closes a connection, after the statements that are under way on it.
    pub fn disconnect(&self, number: u32) {
        let connection = self.lock().by_number.remove(&number);
        let Some(connection) = connection else { return };
        // The last owner says goodbye to the server, on the thread of the sockets.
        if let Ok(handle) = runtime::handle() {
            handle.spawn(async move { connection.idle().await });
        }
    }

    /// Breaks every connection off, statements under way included: nobody waits for them any more.
    fn kill(&self) {
        let mut connections = self.lock();
        connections.closed = true;
        for (_, connection) in connections.by_number.drain() {
            connection.kill();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    async fn dial(&self) -> Result<(ClientWrapper, Wire, Route), Failure> {
        let (client, wire) = match with_wire(self.pool.get()).await {
            Ok((object, wire)) => (Object::take(object), wire),
            Err(deadpool_postgres::PoolError::Backend(error)) => return Err(Failure::from(&error)),
            Err(error) => return Err(PoolError::Connect(error.to_string()).into()),
        };
        check_kind(&client, &self.config).await?;
        let wire = wire.ok_or_else(|| PoolError::Connect("the connection has no wire".into()))?;
        Ok((client, wire, Route { server: self.config.clone(), tls: self.tls.clone() }))
    }
}

impl Source {
    fn new(address: &Address, poller: Option<&Arc<dyn Poller>>) -> Result<Self, PoolError> {
        let tls = Tls::new(address.protection, &address.authorities)?;
        let pool = |config: &Config| {
            let how = ManagerConfig { recycling_method: RecyclingMethod::Fast };
            let tls = tls.towards(config);
            let dialer = Dialer { tls: tls.clone(), poller: poller.cloned() };
            let manager = Manager::from_connect(config.clone(), dialer, how);
            let pool = Pool::builder(manager).max_size(CONNECTING_AT_ONCE).build();
            let limit = config.get_connect_timeout().copied().unwrap_or(Duration::MAX);
            pool.map(|pool| Server { pool, limit, config: config.clone(), tls })
                .map_err(|error| PoolError::Connect(error.to_string()))
        };
        let round = |&demand: &_| {
            let demanding = address.servers.iter().map(|server| server.clone().target_session_attrs(demand).clone());
            demanding.map(|server| pool(&server)).collect::<Result<Vec<_>, _>>()
        };
        let rounds = address.role.rounds().iter().map(round).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { rounds })
    }
}
