//! The engine of a process for one address: its connection, and what is known of the server's health.

use super::address::Address;
use super::error::ClusterError;
use super::link::Link;
use crate::clock::{Clock, SystemClock};
use crate::resilience::breaker::{Breaker, State};
use crate::resilience::config::BreakerConfig;
use crate::runtime::Site;
use crate::runtime::local::Spawner;
use crate::runtime::socket::Poller;
use redis::PushKind;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// Milliseconds from a failure to the first question whether the server is there again; doubles with every question
/// that stays without an answer, up to the second.
const FIRST_PAUSE: f64 = 100.0;
const LONGEST_PAUSE: f64 = 1000.0;

/// What is known of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The first connection is being made.
    Connecting,
    /// It answers. The number grows each time it comes back, however short it was away.
    Up(u64),
    /// It is away.
    Down,
}

/// See the room's documentation.
pub struct Engine {
    address: Address,
    site: Site,
    inner: Mutex<Inner>,
    health: watch::Sender<Health>,
    /// Fair, so that who waited for the first connection is not overtaken: calls leave in the order they were made.
    turn: tokio::sync::Mutex<()>,
}

struct Inner {
    link: Option<Link>,
    /// Which connection that is, of all that were made.
    made: u64,
    breaker: Breaker,
    /// How often the server was there.
    times: u64,
    /// Why the last connection could not be made.
    reason: ClusterError,
}

/// A connection, and which it is of all that were made.
struct Dialled {
    link: Link,
    made: u64,
}

/// Which of a process's engines it is: the loop it is on, if it is on one, and the address.
type Name = (Option<Spawner>, Address);

static ENGINES: LazyLock<Mutex<HashMap<Name, Weak<Engine>>>> = LazyLock::new(Mutex::default);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> f64 {
    SystemClock.monotonic_millis()
}

