//! What services tell each other about a trace: the `traceparent` header of W3C Trace Context
//! (<https://www.w3.org/TR/trace-context/>, level 2).

const TRACE_ID: usize = 32;
const SPAN_ID: usize = 16;
/// `00-<trace id>-<parent id>-<flags>`
const VERSION_0: usize = 2 + 1 + TRACE_ID + 1 + SPAN_ID + 1 + 2;
const SAMPLED: u8 = 1;

/// A trace as the caller sees it: the parent of what is done here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext<'a> {
    /// 32 lower-case hex digits, not all zero.
    pub trace_id: &'a str,
    /// The caller's span: 16 lower-case hex digits, not all zero.
    pub span_id: &'a str,
    /// Whether the caller may have recorded the trace.
    pub sampled: bool,
}

impl<'a> TraceContext<'a> {
    /// Reads a header. `None` when it is not valid: the specification then asks for a new trace.
    pub fn parse(header: &'a str) -> Option<Self> {
        let header = header.trim_matches([' ', '\t']);
        let version = lower_hex(header.get(..2)?)?;
        // Versions to come may add fields at the end; 255 is not a version.
        match (version, header.as_bytes().get(VERSION_0)) {
            ("ff", _) => return None,
            (_, None) => {}
            ("00", Some(_)) => return None,
            (_, Some(&next)) if next != b'-' => return None,
            _ => {}
        }
        let mut fields = header.get(..VERSION_0)?.split('-').skip(1);
        let (trace_id, span_id, flags) = (fields.next()?, fields.next()?, lower_hex(fields.next()?)?);
        if fields.next().is_some() || flags.len() != 2 {
            return None;
        }
        let sampled = u8::from_str_radix(flags, 16).ok()? & SAMPLED != 0;
        (is_id(trace_id, TRACE_ID) && is_id(span_id, SPAN_ID)).then_some(Self { trace_id, span_id, sampled })
    }

    /// The header for a call to another service; `None` when the ids are not of the specification's form.
    pub fn header(&self) -> Option<String> {
        let flags = if self.sampled { SAMPLED } else { 0 };
        (is_id(self.trace_id, TRACE_ID) && is_id(self.span_id, SPAN_ID))
            .then(|| format!("00-{}-{}-{flags:02x}", self.trace_id, self.span_id))
    }
}

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

fn lower_hex(text: &str) -> Option<&str> {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(text)
}

fn is_id(text: &str, length: usize) -> bool {
    text.len() == length && lower_hex(text).is_some() && text.bytes().any(|byte| byte != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn the_example_of_the_specification_is_read() {
        let header = format!("00-{TRACE}-{SPAN}-01");
        assert_eq!(TraceContext::parse(&header), Some(TraceContext { trace_id: TRACE, span_id: SPAN, sampled: true }));
        assert_eq!(TraceContext::parse(&format!("00-{TRACE}-{SPAN}-00")).map(|context| context.sampled), Some(false));
        assert_eq!(TraceContext::parse(&format!(" 00-{TRACE}-{SPAN}-03\t")).map(|context| context.sampled), Some(true));
    }

    #[test]
    fn versions_to_come_may_be_longer_but_version_zero_may_not() {
        assert!(TraceContext::parse(&format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings")).is_some());
        assert!(TraceContext::parse(&format!("cc-{TRACE}-{SPAN}-01")).is_some());
        assert!(TraceContext::parse(&format!("cc-{TRACE}-{SPAN}-01.x")).is_none());
        assert!(TraceContext::parse(&format!("00-{TRACE}-{SPAN}-01-x")).is_none());
        assert!(TraceContext::parse(&format!("ff-{TRACE}-{SPAN}-01")).is_none());
    }

    #[test]
    fn what_is_not_a_context_starts_a_new_trace() {
        let zeros = "0".repeat(32);
        for header in [
            String::new(),
            "00".into(),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}"),
            format!("0-{TRACE}-{SPAN}-011"),
            format!("00-{TRACE}{SPAN}--01"),
            format!("00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01"),
            "é0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into(),
        ] {
            assert_eq!(TraceContext::parse(&header), None, "{header}");
        }
    }

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

    #[test]
    fn ids_of_another_form_give_no_header() {
        assert_eq!(TraceContext { trace_id: "abc", span_id: SPAN, sampled: true }.header(), None);
    }

    proptest! {
        #[test]
        fn a_header_is_read_as_it_was_written(trace in "[0-9a-f]{31}[1-9a-f]", span in "[1-9a-f][0-9a-f]{15}", sampled: bool) {
            let context = TraceContext { trace_id: &trace, span_id: &span, sampled };
            let header = context.header().unwrap();
            prop_assert_eq!(TraceContext::parse(&header), Some(context));
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,80}", near in "[0-9a-f-]{50,60}") {
            let _ = TraceContext::parse(&text);
            if let Some(context) = TraceContext::parse(&near) {
                prop_assert!(context.header().is_some());
            }
        }
    }
}
