//! How a limiter shares its buckets with other processes.

use crate::cluster::{ClusterConfig, ClusterError};
use crate::options::{self, OptionError, Options, Scalar};
use std::time::Duration;

/// What decides while the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insurance {
    /// Buckets of this process.
    Local,
    /// Everything is let through.
    Allow,
    /// Nothing is let through.
    Deny,
}

/// The settings of a store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreConfig {
    /// Where it is, and what stands before every key.
    pub engine: ClusterConfig,
    /// Tokens of one client that this process holds at most for `isAllowed`. Default: a twentieth of the limit, at
    /// least 1.
    pub lease_tokens: f64,
    /// How long they lie unused before they go back. Default 1 s.
    pub lease: Duration,
    /// What decides while the store is away. Default: buckets of this process.
    pub insurance: Insurance,
    /// With buckets of this process: their part of limit and rate. Default 1.
    pub insurance_share: f64,
    /// Whether the socket is on the caller's event loop, where the address allows it. Default.
    pub on_loop: bool,
    /// Whether client ids stand in the keys as they are; otherwise as a digest. Default: as a digest.
    pub plain_keys: bool,
}

impl StoreConfig {
    /// Reads and checks the raw options of a limiter with this limit.
    pub fn from_options(raw: &(impl Options + ?Sized), rate_limit: f64) -> Result<Self, ClusterError> {
        let read = || {
            let insurance = raw.get("insurance");
            let share = options::number(raw, "insuranceShare", 1.0, 1e-6, 1.0)?;
            let usual = (rate_limit / 20.0).floor().max(1.0);
            Ok(Self {
                engine: ClusterConfig::from_options(raw, "tooloo:limit:")?,
                lease_tokens: options::number(raw, "leaseTokens", usual, 1e-3, f64::INFINITY)?.min(rate_limit),
                lease: options::millis(raw, "leaseMs", Duration::from_secs(1))?.max(Duration::from_millis(10)),
                insurance: match &insurance {
                    Scalar::Missing | Scalar::Null => Insurance::Local,
                    Scalar::Text(text) if text == "local" => Insurance::Local,
                    Scalar::Text(text) if text == "allow" => Insurance::Allow,
                    Scalar::Text(text) if text == "deny" => Insurance::Deny,
                    other => {
                        let expected = "'local', 'allow' or 'deny'";
                        return Err(match other {
                            Scalar::Text(_) => OptionError::out_of_range("insurance", expected, other),
                            _ => OptionError::wrong_type("insurance", expected, other),
                        }
                        .into());
                    }
                },
                insurance_share: share,
                on_loop: options::is_on_loop(raw)?,
                plain_keys: raw.get("plainKeys") == Scalar::Bool(true),
            })
        };
        read().map_err(|error| match error {
            ClusterError::Option(error) => OptionError { option: format!("store.{}", error.option), ..error }.into(),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: Scalar) -> Result<StoreConfig, ClusterError> {
        StoreConfig::from_options(&[("url", Scalar::Text("redis://localhost".into())), (name, value)][..], 1000.0)
    }

    #[test]
    fn a_lease_is_a_twentieth_of_the_limit_and_never_above_it() {
        assert_eq!(read("x", Scalar::Missing).unwrap().lease_tokens, 50.0);
        assert_eq!(read("leaseTokens", Scalar::Number(1e9)).unwrap().lease_tokens, 1000.0);
        assert_eq!(read("insurance", Scalar::Missing).unwrap().insurance, Insurance::Local);
    }

    #[test]
    fn what_is_refused_is_named_as_the_caller_wrote_it() {
        let error = read("insurance", Scalar::Text("maybe".into())).unwrap_err().to_string();
        assert!(error.contains("\"store.insurance\"") && error.contains("maybe"), "{error}");
        assert!(read("leaseMs", Scalar::Number(-1.0)).unwrap_err().to_string().contains("store.leaseMs"));
    }
}
