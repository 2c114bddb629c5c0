//! What travels with a trace beside its ids, and may be passed on (<https://www.w3.org/TR/trace-context/>, level 2). The ids
//! themselves are read and written by `src/js/trace/traceparent.cjs`.

/// Whether a `tracestate` header may be passed on: at most 32 members and 512 visible characters (section 3.3.1).
pub fn may_pass_tracestate(header: &str) -> bool {
    let members = header.split(',').filter(|member| !member.trim().is_empty());
    let formed = members.clone().all(|member| member.trim().split_once('=').is_some_and(|(key, _)| !key.is_empty()));
    is_visible(header, 512) && formed && (1..=32).contains(&members.count())
}

/// Whether a `baggage` header may be passed on: at most 64 members and 8,192 bytes (W3C Baggage, section 3.3.2).
pub fn may_pass_baggage(header: &str) -> bool {
    is_visible(header, 8192) && (1..=64).contains(&header.split(',').count())
}

/// Nothing that would end a header or begin another.
fn is_visible(header: &str, most: usize) -> bool {
    header.len() <= most && header.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_of_its_form_is_not_passed_on() {
        assert!(may_pass_tracestate("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"));
        let many = vec!["a=1"; 33].join(",");
        for header in ["", ",", "=x", "noequals", "a=b\r\nx: y", "é=1", &"a=".repeat(300), &many] {
            assert!(!may_pass_tracestate(header), "{header:?}");
        }
        assert!(may_pass_baggage("userId=alice,serverNode=DF%2028"));
        assert!(!may_pass_baggage("a=b\n") && !may_pass_baggage(&"a".repeat(8193)));
    }
}
