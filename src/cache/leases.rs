//! Leases of keys on the server: who loads a key for the whole fleet.

use super::remote::Remote;
use crate::cluster::batch::Order;
use crate::cluster::{ClusterError, Script, Value};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Takes the lease of a key: 1 and a token that grows with every lease, 0 and the milliseconds that another still has it,
/// or 2 when the key is not what was seen any more.
static LEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GETRANGE', KEYS[1], 2, 9) ~= ARGV[3] then return {2, ''} end
if redis.call('EXISTS', KEYS[2]) == 1 then return {0, tostring(redis.call('PTTL', KEYS[2]))} end
local time = redis.call('TIME')
local token = string.format('%d%06d-%s', time[1], time[2], ARGV[1])
redis.call('SET', KEYS[2], token, 'PX', ARGV[2])
return {1, token}",
    )
});

/// Gives a lease back, or prolongs it, if it is still the caller's.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
    )
});

/// The answer to who wants a lease.
#[derive(Debug, Clone, PartialEq)]
pub enum Lease {
    /// It is the caller's, with this token.
    Granted(String),
    /// Somebody else has it, for so many milliseconds.
    Held(f64),
    /// The key has changed since it was read.
    Changed,
}

impl Remote {
    /// Asks for the lease of a key whose version was `seen`.
    pub fn lease(
        self: &Arc<Self>,
        name: &str,
        seen: u64,
        lives: Duration,
    ) -> impl Future<Output = Result<Lease, ClusterError>> + Send + use<> {
        let seen = if seen == 0 { Vec::new() } else { seen.to_be_bytes().to_vec() };
        let arguments = vec![self.version().to_string().into_bytes(), lives.as_millis().to_string().into_bytes(), seen];
        let reply = self.begin(Order::Script(&LEASE, vec![self.key('v', name), self.key('l', name)], arguments));
        async move {
            let Value::Array(parts) = reply.await.unwrap_or(Err(ClusterError::Lost))? else {
                return Err(ClusterError::Unexpected);
            };
            let text = |value: &Value| {
                if let Value::BulkString(bytes) = value { String::from_utf8(bytes.clone()).ok() } else { None }
            };
            match (parts.first(), parts.get(1).and_then(text)) {
                (Some(Value::Int(1)), Some(token)) => Ok(Lease::Granted(token)),
                (Some(Value::Int(0)), Some(left)) => Ok(Lease::Held(left.parse().unwrap_or(0.0))),
                (Some(Value::Int(2)), _) => Ok(Lease::Changed),
                _ => Err(ClusterError::Unexpected),
            }
        }
    }

    /// Gives a lease back (`lives` is zero) or prolongs it: whether it was still the caller's.
    pub fn release(
        self: &Arc<Self>,
        name: &str,
        token: String,
        lives: Duration,
    ) -> impl Future<Output = Result<bool, ClusterError>> + Send + use<> {
        let arguments = vec![token.into_bytes(), lives.as_millis().to_string().into_bytes()];
        let reply = self.begin(Order::Script(&RELEASE, vec![self.key('l', name)], arguments));
        async move { Ok(matches!(reply.await.unwrap_or(Err(ClusterError::Lost))?, Value::Int(1))) }
    }

    /// How long a lease lives without being prolonged.
    pub fn lease_time(&self) -> Duration {
        self.config.lease
    }
}
