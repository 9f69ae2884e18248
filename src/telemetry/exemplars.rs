//! Histograms that remember, bucket by bucket, a request of late: from a slow answer in a graph to its trace.
//! Remembering takes no lock that anybody waits for, and is done once a second at most.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{LabelPair, MetricFamily};
use prometheus::{Histogram, HistogramVec};

use crate::sys::clock::monotonic_ns;

/// A bucket's exemplar stays for so long, though others come.
const KEEP_NS: u64 = 1_000_000_000;
/// Then it is told no more.
const OLD_NS: u64 = 60_000_000_000;

/// One observation, and the trace that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    /// W3C trace id.
    pub trace: u128,
    /// What was observed, in seconds.
    pub seconds: f64,
    /// When, in seconds since the Unix epoch.
    pub at: f64,
    seen_ns: u64,
}

/// A bucket's place for one.
#[derive(Default)]
struct Place {
    kept_until_ns: AtomicU64,
    last: Mutex<Option<Exemplar>>,
}

/// The exemplars of one series.
pub struct Exemplars {
    bounds: &'static [f64],
    places: Box<[Place]>,
}

impl Exemplars {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, places: (0..=bounds.len()).map(|_| Place::default()).collect() }
    }

    fn offer(&self, seconds: f64, trace: u128) {
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        let Some(place) = self.places.get(bucket) else { return };
        let seen_ns = monotonic_ns();
        if seen_ns < place.kept_until_ns.load(Ordering::Relaxed) {
            return;
        }
        // Who writes or reads it now is about to be done: the next request is as good as this one.
        let Ok(mut last) = place.last.try_lock() else { return };
        place.kept_until_ns.store(seen_ns + KEEP_NS, Ordering::Relaxed);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        *last = Some(Exemplar { trace, seconds, at: at.as_secs_f64(), seen_ns });
    }

    /// That of a bucket of the last minute; buckets are numbered from the lowest.
    #[must_use]
    pub fn of(&self, bucket: usize) -> Option<Exemplar> {
        let last = *self.places.get(bucket)?.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|last| monotonic_ns().saturating_sub(last.seen_ns) < OLD_NS)
    }
}

/// A histogram with exemplars.
#[derive(Clone)]
pub struct Traced {
    histogram: Histogram,
    exemplars: Arc<Exemplars>,
}

impl Traced {
    /// Counts `seconds`; with a `trace` it may become its bucket's exemplar.
    pub fn observe(&self, seconds: f64, trace: Option<u128>) {
        self.histogram.observe(seconds);
        if let Some(trace) = trace {
            self.exemplars.offer(seconds, trace);
        }
    }
}

/// Those of all label values.
#[derive(Clone)]
pub struct TracedVec {
    name: &'static str,
    labels: &'static [&'static str],
    bounds: &'static [f64],
    histograms: HistogramVec,
    exemplars: Arc<Mutex<BTreeMap<String, Arc<Exemplars>>>>,
}

impl TracedVec {
    /// Of `histograms` that are called `name`, and have these labels and bounds.
    #[must_use]
    pub fn new(
        histograms: HistogramVec,
        name: &'static str,
        labels: &'static [&'static str],
        bounds: &'static [f64],
    ) -> Self {
        Self { name, labels, bounds, histograms, exemplars: Arc::default() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// As the crate's own.
    #[must_use]
    pub fn with_label_values(&self, values: &[&str]) -> Traced {
        let histogram = self.histograms.with_label_values(values);
        let mut all = self.exemplars.lock().unwrap_or_else(PoisonError::into_inner);
        let exemplars =
            all.entry(key(values)).or_insert_with(|| Arc::new(Exemplars::new(self.bounds)));
        Traced { histogram, exemplars: Arc::clone(exemplars) }
    }

    /// Those of the series with these labels, which may stand in any order.
    #[must_use]
    pub fn exemplars(&self, labels: &[LabelPair]) -> Option<Arc<Exemplars>> {
        let value = |name: &&str| {
            labels.iter().find(|pair| pair.name() == *name).map_or("", |pair| pair.value())
        };
        let values: Vec<&str> = self.labels.iter().map(value).collect();
        self.exemplars.lock().unwrap_or_else(PoisonError::into_inner).get(&key(&values)).cloned()
    }
}

/// No name has the separator in it.
fn key(values: &[&str]) -> String {
    values.join("\n")
}

impl Collector for TracedVec {
    fn desc(&self) -> Vec<&Desc> {
        self.histograms.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.histograms.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[f64] = &[0.1, 1.0];

    #[test]
    fn each_bucket_keeps_one_for_a_while() {
        let exemplars = Exemplars::new(BOUNDS);
        for (seconds, trace) in [(0.05, 1), (0.1, 2), (0.5, 3), (7.0, 4)] {
            exemplars.offer(seconds, trace);
        }
        let kept = |bucket| exemplars.of(bucket).map(|one| (one.trace, one.seconds));
        assert_eq!(
            [kept(0), kept(1), kept(2), kept(3)],
            [Some((1, 0.05)), Some((3, 0.5)), Some((4, 7.0)), None]
        );
        exemplars.places[1].kept_until_ns.store(0, Ordering::Relaxed);
        exemplars.offer(0.6, 5);
        assert_eq!(kept(1), Some((5, 0.6)), "after a while the next one takes its place");
    }

    #[test]
    fn who_finds_it_locked_goes_on() {
        let exemplars = Exemplars::new(BOUNDS);
        let held = exemplars.places[0].last.lock().unwrap();
        exemplars.offer(0.05, 1);
        drop(held);
        assert_eq!(exemplars.of(0), None);
    }

    #[test]
    fn what_is_old_is_told_no_more() {
        let exemplars = Exemplars::new(BOUNDS);
        exemplars.offer(0.05, 1);
        let mut last = exemplars.places[0].last.lock().unwrap();
        *last = last.map(|last| Exemplar { seen_ns: last.seen_ns.saturating_sub(OLD_NS), ..last });
        drop(last);
        assert_eq!(exemplars.of(0), None);
    }
}
