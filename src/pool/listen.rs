//! LISTEN on a connection of its own, which is made again when it is lost.

use super::address::Address;
use super::error::PoolError;
use super::failure::Failure;
use super::tls::Tls;
use crate::resilience::backoff::Backoff;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Notification};

/// The waits between attempts to come back.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), ceiling: Duration::from_secs(5) };
/// How often the server is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

/// What listeners are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A notification.
    Notification {
        /// Its channel.
        channel: String,
        /// Its payload.
        payload: String,
        /// The server process that sent it.
        process: i32,
    },
    /// The connection was lost and is there again: what was sent meanwhile was not heard.
    Gap,
}

type Reply = oneshot::Sender<Result<(), Failure>>;

enum Command {
    Listen(String, Reply),
    Unlisten(String, Reply),
}

/// Listens until it is dropped.
pub struct Listener {
    commands: mpsc::UnboundedSender<Command>,
}

impl Listener {
    /// Listens to nothing yet, and makes no connection before it has to. To be called on the thread of the sockets.
    pub fn start(address: Arc<Address>, limit: Duration, tell: impl Fn(Heard) + Send + Sync + 'static) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let ear = Ear { address, limit, tell: Box::new(tell), channels: BTreeSet::new(), received };
        tokio::spawn(ear.run());
        Self { commands }
    }

    /// Listens to a channel too.
    pub fn listen(&self, channel: &str) -> impl Future<Output = Result<(), Failure>> + use<> {
        self.ask(Command::Listen, channel)
    }

    /// Does not listen to it any more.
    pub fn unlisten(&self, channel: &str) -> impl Future<Output = Result<(), Failure>> + use<> {
        self.ask(Command::Unlisten, channel)
    }

    fn ask(
        &self,
        command: fn(String, Reply) -> Command,
        channel: &str,
    ) -> impl Future<Output = Result<(), Failure>> + use<> {
        let (reply, answer) = oneshot::channel();
        // When nobody receives it, the answer says so.
        let _ = self.commands.send(command(channel.into(), reply));
        async move { answer.await.unwrap_or_else(|_| Err(PoolError::Drained.into())) }
    }
}

struct Ear {
    address: Arc<Address>,
    limit: Duration,
    tell: Box<dyn Fn(Heard) + Send + Sync>,
    channels: BTreeSet<String>,
    received: mpsc::UnboundedReceiver<Command>,
}

/// A connection that hears: its client, and what comes in.
type Line = (Client, mpsc::UnboundedReceiver<Notification>);

enum Event {
    Command(Option<Command>),
    Notification(Option<Notification>),
    Ping,
}

impl Ear {
    async fn run(mut self) {
        let mut line: Option<Line> = None;
        loop {
            let event = match &mut line {
                None => Event::Command(self.received.recv().await),
                Some((_, notifications)) => tokio::select! {
                    command = self.received.recv() => Event::Command(command),
                    notification = notifications.recv() => Event::Notification(notification),
                    () = tokio::time::sleep(PING) => Event::Ping,
                },
            };
            match event {
                Event::Command(None) => return,
                Event::Command(Some(command)) => self.obey(command, &mut line).await,
                Event::Notification(Some(heard)) => (self.tell)(Heard::Notification {
                    channel: heard.channel().into(),
                    payload: heard.payload().into(),
                    process: heard.process_id(),
                }),
                Event::Notification(None) => line = None,
                Event::Ping => {
                    let Some((client, _)) = &line else { continue };
                    let answered = tokio::time::timeout(self.limit, client.simple_query("")).await;
                    if !matches!(answered, Ok(Ok(_))) {
                        line = None;
                    }
                }
            }
            if line.is_none() && !self.channels.is_empty() {
                match self.come_back().await {
                    Some(again) => line = Some(again),
                    None => return,
                }
                (self.tell)(Heard::Gap);
            }
        }
    }

