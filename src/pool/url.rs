//! Connection strings: a URL or `key=value` pairs, as libpq and `pg` take them.

use super::error::PoolError;
use std::str::FromStr;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

/// How a connection is protected, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protection {
    /// `disable`: never TLS.
    Disable,
    /// `prefer`, `allow`: TLS when the server offers it, without looking at its certificate.
    #[default]
    Prefer,
    /// `require`, `no-verify`: TLS, without looking at the certificate.
    Require,
    /// `verify-full`, `verify-ca`: TLS with a certificate that the system trusts, for this host.
    Verify,
}

impl Protection {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "disable" | "false" | "0" => Self::Disable,
            "prefer" | "allow" => Self::Prefer,
            "require" | "no-verify" | "true" | "1" => Self::Require,
            "verify-full" | "verify-ca" => Self::Verify,
            _ => return None,
        })
    }

    fn ssl_mode(self) -> SslMode {
        match self {
            Self::Disable => SslMode::Disable,
            Self::Prefer => SslMode::Prefer,
            Self::Require | Self::Verify => SslMode::Require,
        }
    }
}

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
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

const NOT_A_STRING: PoolError = PoolError::BadConnectionString("neither a URL nor key=value pairs");
const BAD_MODE: PoolError = PoolError::BadConnectionString("sslmode is not one of libpq's");

/// Reads a connection string. Errors never repeat it.
pub fn parse(text: &str) -> Result<(Config, Protection), PoolError> {
    let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
    let (text, mode) = if is_url { split_url(text) } else { split_pairs(text) };
    let protection = mode.map_or(Ok(Protection::default()), |mode| Protection::named(&mode).ok_or(BAD_MODE))?;
    let mut config = Config::from_str(&text).map_err(|_| NOT_A_STRING)?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        config.host("localhost");
    }
    config.ssl_mode(protection.ssl_mode());
    Ok((config, protection))
}

fn split_url(text: &str) -> (String, Option<String>) {
    let Some((address, query)) = text.split_once('?') else { return (text.into(), None) };
    let mut mode = None;
    let kept: Vec<_> = query
        .split('&')
        .filter(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if matches!(name, "sslmode" | "ssl") {
                mode = Some(value.to_owned());
            }
            KNOWN.contains(&name)
        })
        .collect();
    let address = if kept.is_empty() { address.into() } else { format!("{address}?{}", kept.join("&")) };
    (address, mode)
}

fn split_pairs(text: &str) -> (String, Option<String>) {
    let Some(start) = text.find("sslmode=").filter(|&at| at == 0 || text[..at].ends_with(char::is_whitespace)) else {
        return (text.into(), None);
    };
    let value = &text[start + "sslmode=".len()..];
    let end = value.find(char::is_whitespace).unwrap_or(value.len());
    (format!("{}{}", &text[..start], &value[end..]), Some(value[..end].trim_matches('\'').into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_of_libpq_are_told_apart() {
        for (text, expected) in [
            ("postgres://u@h/d", Protection::Prefer),
            ("postgres://u@h/d?sslmode=disable&schema=public", Protection::Disable),
            ("postgresql://u@h/d?sslmode=verify-full", Protection::Verify),
            ("host=h user=u sslmode=require dbname=d", Protection::Require),
        ] {
            let (config, protection) = parse(text).unwrap();
            assert_eq!((protection, config.get_user()), (expected, Some("u")));
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_string() {
        for text in ["postgres://u:hunter2@h:port/d", "hunter2", "postgres://u:hunter2@h/d?sslmode=hunter2"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("port"), "{error}");
        }
    }

    #[test]
    fn without_a_host_it_is_this_one() {
        let (config, _) = parse("user=u dbname=d").unwrap();
        assert_eq!(config.get_hosts().len(), 1);
    }
}
