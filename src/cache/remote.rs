//! The remote tier: values in Valkey under versions, and the order in which they and the bus are told.
//!
//! Why versions: a load that began before an invalidation must not write what it found after it. Each envelope has one of
//! its own, an invalidation leaves a tombstone with one, and what a load found is stored only if the key still has the
//! version that was seen when the load began. Tombstones live longer than any load may take to be stored.
//!
//! An invalidation is acknowledged when the server has the tombstone *and then* the bus its notice: whoever reads the
//! remote tier after the notice finds nothing old there. What could not be told is repaired when the server is back.

use super::envelope::{Found, Stored, decode, encode, is_long_to_decode, is_long_to_encode, tombstone, version_of};
use super::error::CacheError;
use super::remote_config::{BusConfig, RemoteConfig};
use super::repair::{Repair, Repairs};
use super::seal::Seal;
use crate::clock::{Clock, SystemClock};
use crate::cluster::batch::{Batch, Order};
use crate::cluster::bus::{Heard, Member};
use crate::cluster::engine::Health;
use crate::cluster::notice::Notice;
use crate::cluster::{Client, ClusterError, Script, Value, cmd};
use crate::error::Coded;
use crate::runtime::socket::Poller;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

/// Milliseconds a tombstone lives, and a load may take for its value to be stored.
pub const TOMBSTONE_MS: u64 = 60_000;
/// Milliseconds a version of a tag is remembered: longer than any tagged value lives.
const TAG_MS: u64 = LONGEST_TAGGED_MS + 86_400_000;
/// Milliseconds a tagged value lives at most: 30 days.
const LONGEST_TAGGED_MS: u64 = 30 * 86_400_000;
/// Versions are exact as JavaScript numbers.
const VERSION_MASK: u64 = (1 << 53) - 1;

/// What a notice or a repair is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A key.
    Key = b'k',
    /// A tag.
    Tag = b't',
    /// A pattern of keys.
    Pattern = b'p',
    /// A key that has a new value: what others have of it is old, without having been invalidated.
    Written = b'w',
    /// A key whose load has ended, for those who wait for it.
    Loaded = b'l',
    /// A key that was removed because one that it depends on was; not removed anew by who hears of it.
    Seen = b's',
    /// An event of the application.
    Event = b'e',
}

impl Kind {
    /// What the bus says of it. Keys and tags go with the version they have now: what was made after that is not old.
    pub fn notice(self, name: &str, version: u64) -> Notice {
        let text = if matches!(self, Self::Key | Self::Tag) { format!("{version}:{name}") } else { name.to_owned() };
        Notice { kind: self as u8, text }
    }
}

/// Stores a value if the key has the version that was seen, and the lease is still the caller's where there is one.
static STORE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local leased = ARGV[4] ~= '' and redis.call('GET', KEYS[2]) or false
if ARGV[4] ~= '' and leased ~= ARGV[4] then return 0 end
local same = redis.call('GETRANGE', KEYS[1], 2, 9) == ARGV[3]
if same then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
if leased then redis.call('DEL', KEYS[2]) end
return same and 1 or 0",
    )
});

/// Stores a value unless the key was written or invalidated later.
static STORE_IF_NEWER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GETRANGE', KEYS[1], 10, 17) >= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1",
    )
});

/// Gives a tag a version that is larger than all it had, by the server's clock; 53 bits hold that until the year 2255.
static TAG: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
local version = math.max(time[1] * 1000000 + time[2], (tonumber(redis.call('GET', KEYS[1])) or 0) + 1)
redis.call('SET', KEYS[1], string.format('%.0f', version), 'PX', ARGV[1])
return version",
    )
});

/// When a value is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Whatever is there.
    Always,
    /// If the key still has this version (0: none), and the lease of this token is still there.
    Unchanged(u64, String),
}

/// See the module's documentation.
pub struct Remote {
    batch: Batch,
    pub(super) config: RemoteConfig,
    seal: Seal,
    versions: AtomicU64,
    repairs: Mutex<Repairs>,
    /// Whether `repairs` may hold something: read before every read.
    repairing: AtomicBool,
    /// Repairs that are being made.
    pub(super) under_repair: AtomicUsize,
    bus: OnceLock<Member>,
}

