//! The options of the CDN tier: the only home of their defaults and ranges.

use super::provider::Provider;
use crate::options::{OptionError, Options, Scalar, count, text};

/// A validated configuration. Its `Debug` form would show the token, so it has none.
#[derive(Clone)]
pub struct CdnConfig {
    /// Who keeps the responses.
    pub provider: Provider,
    /// The address that purges go to, without a slash at its end. Default: the provider's API.
    pub url: String,
    /// Fastly's service or Cloudflare's zone.
    pub account: String,
    /// What authorises a purge.
    pub token: Option<String>,
    /// Whether what is purged may be served stale while it is fetched anew, where the provider can. Default true.
    pub soft: bool,
    /// Milliseconds that the first purge waits for others to share its request. Default 20.
    pub batch_ms: f64,
    /// Tags in one request at most; the provider's limit by default.
    pub max_batch: usize,
    /// Requests a second at most. Default 10.
    pub requests_per_second: f64,
    /// Tags that wait at most; beyond it everything is purged. Default 10 000.
    pub max_pending: usize,
    /// How often a purge is tried again. Default 8.
    pub retries: u32,
    /// Milliseconds after which a purge without an answer has failed. Default 5000.
    pub timeout_ms: f64,
    /// Bytes that the tags of one response may take.
    pub max_tag_bytes: usize,
    /// The header that carries the tags.
    pub tag_header: String,
    /// What stands between two tags.
    pub separator: String,
}

fn needed(options: &(impl Options + ?Sized), name: &str, provider: Provider) -> Result<String, OptionError> {
    text(options, name)?.filter(|value| !value.is_empty()).ok_or_else(|| {
        let expected = format!("a string, which provider \"{}\" needs", provider.name());
        OptionError::secret(name, expected)
    })
}

/// A header's name: a token (RFC 9110, section 5.6.2).
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

impl CdnConfig {
    /// Reads the options.
    ///
    /// # Errors
    /// Names the option. The value is not shown where it may hold a secret.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let named = text(options, "provider")?.unwrap_or_default();
        let provider = Provider::named(&named).ok_or_else(|| {
            let expected = "\"varnish\", \"fastly\", \"cloudflare\", \"nginx\" or \"custom\"";
            OptionError::out_of_range("provider", expected, &Scalar::Text(named.clone()))
        })?;
        let url = match (text(options, "url")?.filter(|url| !url.is_empty()), provider.default_url()) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(url)) => url.to_owned(),
            (None, None) if provider == Provider::Custom => String::new(),
            (None, None) => needed(options, "url", provider)?,
        };
        let web = url.starts_with("http://") || url.starts_with("https://");
        if !(web || url.is_empty()) || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(OptionError::secret("url", "an address that begins with http:// or https://"));
        }
        let token = text(options, "token")?.filter(|token| !token.is_empty());
        if token.as_deref().is_some_and(|token| !token.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())) {
            return Err(OptionError::secret("token", "a string that a header can hold"));
        }
        if token.is_none() && matches!(provider, Provider::Fastly | Provider::Cloudflare) {
            needed(options, "token", provider)?;
        }
        let account = match provider {
            Provider::Fastly => needed(options, "serviceId", provider)?,
            Provider::Cloudflare => needed(options, "zoneId", provider)?,
            _ => String::new(),
        };
        if !account.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return Err(OptionError::secret("serviceId or zoneId", "letters and digits"));
        }
        let most = provider.most_tags() as u64;
        let tag_header = text(options, "tagHeader")?.unwrap_or_else(|| provider.tag_header().into());
        if !is_token(&tag_header) {
            return Err(OptionError::out_of_range("tagHeader", "the name of a header", &Scalar::Text(tag_header)));
        }
        let separator = match text(options, "tagSeparator")?.as_deref() {
            None => provider.separator().to_owned(),
            Some(separator @ (" " | "," | ", " | ";" | "|")) => separator.to_owned(),
            Some(other) => {
                let expected = "a space, \",\", \", \", \";\" or \"|\"";
                return Err(OptionError::out_of_range("tagSeparator", expected, &Scalar::Text(other.into())));
            }
        };
        let whole = |name, default, low, high| count(options, name, default, low, high);
        Ok(Self {
            provider,
            url,
            account,
            token,
            soft: !matches!(options.get("soft"), Scalar::Bool(false)),
            batch_ms: whole("batchMs", 20, 1, 60_000)? as f64,
            max_batch: whole("maxBatch", most, 1, most)? as usize,
            requests_per_second: whole("requestsPerSecond", 10, 1, 100_000)? as f64,
            max_pending: whole("maxPending", 10_000, 1, 10_000_000)? as usize,
            retries: match options.get("retries") {
                Scalar::Number(0.0) => 0,
                _ => whole("retries", 8, 1, 1000)? as u32,
            },
            timeout_ms: whole("timeoutMs", 5000, 1, 2_147_483_647)? as f64,
            max_tag_bytes: whole("maxTagBytes", provider.most_tag_bytes() as u64, 16, 65_536)? as usize,
            tag_header,
            separator,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&'static str, &str)]) -> Result<CdnConfig, OptionError> {
        let options: Vec<_> = options.iter().map(|(name, value)| (*name, Scalar::Text((*value).into()))).collect();
        CdnConfig::from_options(&options[..])
    }

    #[test]
    fn each_provider_says_what_it_needs() {
        for (options, missing) in [
            (&[][..], "provider"),
            (&[("provider", "akamai")], "provider"),
            (&[("provider", "varnish")], "url"),
            (&[("provider", "fastly"), ("serviceId", "s")], "token"),
            (&[("provider", "fastly"), ("token", "t")], "serviceId"),
            (&[("provider", "cloudflare"), ("token", "t")], "zoneId"),
        ] {
            let error = read(options).err().unwrap();
            assert!(error.to_string().contains(missing), "{error}");
        }
        let ours = read(&[("provider", "varnish"), ("url", "http://127.0.0.1:6081/")]).ok().unwrap();
        assert_eq!((ours.url.as_str(), ours.tag_header.as_str(), ours.soft), ("http://127.0.0.1:6081", "xkey", true));
    }

    #[test]
    fn no_error_shows_a_secret() {
        for options in
            [[("provider", "varnish"), ("url", "ftp://user:secret@h")], [("provider", "custom"), ("token", "secret\n")]]
        {
            assert!(!read(&options).err().unwrap().to_string().contains("secret"));
        }
    }
}
