//! Regions: bounded queues, figures, and what goes on while one of them is busy.

use actors::Settings;
use futures_util::FutureExt;

use crate::client::Client;
use crate::yard::{Command, Host, Yard, run, settings, until};

#[test]
fn a_full_queue_hands_back_and_everybody_gets_a_turn() {
    run(async {
        let host = Host::start(
            Yard::default(),
            Settings {
                queue_limit: 4,
                ..settings()
            },
        )
        .await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::login(&host, "bob").await;
        // Both walkers stand in one cell, so both work in one region.
        ann.ask(Command::Log(0)).await.unwrap();
        bob.ask(Command::Log(0)).await.unwrap();
        host.yard.gate.shut();
        ann.send(Command::Hold).await;
        host.yard.gate.until_held();
        for n in 1..=4 {
            ann.send(Command::Log(n)).await;
        }
        let queued = |host: &Host| -> usize {
            host.runtime
                .status()
                .regions
                .iter()
                .map(|region| region.queue)
                .sum()
        };
        assert_eq!(queued(&host), 4);
        let mut next = Box::pin(bob.send_as(2, Command::Log(1)));
        assert!((&mut next).now_or_never().is_none(), "handed back");
        assert_eq!(queued(&host), 4);
        host.yard.gate.open();
        next.await.unwrap();
        assert_eq!(bob.answer(2).await.unwrap(), [2]);
        for seq in 2..=6 {
            ann.answer(seq).await.unwrap();
        }
        host.stop().await;
    });
}

#[test]
fn a_busy_worker_does_not_stop_the_others() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let before = host.runtime.status();
        host.yard.gate.shut();
        let held = ann.send(Command::Hold).await;
        host.yard.gate.until_held();
        let ticks = |host: &Host| -> Vec<u64> {
            host.runtime
                .status()
                .regions
                .iter()
                .map(|region| region.ticks)
                .collect()
        };
        let at = ticks(&host);
        until(|| {
            ticks(&host)
                .iter()
                .zip(&at)
                .any(|(now, then)| *now > then + 5)
        })
        .await;
        host.yard.gate.open();
        ann.answer(held).await.unwrap();
        assert_eq!(before.regions.len(), 9);
        assert_eq!(before.workers.len(), 2);
        host.stop().await;
    });
}

#[test]
fn the_status_tells_of_objects_and_load() {
    run(async {
        let host = Host::start(
            Yard {
                bugs: true,
                ..Yard::default()
            },
            settings(),
        )
        .await;
        let entities = |host: &Host| -> usize {
            host.runtime
                .status()
                .regions
                .iter()
                .map(|region| region.entities)
                .sum()
        };
        until(|| entities(&host) == 40).await;
        let _ann = Client::login(&host, "ann").await;
        until(|| entities(&host) == 41).await;
        until(|| {
            host.runtime
                .status()
                .workers
                .iter()
                .all(|worker| worker.load > 0.0)
        })
        .await;
        let status = serde_json::to_value(host.runtime.status()).unwrap();
        assert_eq!(status["world"], "yard");
        assert_eq!(status["sessions"]["connected"], 1);
        assert_eq!(status["regions"][0]["from"], 0);
        assert!(status["regions"][0]["id"].is_u64());
        host.stop().await;
    });
}
