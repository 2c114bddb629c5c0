//! The invalidation bus: what one process makes old, all others hear of, at least once and in order.
//!
//! A stream of the server for each channel (`XADD … MAXLEN`, `XREAD BLOCK`), not publish/subscribe and not client
//! tracking: those two forget what was sent while a reader was away, so each reconnect would cost the whole local tier.
//! From a stream a reader goes on where it was. docs/consistency.md has what the three cost.
//!
//! What readers may rely on: when a reader was told that it is *in step* as of a moment, it has heard of everything that
//! was acknowledged to any sender before that moment, since the last *gap*. There is a gap when messages were trimmed
//! before they were read, when the stream is gone (a server that lost its data), or when a sender's number is missing (its
//! queue was full).

use super::client::Client;
use super::error::ClusterError;
use super::link::Link;
use super::notice::{Arrival, Message, Notice, Sequences};
use super::outbox::Outbox;
use redis::{Value, cmd};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long the server waits for news before it says that there is none: the reader's heartbeat.
const HEARTBEAT: Duration = Duration::from_millis(250);
/// Messages in one reply at most.
const MOST_AT_ONCE: usize = 1000;
/// Waits between attempts to come back.
const PAUSE: Duration = Duration::from_millis(100);
/// The field of a stream's entry.
const FIELD: &str = "m";

/// What a subscriber is told, in order.
#[derive(Debug, Clone)]
pub struct Heard {
    /// What has become old.
    pub notices: Vec<Notice>,
    /// Everything acknowledged before this moment has been told by now.
    pub in_step: Instant,
    /// … since this moment, which moves when there was a gap.
    pub since: Instant,
}

type Tell = Box<dyn Fn(Heard) + Send + Sync>;

/// A channel of this process: one reader, however many subscribers.
pub struct Bus {
    client: Client,
    stream: String,
    inner: Mutex<Inner>,
    pub(super) outbox: Outbox,
}

struct Inner {
    /// Number of the sender → what its subscriber does with news.
    subscribers: HashMap<u64, Arc<Tell>>,
    sequences: Sequences,
    since: Instant,
    in_step: Option<Instant>,
}

static BUSES: LazyLock<Mutex<HashMap<String, Weak<Bus>>>> = LazyLock::new(Mutex::default);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A subscriber, which is a sender too. It leaves when it is dropped.
pub struct Member {
    bus: Arc<Bus>,
    /// Its name among all senders.
    pub id: u64,
    number: AtomicU64,
}

impl Member {
    /// Joins a channel; `tell` runs where the client's socket is.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn join(
        client: &Client,
        channel: &str,
        tell: impl Fn(Heard) + Send + Sync + 'static,
    ) -> Result<Self, ClusterError> {
        let stream = client.key(&format!("bus:{channel}"));
        // Two engines may have streams of one name.
        let name = format!("{:p}:{stream}", Arc::as_ptr(client.engine()));
        let mut buses = locked(&BUSES);
        buses.retain(|_, bus| bus.strong_count() > 0);
        let id = getrandom::u64().map_err(|_| ClusterError::Unexpected)? >> 11;
        let bus = match buses.get(&name).and_then(Weak::upgrade) {
            Some(bus) => bus,
            None => {
                let inner = Inner {
                    subscribers: HashMap::new(),
                    sequences: Sequences::default(),
                    since: Instant::now(),
                    in_step: None,
                };
                let bus = Arc::new(Bus {
                    client: client.clone(),
                    stream,
                    inner: Mutex::new(inner),
                    outbox: Outbox::default(),
                });
                buses.insert(name, Arc::downgrade(&bus));
                client.spawn(read(Arc::downgrade(&bus), client.clone()));
                bus
            }
        };
        locked(&bus.inner).subscribers.insert(id, Arc::new(Box::new(tell)));
        Ok(Self { bus, id, number: AtomicU64::new(0) })
    }

    /// Tells all other members; resolves when the server has it. What could not be delivered in the client's time limit
    /// stays in the queue and follows.
    ///
    /// # Errors
    /// As [`Client::send`]; the notices are queued all the same.
    pub async fn publish(&self, notices: Vec<Notice>) -> Result<(), ClusterError> {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        // Other members of this process need no server to hear of it.
        self.bus.tell_others(self.id, &notices);
        let message = Message::encode(self.id, number, &notices);
        let delivered = self.bus.outbox.push(message);
        if self.bus.outbox.begin() {
            let (bus, client) = (Arc::clone(&self.bus), self.bus.client.clone());
            client.spawn(async move { bus.deliver().await });
        }
        if !self.bus.client.is_up() {
            return Err(ClusterError::Away);
        }
        match tokio::time::timeout(self.bus.client.timeout(), delivered).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(ClusterError::Lost),
            Err(_) => Err(ClusterError::Timeout),
        }
    }

    /// Messages that wait for the server.
    pub fn waiting(&self) -> usize {
        self.bus.outbox.len()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        locked(&self.bus.inner).subscribers.remove(&self.id);
    }
}

