//! Jobs get their turns by themselves: in regions that tick and in those that do not, while regions
//! change, and when the actor that was to run them has died.

use std::rc::Rc;

use actors::Settings;
use world_data::Rng;

use crate::changes::{Storm, by_hand, storm};
use crate::client::Client;
use crate::yard::{Command, Host, METRES, Yard, run, settings, until};

#[test]
fn jobs_run_by_themselves_in_regions_with_and_without_cells() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        // The walker stands in a cell; what ticks lives in a shard, whose region has no ticks.
        ann.ask(Command::LogLater(40, 7)).await.unwrap();
        let began = ann.ask(Command::Tick(30)).await.unwrap()[0];
        ann.until(|ann| ann.events.len() >= 6).await;
        assert_eq!(ann.ask(Command::Read).await.unwrap(), [7]);
        let times: Vec<u64> = ann.events[1..].iter().map(|(_, now)| now - began).collect();
        assert!(
            times.is_sorted_by(|a, b| b / 30 > a / 30),
            "one turn a period: {times:?}"
        );
        assert!(times[0] >= 30, "not before its time: {times:?}");
        host.stop().await;
    });
}

#[test]
fn a_world_whose_clock_jumps_has_no_burst_of_turns() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let began = ann.ask(Command::Tick(3_600_000)).await.unwrap()[0];
        ann.ask(Command::LogLater(86_400_000, 1)).await.unwrap();
        let clock = host.engine.clock();
        clock.advance(began + 24 * 3_600_000 + 5);
        ann.until(|ann| ann.events.len() == 2).await;
        until(|| host.engine.pending_jobs() == 1).await;
        assert_eq!(ann.ask(Command::Read).await.unwrap(), [1]);
        assert_eq!(ann.events.len(), 2, "one turn, however many were missed");
        clock.advance(began + 25 * 3_600_000);
        ann.until(|ann| ann.events.len() == 3).await;
        assert_eq!(ann.events[2].1, began + 25 * 3_600_000, "on its phase");
        host.stop().await;
    });
}

#[test]
fn g6_jobs_run_once_while_regions_move_split_and_merge() {
    run(async {
        let host = Host::start(Yard::default(), by_hand()).await;
        let weather = Rc::new(Storm::default());
        let blows = actix_rt::spawn(storm(host.runtime.clone(), Rc::clone(&weather)));
        let mut ann = Client::login(&host, "ann").await;
        let mut rng = Rng::with_seed(11);
        let mut count = 0;
        while count < 400 || weather.made.get() < 80 {
            let (x, y) = (rng.f64() * METRES, rng.f64() * METRES);
            ann.ask(Command::At(x, y)).await.unwrap();
            ann.ask(Command::LogLater(rng.u64(0..40), count))
                .await
                .unwrap();
            count += 1;
        }
        until(|| host.engine.pending_jobs() == 0).await;
        weather.over.set(true);
        blows.await.unwrap();
        let mut log = ann.ask(Command::Read).await.unwrap();
        log.sort_unstable();
        assert!(log.iter().copied().eq(0..count), "each once: {log:?}");
        host.stop().await;
    });
}

#[test]
fn g8_many_jobs_at_once_and_a_full_queue_get_done_side_by_side() {
    run(async {
        let few = Settings {
            queue_limit: 16,
            ..settings()
        };
        let host = Host::start(Yard::default(), few).await;
        let mut ann = Client::login(&host, "ann").await;
        for n in 0..500 {
            ann.ask(Command::LogLater(1_000_000, n)).await.unwrap();
        }
        let clock = host.engine.clock();
        clock.advance(clock.now_ms() + 1_000_000);
        for n in 500..1_000 {
            ann.ask(Command::Log(n)).await.unwrap();
        }
        until(|| host.engine.pending_jobs() == 0).await;
        let mut log = ann.ask(Command::Read).await.unwrap();
        log.sort_unstable();
        assert!(log.iter().copied().eq(0..1_000));
        host.stop().await;
    });
}