fn now() -> f64 {
    SystemClock.unix_millis() as f64
}

/// What stands between braces decides about the slot of a key in a cluster.
fn tagged(name: &str) -> String {
    name.replace('%', "%25").replace('{', "%7B").replace('}', "%7D")
}

impl Remote {
    /// A remote tier, on a loop where one is given and the address fits it; the connection is made in the background.
    ///
    /// # Errors
    /// When the thread of the sockets cannot be started, or the system has no random numbers.
    pub fn open(config: RemoteConfig, seal: Seal, poller: Option<Arc<dyn Poller>>) -> Result<Arc<Self>, ClusterError> {
        let client = Client::open_on(&config.cluster, poller)?;
        let first = getrandom::u64().map_err(|_| ClusterError::Unexpected)?;
        let remote = Arc::new(Self {
            batch: Batch::new(client.clone()),
            seal,
            versions: AtomicU64::new(first),
            repairs: Mutex::new(Repairs::new(config.max_repairs, config.max_repair_bytes)),
            repairing: AtomicBool::new(false),
            under_repair: AtomicUsize::new(0),
            bus: OnceLock::new(),
            config,
        });
        let weak = Arc::downgrade(&remote);
        client.spawn(super::repairing::run(weak, client.health()));
        Ok(remote)
    }

    /// Joins the bus. Once.
    ///
    /// # Errors
    /// As [`Member::join`].
    pub fn join(&self, bus: &BusConfig, tell: impl Fn(Heard) + Send + Sync + 'static) -> Result<(), ClusterError> {
        // Never on a loop: one reader for the whole process, which may hear of much at once.
        let client = Client::open(bus.cluster.as_ref().unwrap_or(&self.config.cluster))?;
        let member = Member::join(&client, &bus.channel, tell)?;
        _ = self.bus.set(member);
        Ok(())
    }

    /// The engine's user behind it.
    pub fn client(&self) -> &Client {
        self.batch.client()
    }

