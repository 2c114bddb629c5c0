//! Where the servers are and who asks: a connection string (a URL or `key=value` pairs, as libpq and `pg` take them),
//! then options, then the environment's `PG*`; what an earlier one says, a later one does not change.

use super::connection_string::{Own, parse};
use super::error::PoolError;
use super::passfile::{self, Login};
pub use super::protection::{Authorities, Protection};
use crate::options::{self, OptionError, Options, Scalar};
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs};

/// How long a silent connection lies before the system asks whether the server is still there, by default.
pub const KEEPALIVE: Duration = Duration::from_secs(30);
/// Statements kept prepared on a connection, by default.
pub const STATEMENTS: usize = 100;
/// Questions without an answer after which the system gives a connection up.
const KEEPALIVE_RETRIES: u32 = 3;

/// What kind of server is wanted, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// `any`
    #[default]
    Any,
    /// `read-write`, `primary`
    ReadWrite,
    /// `read-only`, `standby`
    ReadOnly,
    /// `prefer-standby`: read-only if there is one, else any.
    PreferStandby,
}

impl Role {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "any" => Self::Any,
            "read-write" | "primary" => Self::ReadWrite,
            "read-only" | "standby" => Self::ReadOnly,
            "prefer-standby" => Self::PreferStandby,
            _ => return None,
        })
    }

    /// The demands to make of all servers, one after the other.
    pub fn rounds(self) -> &'static [TargetSessionAttrs] {
        match self {
            Self::Any => &[TargetSessionAttrs::Any],
            Self::ReadWrite => &[TargetSessionAttrs::ReadWrite],
            Self::ReadOnly => &[TargetSessionAttrs::ReadOnly],
            Self::PreferStandby => &[TargetSessionAttrs::ReadOnly, TargetSessionAttrs::Any],
        }
    }
}

/// The validated address. No `Debug`: it knows a password.
#[derive(Clone)]
pub struct Address {
    /// One entry for each server, in the order in which they are tried.
    pub servers: Vec<Config>,
    /// Whether the order is to be random.
    pub shuffled: bool,
    /// How connections are protected.
    pub protection: Protection,
    /// Who is trusted, where it is checked.
    pub authorities: Authorities,
    /// What kind of server is wanted.
    pub role: Role,
    /// Statements kept prepared on each connection.
    pub statements: usize,
    /// Whether statements stay prepared at the server, under names.
    pub named: bool,
    /// Whether connections are driven on the caller's loop, where there is one.
    pub on_loop: bool,
}

const BAD_MODE: PoolError = PoolError::BadConnectionString("sslmode is not one of libpq's");
const BAD_ROLE: PoolError = PoolError::BadConnectionString("target_session_attrs is not one of libpq's");

