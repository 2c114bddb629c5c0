//! One user of an engine: its own prefix and time limit over the connection that all share.

use super::config::ClusterConfig;
use super::engine::{Engine, Health};
use super::error::ClusterError;
use super::link::Link;
use super::patience::within;
use crate::runtime::socket::Poller;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, ScriptInvocation, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A user of the engine; clones are the same user.
#[derive(Clone)]
pub struct Client {
    engine: Arc<Engine>,
    prefix: Arc<str>,
    timeout: Duration,
}

impl Client {
    /// A user with these settings; the connection is made in the background.
    ///
    /// # Errors
    /// When the thread of the sockets cannot be started.
    pub fn open(config: &ClusterConfig) -> Result<Self, ClusterError> {
        Self::open_on(config, None)
    }

    /// As [`Client::open`], with the connection on a loop where one is given and the address fits it.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub fn open_on(config: &ClusterConfig, poller: Option<Arc<dyn Poller>>) -> Result<Self, ClusterError> {
        let engine = Engine::open(&config.address, poller)?;
        Ok(Self { engine, prefix: config.prefix.as_str().into(), timeout: config.timeout })
    }

    /// The whole key of a name.
    pub fn key(&self, name: &str) -> String {
        [&*self.prefix, name].concat()
    }

    /// What stands before every key.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How long a call may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The engine behind it.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Runs `job` where the engine's socket is: calls have to run there.
    pub fn spawn(&self, job: impl Future<Output = ()> + Send + 'static) {
        self.engine.site().spawn(job);
    }

    /// Whether a call would be sent; without one, calls fail at once.
    pub fn is_up(&self) -> bool {
        self.engine.is_up()
    }

    /// What is known of the server, now and whenever it changes: who has something to repair waits for [`Health::Up`].
    pub fn health(&self) -> watch::Receiver<Health> {
        self.engine.health()
    }

    /// One command. A reply that is an error is an `Err`.
    ///
    /// # Errors
    /// [`ClusterError::Away`] at once while the server is away, [`ClusterError::Timeout`] after the time limit, and what
    /// the server says.
    pub async fn send(&self, command: &Cmd) -> Result<Value, ClusterError> {
        self.within(async |mut link: Link| link.req_packed_command(command).await?.extract_error()).await
    }

    /// Several commands in one write; in a cluster all keys have to lie in one slot. Replies in order; the first that is an
    /// error is the `Err`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, ClusterError> {
        self.within(async |mut link: Link| pipeline.query_async(&mut link).await).await
    }

    /// A script, sent by its digest, or whole where the server does not know it.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn run(&self, call: &ScriptInvocation<'_>) -> Result<Value, ClusterError> {
        self.within(async |mut link: Link| call.invoke_async(&mut link).await).await
    }

    pub(super) async fn within<T>(
        &self,
        work: impl AsyncFnOnce(Link) -> redis::RedisResult<T>,
    ) -> Result<T, ClusterError> {
        let mut number = None;
        let attempt = async {
            let (link, times) = self.engine.link().await?;
            number = Some(times);
            work(link).await.map_err(ClusterError::from)
        };
        let done = within(self.timeout, self.engine.site(), || self.engine.hurry(), attempt).await;
        let done = done.unwrap_or(Err(ClusterError::Timeout));
        match (&done, number) {
            (Err(error), Some(times)) if error.is_outage() => self.engine.failed(times, self.timeout),
            (Err(ClusterError::Timeout), None) => self.engine.first_is_late(),
            _ => {}
        }
        done
    }
}