impl Bus {
    fn tell_others(&self, sender: u64, notices: &[Notice]) {
        let others: Vec<(Arc<Tell>, Heard)> = {
            let inner = locked(&self.inner);
            // Not in step by that: the reader alone knows.
            let in_step = inner.in_step.unwrap_or(inner.since);
            let heard = Heard { notices: notices.to_vec(), in_step, since: inner.since };
            let others = inner.subscribers.iter().filter(|(id, _)| **id != sender);
            others.map(|(_, tell)| (Arc::clone(tell), heard.clone())).collect()
        };
        others.into_iter().for_each(|(tell, heard)| tell(heard));
    }

    /// Sends what waits, in order, until nothing does. Ends with the last member.
    async fn deliver(self: Arc<Self>) {
        while let Some((number, messages)) = self.outbox.next() {
            let mut pipeline = redis::Pipeline::with_capacity(messages.len());
            for message in &messages {
                pipeline.cmd("XADD").arg(&self.stream).arg("MAXLEN").arg("~").arg(super::outbox::MOST_KEPT);
                pipeline.arg("*").arg(FIELD).arg(message);
            }
            if self.client.send_all(&pipeline).await.is_ok() {
                self.outbox.sent(number, messages.len());
                continue;
            }
            // Once the process has no use for the bus any more nobody would hear it from us.
            if Arc::strong_count(&self) == 1 && locked(&self.inner).subscribers.is_empty() && self.outbox.is_old(number)
            {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// News of one reply.
    fn heard(&self, messages: Vec<Message>, in_step: Instant) {
        let (subscribers, since, groups) = {
            let mut inner = locked(&self.inner);
            let mut groups = Vec::with_capacity(messages.len());
            for message in messages {
                match inner.sequences.note(message.sender, message.number) {
                    Arrival::Again => continue,
                    Arrival::Next => {}
                    Arrival::Gap => inner.since = Instant::now(),
                }
                // What comes from here was told here already.
                if !inner.subscribers.contains_key(&message.sender) {
                    groups.push(message.notices);
                }
            }
            inner.in_step = Some(in_step);
            (inner.subscribers.values().cloned().collect::<Vec<_>>(), inner.since, groups)
        };
        let notices: Vec<Notice> = groups.into_iter().flatten().collect();
        for tell in subscribers {
            tell(Heard { notices: notices.clone(), in_step, since });
        }
    }
}

/// Where a reader is: the id of the last entry it has seen.
struct Place {
    id: String,
}

/// Reads for as long as somebody subscribes.
async fn read(bus: Weak<Bus>, client: Client) {
    let (address, site) = (client.engine().address().clone(), client.engine().site().clone());
    let Some(stream) = bus.upgrade().map(|bus| bus.stream.clone()) else { return };
    drop(client);
    let mut place: Option<Place> = None;
    while bus.strong_count() > 0 {
        // A connection of its own: waiting for news must not hold up requests.
        if let Ok(mut link) = Link::dial(&address, &site, None).await {
            // Ends with an error, or with the last subscriber.
            _ = follow(&bus, &mut link, &stream, &mut place, address.connect_timeout).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow(
    bus: &Weak<Bus>,
    link: &mut Link,
    stream: &str,
    place: &mut Option<Place>,
    patience: Duration,
) -> Result<(), ClusterError> {
    let begun = Instant::now();
    let late = |_| ClusterError::Timeout;
    let mut at = match place.take() {
        Some(at) if tokio::time::timeout(patience, is_there(link, stream, &at)).await.map_err(late)?? => at,
        _ => {
            let at = tokio::time::timeout(patience, end(link, stream)).await.map_err(late)??;
            let Some(bus) = bus.upgrade() else { return Ok(()) };
            locked(&bus.inner).since = begun;
            bus.heard(Vec::new(), begun);
            at
        }
    };
    loop {
        let asked = Instant::now();
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(MOST_AT_ONCE).arg("BLOCK").arg(HEARTBEAT.as_millis() as u64);
        command.arg("STREAMS").arg(stream).arg(&at.id);
        let answer = tokio::time::timeout(HEARTBEAT + patience, command.query_async::<Value>(link)).await;
        let reply = match answer {
            Ok(Ok(reply)) => reply,
            failed => {
                *place = Some(at);
                return failed.map_err(late)?.map(|_| ()).map_err(ClusterError::from);
            }
        };
        let Some(bus) = bus.upgrade() else { return Ok(()) };
        match entries(reply) {
            // Nothing for as long as the server was to wait: so it was in step until then.
            None => bus.heard(Vec::new(), asked + HEARTBEAT.min(asked.elapsed())),
            Some(entries) => {
                if let Some((id, _)) = entries.last() {
                    at.id.clone_from(id);
                }
                let messages = entries.into_iter().filter_map(|(_, bytes)| Message::decode(&bytes)).collect();
                bus.heard(messages, asked);
            }
        }
    }
}

/// Whether the entry that was read last is still there, so that nothing after it was lost.
async fn is_there(link: &mut Link, stream: &str, at: &Place) -> Result<bool, ClusterError> {
    if at.id == "0-0" {
        // Nothing had been sent; whether something was and is gone again nobody can say.
        return Ok(false);
    }
    let found: Value = cmd("XRANGE").arg(stream).arg(&at.id).arg(&at.id).query_async(link).await?;
    Ok(matches!(found, Value::Array(entries) if !entries.is_empty()))
}

/// The end of the stream as it is now.
async fn end(link: &mut Link, stream: &str) -> Result<Place, ClusterError> {
    let last: Value = cmd("XREVRANGE").arg(stream).arg("+").arg("-").arg("COUNT").arg(1).query_async(link).await?;
    let id = list(last)
        .and_then(|found| found.into_iter().next())
        .and_then(entry)
        .map_or_else(|| "0-0".into(), |(id, _)| id);
    Ok(Place { id })
}

fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) | Value::Set(items) => Some(items),
        _ => None,
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

/// The entries of the one stream in a reply; `None` when the wait was over without any.
fn entries(reply: Value) -> Option<Vec<(String, Vec<u8>)>> {
    let found = match reply {
        // RESP3: a map of streams.
        Value::Map(streams) => streams.into_iter().next()?.1,
        Value::Array(streams) => list(streams.into_iter().next()?)?.into_iter().nth(1)?,
        _ => return None,
    };
    Some(list(found)?.into_iter().filter_map(entry).collect())
}

/// An entry's id, and the bytes of its message.
fn entry(value: Value) -> Option<(String, Vec<u8>)> {
    let mut parts = list(value)?.into_iter();
    let id = String::from_utf8(bytes(parts.next()?)?).ok()?;
    let message = match parts.next() {
        Some(Value::Map(fields)) => fields.into_iter().next().and_then(|(_, message)| bytes(message)),
        Some(fields) => list(fields).and_then(|fields| fields.into_iter().nth(1)).and_then(bytes),
        None => None,
    };
    Some((id, message.unwrap_or_default()))
}
