//! Connection strings, as libpq and `pg` take them: a URL or `key=value` pairs.

use super::error::PoolError;
use crate::options::OptionError;
use std::str::FromStr;
use tokio_postgres::Config;

/// What tokio-postgres understands; other parameters belong to other clients and are passed over.
const KNOWN: &[&str] = &[
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "channel_binding",
    "load_balance_hosts",
];
/// What is read here.
const OWN: &[&str] = &["sslmode", "ssl", "sslrootcert", "target_session_attrs"];

const NOT_A_STRING: PoolError = PoolError::BadConnectionString("neither a URL nor key=value pairs");

/// Parameters of a connection string that are read here.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// `sslmode`
    pub mode: Option<String>,
    /// `sslrootcert`
    pub root: Option<String>,
    /// `target_session_attrs`
    pub role: Option<String>,
}

impl Own {
    fn take(&mut self, name: &str, value: &str) {
        match name {
            "sslmode" | "ssl" => self.mode = Some(value.into()),
            "sslrootcert" => self.root = Some(value.into()),
            "target_session_attrs" => self.role = Some(value.into()),
            _ => {}
        }
    }
}

/// Reads it. Hosts of a URL that name no port get the next of `ports`, or its only one.
pub fn parse(text: &str, ports: impl FnOnce() -> Result<Vec<u16>, OptionError>) -> Result<(Config, Own), PoolError> {
    let (text, own) = match ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme)) {
        Some(rest) => split_url(&with_ports(rest, ports)?),
        None => split_pairs(text),
    };
    Ok((Config::from_str(&text).map_err(|_| NOT_A_STRING)?, own))
}

/// The URL, with ports for the hosts that have none.
fn with_ports(rest: &str, ports: impl FnOnce() -> Result<Vec<u16>, OptionError>) -> Result<String, OptionError> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (login, hosts) = authority.rsplit_once('@').map_or(("", authority), |(login, hosts)| (login, hosts));
    let at = if login.len() < authority.len() - hosts.len() { "@" } else { "" };
    let lacks = |host: &str| !host.is_empty() && !host.rsplit(']').next().unwrap_or(host).contains(':');
    if !hosts.split(',').any(lacks) {
        return Ok(format!("postgres://{rest}"));
    }
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let ports = match query.split('&').find_map(|pair| pair.strip_prefix("port=")) {
        Some(own) => own.split(',').filter_map(|port| port.parse().ok()).collect(),
        None => ports()?,
    };
    let complete = |(index, host): (usize, &str)| match ports.get(index).or(ports.first()) {
        Some(port) if lacks(host) => format!("{host}:{port}"),
        _ => host.to_owned(),
    };
    let hosts: Vec<_> = hosts.split(',').enumerate().map(complete).collect();
    Ok(format!("postgres://{login}{at}{}{path}", hosts.join(",")))
}

/// `%2F` and the like.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|pair| str::from_utf8(pair).ok()).filter(|_| first == b'%');
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn split_url(text: &str) -> (String, Own) {
    let mut own = Own::default();
    let Some((address, query)) = text.split_once('?') else { return (text.into(), own) };
    let kept: Vec<_> = query
        .split('&')
        .filter(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            own.take(name, &decoded(value));
            KNOWN.contains(&name)
        })
        .collect();
    let address = if kept.is_empty() { address.into() } else { format!("{address}?{}", kept.join("&")) };
    (address, own)
}

fn split_pairs(text: &str) -> (String, Own) {
    let (mut kept, mut own) = (text.to_owned(), Own::default());
    for name in OWN {
        let mark = format!("{name}=");
        let found = kept.match_indices(&mark).map(|(at, _)| at);
        let start = found.into_iter().find(|&at| at == 0 || kept[..at].ends_with(char::is_whitespace));
        let Some(start) = start else { continue };
        let value = &kept[start + mark.len()..];
        let end = match value.strip_prefix('\'') {
            Some(quoted) => quoted.find('\'').map_or(value.len(), |end| end + 2),
            None => value.find(char::is_whitespace).unwrap_or(value.len()),
        };
        own.take(name, value[..end].trim_matches('\''));
        kept.replace_range(start..start + mark.len() + end, "");
    }
    (kept, own)
}
