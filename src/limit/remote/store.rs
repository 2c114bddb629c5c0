//! Who answers the questions: Valkey or Redis through the engine. A leaf: the only file here that touches the world.

use super::ops::{Reply, Request, argument, replies};
use crate::cluster::address::Topology;
use crate::cluster::{Client, ClusterError, Script, Value};
use crate::limit::queue::LineId;
use crate::limit::ticks::Ticks;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Who is told the answer.
pub enum Origin {
    /// A client's line: its heads by cost.
    Line {
        /// Which.
        id: LineId,
        /// A cost, and who wants it, in order.
        groups: Vec<(f64, Vec<u64>)>,
    },
    /// Somebody who does not stand in line.
    Probe {
        /// His number.
        ticket: u64,
        /// What he wants.
        cost: f64,
    },
    /// Somebody else.
    Call(Box<dyn FnOnce(Option<Reply>) + Send>),
}

/// A request under way.
pub struct Departed {
    /// What is asked.
    pub request: Request,
    /// For whom.
    pub origin: Origin,
}

/// What answers a journey: the replies in order, `None` when there are none.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Option<Vec<Reply>>> + Send + 'a>>;

/// Somebody who answers questions about buckets.
pub trait Store: Send + Sync + 'static {
    /// How many requests may go in one call.
    fn together(&self) -> usize;
    /// Has answers that have come be noticed at once.
    fn hurry(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
    /// Asks.
    fn call<'a>(&'a self, requests: &'a [Request]) -> Answering<'a>;
}

/// Buckets in Valkey or Redis.
pub struct Valkey {
    client: Client,
    script: Script,
    interval_ms: f64,
    ticks: Ticks,
    figures: Arc<Figures>,
}

/// What was asked of a store, and how it went.
#[derive(Debug, Default)]
pub struct Figures {
    calls: AtomicU64,
    failures: AtomicU64,
    last_error: Mutex<Option<ClusterError>>,
}

impl Figures {
    fn failed(&self, error: ClusterError) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Calls made, calls that failed, and why the last of these did.
    pub fn read(&self) -> (u64, u64, Option<String>) {
        let last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        let (calls, failures) = (self.calls.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed));
        (calls, failures, last.as_ref().map(ToString::to_string))
    }
}

impl Valkey {
    /// Buckets that are refilled every `interval_ms`.
    pub fn new(client: Client, interval_ms: f64) -> Self {
        let mut ticks = Ticks::new(interval_ms);
        ticks.start(0.0);
        Self { client, script: Script::new(include_str!("bucket.lua")), interval_ms, ticks, figures: Arc::default() }
    }

    /// How it goes.
    pub fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    async fn ask(&self, requests: &[Request]) -> Result<Vec<Reply>, ClusterError> {
        let keys: Vec<&str> = requests.iter().map(|request| &*request.key).collect();
        let asked = argument(self.interval_ms, requests);
        match self.client.run(&self.script.call(&keys, &[asked.as_slice()])).await? {
            Value::BulkString(bytes) => replies(&bytes, &self.ticks, requests).ok_or(ClusterError::Unexpected),
            _ => Err(ClusterError::Unexpected),
        }
    }
}

impl Store for Valkey {
    fn together(&self) -> usize {
        // In a cluster the keys of a call have to lie in one slot; these lie all over it.
        if self.client.engine().address().topology == Topology::Cluster { 1 } else { 100 }
    }

    fn hurry(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            self.client.engine().hurry();
            tokio::task::yield_now().await;
        })
    }

    fn call<'a>(&'a self, requests: &'a [Request]) -> Answering<'a> {
        Box::pin(async move {
            self.figures.calls.fetch_add(1, Ordering::Relaxed);
            self.ask(requests).await.map_err(|error| self.figures.failed(error)).ok()
        })
    }
}