    async fn obey(&mut self, command: Command, line: &mut Option<Line>) {
        match command {
            Command::Listen(channel, reply) => {
                let done = match line {
                    Some((client, _)) => say(client, "LISTEN", &channel, self.limit).await,
                    None => match self.line([channel.as_str()].into_iter()).await {
                        Ok(made) => {
                            *line = Some(made);
                            Ok(())
                        }
                        Err(failure) => Err(failure),
                    },
                };
                if done.is_ok() {
                    self.channels.insert(channel);
                }
                let _ = reply.send(done);
            }
            Command::Unlisten(channel, reply) => {
                self.channels.remove(&channel);
                let done = match line {
                    Some((client, _)) => say(client, "UNLISTEN", &channel, self.limit).await,
                    None => Ok(()),
                };
                if self.channels.is_empty() {
                    *line = None;
                }
                let _ = reply.send(done);
            }
        }
    }

    /// A line to the channels, however long it takes. `None`: nobody listens any more. Who comes meanwhile waits.
    async fn come_back(&mut self) -> Option<Line> {
        for attempt in 0.. {
            if self.received.is_closed() {
                return None;
            }
            if let Ok(line) = self.line(self.channels.iter().map(String::as_str)).await {
                return Some(line);
            }
            let random = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
            tokio::time::sleep(BACKOFF.delay(attempt.min(20), random)).await;
        }
        None
    }

    async fn line(&self, channels: impl Iterator<Item = &str>) -> Result<Line, Failure> {
        let made = tokio::time::timeout(self.limit, self.dial()).await;
        let line = made.unwrap_or_else(|_| Err(PoolError::CreateTimeout.into()))?;
        for channel in channels {
            say(&line.0, "LISTEN", channel, self.limit).await?;
        }
        Ok(line)
    }

    async fn dial(&self) -> Result<Line, Failure> {
        let tls = Tls::new(self.address.protection, &self.address.authorities)?;
        let mut last = Failure::from(PoolError::CreateTimeout);
        for &demand in self.address.role.rounds() {
            for server in &self.address.servers {
                let server = server.clone().target_session_attrs(demand).clone();
                let limit = server.get_connect_timeout().copied().unwrap_or(self.limit);
                match tokio::time::timeout(limit, connect(&server, &tls)).await {
                    Ok(Ok(line)) => return Ok(line),
                    Ok(Err(failure)) if failure.is_final_refusal() => return Err(failure),
                    Ok(Err(failure)) => last = failure,
                    Err(_) => {}
                }
            }
        }
        Err(last)
    }
}

async fn connect(server: &Config, tls: &Tls) -> Result<Line, Failure> {
    let failed = |error| Failure::from(&error);
    Ok(match tls.towards(server) {
        Tls::Plain => {
            let (client, connection) = server.connect(NoTls).await.map_err(failed)?;
            (client, drive(connection))
        }
        Tls::Rustls(connector) => {
            let (client, connection) = server.connect(connector).await.map_err(failed)?;
            (client, drive(connection))
        }
    })
}

/// Drives a connection until its end, which is the end of the channel too.
fn drive<S, T>(mut connection: Connection<S, T>) -> mpsc::UnboundedReceiver<Notification>
where
    Connection<S, T>: Send + 'static,
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (heard, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let message = poll_fn(|context| connection.poll_message(context)).await;
            match message {
                Some(Ok(AsyncMessage::Notification(notification))) => _ = heard.send(notification),
                Some(Ok(_)) => {}
                _ => return,
            }
        }
    });
    received
}

async fn say(client: &Client, verb: &str, channel: &str, limit: Duration) -> Result<(), Failure> {
    let text = format!("{verb} \"{}\"", channel.replace('"', "\"\""));
    match tokio::time::timeout(limit, client.batch_execute(&text)).await {
        Ok(done) => done.map_err(|error| Failure::from(&error)),
        Err(_) => Err(PoolError::QueryTimeout.into()),
    }
}
