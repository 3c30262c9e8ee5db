//! What goes over borders is told by pair: tasks over both regions, crossings, and who looks over.

use std::time::Duration;

use actors::{BorderStatus, ChangeStatus, RegionStatus, Settings, SupervisorMode};
use world_data::{Point, World};

use crate::client::Client;
use crate::yard::{Command, Host, METRES, Yard, run, settings, until};

fn still() -> Settings {
    Settings {
        supervisor: SupervisorMode::Off,
        ..settings()
    }
}

fn region_at(host: &Host, at: Point) -> RegionStatus {
    let cell = host.yard.map().cell_at(at).0;
    let is_there = |region: &RegionStatus| (region.from..region.to).contains(&cell);
    let mut regions = host.runtime.status().regions.into_iter();
    regions.find(is_there).unwrap()
}

fn worker_at(host: &Host, at: Point) -> usize {
    region_at(host, at).worker
}

/// The traffic between the regions of two places, as each of the two tells it.
fn between(host: &Host, a: Point, b: Point) -> Option<BorderStatus> {
    let (a, b) = (region_at(host, a), region_at(host, b));
    let told = |one: &RegionStatus, other: &RegionStatus| {
        let borders = one.border.iter();
        borders.copied().find(|border| border.region == other.id)
    };
    let (here, there) = (told(&a, &b), told(&b, &a));
    // The two are told one after the other, so they may be of two seconds.
    here.zip(there).map(|(here, _)| here)
}

/// Walks to and fro between two places until `seen`; each way is a task over both regions.
async fn walk(ann: &mut Client, places: [Point; 2], mut seen: impl FnMut() -> bool) {
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    for _ in 0..5000 {
        for Point { x, y } in places {
            ann.ask(Command::At(x, y)).await.unwrap();
        }
        if seen() {
            return;
        }
        pace.tick().await;
    }
    panic!("it was not seen");
}

#[test]
fn traffic_between_regions_is_told_by_pair() {
    run(async {
        let host = Host::start(Yard::default(), still()).await;
        let mut ann = Client::login(&host, "ann").await;
        let (here, there) = (
            Point::new(METRES / 2.0, METRES / 2.0),
            host.point_of_another_worker(),
        );
        // From the middle one sees most of the yard: the neighbours' cells, too.
        let beside = Point::new(METRES / 2.0 - 40.0, METRES / 2.0 + 40.0);
        until(|| between(&host, here, beside).is_some_and(|b| b.subscriptions > 1.0)).await;
        let quiet = between(&host, here, beside).unwrap();
        assert!(quiet.tasks < 0.01 && quiet.crossings < 0.01, "{quiet:?}");
        assert!(quiet.rate < quiet.subscriptions, "{quiet:?}");
        // Whoever goes over a border holds both regions in one task.
        let over = || between(&host, here, there);
        // The two are counted at different moments.
        let crosses = || over().is_some_and(|b| b.crossings > 0.1 && b.tasks > 0.1);
        walk(&mut ann, [there, here], crosses).await;
        let seen = over().unwrap();
        assert!(seen.tasks > 0.1 && seen.rate > 0.1, "{seen:?}");
        host.stop().await;
    });
}

/// The supervisor counts, weighs and acts: a pair that acts over its border from two threads, by
/// however little here, runs on one of them a moment later.
#[test]
fn regions_that_act_over_their_border_are_brought_onto_one_thread() {
    run(async {
        let settings = Settings {
            border_load: 1e-4,
            // Nothing else moves a region here.
            hot_load: 1.0,
            split_load: 1.0,
            merge_load: 0.0,
            ..settings()
        };
        let host = Host::start(Yard::default(), settings).await;
        let mut ann = Client::login(&host, "ann").await;
        let (here, there) = (
            Point::new(METRES / 2.0, METRES / 2.0),
            host.point_of_another_worker(),
        );
        assert_ne!(worker_at(&host, here), worker_at(&host, there));
        let together = || worker_at(&host, here) == worker_at(&host, there);
        walk(&mut ann, [there, here], together).await;
        let changes = host.runtime.status().supervisor.changes;
        let by_border =
            |change: &&ChangeStatus| change.cause == "border" && change.change == "move";
        let made = changes.iter().find(by_border).unwrap();
        assert!(made.reason.contains("acts over borders"), "{made:?}");
        host.stop().await;
    });
}
