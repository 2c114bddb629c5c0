//! Commands of one turn of the event loop, sent in one write and answered with one wake-up.

use super::client::Client;
use super::error::ClusterError;
use super::link::Link;
use super::scripts::Script;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// Commands in one write at most, so that the answers to the first do not wait for all the others.
const LARGEST: usize = 500;

/// What is done with a reply; where the engine's socket is, so it must be quick.
pub type Done = Box<dyn FnOnce(Result<Value, ClusterError>) + Send>;
/// Makes the command when it is about to be sent: encoding costs nothing on the caller's thread. Always called before `Done`.
pub type Make = Box<dyn FnOnce() -> Order + Send>;

/// What is to be sent.
pub enum Order {
    /// A command.
    Command(Cmd),
    /// A script with its keys and arguments.
    Script(&'static Script, Vec<Vec<u8>>, Vec<Vec<u8>>),
}

impl Order {
    fn command(&self) -> Cmd {
        match self {
            Self::Command(command) => command.clone(),
            Self::Script(script, keys, arguments) => {
                let mut command = redis::cmd("EVALSHA");
                command.arg(script.digest()).arg(keys.len()).arg(keys).arg(arguments);
                command
            }
        }
    }
}

/// Collects commands; those of one key leave in the order in which they were pushed. Clones collect together.
#[derive(Clone)]
pub struct Batch {
    client: Client,
    waiting: Arc<Mutex<Waiting>>,
}

struct Job {
    make: Make,
    done: Done,
    /// Making it would hold up a loop.
    long: bool,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    scheduled: bool,
}

impl Batch {
    /// Nothing to send yet.
    pub fn new(client: Client) -> Self {
        Self { client, waiting: Arc::default() }
    }

    /// Whose commands they are.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends with everything else that is pushed before the engine's turn to send.
    pub fn push(&self, make: Make, done: Done) {
        self.add(Job { make, done, long: false });
    }

    /// As [`Batch::push`], for a command that takes long to make: not on a loop. What is pushed later leaves later.
    pub fn push_long(&self, make: Make, done: Done) {
        self.add(Job { make, done, long: self.is_on_loop() });
    }

    /// Whether replies come on somebody's loop, where nothing may take long.
    pub fn is_on_loop(&self) -> bool {
        self.client.engine().site().poller().is_some()
    }

    fn add(&self, job: Job) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.jobs.push(job);
        if !waiting.scheduled {
            waiting.scheduled = true;
            let batch = self.clone();
            self.client.spawn(async move { batch.send().await });
        }
    }

    /// As [`Batch::push`], to be waited for.
    pub async fn ask(&self, order: Order) -> Result<Value, ClusterError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.push(Box::new(move || order), Box::new(move |reply| _ = sender.send(reply)));
        receiver.await.unwrap_or(Err(ClusterError::Lost))
    }

    async fn send(&self) {
        loop {
            let jobs = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let count = waiting.jobs.len().min(LARGEST);
                let rest = waiting.jobs.split_off(count);
                let jobs = std::mem::replace(&mut waiting.jobs, rest);
                waiting.scheduled = !jobs.is_empty();
                jobs
            };
            if jobs.is_empty() {
                return;
            }
            let mut orders = Vec::with_capacity(jobs.len());
            for Job { make, done, long } in jobs {
                let order = if long {
                    self.depart(std::mem::take(&mut orders));
                    self.made_apart(make).await
                } else {
                    Some(make())
                };
                match order {
                    // Made all the same: who has to tell it later keeps what was made.
                    Some(_) if !self.client.is_up() => done(Err(ClusterError::Away)),
                    Some(order) => orders.push((order, done)),
                    None => done(Err(ClusterError::Lost)),
                }
            }
            self.depart(orders);
        }
    }

    async fn made_apart(&self, make: Make) -> Option<Order> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.client.engine().site().spawn_apart(move || _ = sender.send(make()));
        receiver.await.ok()
    }

    /// Sent in the order of the calls; answered while the next are collected.
    fn depart(&self, orders: Vec<(Order, Done)>) {
        if !orders.is_empty() {
            let client = self.client.clone();
            self.client.spawn(async move { client.send_orders(orders).await });
        }
    }
}

impl Client {
    /// Sends orders in one write where there is one server, side by side where there are several.
    async fn send_orders(&self, orders: Vec<(Order, Done)>) {
        if let Some((Link::Cluster(_), _)) = self.engine().link_now() {
            for (order, done) in orders {
                let client = self.clone();
                self.spawn(async move {
                    let reply = client.send(&order.command()).await;
                    client.finish(order, done, reply).await;
                });
            }
            return;
        }
        let mut pipeline = Pipeline::with_capacity(orders.len());
        orders.iter().for_each(|(order, _)| _ = pipeline.add_command(order.command()));
        let count = orders.len();
        let replies = self.within(async |mut link: Link| match link {
            Link::Server(..) => link.req_packed_commands(&pipeline, 0, count).await,
            // The first connection has just come, and it is a cluster's.
            Link::Cluster(_) => {
                let mut replies = Vec::with_capacity(count);
                for command in pipeline.cmd_iter() {
                    replies.push(link.req_packed_command(command).await?);
                }
                Ok(replies)
            }
        });
        match replies.await {
            Ok(replies) => {
                for ((order, done), reply) in orders.into_iter().zip(replies) {
                    let reply = reply.extract_error().map_err(ClusterError::from);
                    if reply.as_ref().is_err_and(ClusterError::is_unknown_script) {
                        let client = self.clone();
                        self.spawn(async move { client.finish(order, done, reply).await });
                    } else {
                        done(reply);
                    }
                }
            }
            Err(error) => orders.into_iter().for_each(|(_, done)| done(Err(error.clone()))),
        }
    }

    /// The end of one order: a script that the server does not know is sent whole.
    async fn finish(&self, order: Order, done: Done, reply: Result<Value, ClusterError>) {
        match (&order, &reply) {
            (Order::Script(script, keys, arguments), Err(error)) if error.is_unknown_script() => {
                done(self.run(&script.call(keys, arguments)).await);
            }
            _ => done(reply),
        }
    }
}
