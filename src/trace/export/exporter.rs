//! An exporter as its tracer sees it.

use super::batch::HandOver;
use super::config::ExportConfig;
use super::http::{NoExporter, Sender};
use super::names::Names;
use super::queue::{ExportStats, Flushed, Queue};
use super::worker;
use crate::error::{Code, Coded, ErrorClass};
use crate::trace::wall::WallClock;
use opentelemetry::KeyValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long the thread sends what is pending when its exporter is gone.
const CLOSING: Duration = Duration::from_secs(5);

/// Hands spans to a thread of its own.
pub struct Exporter {
    /// Its options.
    pub config: ExportConfig,
    /// Texts that hand-overs tell by number.
    pub names: Names,
    queue: Arc<Queue>,
    /// Until the thread is started.
    sender: Option<Sender>,
    wall: WallClock,
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Exporter").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Coded for NoExporter {
    fn code(&self) -> Code {
        match self {
            Self::Pem(_) => Code::InvalidArgument,
            Self::Build => Code::Internal,
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Pem(_) => ErrorClass::TypeError,
            Self::Build => ErrorClass::Error,
        }
    }
}

impl Exporter {
    /// An exporter for a service; `process` describes the process as a resource, below what the configuration says.
    pub fn new(
        config: ExportConfig,
        service_name: &str,
        process: BTreeMap<String, String>,
    ) -> Result<Self, NoExporter> {
        let mut resource = process;
        resource.insert("telemetry.sdk.name".into(), "tooloo-native".into());
        resource.insert("telemetry.sdk.language".into(), "nodejs".into());
        resource.insert("telemetry.sdk.version".into(), env!("CARGO_PKG_VERSION").into());
        resource.extend(config.resource.clone());
        resource.insert("service.name".into(), service_name.into());
        let resource = resource.into_iter().map(|(key, value)| match value.parse::<i64>() {
            Ok(pid) if key == "process.pid" => KeyValue::new(key, pid),
            _ => KeyValue::new(key, value),
        });
        let sender = Sender::new(&config, resource.collect())?;
        Ok(Self {
            names: Names::default(),
            queue: Arc::new(Queue::new(&config)),
            config,
            sender: Some(sender),
            wall: WallClock::default(),
        })
    }

    /// Takes spans over. `now_ms` is the monotonic clock of their times, read just now.
    pub fn push(&mut self, batch: HandOver, now_ms: f64) {
        let offset_ms = self.wall.read(now_ms);
        self.queue.push(HandOver { offset_ms, names: self.names.clone(), ..batch });
        if let Some(sender) = self.sender.take() {
            let (queue, retry_for) = (self.queue.clone(), self.config.retry_for);
            let thread = std::thread::Builder::new().name("tooloo-traces".into());
            // Without a thread the queue fills up and what comes then is counted as dropped.
            let _ = thread.spawn(move || worker::run(&queue, &sender, retry_for));
        }
    }

    /// Sends what is pending; `done` learns whether all of it arrived.
    pub fn flush(&self, done: Flushed) {
        self.queue.flush(done);
    }

    /// Ends the waiting for every flush.
    pub fn give_up_flushes(&self) {
        self.queue.give_up_flushes();
    }

    /// Blocks until nothing is pending, at most [`ExportConfig::exit_timeout`]; for the end of the process.
    pub fn drain(&self) -> bool {
        self.queue.drain(self.config.exit_timeout)
    }

    /// The figures.
    pub fn stats(&self) -> ExportStats {
        self.queue.stats()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.queue.close(CLOSING);
    }
}
