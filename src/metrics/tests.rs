//! Lives here: the test that holds the table of metrics and `docs/metrics.md` together.
//! Not here: whether each metric is really counted (`tests/`, on a running server).

use super::{ALL, builder, describe};

const DOCS: &str = include_str!("../../docs/metrics.md");

#[test]
fn the_table_and_the_docs_say_the_same() {
    let documented: Vec<Vec<&str>> = DOCS
        .lines()
        .filter(|line| line.starts_with("| brightstar_"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let table: Vec<Vec<&str>> = ALL
        .iter()
        .map(|metric| vec![metric.name, metric.kind.as_str(), metric.labels, metric.help])
        .collect();
    for (documented, table) in documented.iter().zip(&table) {
        assert_eq!(documented, table, "docs/metrics.md (left) and src/metrics/table.rs (right)");
    }
    assert_eq!(documented.len(), table.len(), "rows of docs/metrics.md and of the table");
}

#[test]
fn a_histogram_is_exported_with_its_own_buckets() {
    let recorder = builder().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        ALL.iter().for_each(describe);
        metrics::histogram!("brightstar_journal_sync_seconds").record(0.0002);
        metrics::histogram!("brightstar_epoch_bytes").record(300.0);
    });
    let page = handle.render();
    for line in [
        "# TYPE brightstar_journal_sync_seconds histogram",
        "brightstar_journal_sync_seconds_bucket{le=\"0.00025\"} 1",
        "brightstar_epoch_bytes_bucket{le=\"1024\"} 1",
        "# HELP brightstar_epoch_bytes journal record size",
    ] {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
}
