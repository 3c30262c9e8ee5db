//! Crowds that can't be cut: what is shown less, and how time slows down, and that both end.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actors::{LadderSettings, Settings};
use tokio::time::Instant;
use world_data::{Home, Point, World};

use crate::client::Client;
use crate::interest::{agrees, cells_around};
use crate::yard::{Command, Host, METRES, RADIUS, Yard, run, settings};

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

/// Keeps this thread, which is the hub's, busy for a part of the time, and no processor.
#[derive(Debug, Clone, Default)]
struct Load(Rc<Cell<u64>>);

impl Load {
    /// One turn takes this long, in milliseconds.
    const TURN: u64 = 20;

    fn start() -> Self {
        let load = Self::default();
        let mine = load.clone();
        actix_rt::spawn(async move {
            loop {
                let busy = mine.0.get();
                std::thread::sleep(Duration::from_millis(busy));
                tokio::time::sleep(Duration::from_millis((Self::TURN - busy).max(1))).await;
            }
        });
        load
    }

    /// So many of [`Load::TURN`] milliseconds are busy.
    fn set(&self, busy: u64) {
        self.0.set(busy);
    }

    /// Too much, until the hub has come to `rung`; then too little to go on and too much to go back.
    async fn until(&self, rung: &str, host: &Host, client: &mut Client) {
        self.set(Self::TURN);
        client.until(|_| self::rung(host) == rung).await;
        self.set(Self::TURN * 11 / 20);
    }
}

/// Ladders for [`Load`].
fn quick_hubs(nearest: usize) -> Settings {
    let mut settings = quick();
    (settings.ladder.over, settings.ladder.under) = (0.85, 0.4);
    settings.ladder.nearest = nearest;
    settings
}

/// The rung of this thread's hub: the first is where sessions without a socket wait.
fn rung(host: &Host) -> &'static str {
    host.runtime.status().hubs[1].rung
}

/// How often cells have news: near ones per frame, and far ones per tick.
async fn news(client: &mut Client, yard: &Yard) -> (f64, f64) {
    let (map, at) = (yard.map(), Point::new(METRES / 2.0, METRES / 2.0));
    client.news = BTreeMap::new();
    let (frame, tick) = (client.frames, client.tick);
    client.until(|client| client.frames >= frame + 40).await;
    let (frames, ticks) = (client.frames - frame, client.tick - tick);
    let (mut near, mut far) = ((0, 0), (0, 0));
    for (cell, news) in &client.news {
        if map.distance_to_cell(at, Home(*cell)) <= RADIUS / 2.0 {
            near = (near.0 + news, near.1 + frames);
        } else {
            far = (far.0 + news, far.1 + ticks);
        }
    }
    (near.0 as f64 / near.1 as f64, far.0 as f64 / far.1 as f64)
}

#[test]
fn a_hub_that_has_too_much_to_do_tells_far_cells_at_half_and_at_a_quarter_of_the_rate() {
    run(async {
        let yard = Yard {
            crawl: true,
            ..Yard::default()
        };
        let host = Host::start(yard, quick_hubs(1000)).await;
        let mut ann = Client::login(&host, "ann").await;
        let view = cells_around(&host.yard, Point::new(METRES / 2.0, METRES / 2.0));
        ann.until(|ann| ann.cells == view).await;
        assert!(news(&mut ann, &host.yard).await.0 > 0.9, "all moves");
        let load = Load::start();
        for (name, share) in [("far_half", 0.5), ("far_quarter", 0.25)] {
            load.until(name, &host, &mut ann).await;
            let (near, far) = news(&mut ann, &host.yard).await;
            assert_eq!(rung(&host), name, "it stays");
            assert!(near > 0.8, "{near}");
            assert!(far > 0.0 && far < share * 1.3, "{name}: {far}");
        }
        load.set(0);
        ann.until(|_| rung(&host) == "ground").await;
        host.yard.frozen.store(true, Ordering::SeqCst);
        agrees(&mut ann, &host.yard).await;
        assert_eq!(ann.cells, view);
        host.stop().await;
    });
}

const NEAREST: usize = 6;

#[test]
fn a_hub_that_still_has_too_much_to_do_shows_the_nearest_cells_and_then_slows_time_down() {
    run(async {
        let yard = Yard {
            crawl: true,
            ..Yard::default()
        };
        let host = Host::start(yard, quick_hubs(NEAREST)).await;
        let mut ann = Client::login(&host, "ann").await;
        let middle = Point::new(METRES / 2.0, METRES / 2.0);
        let (view, at_hand) = (cells_around(&host.yard, middle), host.yard.map());
        let at_hand: Vec<u64> = at_hand
            .cells_within(middle, 4.0)
            .map(|cell| cell.0)
            .collect();
        ann.until(|ann| ann.cells == view).await;
        let load = Load::start();
        load.until("nearest", &host, &mut ann).await;
        // Each cell has a bug: few are shown, and those are right.
        ann.until(|ann| ann.entities.len() <= NEAREST).await;
        assert!(ann.cells.is_subset(&view) && ann.cells.len() < view.len() / 2);
        assert!(
            at_hand.iter().all(|cell| ann.cells.contains(cell)),
            "{:?}",
            ann.cells
        );
        host.yard.frozen.store(true, Ordering::SeqCst);
        agrees(&mut ann, &host.yard).await;
        host.yard.frozen.store(false, Ordering::SeqCst);
        // Wherever one goes, what is near there is shown.
        ann.ask(Command::At(48.0, 48.0)).await.unwrap();
        let here = host.yard.map().cell_at(Point::new(48.0, 48.0)).0;
        ann.until(|ann| ann.cells.contains(&here) && ann.entities.len() <= NEAREST)
            .await;
        assert!(ann.entities.contains_key(&ann.welcome.you.unwrap()));
        assert!((ann.dilation - 1.0).abs() < f32::EPSILON);
        load.until("slow_time", &host, &mut ann).await;
        load.set(Load::TURN);
        ann.until(|ann| ann.dilation < 1.0).await;
        let slowed = |host: &Host| {
            let regions = host.runtime.status().regions;
            regions
                .iter()
                .filter(|region| region.dilation < 1.0)
                .count()
        };
        assert_eq!(slowed(&host), 1, "where she is");
        load.set(0);
        ann.until(|_| rung(&host) == "ground").await;
        let view = cells_around(&host.yard, Point::new(48.0, 48.0));
        ann.until(|ann| ann.cells == view && ann.dilation > 0.99)
            .await;
        host.yard.frozen.store(true, Ordering::SeqCst);
        agrees(&mut ann, &host.yard).await;
        host.stop().await;
    });
}
