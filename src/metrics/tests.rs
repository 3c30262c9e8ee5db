//! Lives here: the test that holds the table of metrics and `docs/metrics.md` together.
//! Not here: whether each metric is really counted (`tests/`, on a running server).

use super::{ALL, Label, begin, builder, describe};

const DOCS: &str = include_str!("../../docs/metrics.md");

#[test]
fn the_table_and_the_docs_say_the_same() {
    let documented: Vec<Vec<&str>> = DOCS
        .lines()
        .filter(|line| line.starts_with("| brightstar_"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for (documented, metric) in documented.iter().zip(ALL) {
        let [name, kind, labels, help] = documented[..] else {
            panic!("{documented:?}")
        };
        let table = (metric.name, metric.kind.as_str(), metric.help);
        assert_eq!(
            (name, kind, help),
            table,
            "docs/metrics.md (left) and src/metrics/table.rs"
        );
        compare_labels(name, labels, metric.labels);
    }
    assert_eq!(
        documented.len(),
        ALL.len(),
        "rows of docs/metrics.md and of the table"
    );
}

/// Compares labels as documented (`a = x, y; b = z`, or names alone) with those of the table.
fn compare_labels(metric: &str, documented: &str, table: &[Label]) {
    if !documented.contains('=') {
        let names: Vec<_> = documented
            .trim_end_matches(" as above")
            .split(", ")
            .filter(|name| !name.is_empty())
            .collect();
        assert_eq!(
            names,
            table.iter().map(|label| label.name).collect::<Vec<_>>(),
            "{metric}"
        );
        return;
    }
    for (documented, label) in documented.split("; ").zip(table) {
        let (name, values) = documented.split_once(" = ").unwrap();
        let values: Vec<_> = values.split(", ").collect();
        assert_eq!((name, &values[..]), (label.name, label.values), "{metric}");
    }
    assert_eq!(documented.split("; ").count(), table.len(), "{metric}");
}

#[test]
fn what_is_counted_under_known_labels_begins_at_0() {
    let recorder = builder().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || ALL.iter().for_each(begin));
    let page = handle.render();
    for line in [
        "brightstar_tasks_total{kind=\"input\",outcome=\"timeout\"} 0",
        "brightstar_disconnects_total{cause=\"bye\"} 0",
        "brightstar_epochs_total 0",
        "brightstar_partition_changes_total{change=\"split\",cause=\"undo\",outcome=\"failed\"} 0",
        "brightstar_change_pause_seconds_bucket{change=\"merge\",le=\"0.05\"} 0",
        "brightstar_change_pause_seconds_count{change=\"move\"} 0",
    ] {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
    assert!(
        !page.contains("# TYPE brightstar_changes_running"),
        "{page}"
    );
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
