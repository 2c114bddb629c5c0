//! One tracer: its configuration, its names and what it measured.

use super::config::TracerConfig;
use super::export::batch::HandOver;
use super::export::exporter::Exporter;
use super::id::{DrawnIds, NoRandomness, TraceBlock};
use super::label::Labels;
use super::rate::RateLimit;
use super::sampler::Sampler;
use super::stats::{Completion, ROW, Summary, TracerStats};
use crate::metrics::spread::Spread;
use crate::options::{self, OptionError, Options};

/// Everything that is decided for one `DistributedTracer`.
#[derive(Debug)]
pub struct Tracer {
    /// Its options.
    pub config: TracerConfig,
    /// Sends traces to a collector, if anything asks for that.
    pub exporter: Option<Exporter>,
    drawn: DrawnIds,
    sampler: Sampler,
    rate: RateLimit,
    labels: Labels,
    stats: TracerStats,
}

impl Tracer {
    /// A tracer that measured nothing yet.
    pub fn new(config: TracerConfig) -> Self {
        Self {
            exporter: None,
            drawn: DrawnIds::default(),
            sampler: Sampler::new(config.sampling_rate),
            rate: RateLimit::new(config.traces_per_second),
            labels: Labels::new(usize::try_from(config.max_operations).unwrap_or(usize::MAX)),
            stats: TracerStats::default(),
            config,
        }
    }

    /// Changes the sampling rate from the next trace on.
    pub fn set_sampling_rate(&mut self, raw: &(impl Options + ?Sized)) -> Result<f64, OptionError> {
        let rate = options::number(raw, "samplingRate", 0.0, 0.0, 1.0)?;
        self.config.sampling_rate = rate;
        self.sampler = Sampler::new(rate);
        Ok(rate)
    }

    /// Ids for traces to come, with their sampling decisions.
    pub fn trace_ids(&self) -> Result<TraceBlock, NoRandomness> {
        TraceBlock::draw(self.sampler)
    }

    /// Ids for spans to come, of traces that are sampled or of others.
    pub fn span_ids(&mut self, sampled: bool) -> Result<String, NoRandomness> {
        self.drawn.draw(sampled && self.exporter.is_some())
    }

    /// Takes spans over for their export: see [`super::export::batch`].
    pub fn push(&mut self, text: Vec<u16>, numbers: Vec<f64>, spans: usize, now_ms: f64) {
        if let Some(exporter) = &mut self.exporter {
            exporter.push(HandOver { text, numbers, spans, drawn: self.drawn.clone(), ..HandOver::default() }, now_ms);
        }
    }

    /// The decision for a trace whose id came from elsewhere.
    pub fn samples(&self, trace_id: &str) -> bool {
        self.sampler.takes(trace_id)
    }

    /// Whether the rate of traces allows one more.
    pub fn admits(&mut self, now_ms: f64) -> bool {
        self.rate.admits(now_ms)
    }

    /// The slot of an operation.
    pub fn slot(&mut self, operation: &str) -> u32 {
        self.labels.slot(operation)
    }

    /// Counts completions.
    pub fn record(&mut self, completions: impl Iterator<Item = Completion>) {
        let slots = self.labels.names().len();
        completions.for_each(|completion| self.stats.record(completion, slots));
    }

    /// The figures over everything.
    pub fn summary(&mut self, now_ms: f64) -> Summary {
        self.stats.summary(now_ms)
    }

    /// Each operation that completed: its name, its numbers and its average as text.
    pub fn operations(&self) -> impl Iterator<Item = (&str, [f64; ROW], String)> {
        self.stats.rows().filter_map(|(numbers, average)| {
            let name = self.labels.names().get(numbers[0] as usize)?;
            Some((name.as_str(), numbers, average))
        })
    }

    /// How the durations of each operation spread, for the registry of metrics.
    pub fn spreads(&self) -> impl Iterator<Item = (&str, Spread)> {
        self.stats.spreads().filter_map(|(slot, errors, total_ms, durations)| {
            let name = self.labels.names().get(slot)?;
            let seconds = durations.map(|(lowest, middle, count)| (lowest / 1e6, middle / 1e6, count));
            Some((name.as_str(), Spread::new(errors, total_ms / 1e3, seconds)))
        })
    }

    /// The last durations in milliseconds, oldest first.
    pub fn latencies(&self) -> impl ExactSizeIterator<Item = f64> {
        self.stats.latencies()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Scalar;

    #[test]
    fn a_million_names_share_a_bounded_table() {
        let mut tracer = Tracer::new(TracerConfig { max_operations: 8, ..TracerConfig::default() });
        for number in 0..100_000 {
            let slot = tracer.slot(&format!("operation {number}"));
            let completion = Completion { slot, failed: false, duration_ms: 1.0, ended_ms: 1.0 };
            tracer.record(std::iter::once(completion));
        }
        assert_eq!(tracer.operations().count(), 9);
        let (name, numbers, average) = tracer.operations().next().unwrap();
        assert_eq!((name, numbers[1], average.as_str()), ("(other)", 99_992.0, "1.00"));
        assert_eq!(tracer.summary(1.0).count, 100_000);
    }

    #[test]
    fn a_new_rate_holds_for_the_traces_to_come() {
        let mut tracer = Tracer::new(TracerConfig { sampling_rate: 0.0, ..TracerConfig::default() });
        assert_eq!(tracer.trace_ids().unwrap().taken, "");
        assert_eq!(tracer.set_sampling_rate(&[("samplingRate", Scalar::Number(1.0))][..]), Ok(1.0));
        assert_eq!(tracer.trace_ids().unwrap().left, "");
        assert!(tracer.set_sampling_rate(&[("samplingRate", Scalar::Number(2.0))][..]).is_err());
        assert_eq!(tracer.config.sampling_rate, 1.0);
    }
}