impl Address {
    /// Reads the options; those called `PG…` are the environment's. Errors never repeat a secret.
    pub fn read(options: &(impl Options + ?Sized), timeout: Duration) -> Result<Self, PoolError> {
        let given = |name: &str| options::text(options, name);
        let text = given("connectionString")?;
        let (mut config, own) = text
            .as_deref()
            .map_or_else(|| Ok((Config::new(), Own::default())), |text| parse(text, || ports(options)))?;
        let either = |option: &str, variable: &str| Ok::<_, OptionError>(given(option)?.or(given(variable)?));
        if config.get_user().is_none()
            && let Some(user) = either("user", "PGUSER")?
        {
            config.user(user);
        }
        if config.get_password().is_none()
            && let Some(password) = secret(options, "password")?.or(given("PGPASSWORD")?)
        {
            config.password(password);
        }
        if config.get_dbname().is_none()
            && let Some(name) = either("database", "PGDATABASE")?
        {
            config.dbname(name);
        }
        if config.get_application_name().is_none()
            && let Some(name) = either("applicationName", "PGAPPNAME")?
        {
            config.application_name(name);
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            let hosts = either("host", "PGHOST")?.unwrap_or_else(|| "localhost".into());
            hosts.split(',').for_each(|host| _ = config.host(host.trim()));
        }
        if config.get_ports().is_empty() {
            ports(options)?.into_iter().for_each(|port| _ = config.port(port));
        }
        let mut settings: Vec<String> =
            config.get_options().map(Into::into).or(given("PGOPTIONS")?).into_iter().collect();
        let limit = options::millis(options, "statementTimeoutMs", Duration::ZERO)?;
        if !limit.is_zero() {
            settings.push(format!("-c statement_timeout={}", limit.as_millis().max(1)));
        }
        if !settings.is_empty() {
            config.options(settings.join(" "));
        }
        let keepalive = options::millis(options, "keepaliveMs", KEEPALIVE)?;
        if config.get_keepalives_interval().is_none() {
            config.keepalives_idle(keepalive).keepalives_interval((keepalive / KEEPALIVE_RETRIES).max(SECOND));
            config.keepalives_retries(KEEPALIVE_RETRIES);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(keepalive * 2);
        }
        let protection = match own.mode.or(given("sslMode")?) {
            Some(mode) => Protection::named(&mode).ok_or(BAD_MODE)?,
            None => given("PGSSLMODE")?.and_then(|mode| Protection::named(&mode)).unwrap_or_default(),
        };
        let role = match own.role {
            Some(role) => Role::named(&role).ok_or(BAD_ROLE)?,
            None => one_of(options, "targetSessionAttrs", Role::named)?
                .or(given("PGTARGETSESSIONATTRS")?.and_then(|role| Role::named(&role)))
                .unwrap_or_default(),
        };
        let authorities = match (own.root, given("sslRootCertificates")?, given("PGSSLROOTCERT")?) {
            (Some(file), ..) if file != "system" => Authorities::File(file),
            (_, Some(pem), _) => Authorities::Pem(pem),
            (_, _, Some(file)) if file != "system" => Authorities::File(file),
            _ => Authorities::System,
        };
        config.ssl_mode(protection.ssl_mode());
        let passwords = if config.get_password().is_none() { given("passwords")? } else { None };
        let count = config.get_hosts().len().max(config.get_hostaddrs().len());
        let within = config.get_connect_timeout().copied().filter(|limit| !limit.is_zero()).unwrap_or(timeout);
        config.connect_timeout(within / u32::try_from(count).unwrap_or(1));
        Ok(Self {
            servers: (0..count).map(|index| server(&config, index, passwords.as_deref())).collect(),
            shuffled: config.get_load_balance_hosts() == LoadBalanceHosts::Random,
            protection,
            authorities,
            role,
            statements: options::count(options, "statementCacheSize", STATEMENTS as u64, 1, 100_000)? as usize,
            named: named(options)?,
            on_loop: options::is_on_loop(options)?,
        })
    }
}

