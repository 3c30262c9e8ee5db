//! Crowds that can't be cut: what is shown less, and how time slows down, and that both end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actors::{LadderSettings, Settings};
use tokio::time::Instant;

use crate::client::Client;
use crate::yard::{Command, Host, Yard, run, settings};

/// Ladders on which every second is a step.
fn quick() -> Settings {
    Settings {
        ladder: LadderSettings {
            up: Duration::ZERO,
            down: Duration::ZERO,
            ..LadderSettings::default()
        },
        ..settings()
    }
}

fn slowest(host: &Host) -> f64 {
    let regions = host.runtime.status().regions;
    let dilations = regions.iter().map(|region| region.dilation);
    dilations.fold(1.0, f64::min)
}

/// All who are in a place stand in one cell, so their region can't be cut, and moving it helps nobody.
#[test]
fn a_region_that_has_too_much_to_do_and_cannot_be_cut_runs_slower_and_says_so() {
    run(async {
        let host = Host::start(Yard::default(), quick()).await;
        let mut ann = Client::login(&host, "ann").await;
        ann.until(|ann| ann.frames > 0).await;
        assert!((ann.dilation - 1.0).abs() < f32::EPSILON);
        // A tick takes longer than it may: a fifth more than there is time.
        host.yard.drag.store(60, Ordering::SeqCst);
        ann.until(|ann| ann.dilation < 0.7).await;
        assert!(slowest(&host) < 0.7 && slowest(&host) >= 0.1);
        // World time passes as slowly as it is said, and nothing that is asked is left out.
        let (lived, since) = (host.yard.lived.load(Ordering::SeqCst), Instant::now());
        for n in 1..=20 {
            assert_eq!(ann.ask(Command::Log(n)).await.unwrap(), [n]);
        }
        let frames = ann.frames + 20;
        ann.until(|ann| ann.frames >= frames).await;
        let lived = host.yard.lived.load(Ordering::SeqCst) - lived;
        let most = since.elapsed().as_millis() as f64 * 0.8 + 100.0;
        assert!((lived as f64) < most, "{lived} ms of {most}");
        // The others' time runs on, and hers again when there is room.
        let others = host.runtime.status().regions;
        assert!(others.iter().filter(|region| region.dilation < 1.0).count() == 1);
        host.yard.drag.store(0, Ordering::SeqCst);
        ann.until(|ann| ann.dilation > 0.99).await;
        host.stop().await;
    });
}
