//! How each provider is told to let go of something.
//!
//! Varnish: `PURGE` with `xkey-purge` or `xkey-softpurge`, as in the VCL of `docs/cdn/varnish.vcl` (vmod xkey). Fastly: its
//! API's `POST /service/<id>/purge` with `Surrogate-Key`. Cloudflare: `POST /zones/<id>/purge_cache` with tags. nginx has no
//! tags: the pages known under a tag are fetched anew with a header that `proxy_cache_bypass` looks at.

use super::config::CdnConfig;

/// Who keeps the responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Varnish with vmod xkey.
    Varnish,
    /// Fastly.
    Fastly,
    /// Cloudflare.
    Cloudflare,
    /// nginx's proxy cache.
    Nginx,
    /// Somebody whom the caller's function tells.
    Custom,
}

impl Provider {
    /// The provider of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Varnish, Self::Fastly, Self::Cloudflare, Self::Nginx, Self::Custom]
            .into_iter()
            .find(|provider| provider.name() == name)
    }

    /// Its name among the options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Varnish => "varnish",
            Self::Fastly => "fastly",
            Self::Cloudflare => "cloudflare",
            Self::Nginx => "nginx",
            Self::Custom => "custom",
        }
    }

    /// Where its API is, if everybody's is in one place.
    pub const fn default_url(self) -> Option<&'static str> {
        match self {
            Self::Fastly => Some("https://api.fastly.com"),
            Self::Cloudflare => Some("https://api.cloudflare.com/client/v4"),
            _ => None,
        }
    }

    /// The response header that carries the tags.
    pub const fn tag_header(self) -> &'static str {
        match self {
            Self::Varnish => "xkey",
            Self::Cloudflare => "Cache-Tag",
            Self::Fastly | Self::Nginx | Self::Custom => "Surrogate-Key",
        }
    }

    /// What stands between two tags there.
    pub const fn separator(self) -> &'static str {
        if matches!(self, Self::Cloudflare) { "," } else { " " }
    }

    /// The most tags that one request takes: Fastly's and Cloudflare's documented limits.
    pub const fn most_tags(self) -> usize {
        match self {
            Self::Fastly => 256,
            Self::Cloudflare => 30,
            Self::Varnish => 32,
            // One page a request.
            Self::Nginx => 1,
            Self::Custom => 1000,
        }
    }

    /// The most bytes of tags with a response. Varnish takes headers of 8 KiB by default, the others of 16.
    pub const fn most_tag_bytes(self) -> usize {
        if matches!(self, Self::Varnish) { 7_000 } else { 16_000 }
    }

    /// The header that speaks to the provider alone and is taken off by it; nginx is spoken to in seconds.
    pub const fn surrogate_header(self) -> Option<&'static str> {
        match self {
            Self::Varnish | Self::Fastly | Self::Custom => Some("Surrogate-Control"),
            Self::Cloudflare => Some("Cloudflare-CDN-Cache-Control"),
            Self::Nginx => None,
        }
    }
}

/// What has to go.
#[derive(Debug, Clone, PartialEq)]
pub enum Purge {
    /// What bears one of these encoded tags; paths with nginx.
    Tags(Vec<String>),
    /// Everything.
    All,
}

/// A request to be sent as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct PurgeRequest {
    /// Its method.
    pub method: &'static str,
    /// Its address.
    pub url: String,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its body; JSON where there is one.
    pub body: String,
}

/// The request that carries a purge out; `None` where the provider cannot do it, or is told by the caller's function.
pub fn request(config: &CdnConfig, purge: &Purge) -> Option<PurgeRequest> {
    let token = config.token.clone();
    let (url, account) = (&config.url, &config.account);
    let mut headers = Vec::new();
    let (method, url, body) = match (config.provider, purge) {
        (Provider::Varnish, purge) => {
            headers.extend(token.map(|token| ("x-purge-token", token)));
            headers.push(match purge {
                Purge::Tags(tags) if config.soft => ("xkey-softpurge", tags.join(" ")),
                Purge::Tags(tags) => ("xkey-purge", tags.join(" ")),
                Purge::All => ("x-purge-everything", "1".into()),
            });
            ("PURGE", format!("{url}/"), String::new())
        }
        (Provider::Fastly, purge) => {
            headers.extend(token.map(|token| ("fastly-key", token)));
            headers.push(("accept", "application/json".into()));
            let path = match purge {
                Purge::Tags(tags) => {
                    headers.push(("surrogate-key", tags.join(" ")));
                    if config.soft {
                        headers.push(("fastly-soft-purge", "1".into()));
                    }
                    "purge"
                }
                Purge::All => "purge_all",
            };
            ("POST", format!("{url}/service/{account}/{path}"), String::new())
        }
        (Provider::Cloudflare, purge) => {
            headers.extend(token.map(|token| ("authorization", format!("Bearer {token}"))));
            headers.push(("content-type", "application/json".into()));
            let body = match purge {
                Purge::Tags(tags) => serde_json::json!({ "tags": tags }),
                Purge::All => serde_json::json!({ "purge_everything": true }),
            };
            ("POST", format!("{url}/zones/{account}/purge_cache"), body.to_string())
        }
        (Provider::Nginx, Purge::Tags(paths)) => {
            headers.push(("x-cache-refresh", token.unwrap_or_else(|| "1".into())));
            ("GET", format!("{url}{}", paths.first()?), String::new())
        }
        (Provider::Nginx, Purge::All) | (Provider::Custom, _) => return None,
    };
    Some(PurgeRequest { method, url, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Scalar;

    fn config(options: &[(&'static str, &str)]) -> CdnConfig {
        let options: Vec<_> = options.iter().map(|(name, value)| (*name, Scalar::Text((*value).into()))).collect();
        CdnConfig::from_options(&options[..]).ok().unwrap()
    }

    fn tags() -> Purge {
        Purge::Tags(vec!["a".into(), "b".into()])
    }

    #[test]
    fn fastly_is_asked_in_its_own_words() {
        let fastly = config(&[("provider", "fastly"), ("serviceId", "svc"), ("token", "t")]);
        let asked = request(&fastly, &tags()).unwrap();
        assert_eq!((asked.method, asked.url.as_str()), ("POST", "https://api.fastly.com/service/svc/purge"));
        assert!(asked.headers.contains(&("surrogate-key", "a b".into())));
        assert!(asked.headers.contains(&("fastly-soft-purge", "1".into())));
        assert_eq!(request(&fastly, &Purge::All).unwrap().url, "https://api.fastly.com/service/svc/purge_all");
    }

    #[test]
    fn cloudflare_is_asked_in_its_own_words() {
        let asked = request(&config(&[("provider", "cloudflare"), ("zoneId", "z"), ("token", "t")]), &tags()).unwrap();
        assert_eq!(asked.url, "https://api.cloudflare.com/client/v4/zones/z/purge_cache");
        assert_eq!(asked.body, r#"{"tags":["a","b"]}"#);
        assert!(asked.headers.contains(&("authorization", "Bearer t".into())));
    }

    #[test]
    fn nginx_fetches_a_page_anew_and_cannot_empty_itself() {
        let nginx = config(&[("provider", "nginx"), ("url", "http://127.0.0.1:80")]);
        let asked = request(&nginx, &Purge::Tags(vec!["/a?b=1".into()])).unwrap();
        assert_eq!((asked.method, asked.url.as_str()), ("GET", "http://127.0.0.1:80/a?b=1"));
        assert_eq!(request(&nginx, &Purge::All), None);
    }
}
