//! What clients see: every cell in view, without a gap or a double, whatever crosses which border.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::Codec;
use world_data::{Point, World};

use crate::client::{Client, entry};
use crate::yard::{Command, Host, METRES, Positions, RADIUS, Yard, run, settings};

/// Where everybody in the client's cells really is, if that can be seen.
async fn truth(client: &mut Client, yard: &Yard) -> Positions {
    let census = client.ask(Command::Census).await.unwrap();
    let (map, cells) = (yard.map(), &client.cells);
    let all = census
        .chunks(3)
        .map(|entry| (entry[0], (entry[1], entry[2])));
    all.filter(|(_, (x, y))| {
        let at = Point::new(*x as f64 / 100.0, *y as f64 / 100.0);
        cells.contains(&map.cell_at(at).0)
    })
    .collect()
}

/// Nothing moves any more: reads until the client knows the truth. The truth is asked for again
/// and again, since a tick that had begun before may still have moved somebody.
pub(crate) async fn agrees(client: &mut Client, yard: &Yard) {
    for _ in 0..20 {
        let truth = truth(client, yard).await;
        assert!(!truth.is_empty());
        let frames = client.frames + 10;
        while client.frames < frames {
            if client.is_settled() && client.positions() == truth {
                return;
            }
            client.step().await;
        }
    }
    panic!("the client never knew the truth");
}

pub(crate) fn cells_around(yard: &Yard, at: Point) -> BTreeSet<u64> {
    yard.map()
        .cells_within(at, RADIUS)
        .map(|cell| cell.0)
        .collect()
}

#[test]
fn a_watcher_sees_all_that_crosses_cells_and_regions() {
    run(async {
        for codec in Codec::ALL {
            let host = Host::start(
                Yard {
                    bugs: true,
                    ..Yard::default()
                },
                settings(),
            )
            .await;
            let mut ann = Client::enter(&host.runtime, entry("ann", codec))
                .await
                .unwrap();
            let view = cells_around(&host.yard, Point::new(METRES / 2.0, METRES / 2.0));
            ann.until(|ann| ann.cells == view).await;
            ann.strayed.clear();
            for _ in 0..4 {
                let frames = ann.frames + 30;
                ann.until(|ann| ann.frames >= frames).await;
                assert!(
                    ann.strayed.values().all(|cell| !view.contains(cell)),
                    "a gap"
                );
                host.yard.frozen.store(true, Ordering::SeqCst);
                agrees(&mut ann, &host.yard).await;
                host.yard.frozen.store(false, Ordering::SeqCst);
            }
            assert!(!ann.strayed.is_empty(), "bugs have left the view");
            assert!(
                ann.fulls < 3 * view.len() as u64,
                "{} full cells",
                ann.fulls
            );
            host.stop().await;
        }
    });
}

#[test]
fn a_walker_sees_what_is_around_it_wherever_it_goes() {
    run(async {
        let host = Host::start(
            Yard {
                bugs: true,
                ..Yard::default()
            },
            settings(),
        )
        .await;
        let mut ann = Client::login(&host, "ann").await;
        let mut at = Point::new(METRES / 2.0, METRES / 2.0);
        for leg in [(20.0, 20.0), (240.0, 30.0), (230.0, 250.0), (10.0, 128.0)] {
            let to = Point::new(leg.0, leg.1);
            while at != to {
                at = at.towards(to, 9.0);
                ann.ask(Command::At(at.x, at.y)).await.unwrap();
            }
            host.yard.frozen.store(true, Ordering::SeqCst);
            let near = cells_around(&host.yard, at);
            ann.until(|ann| near.is_subset(&ann.cells)).await;
            agrees(&mut ann, &host.yard).await;
            let map = host.yard.map();
            // A stride may have been left out of the last look, so a little more may be seen.
            let far = |cell: &u64| map.distance_to_cell(at, world_data::Home(*cell));
            assert!(ann.cells.iter().all(|cell| far(cell) <= RADIUS * 1.1 + 4.0));
            host.yard.frozen.store(false, Ordering::SeqCst);
        }
        host.stop().await;
    });
}

