//! Easing, fed with what threads are said to have been busy with.

use std::time::Duration;

use super::*;
use crate::settings::{LadderSettings, Settings};
use crate::void::{Void, host_with};

/// A host on whose ladders every look is a step.
fn host() -> Arc<Host<Void>> {
    host_with(Settings {
        workers: 1,
        ladder: LadderSettings {
            up: Duration::ZERO,
            down: Duration::ZERO,
            ..LadderSettings::default()
        },
        ..Settings::default()
    })
}

fn dilations(host: &Host<Void>) -> Vec<f64> {
    let placement = host.directory.placement();
    let regions = placement.regions.iter();
    regions
        .map(|region| region.dilation(&host.settings.ladder))
        .collect()
}

fn arbiters(host: &Host<Void>) -> actix_rt::Arbiter {
    let arbiter = actix_rt::Arbiter::new();
    host.set_workers(vec![arbiter.handle()]);
    arbiter
}

/// A region that wants `wants` threads for its ticks; the others do next to nothing.
fn crowd(host: &Host<Void>, wants: f64) -> impl Fn(RegionId) -> Fresh {
    let placement = host.directory.placement();
    let (id, dilation) = (
        placement.regions[0].id,
        placement.regions[0].dilation(&host.settings.ladder),
    );
    move |region| {
        let ticks = if region == id {
            (wants * dilation).min(1.0)
        } else {
            0.001
        };
        Fresh {
            ticks,
            all: ticks,
            undilated: wants,
        }
    }
}

#[test]
fn those_are_slowed_that_make_the_load() {
    let culprits = |ticks: &[f64]| {
        let ticks = ticks.iter().enumerate();
        let thread = Thread {
            ticks: ticks
                .map(|(id, ticks)| (RegionId(id as u64), *ticks))
                .collect(),
            ..Thread::default()
        };
        let ids = 0..thread.ticks.len() as u64;
        ids.filter(|id| thread.is_culprit(RegionId(*id))).count()
    };
    assert_eq!(culprits(&[0.9, 0.05, 0.05]), 1);
    assert_eq!(culprits(&[0.4, 0.4, 0.1, 0.1]), 2);
    assert_eq!(culprits(&[0.1; 10]), 8, "all are full");
    assert_eq!(culprits(&[0.04, 0.04]), 0, "tasks fill the thread");
    assert_eq!(culprits(&[]), 0);
}

#[test]
fn a_crowd_slows_its_region_down_until_the_thread_has_room_and_no_other() {
    actix_rt::System::new().block_on(async {
        let host = host();
        let arbiter = arbiters(&host);
        let mut easing = Easing::new(Arc::clone(&host));
        for wants in [0.95, 2.0, 3.0, 40.0] {
            for _ in 0..10 {
                easing.step(crowd(&host, wants), &[]);
            }
            let slow = dilations(&host);
            assert!(
                slow[0] * wants <= 0.9 || slow[0] <= 0.1,
                "{slow:?} for {wants}"
            );
            assert_eq!(slow[1..], [1.0; 3]);
            assert!(host.slowed.load(Ordering::Relaxed));
        }
        // Less, but at 0.6 it would still want 0.66 of the thread.
        for (wants, dilation) in [(1.1, 0.45), (0.3, 1.0)] {
            for _ in 0..10 {
                easing.step(crowd(&host, wants), &[]);
            }
            assert_eq!(dilations(&host)[..1], [dilation]);
        }
        assert_eq!(dilations(&host), [1.0; 4]);
        assert!(!host.slowed.load(Ordering::Relaxed));
        arbiter.stop();
    });
}

#[test]
fn nobody_is_slowed_who_can_be_relieved_or_would_not_help_or_when_it_is_off() {
    actix_rt::System::new().block_on(async {
        let host = host();
        let arbiter = arbiters(&host);
        let mut easing = Easing::new(Arc::clone(&host));
        let tasks = |_| Fresh {
            ticks: 0.01,
            all: 0.9,
            undilated: 0.9,
        };
        for _ in 0..5 {
            easing.step(crowd(&host, 3.0), &[true]);
            easing.step(tasks, &[]);
        }
        assert_eq!(dilations(&host), [1.0; 4]);
        let off = host_with(Settings {
            workers: 1,
            ladder: LadderSettings {
                on: false,
                up: Duration::ZERO,
                ..LadderSettings::default()
            },
            ..Settings::default()
        });
        off.set_workers(vec![arbiter.handle()]);
        let mut easing = Easing::new(Arc::clone(&off));
        for _ in 0..5 {
            easing.step(crowd(&off, 3.0), &[]);
        }
        assert_eq!(dilations(&off), [1.0; 4]);
        arbiter.stop();
    });
}