/// `preparedStatements`: `true` or `false`.
fn named(options: &(impl Options + ?Sized)) -> Result<bool, OptionError> {
    match options.get("preparedStatements") {
        Scalar::Missing | Scalar::Null => Ok(true),
        Scalar::Bool(named) => Ok(named),
        other => Err(OptionError::wrong_type("preparedStatements", "a boolean", &other)),
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// A string that errors do not show.
fn secret(options: &(impl Options + ?Sized), name: &str) -> Result<Option<String>, PoolError> {
    match options.get(name) {
        Scalar::Text(text) if !text.is_empty() => Ok(Some(text)),
        value if value.is_falsy() => Ok(None),
        _ => Err(PoolError::BadPassword),
    }
}

fn one_of<T>(
    options: &(impl Options + ?Sized),
    name: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, OptionError> {
    let Some(text) = options::text(options, name)? else { return Ok(None) };
    let expected = "any, read-write, read-only, primary, standby or prefer-standby";
    read(&text).map(Some).ok_or_else(|| OptionError::out_of_range(name, expected, &Scalar::Text(text)))
}

/// One port, or one for each host, separated by commas.
fn ports(options: &(impl Options + ?Sized)) -> Result<Vec<u16>, OptionError> {
    let value = match options.get("port") {
        value if value.is_falsy() => options.get("PGPORT"),
        value => value,
    };
    let wrong =
        |value: &Scalar| OptionError::out_of_range("port", "a number from 1 to 65535, or several with commas", value);
    match &value {
        value if value.is_falsy() => Ok(Vec::new()),
        Scalar::Number(number) if number.fract() == 0.0 && (1.0..=65_535.0).contains(number) => {
            Ok(vec![*number as u16])
        }
        Scalar::Text(text) => text
            .split(',')
            .map(|port| port.trim().parse().ok().filter(|&port| port > 0).ok_or_else(|| wrong(&value)))
            .collect(),
        value => Err(wrong(value)),
    }
}

/// The configuration of one of several servers.
fn server(all: &Config, index: usize, passwords: Option<&str>) -> Config {
    let mut one = Config::new();
    if let Some(user) = all.get_user() {
        one.user(user);
    }
    if let Some(password) = all.get_password() {
        one.password(password);
    }
    if let Some(name) = all.get_dbname() {
        one.dbname(name);
    }
    if let Some(settings) = all.get_options() {
        one.options(settings);
    }
    if let Some(name) = all.get_application_name() {
        one.application_name(name);
    }
    match all.get_hosts().get(index) {
        Some(Host::Tcp(name)) => _ = one.host(name),
        #[cfg(unix)]
        Some(Host::Unix(path)) => _ = one.host_path(path),
        None => {}
    }
    if let Some(&address) = all.get_hostaddrs().get(index) {
        one.hostaddr(address);
    }
    let ports = all.get_ports();
    one.port(ports.get(index).or(ports.first()).copied().unwrap_or(5432));
    if let Some(password) = passwords.and_then(|text| passfile::password(text, &login(&one))) {
        one.password(password);
    }
    if let Some(&limit) = all.get_connect_timeout() {
        one.connect_timeout(limit);
    }
    if let Some(&limit) = all.get_tcp_user_timeout() {
        one.tcp_user_timeout(limit);
    }
    one.keepalives(all.get_keepalives()).keepalives_idle(all.get_keepalives_idle());
    if let Some(interval) = all.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = all.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    // A socket of this machine has no name that a certificate could be for, and no server offers TLS on it.
    let mode = if is_local(&one) { SslMode::Disable } else { all.get_ssl_mode() };
    one.ssl_mode(mode).channel_binding(all.get_channel_binding());
    one
}

/// Whom a password in a file is for. The database is called like the user, unless it is named.
fn login(one: &Config) -> Login<'_> {
    let user = one.get_user().unwrap_or_default();
    let host = match one.get_hosts() {
        [Host::Tcp(name), ..] => name,
        _ => "localhost",
    };
    let port = one.get_ports().first().copied().unwrap_or(5432);
    Login { host, port, database: one.get_dbname().unwrap_or(user), user }
}

/// Whether the server is reached over a Unix socket.
pub fn is_local(server: &Config) -> bool {
    #[cfg(unix)]
    return matches!(server.get_hosts(), [Host::Unix(_)]);
    #[cfg(not(unix))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<Address, PoolError> {
        let options: Vec<_> = options.iter().map(|&(name, value)| (name, Scalar::Text(value.into()))).collect();
        Address::read(&options[..], Duration::from_secs(6))
    }

    #[test]
    fn the_modes_of_libpq_are_told_apart() {
        for (text, expected) in [
            ("postgres://u@h/d", Protection::Prefer),
            ("postgres://u@h/d?sslmode=disable&schema=public", Protection::Disable),
            ("postgresql://u@h/d?sslmode=verify-full", Protection::VerifyFull),
            ("host=h user=u sslmode='verify-ca' dbname=d", Protection::VerifyAuthority),
            ("host=h user=u sslmode=require dbname=d", Protection::Require),
        ] {
            let address = read(&[("connectionString", text)]).unwrap();
            assert_eq!((address.protection, address.servers[0].get_user()), (expected, Some("u")));
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_string() {
        for text in ["postgres://u:hunter2@h:port/d", "hunter2", "postgres://u:hunter2@h/d?sslmode=hunter2"] {
            let error = read(&[("connectionString", text)]).err().unwrap().to_string();
            assert!(!error.contains("hunter2") && !error.contains("port"), "{error}");
        }
    }

    #[test]
    fn the_string_goes_before_options_and_these_before_the_environment() {
        let address = read(&[
            ("connectionString", "postgres://a@one/"),
            ("user", "b"),
            ("database", "db"),
            ("PGUSER", "c"),
            ("PGDATABASE", "other"),
            ("PGAPPNAME", "app"),
        ]);
        let address = address.unwrap();
        let server = &address.servers[0];
        assert_eq!((server.get_user(), server.get_dbname()), (Some("a"), Some("db")));
        assert_eq!(server.get_application_name(), Some("app"));
    }

    #[test]
    fn a_url_without_a_port_takes_that_of_the_options_or_of_the_environment() {
        for (text, expected) in [
            ("postgres://u:p@h/d", vec![6000]),
            ("postgres://h", vec![6000]),
            ("postgres://[::1]/d?application_name=a:b", vec![6000]),
            ("postgres://u@[::1]:7/d", vec![7]),
            ("postgresql://u@a:7,b/d", vec![7, 6000]),
            ("postgres://h/d?port=8", vec![8]),
            ("host=h user=u", vec![6000]),
            ("host=h user=u port=9", vec![9]),
        ] {
            let address = read(&[("connectionString", text), ("PGPORT", "6000")]).unwrap();
            let found: Vec<_> = address.servers.iter().map(|server| *server.get_ports().last().unwrap()).collect();
            assert_eq!(found, expected, "{text}");
        }
        let address = read(&[("connectionString", "postgres://h/d"), ("port", "5"), ("PGPORT", "6")]).unwrap();
        assert_eq!(address.servers[0].get_ports(), [5]);
    }

    #[test]
    fn a_file_has_passwords_for_each_server_unless_there_is_one() {
        let file = ("passwords", "one:1:d:u:first\ntwo:2:*:u:second\n");
        let of = |address: Address| -> Vec<_> {
            address.servers.iter().map(|server| server.get_password().map(<[u8]>::to_vec)).collect()
        };
        let found = of(read(&[("connectionString", "postgres://u@one:1,two:2,three:3/d"), file]).unwrap());
        assert_eq!(found, [Some(b"first".to_vec()), Some(b"second".to_vec()), None]);
        let found = of(read(&[("connectionString", "postgres://u:own@one:1/d"), file]).unwrap());
        assert_eq!(found, [Some(b"own".to_vec())]);
    }

    #[test]
    fn each_of_several_servers_has_its_port_and_its_share_of_the_time() {
        let address = read(&[("host", "one,two"), ("port", "1,2"), ("targetSessionAttrs", "primary")]).unwrap();
        let found: Vec<_> =
            address.servers.iter().map(|server| (server.get_hosts().to_vec(), server.get_ports()[0])).collect();
        assert_eq!(found, [(vec![Host::Tcp("one".into())], 1), (vec![Host::Tcp("two".into())], 2)]);
        assert_eq!(address.servers[0].get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert_eq!(address.role, Role::ReadWrite);
        let url =
            read(&[("connectionString", "postgres://u@one:7,two:8/d?target_session_attrs=prefer-standby")]).unwrap();
        assert_eq!((url.servers.len(), url.servers[1].get_ports(), url.role), (2, &[8][..], Role::PreferStandby));
    }

    #[test]
    fn a_limit_for_statements_is_a_setting_of_the_session() {
        let options = [("statementTimeoutMs", Scalar::Number(250.0)), ("PGOPTIONS", Scalar::Text("-c a=b".into()))];
        let address = Address::read(&options[..], SECOND).unwrap();
        assert_eq!(address.servers[0].get_options(), Some("-c a=b -c statement_timeout=250"));
    }

    #[test]
    fn nonsense_is_named() {
        let error = read(&[("port", "many")]).err().unwrap();
        assert!(error.to_string().starts_with("option \"port\" must be"), "{error}");
        let error = Address::read(&[("password", Scalar::Number(1234.0))][..], SECOND).err().unwrap();
        assert!(!error.to_string().contains("1234"), "{error}");
    }
}
