//! Lives here: the table of all metrics (as in `docs/metrics.md`), and the exporter behind
//! `GET /metrics`.
//! Not here: counting; each crate counts what it does under the names of this table.
//!
//! Invariant: table and `docs/metrics.md` say the same; a test compares them.

mod table;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use table::{ALL, Kind, Label, Metric};

/// Buckets for durations: 50 µs to 10 s, in steps of about 1 : 2.5 and finer around a tick.
const SECONDS: [f64; 18] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075,
    0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
/// Buckets for sizes: 256 B to 64 MiB, in steps of 1 : 4.
const BYTES: [f64; 10] = [
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Buckets for counts of things: 1 to 65,536, in steps of 1 : 4.
const COUNTS: [f64; 9] = [
    1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0,
];

/// Starts the exporter of this process, once; later calls give the same one.
///
/// When another recorder was there first, nothing is exported and the log says so.
pub fn exporter() -> &'static PrometheusHandle {
    static EXPORTER: OnceLock<PrometheusHandle> = OnceLock::new();
    EXPORTER.get_or_init(|| {
        let recorder = builder().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed; /metrics stays empty");
        }
        for metric in ALL {
            describe(metric);
            begin(metric);
        }
        handle
    })
}

/// Says which world and version run: the metric `brightstar_build_info`.
pub fn build_info(world: &'static str) {
    gauge!("brightstar_build_info", "version" => env!("CARGO_PKG_VERSION"), "world" => world)
        .set(1.0);
}

fn builder() -> PrometheusBuilder {
    ALL.iter()
        .filter(|metric| metric.kind == Kind::Histogram)
        .fold(PrometheusBuilder::new(), |builder, metric| {
            let buckets: &[f64] = match metric.unit {
                Unit::Seconds => &SECONDS,
                Unit::Bytes => &BYTES,
                _ => &COUNTS,
            };
            builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
                .expect("the lists of buckets are not empty")
        })
}

/// Begins a counter at 0, and a histogram without observations, for all values of its labels, so
/// that rates and alerts have a first sample before the first of a rare event.
fn begin(metric: &Metric) {
    let mut series = vec![Vec::new()];
    for label in metric.labels {
        series = series
            .iter()
            .flat_map(|labels: &Vec<metrics::Label>| {
                label.values.iter().map(|value| {
                    let label = metrics::Label::from_static_parts(label.name, value);
                    labels.iter().cloned().chain([label]).collect()
                })
            })
            .collect();
    }
    for labels in series {
        match metric.kind {
            Kind::Counter => metrics::counter!(metric.name, labels).increment(0),
            Kind::Histogram => drop(metrics::histogram!(metric.name, labels)),
            // 0 would be a lie until it is measured.
            Kind::Gauge => {}
        }
    }
}

fn describe(metric: &Metric) {
    match metric.kind {
        Kind::Counter => describe_counter!(metric.name, metric.unit, metric.help),
        Kind::Gauge => describe_gauge!(metric.name, metric.unit, metric.help),
        Kind::Histogram => describe_histogram!(metric.name, metric.unit, metric.help),
    }
}