    /// How many keys and tags wait to be repaired.
    pub fn pending(&self) -> usize {
        self.lock().len() + self.under_repair.load(Ordering::Relaxed)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Repairs> {
        self.repairs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn key(&self, kind: char, name: &str) -> Vec<u8> {
        let braced = ["{", &tagged(name), "}"].concat();
        [self.client().prefix(), &kind.to_string(), ":", &braced].concat().into_bytes()
    }

    /// A version that no other has.
    pub fn version(&self) -> u64 {
        loop {
            let version = self.versions.fetch_add(1, Ordering::Relaxed) & VERSION_MASK;
            if version != 0 {
                return version;
            }
        }
    }

    /// Reads a key: its version, 0 for none, and what is there. What waits to be repaired is not read.
    pub fn read(
        self: &Arc<Self>,
        name: String,
        done: impl FnOnce(Result<(u64, Found), ClusterError>) + Send + 'static,
    ) {
        if self.is_to_be_repaired(&name) {
            return done(Err(ClusterError::Away));
        }
        let mut command = cmd("GET");
        command.arg(self.key('v', &name));
        let remote = Arc::clone(self);
        let finish = move |reply: Result<Value, ClusterError>| {
            let bytes = match reply {
                // A write that was asked for before this read may have failed meanwhile.
                Ok(_) if remote.is_to_be_repaired(&name) => return done(Err(ClusterError::Away)),
                Ok(Value::BulkString(bytes)) => bytes,
                other => return done(other.map(|_| (0, Found::Absent))),
            };
            let long = is_long_to_decode(&bytes);
            let site = remote.client().engine().site().clone();
            let read = move || done(Ok((version_of(&bytes), decode(&name, &bytes, &remote.seal))));
            if long { site.spawn_apart(read) } else { read() }
        };
        self.batch.push(Box::new(move || Order::Command(command)), Box::new(finish));
    }

    fn is_to_be_repaired(&self, name: &str) -> bool {
        let busy = || self.under_repair.load(Ordering::Relaxed) > 0;
        self.repairing.load(Ordering::Relaxed) && (self.lock().concerns(name) || busy())
    }

    /// Writes a value: whether it is there now. A write that did not reach the server is repaired, unless it was
    /// conditional.
    pub fn write(
        self: &Arc<Self>,
        name: String,
        value: Stored,
        condition: Condition,
        done: impl FnOnce(Result<bool, ClusterError>) + Send + 'static,
    ) {
        let lives = (value.stale_until.max(value.expires) - now()).ceil();
        let lives = if lives >= 9e15 { 9_000_000_000_000_000 } else { lives.max(1.0) as u64 };
        let lives = if value.tags.is_empty() { lives } else { lives.min(LONGEST_TAGGED_MS) };
        let (version, stamp) = (self.version(), value.stamp);
        let long = is_long_to_encode(&value, self.config.compress_above);
        let (key, lease) = (self.key('v', &name), self.key('l', &name));
        let (remote, conditional) = (Arc::clone(self), condition != Condition::Always);
        // Encoded where it is sent, and kept until it is there, for it may have to be repaired.
        let sent = Arc::new(Mutex::new(None::<Vec<u8>>));
        let (making, made) = (Arc::clone(&sent), sent);
        let (owner, its_name) = (Arc::clone(self), name.clone());
        let make = move || {
            let encoded: Result<Vec<u8>, CacheError> =
                encode(&its_name, version, &value, owner.config.compress_above, &owner.seal);
            let bytes = encoded.unwrap_or_else(|_| tombstone(version, stamp));
            if !conditional {
                *making.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes.clone());
            }
            match condition {
                Condition::Always => {
                    let mut command = cmd("SET");
                    command.arg(key).arg(bytes).arg("PX").arg(lives);
                    Order::Command(command)
                }
                Condition::Unchanged(seen, token) => {
                    let seen = if seen == 0 { Vec::new() } else { seen.to_be_bytes().to_vec() };
                    let arguments = vec![bytes, lives.to_string().into_bytes(), seen, token.into_bytes()];
                    Order::Script(&STORE, vec![key, lease], arguments)
                }
            }
        };
        let finish = move |reply: Result<Value, ClusterError>| {
            if !conditional {
                let bytes = made.lock().unwrap_or_else(PoisonError::into_inner).take();
                match (&reply, bytes) {
                    (Ok(_), _) => remote.repaired(&name),
                    (Err(error), Some(bytes)) if error.retryable() => {
                        remote.repair(Kind::Key, &name, Repair::Write(bytes, lives));
                    }
                    _ => {}
                }
            }
            done(reply.map(|value| !matches!(value, Value::Int(0))));
        };
        let push = if long { Batch::push_long } else { Batch::push };
        push(&self.batch, Box::new(make), Box::new(finish));
    }

    /// The versions of tags; 0 for those that were never invalidated.
    pub fn tags(
        self: &Arc<Self>,
        names: &[String],
    ) -> impl Future<Output = Result<Vec<u64>, ClusterError>> + Send + use<> {
        let asked: Vec<_> = names
            .iter()
            .map(|name| {
                let mut command = cmd("GET");
                command.arg(self.key('t', name));
                self.begin(Order::Command(command))
            })
            .collect();
        async move {
            let mut versions = Vec::with_capacity(asked.len());
            for reply in asked {
                versions.push(match reply.await.unwrap_or(Err(ClusterError::Lost))? {
                    Value::BulkString(bytes) => {
                        String::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).unwrap_or(1)
                    }
                    _ => 0,
                });
            }
            Ok(versions)
        }
    }

