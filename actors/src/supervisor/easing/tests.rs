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
                easing.step(crowd(&host, wants), &[], &[]);
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
                easing.step(crowd(&host, wants), &[], &[]);
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
            easing.step(crowd(&host, 3.0), &[true], &[]);
            easing.step(tasks, &[], &[]);
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
            easing.step(crowd(&off, 3.0), &[], &[]);
        }
        assert_eq!(dilations(&off), [1.0; 4]);
        arbiter.stop();
    });
}

/// A hub whose sessions all stand in the first region, and that would use `wants` threads for them.
fn hub_load(host: &Host<Void>, wants: f64) -> Vec<HubLoad> {
    let region = &host.directory.placement().regions[0];
    let dilation = region.dilation(&host.settings.ladder);
    vec![HubLoad {
        used: (wants * dilation).min(1.0),
        subscriptions: 400,
        sessions: [(region.id, 10)].into_iter().collect(),
    }]
}

fn idle(_: RegionId) -> Fresh {
    Fresh::default()
}

#[test]
fn a_hub_shows_less_step_by_step_and_then_calls_for_slow_time_where_its_sessions_are() {
    actix_rt::System::new().block_on(async {
        let host = host();
        let arbiter = arbiters(&host);
        host.directory.add_hub(&host.post);
        let mut easing = Easing::new(Arc::clone(&host));
        easing.measure_hubs(1.0);
        let door = Arc::clone(&host.directory.hubs()[0]);
        let mut seen = Vec::new();
        for _ in 0..12 {
            let slow = dilations(&host);
            seen.push((
                door.rung().name(),
                host.rates.load(Ordering::Relaxed),
                slow[0] < 1.0,
            ));
            assert_eq!(slow[1..], [1.0; 3]);
            easing.step(idle, &[true], &hub_load(&host, 3.0));
        }
        let expected = [
            ("ground", 0, false),
            ("far_half", 1, false),
            ("far_quarter", 2, false),
            ("nearest", 2, false),
            ("slow_time", 2, true),
        ];
        assert_eq!(seen[..5], expected);
        let slow = dilations(&host)[0];
        assert!(slow * 3.0 <= 0.9 && slow * 3.0 > 0.6, "{slow}");
        // Less, but at full time it would still be too much: nothing of what is shown is given back.
        for _ in 0..20 {
            easing.step(idle, &[], &hub_load(&host, 0.9));
        }
        assert_eq!((door.rung(), dilations(&host)[0]), (HubRung::SlowTime, 0.6));
        // The crowd has gone. Time is given back first, then what is shown.
        let mut back = Vec::new();
        for _ in 0..20 {
            easing.step(idle, &[], &hub_load(&host, 0.2));
            back.push((door.rung(), dilations(&host)[0]));
        }
        assert!(
            back.is_sorted_by(|a, b| a.0 >= b.0 && a.1 <= b.1),
            "{back:?}"
        );
        assert_eq!(back[19], (HubRung::Ground, 1.0));
        assert_eq!(host.rates.load(Ordering::Relaxed), 0);
        arbiter.stop();
    });
}

#[test]
fn a_hub_that_shows_nothing_or_stands_nowhere_gives_nothing_up() {
    actix_rt::System::new().block_on(async {
        let host = host();
        let arbiter = arbiters(&host);
        host.directory.add_hub(&host.post);
        let mut easing = Easing::new(Arc::clone(&host));
        easing.measure_hubs(1.0);
        let door = Arc::clone(&host.directory.hubs()[0]);
        let mut load = hub_load(&host, 9.0);
        load[0].subscriptions = 0;
        for _ in 0..5 {
            easing.step(idle, &[], &load);
        }
        assert_eq!(door.rung(), HubRung::Ground);
        // Its sessions are all over the place: slowing one region down would not help.
        let many = (1..=6).map(|id| (RegionId(1000 + id), 10));
        (load[0].subscriptions, load[0].sessions) = (400, many.collect());
        for _ in 0..9 {
            easing.step(idle, &[], &load);
        }
        assert_eq!(door.rung(), HubRung::Nearest);
        assert_eq!(dilations(&host), [1.0; 4]);
        arbiter.stop();
    });
}
