//! What a scraper asked for: the format by `Accept`, gzip by `Accept-Encoding`.

/// The most entries of a header that are read.
const MOST_ENTRIES: usize = 32;

/// How a scrape is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4; what is sent to whoever asks for nothing that is known here.
    Text,
    /// OpenMetrics text.
    OpenMetrics,
    /// `io.prometheus.client.MetricFamily` messages, each after its length. The only one with native histograms.
    Protobuf,
}

/// A format and what is to stand in the `Content-Type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The format.
    pub format: Format,
    /// The header's value.
    pub content_type: String,
}

/// One entry of `Accept`, its names in lower case.
struct Entry<'a> {
    range: String,
    parameters: Vec<(String, &'a str)>,
}

impl Entry<'_> {
    fn parse(text: &str) -> Entry<'_> {
        let mut parts = text.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default().to_ascii_lowercase();
        let parameter = |part: &'_ str| part.split_once('=').map(|(name, _)| name.trim().to_ascii_lowercase());
        let parameters = text
            .split(';')
            .skip(1)
            .filter_map(|part| Some((parameter(part)?, part.split_once('=')?.1.trim().trim_matches('"'))))
            .collect();
        Entry { range, parameters }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// From 0 to 1; what is no number counts as 0, as nobody can have meant it.
    fn quality(&self) -> f64 {
        self.get("q").map_or(1.0, |q| q.parse().unwrap_or(0.0))
    }

    /// What this entry can be given, if anything.
    fn offer(&self) -> Option<Chosen> {
        let version = self.get("version");
        let (format, mut content_type) = match self.range.as_str() {
            "application/openmetrics-text" => {
                let version = version.unwrap_or("1.0.0");
                // 0.0.1 is the draft that became 1.0.0; what is sent is the same.
                matches!(version, "1.0.0" | "0.0.1").then(|| {
                    let kind = format!("application/openmetrics-text; version={version}; charset=utf-8");
                    (Format::OpenMetrics, kind)
                })?
            }
            "application/vnd.google.protobuf" => {
                let ours = |name, wanted| self.get(name).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
                (ours("proto", "io.prometheus.client.MetricFamily") && ours("encoding", "delimited")).then(|| {
                    let kind = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                                encoding=delimited";
                    (Format::Protobuf, kind.to_owned())
                })?
            }
            "text/plain" | "text/*" | "*/*" => matches!(version, None | Some("0.0.4"))
                .then(|| (Format::Text, "text/plain; version=0.0.4; charset=utf-8".to_owned()))?,
            _ => return None,
        };
        // Every name here is one that all of these schemes leave as it is.
        if let Some(escaping @ ("allow-utf-8" | "underscores" | "dots" | "values")) = self.get("escaping") {
            content_type = format!("{content_type}; escaping={escaping}");
        }
        Some(Chosen { format, content_type })
    }
}

/// The best of what is asked for; text where nothing of it can be had, since a scraper that gets an answer it did not
/// ask for is better off than one that gets none.
pub fn negotiate(accept: &str) -> Chosen {
    let mut best: Option<(f64, Chosen)> = None;
    for entry in accept.split(',').take(MOST_ENTRIES).map(Entry::parse) {
        let quality = entry.quality();
        if quality > 0.0 && best.as_ref().is_none_or(|(known, _)| quality > *known) {
            best = entry.offer().map(|chosen| (quality, chosen)).or(best);
        }
    }
    let text = || Chosen { format: Format::Text, content_type: "text/plain; version=0.0.4; charset=utf-8".into() };
    best.map_or_else(text, |(_, chosen)| chosen)
}

/// Whether the answer may be compressed with gzip.
pub fn takes_gzip(accept_encoding: &str) -> bool {
    let entries: Vec<_> = accept_encoding.split(',').take(MOST_ENTRIES).map(Entry::parse).collect();
    let named = |name| entries.iter().find(|entry| entry.range == name);
    named("gzip").or_else(|| named("*")).is_some_and(|entry| entry.quality() > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                                text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const PROMETHEUS_3: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
                                application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                                application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,*/*;q=0.3";

    #[test]
    fn scrapers_get_what_they_ask_for() {
        for (accept, format, content_type) in [
            ("", Format::Text, "text/plain; version=0.0.4; charset=utf-8"),
            ("*/*", Format::Text, "text/plain; version=0.0.4; charset=utf-8"),
            ("text/html, */*;q=0.8", Format::Text, "text/plain; version=0.0.4; charset=utf-8"),
            ("image/png", Format::Text, "text/plain; version=0.0.4; charset=utf-8"),
            (PROMETHEUS_2, Format::OpenMetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
            (
                PROMETHEUS_3,
                Format::Protobuf,
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            ),
            (
                "Application/OpenMetrics-Text; Version=1.0.0; escaping=allow-utf-8",
                Format::OpenMetrics,
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            ),
            (
                "application/openmetrics-text;version=9;q=1, text/plain;q=0.1",
                Format::Text,
                "text/plain; version=0.0.4; charset=utf-8",
            ),
            ("application/openmetrics-text;q=0, */*;q=0.1", Format::Text, "text/plain; version=0.0.4; charset=utf-8"),
            ("application/openmetrics-text;q=nonsense", Format::Text, "text/plain; version=0.0.4; charset=utf-8"),
            ("application/vnd.google.protobuf", Format::Text, "text/plain; version=0.0.4; charset=utf-8"),
        ] {
            let chosen = negotiate(accept);
            assert_eq!((chosen.format, chosen.content_type.as_str()), (format, content_type), "{accept}");
        }
    }

    #[test]
    fn gzip_is_for_who_takes_it() {
        for (header, takes) in [
            ("", false),
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("*", true),
            ("*;q=0", false),
            ("identity", false),
            ("gzip;q=0, *", false),
        ] {
            assert_eq!(takes_gzip(header), takes, "{header}");
        }
    }
}
