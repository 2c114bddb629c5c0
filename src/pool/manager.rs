//! PostgreSQL connections: made through deadpool-postgres, kept by number, and made to run statements.
//!
//! Statements of one connection run in the order they were given, one delivery at a time. A delivery of several
//! statements is pipelined: all are on their way before the first answer, each in its own transaction unless the
//! connection is in one, so a failure stays its own.

use super::error::PoolError;
use super::failure::Failure;
use super::parameter::Parameter;
use super::row::Delivery;
use super::statement::{Prepared, Statements, casts, with_casts};
use super::tls;
use super::url::{self, Protection};
use crate::runtime;
use deadpool_postgres::{ClientWrapper, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Notify, OnceCell};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls, Row};

/// Connections being made at the same time; more than a server would take.
const CONNECTING_AT_ONCE: usize = 64;

/// A statement and its parameters.
#[derive(Debug, Clone)]
pub struct Request {
    /// The SQL text.
    pub text: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
}

/// One PostgreSQL server, as seen by one pool.
#[derive(Debug)]
pub struct Postgres {
    config: Config,
    protection: Protection,
    timeout: Duration,
    source: OnceCell<Pool>,
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    by_number: HashMap<u32, Arc<Connection>>,
    last: u32,
    closed: bool,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    client: ClientWrapper,
    /// Held while statements run: the order of callers is the order of execution.
    statements: tokio::sync::Mutex<Statements>,
    killed: AtomicBool,
    kill: Notify,
}

