//! Regions that move, split and merge while clients play: nothing is lost, doubled or reordered,
//! nobody's picture has a gap, no socket closes.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use actors::{Order, OrderError, Runtime, Settings, SupervisorMode};
use futures_util::FutureExt;
use world_data::{Point, RegionId, Rng, World};

use crate::client::Client;
use crate::interest::{agrees, cells_around};
use crate::yard::{Command, Host, Input, METRES, Yard, run, settings, until};

/// Changes that a storm makes at least.
const CHANGES: u64 = 120;

pub(crate) fn by_hand() -> Settings {
    Settings {
        supervisor: SupervisorMode::Off,
        inputs_per_second: 10_000,
        ..settings()
    }
}

/// A yard in which bugs run about and only orders change regions.
async fn with_bugs() -> Host {
    let yard = Yard {
        bugs: true,
        ..Yard::default()
    };
    Host::start(yard, by_hand()).await
}

/// What became of a storm's orders.
#[derive(Debug, Default)]
pub(crate) struct Storm {
    pub(crate) made: Cell<u64>,
    refused: Cell<u64>,
    pub(crate) over: Cell<bool>,
}

/// Orders changes at random, one after the other, until told to stop. There stay between 4 and 40
/// regions.
pub(crate) async fn storm(runtime: Runtime<Yard>, storm: Rc<Storm>) {
    let mut rng = Rng::with_seed(7);
    while !storm.over.get() {
        let regions = runtime.status().regions;
        let region = regions[rng.usize(0..regions.len())].id;
        let order = match rng.u32(0..3) {
            0 if regions.len() < 40 => Order::Split { region },
            1 if regions.len() > 4 => Order::Merge { region },
            _ => Order::Move {
                region,
                worker: rng.usize(0..2),
            },
        };
        let count = match runtime.order(order).await {
            Ok(_) => &storm.made,
            Err(OrderError::Refused(_) | OrderError::Unknown(_)) => &storm.refused,
        };
        count.set(count.get() + 1);
        tokio::task::yield_now().await;
    }
}

#[test]
fn g6_a_storm_of_changes_loses_doubles_and_reorders_nothing() {
    run(async {
        let host = with_bugs().await;
        let mut watcher = Client::login(&host, "watcher").await;
        let view = cells_around(&host.yard, Point::new(METRES / 2.0, METRES / 2.0));
        watcher.until(|watcher| watcher.cells == view).await;
        let weather = Rc::new(Storm::default());
        let blows = actix_rt::spawn(storm(host.runtime.clone(), Rc::clone(&weather)));
        let mut ann = Client::login(&host, "ann").await;
        let (mut expected, mut rng) = (Vec::new(), Rng::with_seed(3));
        for round in 0_u64.. {
            if round >= 40 && weather.made.get() >= CHANGES {
                break;
            }
            for turn in 0..10 {
                let n = round * 10 + turn;
                let (x, y) = (rng.f64() * METRES, rng.f64() * METRES);
                ann.send(Command::At(x, y)).await;
                ann.send(Command::Log(n)).await;
                ann.send(Command::Events(1, n)).await;
                ann.input(n + 1, Input::Log(1_000_000 + n)).await;
                expected.push(n);
            }
            while ann.answers.len() < 30 {
                ann.step().await;
            }
            assert!(ann.answers.iter().all(|(_, answer)| answer.is_ok()));
            let seqs: Vec<u64> = ann.answers.drain(..).map(|(seq, _)| seq).collect();
            assert_eq!(seqs, (round * 30 + 1..=round * 30 + 30).collect::<Vec<_>>());
            // The watcher reads along, and checks each frame by the rules of the protocol.
            while watcher.step().now_or_never().is_some() {}
        }
        weather.over.set(true);
        blows.await.unwrap();
        let log = ann.ask(Command::Read).await.unwrap();
        let commands: Vec<u64> = log.iter().copied().filter(|n| *n < 1_000_000).collect();
        assert_eq!(commands, expected, "each command once, in order");
        let inputs: Vec<u64> = log.into_iter().filter(|n| *n >= 1_000_000).collect();
        assert!(inputs.is_sorted(), "no input overtakes another");
        ann.until(|ann| ann.events.len() == expected.len() + 1)
            .await;
        let events: Vec<u64> = ann.events[1..].iter().map(|(_, n)| *n).collect();
        assert_eq!(events, expected, "each event once, in order");
        host.yard.frozen.store(true, Ordering::SeqCst);
        agrees(&mut watcher, &host.yard).await;
        host.stop().await;
    });
}