impl Engine {
    /// The process's engine for the address, or that of the loop where one is given. It begins to connect at once and
    /// never gives up.
    ///
    /// # Errors
    /// When the thread of the sockets cannot be started.
    pub fn open(address: &Address, poller: Option<Arc<dyn Poller>>) -> Result<Arc<Self>, ClusterError> {
        let poller = poller.filter(|_| address.fits_a_loop());
        let name = (poller.as_ref().map(|poller| poller.spawner().clone()), address.clone());
        let mut engines = locked(&ENGINES);
        if let Some(engine) = engines.get(&name).and_then(Weak::upgrade) {
            return Ok(engine);
        }
        let breaker = BreakerConfig {
            failure_threshold: 1.0,
            success_threshold: 1.0,
            reset_timeout: FIRST_PAUSE,
            reset_timeout_factor: 2.0,
            max_reset_timeout: LONGEST_PAUSE,
            ..BreakerConfig::default()
        };
        let inner =
            Inner { link: None, made: 0, breaker: Breaker::new(breaker, now()), times: 0, reason: ClusterError::Away };
        let engine = Arc::new(Self {
            address: address.clone(),
            site: Site::of(poller)?,
            inner: Mutex::new(inner),
            health: watch::channel(Health::Connecting).0,
            turn: tokio::sync::Mutex::default(),
        });
        engines.retain(|_, engine| engine.strong_count() > 0);
        engines.insert(name, Arc::downgrade(&engine));
        engine.site.spawn(recover(Arc::downgrade(&engine), None));
        Ok(engine)
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Where everything of it runs.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// What is known of the server, now and whenever it changes.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Whether a call would be sent now, or as soon as the first connection is there.
    pub fn is_up(&self) -> bool {
        *self.health.borrow() != Health::Down
    }

    /// Why the last connection could not be made.
    pub fn reason(&self) -> ClusterError {
        locked(&self.inner).reason.clone()
    }

    /// The connection, with the number of its [`Health::Up`].
    ///
    /// # Errors
    /// [`ClusterError::Away`] at once while the server is away. Waits only for the first connection.
    pub async fn link(&self) -> Result<(Link, u64), ClusterError> {
        let _turn = self.turn.lock().await;
        let mut health = self.health.subscribe();
        loop {
            let known = *health.borrow_and_update();
            match known {
                Health::Up(times) => {
                    return locked(&self.inner).link.clone().map(|link| (link, times)).ok_or(ClusterError::Away);
                }
                Health::Down => return Err(ClusterError::Away),
                Health::Connecting => health.changed().await.map_err(|_| ClusterError::Away)?,
            }
        }
    }

    /// The connection without waiting for it; `None` when it is not there.
    pub fn link_now(&self) -> Option<(Link, u64)> {
        let Health::Up(times) = *self.health.borrow() else { return None };
        locked(&self.inner).link.clone().map(|link| (link, times))
    }

    /// Has what lies in the socket read at once, where that is on a loop which may have neglected it.
    pub fn hurry(&self) {
        self.link_now().into_iter().for_each(|(link, _)| link.hurry());
    }

    /// A call over the connection numbered `times` failed in a way that says something about the server: from now on
    /// calls are refused, until it has answered the engine's own question within `limit`.
    pub fn failed(self: &Arc<Self>, times: u64, limit: Duration) {
        let mut inner = locked(&self.inner);
        if times == inner.times
            && let Some(link) = self.open_circuit(&mut inner)
        {
            self.site.spawn(recover(Arc::downgrade(self), Some((Dialled { link, made: inner.made }, limit))));
        }
    }

    /// The connection has ended.
    fn lost(self: &Arc<Self>, made: u64) {
        let mut inner = locked(&self.inner);
        if made == inner.made && self.open_circuit(&mut inner).is_some() {
            self.site.spawn(recover(Arc::downgrade(self), None));
        }
    }

    /// The connection that calls are no longer to use; `None` when they do not use it already.
    fn open_circuit(&self, inner: &mut Inner) -> Option<Link> {
        let state = inner.breaker.failed(now(), 0.0)?;
        inner.breaker.transition(state, now());
        self.health.send_replace(Health::Down);
        inner.link.take()
    }

    /// The first connection did not come within a caller's patience: who comes next does not wait for it.
    pub fn first_is_late(&self) {
        self.health.send_if_modified(|health| {
            let late = *health == Health::Connecting;
            if late {
                *health = Health::Down;
            }
            late
        });
    }

    fn came_back(&self, Dialled { link, made }: Dialled) {
        let mut inner = locked(&self.inner);
        if inner.breaker.visible.state != State::Closed {
            inner.breaker.transition(State::Closed, now());
        }
        inner.times += 1;
        (inner.link, inner.made) = (Some(link), made);
        self.health.send_replace(Health::Up(inner.times));
    }

    /// The pause before the next question.
    fn stayed_away(&self, reason: ClusterError) -> Duration {
        let mut inner = locked(&self.inner);
        inner.reason = reason;
        if inner.breaker.visible.state != State::HalfOpen {
            inner.breaker.transition(State::HalfOpen, now());
        }
        inner.breaker.failed(now(), 0.0);
        inner.breaker.transition(State::Open, now());
        self.health.send_replace(Health::Down);
        // Processes that lost a server together do not come back together.
        let random = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
        Duration::from_secs_f64(inner.breaker.wait() * (0.5 + random / 2.0) / 1e3)
    }

    /// A connection whose end is noticed at once, also when no call is under way.
    async fn dial(self: &Arc<Self>) -> Result<Dialled, ClusterError> {
        let (pushes, mut pushed) = tokio::sync::mpsc::unbounded_channel();
        let link = Link::dial(&self.address, &self.site, Some(pushes)).await?;
        let made = locked(&self.inner).made + 1;
        let engine = Arc::downgrade(self);
        // A cluster finds its lost nodes again by itself.
        if matches!(link, Link::Server(..)) {
            self.site.spawn(async move {
                while let Some(push) = pushed.recv().await {
                    if push.kind == PushKind::Disconnection {
                        engine.upgrade().into_iter().for_each(|engine| engine.lost(made));
                    }
                }
            });
        }
        Ok(Dialled { link, made })
    }
}

/// Asks until the server answers, or until nobody uses the engine any more: over the connection that is there (when the
/// answer was only late), then over new ones.
async fn recover(engine: Weak<Engine>, old: Option<(Dialled, Duration)>) {
    if let Some((mut old, limit)) = old
        && let Ok(Ok(())) = tokio::time::timeout(limit, old.link.ping()).await
    {
        if let Some(engine) = engine.upgrade() {
            engine.came_back(old);
        }
        return;
    }
    loop {
        let Some(strong) = engine.upgrade() else { return };
        let pause = match strong.dial().await {
            Ok(link) => return strong.came_back(link),
            Err(reason) => strong.stayed_away(reason),
        };
        drop(strong);
        tokio::time::sleep(pause).await;
    }
}
