//! Going through the keys of all servers, a part at a time.

use super::client::Client;
use super::error::ClusterError;
use super::link::Link;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo, SingleNodeRoutingInfo};
use redis::{Value, cmd};

/// A walk over the keys that match a glob. Keys that come or go meanwhile may be missed or come twice.
pub struct Scan {
    client: Client,
    glob: String,
    step: usize,
    /// The servers of a cluster that are still to be walked, by address; `None` for the only server.
    servers: Vec<Option<(String, u16)>>,
    cursor: u64,
}

impl Client {
    /// Begins a walk; `step` is about how many keys each part looks at.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn scan(&self, glob: &str, step: usize) -> Result<Scan, ClusterError> {
        let servers = match self.engine().link().await?.0 {
            Link::Server(..) => vec![None],
            Link::Cluster(mut link) => masters(&mut link).await?.into_iter().map(Some).collect(),
        };
        Ok(Scan { client: self.clone(), glob: glob.into(), step, servers, cursor: 0 })
    }
}

/// The addresses of the masters.
async fn masters(link: &mut ClusterConnection) -> Result<Vec<(String, u16)>, ClusterError> {
    let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None::<ResponsePolicy>));
    let Value::Map(replies) = link.route_command(cmd("PING"), all).await? else { return Err(ClusterError::Unexpected) };
    let address = |(name, _)| match name {
        Value::BulkString(text) => split(&String::from_utf8_lossy(&text)),
        Value::SimpleString(text) => split(&text),
        _ => None,
    };
    Ok(replies.into_iter().filter_map(address).collect())
}

fn split(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

impl Scan {
    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn next(&mut self) -> Result<Option<Vec<Vec<u8>>>, ClusterError> {
        let Some(server) = self.servers.last().cloned() else { return Ok(None) };
        let mut command = cmd("SCAN");
        command.arg(self.cursor).arg("MATCH").arg(&self.glob).arg("COUNT").arg(self.step);
        let reply = match server {
            None => self.client.send(&command).await?,
            Some((host, port)) => {
                let to = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
                let route = async |link: Link| match link {
                    Link::Cluster(mut link) => link.route_command(command, to).await,
                    Link::Server(..) => Ok(Value::Nil),
                };
                self.client.within(route).await?
            }
        };
        let (cursor, keys): (u64, Vec<Vec<u8>>) =
            redis::from_redis_value(reply).map_err(|_| ClusterError::Unexpected)?;
        self.cursor = cursor;
        if cursor == 0 {
            self.servers.pop();
        }
        Ok(Some(keys))
    }
}
