//! How connections are protected, and who is trusted.

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
    /// `verify-ca`: TLS with a certificate of a trusted authority, whatever host it names.
    VerifyAuthority,
    /// `verify-full`: TLS with a certificate of a trusted authority for this host.
    VerifyFull,
}

impl Protection {
    /// That of this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "disable" | "false" | "0" => Self::Disable,
            "prefer" | "allow" => Self::Prefer,
            "require" | "no-verify" | "true" | "1" => Self::Require,
            "verify-ca" => Self::VerifyAuthority,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }

    /// Whether the protocol asks for TLS.
    pub fn ssl_mode(self) -> SslMode {
        match self {
            Self::Disable => SslMode::Disable,
            Self::Prefer => SslMode::Prefer,
            Self::Require | Self::VerifyAuthority | Self::VerifyFull => SslMode::Require,
        }
    }
}

/// Which certificates of authorities are trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Authorities {
    /// Those of the system.
    #[default]
    System,
    /// Those in a PEM file.
    File(String),
    /// Those in this PEM text.
    Pem(String),
}