#[test]
fn who_is_hidden_is_not_there() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::login(&host, "bob").await;
        let id = bob.welcome.you.unwrap();
        ann.until(|ann| ann.entities.contains_key(&id)).await;
        assert_eq!(ann.entities[&id].view, "bob 0");
        bob.ask(Command::Log(1)).await.unwrap();
        ann.until(|ann| ann.entities[&id].view == "bob 1").await;
        bob.ask(Command::Hide(true)).await.unwrap();
        ann.until(|ann| !ann.entities.contains_key(&id)).await;
        // Moving about while hidden shows nothing, nor does a newcomer see anything.
        bob.ask(Command::At(100.0, 100.0)).await.unwrap();
        let mut eve = Client::login(&host, "eve").await;
        let (ann_frames, eve_id) = (ann.frames, eve.welcome.you.unwrap());
        eve.until(|eve| eve.frames > 5 && eve.entities.contains_key(&eve_id))
            .await;
        ann.until(|ann| ann.frames > ann_frames + 5).await;
        assert!(!ann.entities.contains_key(&id) && !eve.entities.contains_key(&id));
        bob.ask(Command::Hide(false)).await.unwrap();
        ann.until(|ann| ann.entities.contains_key(&id)).await;
        eve.until(|eve| eve.entities.contains_key(&id)).await;
        assert_eq!(ann.entities[&id], eve.entities[&id]);
        host.stop().await;
    });
}

#[test]
fn a_slow_reader_gets_full_cells_and_no_backlog() {
    run(async {
        let host = Host::start(
            Yard {
                bugs: true,
                ..Yard::default()
            },
            settings(),
        )
        .await;
        let mut ann = Client::login(&host, "ann").await;
        let view = cells_around(&host.yard, Point::new(METRES / 2.0, METRES / 2.0));
        ann.until(|ann| ann.cells == view).await;
        let (frames, fulls) = (ann.frames, ann.fulls);
        // Two seconds without reading: forty ticks, of which the hub keeps the last eight.
        tokio::time::sleep(Duration::from_secs(2)).await;
        host.yard.frozen.store(true, Ordering::SeqCst);
        agrees(&mut ann, &host.yard).await;
        assert!(ann.frames - frames <= 10, "{} frames", ann.frames - frames);
        assert!(ann.fulls > fulls, "the deltas between were not kept");
        host.stop().await;
    });
}

#[test]
fn who_logs_out_disappears() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::login(&host, "bob").await;
        let id = bob.welcome.you.unwrap();
        ann.until(|ann| ann.entities.contains_key(&id)).await;
        bob.say(protocol::ClientMessage::Bye).await.unwrap();
        assert_eq!(bob.end().await, None);
        ann.until(|ann| !ann.entities.contains_key(&id)).await;
        host.stop().await;
    });
}

#[test]
fn who_leaves_and_comes_back_within_a_tick_was_never_away() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::login(&host, "bob").await;
        let id = bob.welcome.you.unwrap();
        ann.until(|ann| ann.entities.contains_key(&id)).await;
        // Into a cell of another region, and into one of the same.
        for (x, y) in [(100.0, 100.0), (170.0, 140.0)] {
            for n in 0..30 {
                bob.send(Command::At(x, y)).await;
                let back = bob.send(Command::At(130.0 + f64::from(n), 130.0)).await;
                while bob.answers.back().is_none_or(|(seq, _)| *seq < back) {
                    bob.step().await;
                }
                let there = crate::yard::cm(130.0 + n as f32);
                ann.until(|ann| ann.positions().get(&id) == Some(&(there, 13_000)))
                    .await;
            }
        }
        assert!(ann.is_settled() && bob.is_settled());
        host.stop().await;
    });
}
