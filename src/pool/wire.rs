//! The driver of a connection, and where it runs: on the thread of the sockets, or on a loop of somebody else's that
//! waits for the results anyway. It moves when it is told to, between two polls, and its socket with it.

use crate::runtime::socket::{Poller, Port};
use crate::runtime::{self, NotStarted};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Where a connection is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the thread of the sockets.
    Thread,
    /// On the loop of whoever asked for the connection.
    Loop,
}

/// What moves a connection's driver.
#[derive(Clone)]
pub struct Wire(Arc<Shared>);

struct Shared {
    port: Port,
    poller: Option<Arc<dyn Poller>>,
    order: Mutex<Order>,
    over: Notify,
}

struct Order {
    wanted: Place,
    stopped: bool,
    over: bool,
    driver: Option<Waker>,
}

/// A connection's protocol, which ends with the connection.
pub type Protocol = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Driver {
    protocol: Option<Protocol>,
    wire: Wire,
    at: Place,
    /// Whether the socket is polled here already.
    entered: bool,
}

impl Wire {
    /// Drives `protocol`, whose socket is on the thread of the sockets, where this is called. The task that is
    /// returned lasts as long as the driver; aborting it ends the driver, wherever it is.
    pub fn start(protocol: Protocol, port: Port, poller: Option<Arc<dyn Poller>>) -> (Self, JoinHandle<()>) {
        let wanted = if poller.is_some() { Place::Loop } else { Place::Thread };
        let order = Order { wanted, stopped: false, over: false, driver: None };
        let wire = Self(Arc::new(Shared { port, poller, order: Mutex::new(order), over: Notify::new() }));
        tokio::spawn(Driver { protocol: Some(protocol), wire: wire.clone(), at: Place::Thread, entered: true });
        let custody = Custody(wire.clone());
        (wire, tokio::spawn(async move { custody.0.over().await }))
    }

    fn lock(&self) -> MutexGuard<'_, Order> {
        self.0.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it is driven, or will be.
    pub fn place(&self) -> Place {
        self.lock().wanted
    }

    /// Has it driven elsewhere. Without a loop, it stays on the thread.
    pub fn go(&self, place: Place) {
        if self.0.poller.is_some() {
            self.order(|order| order.wanted = place);
        }
    }

    fn stop(&self) {
        self.order(|order| order.stopped = true);
    }

    fn order(&self, change: impl FnOnce(&mut Order)) {
        let driver = {
            let mut order = self.lock();
            change(&mut order);
            order.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Runs `job` where the connection is driven, so that neither waits for the other's thread.
    pub fn spawn(&self, job: impl Future<Output = ()> + Send + 'static) -> Result<(), NotStarted> {
        self.spawn_at(self.place(), job)
    }

    fn spawn_at(&self, place: Place, job: impl Future<Output = ()> + Send + 'static) -> Result<(), NotStarted> {
        match (&self.0.poller, place) {
            (Some(poller), Place::Loop) => poller.spawner().spawn(job),
            _ => _ = runtime::handle()?.spawn(job),
        }
        Ok(())
    }

    async fn over(&self) {
        let over = self.0.over.notified();
        tokio::pin!(over);
        over.as_mut().enable();
        if !self.lock().over {
            over.await;
        }
    }

    fn end(&self) {
        self.order(|order| order.over = true);
        self.0.over.notify_waiters();
    }
}

/// Ends the driver when it is dropped.
struct Custody(Wire);

impl Drop for Custody {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Driver {
    /// Remembers whom to wake for new orders, and gives those that are there.
    fn orders(&self, context: &Context<'_>) -> (bool, Place) {
        let mut order = self.wire.lock();
        if !order.driver.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            order.driver = Some(context.waker().clone());
        }
        (order.stopped, order.wanted)
    }

    fn enter(&mut self) -> std::io::Result<()> {
        let Shared { port, poller, .. } = &*self.wire.0;
        match (self.at, poller) {
            (Place::Loop, Some(poller)) => port.enter_loop(&**poller)?,
            _ => port.enter_thread()?,
        }
        self.entered = true;
        Ok(())
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let (stopped, wanted) = self.orders(context);
            if stopped {
                return Poll::Ready(());
            }
            if wanted != self.at {
                if self.entered && self.wire.0.port.leave().is_err() {
                    return Poll::Ready(());
                }
                let (protocol, wire) = (self.protocol.take(), self.wire.clone());
                let next = Driver { protocol, wire, at: wanted, entered: false };
                // A thread that does not start drops the driver, which ends the connection.
                let _ = self.wire.spawn_at(wanted, next);
                return Poll::Ready(());
            }
            if !self.entered && self.enter().is_err() {
                if self.at == Place::Thread {
                    return Poll::Ready(());
                }
                // The loop does not take it: the thread does.
                self.wire.lock().wanted = Place::Thread;
                continue;
            }
            let Some(protocol) = &mut self.protocol else { return Poll::Ready(()) };
            return protocol.as_mut().poll(context);
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.protocol.take().is_some() {
            // Here, where it is polled: others may hold the wire for longer.
            self.wire.0.port.close();
            self.wire.end();
        }
    }
}