    pub(super) fn begin(&self, order: Order) -> tokio::sync::oneshot::Receiver<Result<Value, ClusterError>> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.batch.push(Box::new(move || order), Box::new(move |reply| _ = sender.send(reply)));
        receiver
    }

    /// Makes keys and tags old everywhere: true once the server and then the bus have it. What they could not be told is
    /// repaired later. The commands are on their way, in order, when this returns.
    pub fn remove(self: &Arc<Self>, what: Vec<(Kind, String)>) -> impl Future<Output = bool> + Send + use<> {
        let versions: Vec<u64> = what.iter().map(|_| self.version()).collect();
        let order = |((kind, name), version): (&(Kind, String), &u64)| {
            self.removal(*kind, name, *version).map(|order| self.begin(order))
        };
        let asked: Vec<_> = what.iter().zip(&versions).map(order).collect();
        let remote = Arc::clone(self);
        async move {
            let (mut done, mut versions) = (true, versions);
            for (((kind, name), reply), version) in what.iter().zip(asked).zip(&mut versions) {
                let told = match (reply, kind) {
                    (Some(reply), _) => {
                        let reply = reply.await;
                        if let Ok(Ok(Value::Int(given))) = reply {
                            *version = given as u64;
                        }
                        matches!(reply, Ok(Ok(_)))
                    }
                    (None, Kind::Pattern) => super::repairing::sweep(&remote, name).await.is_ok(),
                    (None, _) => true,
                };
                if !told && matches!(kind, Kind::Key | Kind::Tag | Kind::Pattern) {
                    remote.repair(*kind, name, Repair::Remove);
                    done = false;
                }
            }
            // In this order: who hears of it reads the tier again.
            let notices = what.iter().zip(versions).map(|((kind, name), version)| kind.notice(name, version)).collect();
            if done && remote.publish(notices).await.is_ok() {
                if remote.config.replicated {
                    let mut repairs = remote.lock();
                    what.iter().filter(|(kind, _)| *kind == Kind::Key).for_each(|(_, name)| repairs.told(name, now()));
                }
                return true;
            }
            if done {
                what.iter().for_each(|(kind, name)| remote.repair(*kind, name, Repair::Remove));
            }
            false
        }
    }

    /// What makes one thing old on the server; `None` where that is more than a command, or nothing.
    pub(super) fn removal(&self, kind: Kind, name: &str, version: u64) -> Option<Order> {
        match kind {
            Kind::Key => {
                let mut command = cmd("SET");
                command.arg(self.key('v', name)).arg(tombstone(version, now())).arg("PX").arg(TOMBSTONE_MS);
                Some(Order::Command(command))
            }
            Kind::Tag => Some(Order::Script(&TAG, vec![self.key('t', name)], vec![TAG_MS.to_string().into_bytes()])),
            _ => None,
        }
    }

    /// A value that was written while the server was away, if nobody wrote later.
    pub(super) async fn write_if_newer(&self, name: &str, bytes: Vec<u8>, lives: u64) -> Result<(), ClusterError> {
        let stamp = bytes.get(10..18).unwrap_or_default().to_vec();
        let arguments = vec![bytes, lives.to_string().into_bytes(), stamp];
        self.batch.ask(Order::Script(&STORE_IF_NEWER, vec![self.key('v', name)], arguments)).await.map(|_| ())
    }

    pub(super) async fn ask(&self, order: Order) -> Result<Value, ClusterError> {
        self.batch.ask(order).await
    }

    /// Tells the others; fine where there is no bus.
    pub async fn publish(&self, notices: Vec<Notice>) -> Result<(), ClusterError> {
        match self.bus.get() {
            Some(bus) if !notices.is_empty() => bus.publish(notices).await,
            _ => Ok(()),
        }
    }

    pub(super) fn repair(&self, kind: Kind, name: &str, repair: Repair) {
        if matches!(kind, Kind::Key | Kind::Tag | Kind::Pattern) {
            self.repairing.store(true, Ordering::Relaxed);
            self.lock().add(&format!("{}{name}", char::from(kind as u8)), repair);
        }
    }

    fn repaired(&self, name: &str) {
        if self.repairing.load(Ordering::Relaxed) {
            self.lock().forget(&format!("k{name}"));
            self.settle_repairs();
        }
    }

    pub(super) fn settle_repairs(&self) {
        let repairs = self.lock();
        if repairs.is_empty() && self.under_repair.load(Ordering::Relaxed) == 0 {
            self.repairing.store(false, Ordering::Relaxed);
        }
    }

    /// Whether what was told lately may have to be told again.
    pub(super) fn is_replicated(&self) -> bool {
        self.config.replicated
    }

    /// What is known of the server.
    pub fn health(&self) -> Health {
        *self.client().health().borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_braces_keeps_its_keys_in_one_slot() {
        assert_eq!(tagged("a{b}%"), "a%7Bb%7D%25");
        assert_ne!(tagged("a%7B"), tagged("a{"));
    }
}
