//! The settings of a user of the engine: the only home of their defaults and ranges.

use super::address::Address;
use super::error::ClusterError;
use crate::options::{Options, Scalar, millis, text};
use std::time::Duration;

/// The longest key prefix, in bytes: it is repeated in every key.
const MAX_PREFIX: usize = 128;

/// How one user reaches the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Where the engine is. Its users share one connection as long as they give the same.
    pub address: Address,
    /// What stands before every key of this user. Default: the room's own, such as `tooloo:cache:`.
    pub prefix: String,
    /// How long a call may take at all; the first that takes longer opens the circuit. Default 250 ms.
    pub timeout: Duration,
}

impl ClusterConfig {
    /// Reads `url`, `ca`, `caFile`, `prefix`, `timeoutMs` and `connectTimeoutMs`.
    pub fn from_options(options: &(impl Options + ?Sized), prefix: &str) -> Result<Self, ClusterError> {
        let connect_timeout = millis(options, "connectTimeoutMs", Duration::from_millis(2000))?;
        let url = match options.get("url") {
            Scalar::Text(url) => url,
            // The value may be an object that holds a password.
            _ => return Err(ClusterError::BadUrl("a string is needed")),
        };
        let authority = text(options, "ca")?;
        let authority_file = text(options, "caFile")?;
        let prefix = match options.get("prefix") {
            // None at all is a choice: a database of one's own.
            Scalar::Text(given) if given.is_empty() => String::new(),
            _ => text(options, "prefix")?.unwrap_or_else(|| prefix.to_owned()),
        };
        if prefix.len() > MAX_PREFIX {
            let refused = options.get("prefix");
            let expected = format!("at most {MAX_PREFIX} bytes long");
            return Err(crate::options::OptionError::out_of_range("prefix", expected, &refused).into());
        }
        Ok(Self {
            address: Address::parse(&url, authority, authority_file, connect_timeout)?,
            prefix,
            timeout: millis(options, "timeoutMs", Duration::from_millis(250))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&'static str, Scalar)]) -> Result<ClusterConfig, ClusterError> {
        ClusterConfig::from_options(options, "tooloo:")
    }

    #[test]
    fn an_address_alone_is_enough() {
        let config = read(&[("url", Scalar::Text("redis://localhost".into()))]).unwrap();
        assert_eq!((config.prefix.as_str(), config.timeout.as_millis()), ("tooloo:", 250));
    }

    #[test]
    fn a_wrong_address_is_not_repeated() {
        for url in
            ["http://user:secret@host", "redis://:secret@", "redis://h:secret", "secret", "redis+cluster://a,secret:b"]
        {
            let error = read(&[("url", Scalar::Text(url.into()))]).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(read(&[("url", Scalar::Other("object"))]).is_err());
        assert!(read(&[]).is_err());
    }
}
