//! One connection and the statements on it.
//!
//! Statements run in the order they were given, one delivery at a time. A delivery of several statements is pipelined:
//! all are on their way before the first answer, each in its own transaction unless the connection is in one, so a
//! failure stays its own. [`Connection::pipeline`] does not even wait for the delivery before: answers come in the
//! order of the statements, and are handed on as far as they are there.

use super::abandon::Abandon;
use super::error::PoolError;
use super::failure::Failure;
use super::order::{Progress, in_order, join_all};
use super::parameter::Parameter;
use super::row::Delivery;
use super::statement::{Prepared, Run, Statements, casts, is_control, with_casts};
use super::tls::Tls;
use super::unnamed;
use super::wire::{Place, Wire};
use deadpool_postgres::ClientWrapper;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row};

/// A statement and its parameters.
#[derive(Debug, Clone)]
pub struct Request {
    /// The SQL text.
    pub text: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
}

/// Where a connection leads, for the cancellations that go there too.
pub struct Route {
    /// The server.
    pub server: Config,
    /// How sockets to it are wrapped.
    pub tls: Tls,
}

/// One connection.
pub struct Connection {
    pub(super) client: ClientWrapper,
    wire: Wire,
    pub(super) route: Route,
    /// The limit of a cancellation, and of the end of what was cancelled.
    pub(super) limit: Duration,
    /// Held while statements run: the order of callers is the order of execution.
    pub(super) statements: Arc<Mutex<Statements>>,
    /// A cancellation may still be on its way, so nothing more runs here.
    spoiled: AtomicBool,
    killed: AtomicBool,
    kill: Notify,
}

/// A connection that somebody has to himself.
pub(super) struct Whole {
    /// The statements prepared on it.
    pub(super) statements: OwnedMutexGuard<Statements>,
    wire: Wire,
    home: Place,
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.wire.go(self.home);
    }
}

type Outcome = Result<Answer, Failure>;
type Made = Result<Arc<Prepared>, Failure>;

enum Answer {
    Rows(Vec<Row>),
    Count(u64),
    /// Several statements in one text: what they returned is not kept.
    Script,
}

impl Connection {
    /// A connection just made. `limit` is for cancellations, `statements` keeps what is prepared.
    pub fn new(client: ClientWrapper, wire: Wire, route: Route, limit: Duration, statements: Statements) -> Self {
        Self {
            client,
            wire,
            route,
            limit,
            statements: Arc::new(Mutex::new(statements)),
            spoiled: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            kill: Notify::new(),
        }
    }

    /// Whether the server still answers.
    pub async fn is_alive(&self, within: Duration) -> bool {
        !self.is_closed() && matches!(tokio::time::timeout(within, self.client.simple_query("")).await, Ok(Ok(_)))
    }

