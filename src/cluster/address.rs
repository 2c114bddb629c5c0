//! Where the engine is: one server, the nodes of a cluster, or the sentinels that know the master.

use super::error::ClusterError;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fmt;
use std::time::Duration;

/// How the servers of an address belong together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topology {
    /// One server.
    Single,
    /// Some nodes of a cluster; the others are asked for.
    Cluster,
    /// Sentinels that know the master of this name.
    Sentinel(String),
}

/// A parsed address. Two that are equal share an engine.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// One url for each server named, of the schemes that the client library knows.
    urls: Vec<String>,
    /// How they belong together.
    pub topology: Topology,
    /// The authorities' certificates in PEM; the system's without.
    authority: Option<Vec<u8>>,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Urls hold passwords.
        write!(formatter, "Address({:?}, {} servers)", self.topology, self.urls.len())
    }
}

impl Address {
    /// Reads `redis://`, `rediss://` (TLS), `valkey://`, `valkeys://`, `unix://`, and with several hosts after commas
    /// `…+cluster://host,host` and `…+sentinel://host,host/master/db`.
    pub fn parse(
        url: &str,
        authority: Option<String>,
        authority_file: Option<String>,
        connect_timeout: Duration,
    ) -> Result<Self, ClusterError> {
        let (scheme, rest) = url.split_once("://").ok_or(ClusterError::BadUrl("it has no scheme"))?;
        let (base, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        if kind == "unix" || base == "unix" {
            return Self::new(vec![url.to_owned()], Topology::Single, None, connect_timeout);
        }
        if !matches!(base, "redis" | "rediss" | "valkey" | "valkeys") {
            return Err(ClusterError::BadUrl("the scheme is none of redis, rediss, valkey, valkeys and unix"));
        }
        let (servers, path) =
            rest.split_once(['/', '?']).map_or((rest, ""), |(servers, _)| (servers, &rest[servers.len()..]));
        let (credentials, hosts) = servers.rsplit_once('@').map_or(("", servers), |(user, hosts)| (user, hosts));
        let (topology, path) = match kind {
            "" => (Topology::Single, path.to_owned()),
            "cluster" => (Topology::Cluster, path.to_owned()),
            "sentinel" => {
                let (master, more) =
                    path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
                if master.is_empty() || master.contains('?') {
                    return Err(ClusterError::BadUrl("the name of the master has to follow the sentinels"));
                }
                (Topology::Sentinel(master.to_owned()), format!("/{more}"))
            }
            _ => return Err(ClusterError::BadUrl("only +cluster and +sentinel may follow the scheme")),
        };
        if topology == Topology::Single && hosts.contains(',') {
            return Err(ClusterError::BadUrl("several hosts need +cluster or +sentinel after the scheme"));
        }
        let credentials = if credentials.is_empty() { String::new() } else { format!("{credentials}@") };
        let urls = hosts.split(',').map(|host| format!("{base}://{credentials}{}{path}", host.trim())).collect();
        let authority = match (authority, authority_file) {
            (Some(text), _) => Some(text.into_bytes()),
            (None, Some(path)) => Some(std::fs::read(path).map_err(|_| ClusterError::BadAuthority("caFile"))?),
            (None, None) => None,
        };
        Self::new(urls, topology, authority, connect_timeout)
    }

    fn new(
        urls: Vec<String>,
        topology: Topology,
        authority: Option<Vec<u8>>,
        connect_timeout: Duration,
    ) -> Result<Self, ClusterError> {
        let address = Self { urls, topology, authority, connect_timeout };
        // What is wrong with it is said now, not when it is first used.
        address.servers()?;
        if let Some(text) = &address.authority {
            let mut found = CertificateDer::pem_slice_iter(text).peekable();
            if found.peek().is_none() || !found.all(|certificate| certificate.is_ok()) {
                return Err(ClusterError::BadAuthority("ca"));
            }
        }
        Ok(address)
    }

    /// The authorities' certificates, when the caller brought some.
    pub fn certificates(&self) -> Option<TlsCertificates> {
        self.authority.clone().map(|root| TlsCertificates { client_tls: None, root_cert: Some(root) })
    }

    /// Whether sockets are wrapped in TLS.
    pub fn is_encrypted(&self) -> bool {
        self.servers()
            .is_ok_and(|servers| servers.iter().any(|server| matches!(server.addr(), ConnectionAddr::TcpTls { .. })))
    }

    /// Whether its connection can be on somebody's loop: one server, and nothing to decipher there.
    pub fn fits_a_loop(&self) -> bool {
        self.topology == Topology::Single && !self.is_encrypted()
    }

    /// The servers named, as the client library takes them.
    pub fn servers(&self) -> Result<Vec<ConnectionInfo>, ClusterError> {
        let read = |url: &String| {
            let info = url.as_str().into_connection_info();
            let info = info.map_err(|_| ClusterError::BadUrl("host, port or database cannot be read"))?;
            let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            let settings = settings.set_lib_name("tooloo-native", env!("CARGO_PKG_VERSION"));
            let tcp = info.tcp_settings().clone().set_nodelay(true);
            Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
        };
        self.urls.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, ClusterError> {
        Address::parse(url, None, None, Duration::from_secs(1))
    }

    fn hosts(address: &Address) -> Vec<String> {
        address.servers().unwrap().iter().map(|server| server.addr().to_string()).collect()
    }

    #[test]
    fn each_host_of_a_cluster_gets_the_credentials() {
        let address = parse("redis+cluster://ada:p%40ss@one:7000,two:7001").unwrap();
        assert_eq!(hosts(&address), ["one:7000", "two:7001"]);
        for server in address.servers().unwrap() {
            assert_eq!(server.redis_settings().password(), Some("p@ss"));
        }
    }

    #[test]
    fn sentinels_are_followed_by_the_master_and_its_database() {
        let address = parse("redis+sentinel://one:26379,two:26380/main/3").unwrap();
        assert_eq!(address.topology, Topology::Sentinel("main".into()));
        assert_eq!(address.servers().unwrap()[1].redis_settings().db(), 3);
        assert!(parse("redis+sentinel://one:26379").is_err());
    }

    #[test]
    fn two_equal_addresses_are_one() {
        assert_eq!(parse("redis://one").unwrap(), parse("redis://one").unwrap());
        assert_ne!(parse("redis://one").unwrap(), parse("redis://one/1").unwrap());
    }

    #[test]
    fn several_hosts_need_a_topology() {
        assert!(parse("redis://one,two").is_err());
        assert!(parse("redis+ring://one,two").is_err());
        assert!(parse("memcached://one").is_err());
    }

    #[test]
    fn one_server_without_tls_can_be_on_a_loop() {
        assert!(parse("redis://one").unwrap().fits_a_loop() && parse("unix:///tmp/s").unwrap().fits_a_loop());
        assert!(!parse("rediss://one").unwrap().fits_a_loop());
        assert!(!parse("redis+cluster://one").unwrap().fits_a_loop());
        assert!(!parse("redis+sentinel://one/main").unwrap().fits_a_loop());
    }

    #[test]
    fn tls_is_told_by_the_scheme() {
        assert!(parse("rediss://one").unwrap().is_encrypted());
        assert!(parse("valkeys+cluster://one,two").unwrap().is_encrypted());
        assert!(!parse("valkey://one").unwrap().is_encrypted());
    }

    #[test]
    fn a_debug_print_shows_no_password() {
        assert!(!format!("{:?}", parse("redis://:secret@one").unwrap()).contains("secret"));
    }
}