impl Postgres {
    /// Reads the connection string; connects to nothing yet.
    pub fn new(connection_string: &str, timeout: Duration) -> Result<Self, PoolError> {
        let (mut config, protection) = url::parse(connection_string)?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(timeout);
        }
        Ok(Self { config, protection, timeout, source: OnceCell::new(), connections: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn source(&self) -> Result<&Pool, PoolError> {
        self.source
            .get_or_try_init(async || {
                let how = ManagerConfig { recycling_method: RecyclingMethod::Fast };
                let manager = match self.protection {
                    Protection::Disable => Manager::from_config(self.config.clone(), NoTls, how),
                    other => Manager::from_config(self.config.clone(), tls::connector(other)?, how),
                };
                let pool = Pool::builder(manager).max_size(CONNECTING_AT_ONCE).build();
                pool.map_err(|error| PoolError::Connect(error.to_string()))
            })
            .await
    }

    /// Makes a connection and numbers it.
    pub async fn connect(&self) -> Result<u32, Failure> {
        let made = async {
            match self.source().await?.get().await {
                Ok(object) => Ok(Object::take(object)),
                Err(deadpool_postgres::PoolError::Backend(error)) => Err(Failure::from(&error)),
                Err(error) => Err(PoolError::Connect(error.to_string()).into()),
            }
        };
        let client = match tokio::time::timeout(self.timeout, made).await {
            Ok(client) => client?,
            Err(_) => return Err(PoolError::CreateTimeout.into()),
        };
        let connection = Connection::new(client);
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
            handle.spawn(async move {
                let _finished = connection.statements.lock().await;
            });
        }
    }

    /// Breaks every connection off, statements under way included: nobody waits for them any more.
    fn kill(&self) {
        let mut connections = self.lock();
        connections.closed = true;
        for (_, connection) in connections.by_number.drain() {
            connection.killed.store(true, Ordering::Relaxed);
            connection.kill.notify_waiters();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

type Outcome = Result<Answer, Failure>;

enum Answer {
    Rows(Vec<Row>),
    Count(u64),
    /// Several statements in one text: what they returned is not kept.
    Script,
}

impl Connection {
    /// Whether the server still answers.
    pub async fn is_alive(&self, within: Duration) -> bool {
        !self.client.is_closed()
            && matches!(tokio::time::timeout(within, self.client.simple_query("")).await, Ok(Ok(_)))
    }

    fn new(client: ClientWrapper) -> Self {
        Self { client, statements: Default::default(), killed: AtomicBool::new(false), kill: Notify::new() }
    }

    /// Runs the requests and collects what came of them, in order. `None`: the connection was broken off meanwhile.
    pub async fn run(&self, requests: &[Request]) -> Option<Delivery> {
        let killed = self.kill.notified();
        tokio::pin!(killed);
        // From here on no call is missed; what came before is seen by the flag.
        killed.as_mut().enable();
        if self.killed.load(Ordering::Relaxed) {
            return None;
        }
        tokio::select! {
            biased;
            () = killed => None,
            delivery = self.deliver(requests) => Some(delivery),
        }
    }

    async fn deliver(&self, requests: &[Request]) -> Delivery {
        let mut statements = self.statements.lock().await;
        let mut delivery = Delivery::default();
        if self.client.is_closed() {
            let failure = Failure::from(PoolError::ConnectionClosed).on_lost_connection();
            requests.iter().for_each(|_| delivery.error(&failure.description()));
            return delivery;
        }
        let prepared = self.prepare_all(requests, &mut statements).await;
        let running = requests.iter().zip(&prepared).map(|(request, prepared)| self.execute(request, prepared));
        let outcomes = join_all(running.collect()).await;
        for ((request, prepared), outcome) in requests.iter().zip(prepared).zip(outcomes) {
            let (prepared, outcome) = self.once_more(request, prepared, outcome, &mut statements).await;
            add(&mut delivery, prepared.ok().as_deref(), outcome);
        }
        delivery
    }

    async fn prepare_all(
        &self,
        requests: &[Request],
        statements: &mut Statements,
    ) -> Vec<Result<Arc<Prepared>, Failure>> {
        let mut known: HashMap<&str, Result<Arc<Prepared>, Failure>> = HashMap::new();
        let mut missing = Vec::new();
        for Request { text, .. } in requests {
            if known.contains_key(text.as_str()) || missing.contains(&text.as_str()) {
                continue;
            }
            match statements.get(text) {
                Some(prepared) => _ = known.insert(text, Ok(prepared)),
                None => missing.push(text),
            }
        }
        let made = join_all(missing.iter().map(|text| self.prepare(text)).collect()).await;
        for (text, made) in missing.into_iter().zip(made) {
            if let Ok(prepared) = &made {
                statements.insert(text, Arc::clone(prepared));
            }
            known.insert(text, made);
        }
        let unknown = || Err(PoolError::Protocol("a statement was lost".into()).into());
        requests.iter().map(|request| known.get(request.text.as_str()).cloned().unwrap_or_else(unknown)).collect()
    }

    async fn prepare(&self, text: &str) -> Result<Arc<Prepared>, Failure> {
        let statement = self.client.prepare(text).await.map_err(|error| Failure::from(&error))?;
        if !casts(statement.columns()) {
            let columns = statement.clone();
            return Ok(Arc::new(Prepared::new(text, columns.columns(), statement)));
        }
        let rewritten = with_casts(text, statement.columns());
        let cast = self.client.prepare(&rewritten).await.map_err(|error| Failure::from(&error))?;
        Ok(Arc::new(Prepared::new(text, statement.columns(), cast)))
    }

    async fn execute(&self, request: &Request, prepared: &Result<Arc<Prepared>, Failure>) -> Outcome {
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(failure) if is_script(request, failure) => return self.script(&request.text).await,
            Err(failure) => return Err(failure.clone()),
        };
        let expected = prepared.statement.params().len();
        if request.parameters.len() != expected {
            return Err(Failure::parameter_count(request.parameters.len(), expected));
        }
        let parameters: Vec<_> = request.parameters.iter().map(|parameter| parameter as &(dyn ToSql + Sync)).collect();
        let outcome = match prepared.shape {
            Some(_) => self.client.query(&prepared.statement, &parameters).await.map(Answer::Rows),
            None => self.client.execute(&prepared.statement, &parameters).await.map(Answer::Count),
        };
        outcome.map_err(|error| Failure::from(&error))
    }

    /// Several statements in one text, which only the simple protocol takes.
    async fn script(&self, text: &str) -> Outcome {
        self.client.batch_execute(text).await.map_err(|error| Failure::from(&error))?;
        Ok(Answer::Script)
    }

    /// A statement that the server has dropped, or whose columns changed, is prepared anew, once.
    async fn once_more(
        &self,
        request: &Request,
        prepared: Result<Arc<Prepared>, Failure>,
        outcome: Outcome,
        statements: &mut Statements,
    ) -> (Result<Arc<Prepared>, Failure>, Outcome) {
        let outdated = matches!((&prepared, &outcome), (Ok(_), Err(failure)) if failure.is_outdated_statement());
        if !outdated {
            return (prepared, outcome);
        }
        statements.remove(&request.text);
        let Ok(again) = self.prepare(&request.text).await else { return (prepared, outcome) };
        let repeated = self.execute(request, &Ok(Arc::clone(&again))).await;
        statements.insert(&request.text, Arc::clone(&again));
        (Ok(again), repeated)
    }
}

fn is_script(request: &Request, failure: &Failure) -> bool {
    request.parameters.is_empty() && failure.is_several_statements()
}

fn add(delivery: &mut Delivery, prepared: Option<&Prepared>, outcome: Outcome) {
    let failed = match (outcome, prepared) {
        (Err(failure), _) => Some(failure),
        (Ok(Answer::Count(count)), Some(prepared)) => {
            delivery.command(&prepared.command, prepared.count(count));
            None
        }
        (Ok(Answer::Rows(rows)), Some(Prepared { shape: Some(shape), .. })) => {
            let prepared = prepared.map(|prepared| (prepared.command.as_str(), prepared.count(rows.len() as u64)));
            let (command, count) = prepared.unwrap_or_default();
            let done = delivery.result(shape, &rows, command, count);
            done.err().map(|_| PoolError::Protocol("a value is not what its type promises, or too long".into()).into())
        }
        (Ok(_), _) => {
            delivery.command("", None);
            None
        }
    };
    if let Some(failure) = failed {
        delivery.error(&failure.description());
    }
}

/// Polls the futures in order until all are done; what they send leaves in that order.
async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut pending = false;
        for (future, output) in running.iter_mut().zip(&mut done) {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}
