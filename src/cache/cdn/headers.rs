//! What a response says about how long it may be kept, and by whom.
//!
//! `Cache-Control` (RFC 9111) with `stale-while-revalidate` and `stale-if-error` (RFC 5861) is for everybody; a header of
//! the provider's own says what it alone may do, and is taken off by it.

use super::config::CdnConfig;
use super::provider::Provider;
use super::tag;

/// How long a response may be kept, in milliseconds. `NaN` is: not said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lifetimes {
    /// By browsers.
    pub max_age: f64,
    /// By the provider; as long as by browsers when not said.
    pub shared_max_age: f64,
    /// So much longer while it is fetched anew.
    pub while_revalidate: f64,
    /// So much longer while it cannot be fetched; as long as `while_revalidate` when not said, since a revalidation that
    /// fails would otherwise turn into an error.
    pub if_error: f64,
}

/// Whole seconds, as headers count; what is not said is `None`. The longest is a year (RFC 9111 lets caches cap it).
fn seconds(ms: f64) -> Option<u64> {
    const YEAR: f64 = 31_536_000.0;
    (!ms.is_nan()).then(|| (ms / 1000.0).clamp(0.0, YEAR).floor() as u64)
}

fn directives(first: &str, age: u64, times: &Lifetimes) -> String {
    let mut text = format!("{first}={age}");
    let revalidate = seconds(times.while_revalidate);
    for (name, value) in
        [("stale-while-revalidate", revalidate), ("stale-if-error", seconds(times.if_error).or(revalidate))]
    {
        if let Some(value) = value.filter(|value| *value > 0) {
            text.push_str(&format!(", {name}={value}"));
        }
    }
    text
}

/// The headers of a response that may be kept; `cache_control` only where the app has not said it itself. `None`: its tags
/// take more room than the provider gives them, and it must not be kept.
pub fn kept(config: &CdnConfig, times: &Lifetimes, tags: &[String]) -> Option<Vec<(String, String)>> {
    let mut encoded: Vec<String> = Vec::with_capacity(tags.len());
    for tag in tags {
        let tag = if tag.starts_with("%k:") { tag.clone() } else { tag::encode(tag) };
        if !encoded.contains(&tag) {
            encoded.push(tag);
        }
    }
    let joined = encoded.join(&config.separator);
    if joined.len() > config.max_tag_bytes {
        return None;
    }
    let age = seconds(times.max_age).unwrap_or(0);
    let shared = seconds(times.shared_max_age).unwrap_or(age);
    let mut found = vec![("Cache-Control".to_owned(), format!("public, {}", directives("max-age", age, times)))];
    match config.provider.surrogate_header() {
        Some(name) => found.push((name.to_owned(), directives("max-age", shared, times))),
        None => found.push(("X-Accel-Expires".to_owned(), shared.to_string())),
    }
    if !joined.is_empty() && config.provider != Provider::Nginx {
        found.push((config.tag_header.clone(), joined));
    }
    Some(found)
}

/// The headers of a response that nobody but its receiver may keep.
pub fn not_kept(config: &CdnConfig) -> Vec<(String, String)> {
    let mut found = vec![("Cache-Control".to_owned(), "private, no-cache".to_owned())];
    match config.provider.surrogate_header() {
        Some(name) => found.push((name.to_owned(), "no-store".into())),
        None => found.push(("X-Accel-Expires".to_owned(), "0".into())),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Scalar;

    const TIMES: Lifetimes =
        Lifetimes { max_age: 1_500.0, shared_max_age: 60_000.0, while_revalidate: 30_000.0, if_error: f64::NAN };

    fn config(provider: &str) -> CdnConfig {
        let options = [
            ("provider", Scalar::Text(provider.into())),
            ("url", Scalar::Text("http://127.0.0.1".into())),
            ("token", Scalar::Text("t".into())),
            ("zoneId", Scalar::Text("z".into())),
        ];
        CdnConfig::from_options(&options[..]).ok().unwrap()
    }

    fn of(found: &[(String, String)], name: &str) -> Option<String> {
        found.iter().find(|(header, _)| header == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn stale_while_revalidate_brings_stale_if_error_with_it() {
        let found = kept(&config("varnish"), &TIMES, &["a".into(), "b c".into(), "a".into()]).unwrap();
        let cache = "public, max-age=1, stale-while-revalidate=30, stale-if-error=30";
        assert_eq!(of(&found, "Cache-Control").unwrap(), cache);
        let surrogate = "max-age=60, stale-while-revalidate=30, stale-if-error=30";
        assert_eq!(of(&found, "Surrogate-Control").unwrap(), surrogate);
        assert_eq!(of(&found, "xkey").unwrap(), "a b%20c");
    }

    #[test]
    fn each_provider_hears_of_tags_and_times_in_its_own_header() {
        let cloudflare = kept(&config("cloudflare"), &TIMES, &["a".into(), "b".into()]).unwrap();
        assert_eq!(of(&cloudflare, "Cache-Tag").unwrap(), "a,b");
        assert!(of(&cloudflare, "Cloudflare-CDN-Cache-Control").is_some());
        let nginx = kept(&config("nginx"), &TIMES, &["a".into()]).unwrap();
        assert_eq!(of(&nginx, "X-Accel-Expires").unwrap(), "60");
    }

    #[test]
    fn what_could_not_be_purged_is_not_kept() {
        let tags: Vec<String> = (0..1000).map(|number| format!("tag-{number:08}")).collect();
        assert_eq!(kept(&config("varnish"), &TIMES, &tags), None);
        assert_eq!(of(&not_kept(&config("varnish")), "Surrogate-Control").unwrap(), "no-store");
    }
}
