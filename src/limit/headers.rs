//! What an HTTP answer says about the limit: `RateLimit-Policy` and `RateLimit` of the IETF draft
//! `draft-ietf-httpapi-ratelimit-headers`, and `Retry-After`.

/// The largest integer of a structured field (RFC 9651).
const MOST: f64 = 999_999_999_999_999.0;

fn whole(value: f64) -> u64 {
    value.clamp(0.0, MOST) as u64
}

/// `name` as a structured field's string: printable ASCII, quotes and backslashes escaped.
fn quoted(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    text.push('"');
    for character in name.chars().filter(|character| matches!(character, ' '..='~')) {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    text
}

/// `"default";q=100;w=10`: as many tokens as the bucket holds, in the seconds it takes to fill.
pub fn policy(name: &str, limit: f64, refill_rate: f64) -> String {
    let window =
        if refill_rate > 0.0 { format!(";w={}", whole((limit / refill_rate).ceil().max(1.0))) } else { String::new() };
    format!("{};q={}{window}", quoted(name), whole(limit))
}

/// `"default";r=50;t=5`: whole tokens left, and seconds until the bucket is full again, unless that is never.
pub fn current(name: &str, remaining: f64, full_in_ms: f64) -> String {
    let reset = if full_in_ms.is_finite() { format!(";t={}", whole((full_in_ms / 1e3).ceil())) } else { String::new() };
    format!("{};r={}{reset}", quoted(name), whole(remaining))
}

/// Whole seconds to wait before the next try, at least one; `None` when waiting does not help.
pub fn retry_after(retry_after_ms: f64) -> Option<u64> {
    retry_after_ms.is_finite().then(|| whole((retry_after_ms / 1e3).ceil()).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_structured_fields() {
        assert_eq!(policy("default", 100.0, 10.0), "\"default\";q=100;w=10");
        assert_eq!(policy("no refill", 5.0, 0.0), "\"no refill\";q=5");
        assert_eq!(current("default", 50.9, 4200.0), "\"default\";r=50;t=5");
        assert_eq!(current("a\"b\\c\r\nd\u{e9}", 0.0, f64::INFINITY), "\"a\\\"b\\\\cd\";r=0");
    }

    #[test]
    fn a_retry_is_at_least_a_second_away() {
        assert_eq!(retry_after(1.0), Some(1));
        assert_eq!(retry_after(1500.0), Some(2));
        assert_eq!(retry_after(f64::INFINITY), None);
    }
}