    /// Whether nothing more runs here.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed() || self.spoiled.load(Ordering::Acquire)
    }

    /// The client, for what needs the connection as a whole.
    pub(super) fn client(&self) -> &ClientWrapper {
        &self.client
    }

    /// Nothing more may run here.
    pub(super) fn spoil(&self) {
        self.spoiled.store(true, Ordering::Release);
    }

    /// Breaks the connection off: what is under way comes to nothing.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        self.kill.notify_waiters();
    }

    /// Waits until nothing is under way.
    pub async fn idle(&self) {
        let _idle = self.statements.lock().await;
    }

    /// What `work` gives; `None` when the connection is broken off meanwhile.
    pub async fn unless_killed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
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
            done = work => Some(done),
        }
    }

    /// What moves its driver, and runs jobs beside it.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The connection to oneself, after the statements under way. For as long, it is driven on the thread of the
    /// sockets: what comes in large amounts is decoded there.
    pub(super) async fn exclusively(&self, abandon: &Abandon) -> Result<Whole, Failure> {
        let statements = tokio::select! {
            biased;
            () = abandon.given() => return Err(PoolError::QueryAborted.into()),
            statements = Arc::clone(&self.statements).lock_owned() => statements,
        };
        if self.is_closed() {
            return Err(closed());
        }
        let home = self.wire.place();
        self.wire.go(Place::Thread);
        Ok(Whole { statements, wire: self.wire.clone(), home })
    }

    /// Runs the requests and collects what came of them, in order. `None`: the connection was broken off meanwhile.
    pub async fn run(&self, requests: &[Request]) -> Option<Delivery> {
        let work = async {
            let mut statements = self.statements.lock().await;
            self.deliver(requests, &mut statements).await.0
        };
        self.unless_killed(work).await
    }

    /// The delivery, and how many of its statements were cancelled.
    pub(super) async fn deliver(&self, requests: &[Request], statements: &mut Statements) -> (Delivery, usize) {
        let mut delivery = Delivery::default();
        if self.is_closed() {
            requests.iter().for_each(|_| delivery.error(&closed().description()));
            return (delivery, 0);
        }
        if statements.are_unnamed() {
            return self.one_by_one(requests, statements).await;
        }
        let prepared = self.prepare_all(requests, statements).await;
        let running = requests.iter().zip(&prepared).map(|(request, prepared)| self.execute(request, prepared));
        let outcomes = in_order(running, |_| {}).await;
        let mut cancelled = 0;
        for ((request, prepared), outcome) in requests.iter().zip(prepared).zip(outcomes) {
            let (prepared, outcome) = self.once_more(request, prepared, outcome, statements).await;
            cancelled += usize::from(matches!(&outcome, Err(failure) if failure.is_cancelled()));
            add(&mut delivery, prepared.ok().as_deref(), outcome);
        }
        (delivery, cancelled)
    }

    /// As `deliver`, one after the other: a pooler may give each of them another session.
    async fn one_by_one(&self, requests: &[Request], statements: &mut Statements) -> (Delivery, usize) {
        let mut delivery = Delivery::default();
        let mut cancelled = 0;
        for request in requests {
            let prepared = self.prepared(&request.text, statements).await;
            let outcome = self.execute(request, &prepared).await;
            if matches!(&outcome, Err(failure) if failure.is_outdated_statement()) {
                statements.remove(&request.text);
            }
            cancelled += usize::from(matches!(&outcome, Err(failure) if failure.is_cancelled()));
            add(&mut delivery, prepared.ok().as_deref(), outcome);
        }
        (delivery, cancelled)
    }

    /// Runs the requests as soon as those before are on their way. `emit` gets deliveries of the next results in
    /// order, as many as are there. `None`: the connection was broken off meanwhile.
    pub async fn pipeline(&self, requests: &[Request], mut emit: impl FnMut(Delivery, usize)) -> Option<()> {
        let work = async {
            let mut statements = self.statements.lock().await;
            let mut delivery = Delivery::default();
            if self.is_closed() {
                requests.iter().for_each(|_| delivery.error(&closed().description()));
                return emit(delivery, requests.len());
            }
            if statements.are_unnamed() {
                emit(self.one_by_one(requests, &mut statements).await.0, requests.len());
                return;
            }
            let prepared = self.prepare_all(requests, &mut statements).await;
            let running = requests.iter().zip(&prepared).map(|(request, prepared)| self.execute(request, prepared));
            let mut emitted = 0;
            let mut held = false;
            let mut guard = Some(statements);
            let outcomes = in_order(running, |progress| {
                // All are sent: the next ones may be.
                guard = None;
                let Progress::Quiet(outcomes) = progress else { return };
                let mut count = 0;
                for outcome in &mut outcomes[emitted..] {
                    held |= matches!(outcome, Some(Err(failure)) if failure.is_outdated_statement());
                    if held {
                        break;
                    }
                    let Some(outcome) = outcome.take() else { break };
                    add(&mut delivery, prepared[emitted + count].as_ref().ok().map(AsRef::as_ref), outcome);
                    count += 1;
                }
                emitted += count;
                if count > 0 {
                    emit(std::mem::take(&mut delivery), count);
                }
            })
            .await;
            drop(guard);
            // Only what was not taken is there.
            let left = requests.iter().zip(&prepared).skip(emitted).zip(outcomes);
            let mut count = 0;
            for ((request, prepared), outcome) in left {
                let mut prepared = prepared.clone();
                let mut outcome = outcome;
                if matches!(&outcome, Err(failure) if failure.is_outdated_statement()) {
                    let mut statements = self.statements.lock().await;
                    (prepared, outcome) = self.once_more(request, prepared, outcome, &mut statements).await;
                }
                add(&mut delivery, prepared.ok().as_deref(), outcome);
                count += 1;
            }
            if count > 0 {
                emit(delivery, count);
            }
        };
        self.unless_killed(work).await
    }

    async fn prepare_all(&self, requests: &[Request], statements: &mut Statements) -> Vec<Made> {
        if let [only] = requests {
            return vec![self.prepared(&only.text, statements).await];
        }
        let mut known: HashMap<&str, Made> = HashMap::new();
        let mut missing: Vec<&String> = Vec::new();
        for Request { text, .. } in requests {
            if known.contains_key(text.as_str()) {
                continue;
            }
            // A place for what is missing, too: each text is prepared once.
            let made = statements.get(text).ok_or_else(|| {
                missing.push(text);
                Failure::from(PoolError::Protocol("a statement was lost".into()))
            });
            known.insert(text, made);
        }
        let made = join_all(missing.iter().map(|text| self.prepare(text)).collect()).await;
        for (text, made) in missing.into_iter().zip(made) {
            if let Ok(prepared) = &made {
                statements.insert(text, Arc::clone(prepared));
            }
            known.insert(text, made);
        }
        requests.iter().map(|request| known[request.text.as_str()].clone()).collect()
    }

    /// The statement of a text, prepared if it is not yet.
    pub(super) async fn prepared(&self, text: &str, statements: &mut Statements) -> Made {
        if let Some(prepared) = statements.get(text) {
            return Ok(prepared);
        }
        let prepared = match statements.questions() {
            // These have no columns, and in a failed transaction nothing can be looked at.
            Some(_) if is_control(text) => Arc::new(Prepared::control(text)),
            Some(questions) => {
                let made = unnamed::look(&self.client, text, questions, |it| Prepared::unnamed(text, it)).await;
                Arc::new(made?)
            }
            None => self.prepare(text).await?,
        };
        statements.insert(text, Arc::clone(&prepared));
        Ok(prepared)
    }

    async fn prepare(&self, text: &str) -> Made {
        let statement = self.client.prepare(text).await.map_err(|error| Failure::from(&error))?;
        if !casts(statement.columns()) {
            let columns = statement.clone();
            return Ok(Arc::new(Prepared::new(text, columns.columns(), statement)));
        }
        let rewritten = with_casts(text, statement.columns());
        let cast = self.client.prepare(&rewritten).await.map_err(|error| Failure::from(&error))?;
        Ok(Arc::new(Prepared::new(text, statement.columns(), cast)))
    }

    /// What there is to know about a statement, in JSON: the types of its parameters, and its columns.
    pub async fn describe(&self, text: &str) -> Option<Result<String, Failure>> {
        let work = async {
            let mut statements = self.statements.lock().await;
            if self.is_closed() {
                return Err(closed());
            }
            Ok(self.prepared(text, &mut statements).await?.description())
        };
        self.unless_killed(work).await
    }

    async fn execute(&self, request: &Request, prepared: &Made) -> Outcome {
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(failure) if is_script(request, failure) => return self.script(&request.text).await,
            Err(failure) => return Err(failure.clone()),
        };
        let parameters = parameters_of(request, prepared)?;
        let outcome = match (&prepared.run, &prepared.shape) {
            (Run::Named(statement), Some(_)) => self.client.query(statement, &parameters).await.map(Answer::Rows),
            (Run::Named(statement), None) => self.client.execute(statement, &parameters).await.map(Answer::Count),
            (Run::Unnamed { text, .. }, shape) => {
                let (rows, count) = unnamed::run(&self.client, text, &request.parameters).await?;
                prepared.check(&rows)?;
                return Ok(if shape.is_some() { Answer::Rows(rows) } else { Answer::Count(count) });
            }
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
        prepared: Made,
        outcome: Outcome,
        statements: &mut Statements,
    ) -> (Made, Outcome) {
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

fn closed() -> Failure {
    Failure::from(PoolError::ConnectionClosed).on_lost_connection()
}

/// The parameters, if there are as many as the statement wants.
pub(super) fn parameters_of<'r>(
    request: &'r Request,
    prepared: &Prepared,
) -> Result<Vec<&'r (dyn ToSql + Sync)>, Failure> {
    let expected = prepared.run.parameters().len();
    if request.parameters.len() != expected {
        return Err(Failure::parameter_count(request.parameters.len(), expected));
    }
    Ok(request.parameters.iter().map(|parameter| parameter as &(dyn ToSql + Sync)).collect())
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
        (Ok(Answer::Rows(rows)), Some(prepared)) => add_rows(delivery, prepared, &rows).err(),
        (Ok(_), _) => {
            delivery.command("", None);
            None
        }
    };
    if let Some(failure) = failed {
        delivery.error(&failure.description());
    }
}

/// Adds rows of a statement to a delivery.
pub(super) fn add_rows(delivery: &mut Delivery, prepared: &Prepared, rows: &[Row]) -> Result<(), Failure> {
    let Some(shape) = &prepared.shape else { return Ok(()) };
    let count = prepared.count(rows.len() as u64);
    let done = delivery.result(shape, rows, &prepared.command, count);
    done.map_err(|_| PoolError::Protocol("a value is not what its type promises, or too long".into()).into())
}
