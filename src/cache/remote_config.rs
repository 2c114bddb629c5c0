//! The settings of the remote tier.

use crate::cluster::address::Topology;
use crate::cluster::{ClusterConfig, ClusterError};
use crate::options::{Options, count, is_on_loop};
use std::time::Duration;

/// How the remote tier is reached and what it may cost.
#[derive(Debug, Clone)]
pub struct RemoteConfig {
    /// The engine. Prefix by default `tooloo:cache:`.
    pub cluster: ClusterConfig,
    /// Whether the socket is on the caller's event loop, where the address allows it. Default.
    pub on_loop: bool,
    /// Bytes of JSON above which a value is compressed. Default 1024; Infinity: never.
    pub compress_above: usize,
    /// Keys and tags whose repair is remembered while the engine is away. Default 10,000.
    pub max_repairs: usize,
    /// Bytes of values among them. Default 16 MiB.
    pub max_repair_bytes: usize,
    /// Whether a replica may take over, which can lose what was acknowledged just before.
    pub replicated: bool,
    /// How long a lease lives without being prolonged. Default 5 s.
    pub lease: Duration,
}

impl RemoteConfig {
    /// Reads the engine's options, `compressAboveBytes`, `maxRepairs`, `maxRepairBytes`, `leaseMs` and `transport`.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, ClusterError> {
        let cluster = ClusterConfig::from_options(options, "tooloo:cache:")?;
        const MOST: u64 = u32::MAX as u64;
        Ok(Self {
            on_loop: is_on_loop(options)?,
            compress_above: usize::try_from(count(options, "compressAboveBytes", 1024, 1, MOST)?).unwrap_or(usize::MAX),
            max_repairs: count(options, "maxRepairs", 10_000, 1, 10_000_000)? as usize,
            max_repair_bytes: usize::try_from(count(options, "maxRepairBytes", 16 << 20, 1, MOST)?)
                .unwrap_or(usize::MAX),
            replicated: cluster.address.topology != Topology::Single,
            lease: Duration::from_millis(count(options, "leaseMs", 5000, 100, 600_000)?),
            cluster,
        })
    }
}

/// Settings of the bus as a user of local tiers sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct BusConfig {
    /// The engine that carries it. Default: that of the remote tier.
    pub cluster: Option<ClusterConfig>,
    /// The channel's name. Default `default`.
    pub channel: String,
    /// Milliseconds for which a local value is served without being in step with the bus. Default 2000.
    pub max_stale: f64,
}

impl BusConfig {
    /// Reads the engine's options, if there is a `url`, `channel` and `maxStaleMs`.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, ClusterError> {
        let has_own = options.get("url") != crate::options::Scalar::Missing;
        Ok(Self {
            cluster: has_own.then(|| ClusterConfig::from_options(options, "tooloo:cache:")).transpose()?,
            channel: crate::options::text(options, "channel")?.unwrap_or_else(|| "default".into()),
            max_stale: crate::options::number(options, "maxStaleMs", 2000.0, 500.0, 86_400_000.0)?,
        })
    }
}