/// Work that waits when its region is merged away runs in the region that has taken over.
#[test]
fn g5_what_waits_in_a_region_that_ends_is_run_in_order_by_its_heir() {
    run(async {
        let settings = Settings {
            window: 1024,
            control_lane: 2048,
            ..by_hand()
        };
        let host = Host::start(Yard::default(), settings).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::login(&host, "bob").await;
        let regions = || host.runtime.status().regions;
        let cell = |at: Point| host.yard.map().cell_at(at).0;
        let here = cell(Point::new(METRES / 2.0, METRES / 2.0));
        let place = || {
            regions()
                .iter()
                .position(|r| (r.from..r.to).contains(&here))
        };
        let place = place().unwrap();
        let (left, right) = (regions()[place - 1].id, regions()[place].id);
        // The left one goes on while the worker of the right one stands still.
        if regions()[place - 1].worker == regions()[place].worker {
            let worker = 1 - regions()[place].worker;
            let order = Order::Move {
                region: left,
                worker,
            };
            host.runtime.order(order).await.unwrap();
        }
        // Their work is run where their walkers are, once the hub has seen where that is.
        for client in [&mut ann, &mut bob] {
            client.until(|client| client.frames > 3).await;
            client.ask(Command::Read).await.unwrap();
        }
        host.yard.gate.shut();
        bob.send(Command::Hold).await;
        host.yard.gate.until_held();
        let mut expected = Vec::new();
        for n in 0..800 {
            ann.send(Command::Log(n)).await;
            expected.push(n);
        }
        let runtime = host.runtime.clone();
        let merge = async move { runtime.order(Order::Merge { region: left }).await };
        let merge = actix_rt::spawn(merge);
        // Once a later order is answered, this one is with its region, which has run nothing yet.
        let told = || {
            let changes = host.runtime.status().supervisor.changes;
            changes.iter().any(|change| change.change == "merge")
        };
        until(told).await;
        let nowhere = Order::Split {
            region: RegionId(999),
        };
        assert!(host.runtime.order(nowhere).await.is_err());
        host.yard.gate.open();
        assert_eq!(merge.await.unwrap().unwrap().became, [left]);
        assert!(regions().iter().all(|region| region.id != right));
        ann.until(|ann| ann.answers.len() == 800).await;
        let lengths = ann.answers.drain(..).map(|(_, answer)| answer.unwrap()[0]);
        assert!(lengths.eq(1..=800), "each once, in order");
        assert_eq!(ann.ask(Command::Read).await.unwrap(), expected);
        host.stop().await;
    });
}

#[test]
fn each_order_does_what_it_says_and_is_told_of() {
    run(async {
        let host = with_bugs().await;
        let regions = || host.runtime.status().regions;
        let ids = || regions().iter().map(|r| r.id).collect::<Vec<_>>();
        let before = ids();
        let (region, worker) = (before[1], 1 - regions()[1].worker);
        let moved = host.runtime.order(Order::Move { region, worker }).await;
        let moved = moved.unwrap();
        assert_eq!((moved.change, moved.became), ("move", vec![region]));
        assert_eq!(regions()[1].worker, worker);
        // Ticks have to be seen before the load's place is known.
        let ticks = regions()[1].ticks;
        until(|| regions()[1].ticks > ticks + 20).await;
        let (from, to) = (regions()[1].from, regions()[1].to);
        let split = host.runtime.order(Order::Split { region }).await.unwrap();
        let right = split.became[1];
        assert_eq!(split.became, [region, right]);
        assert!(!before.contains(&right));
        assert_eq!(ids()[1..3], [region, right]);
        let (left_part, right_part) = (regions()[1].clone(), regions()[2].clone());
        assert_eq!((left_part.from, right_part.to), (from, to));
        assert_eq!(left_part.to, right_part.from);
        let merged = host.runtime.order(Order::Merge { region }).await.unwrap();
        assert_eq!(
            (merged.regions, merged.became),
            (vec![region, right], vec![region])
        );
        assert_eq!(ids(), before);
        let told = host.runtime.status().supervisor.changes;
        let told: Vec<_> = told.iter().map(|c| (c.change, c.cause)).collect();
        assert_eq!(
            told,
            [("move", "manual"), ("split", "manual"), ("merge", "manual")]
        );
        let nowhere = RegionId(999);
        let unknown = host.runtime.order(Order::Split { region: nowhere }).await;
        assert!(matches!(unknown, Err(OrderError::Unknown(_))));
        let worker = regions()[1].worker;
        let there = host.runtime.order(Order::Move { region, worker }).await;
        assert!(matches!(there, Err(OrderError::Refused(_))));
        let last = Order::Merge {
            region: *before.last().unwrap(),
        };
        assert!(matches!(
            host.runtime.order(last).await,
            Err(OrderError::Refused(_))
        ));
        host.stop().await;
    });
}
