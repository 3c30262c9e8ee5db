//! Lives here: the storm: random orders to the server, again and again, to move, split, merge and
//! pin regions while bots play; and what came of them.
//! Not here: which orders there are, and why one is refused (the server's `/admin`).
//!
//! Invariant: an order is random by the seed alone, and waits for no other: one that gets stuck
//! does not calm the storm. The operator's token is written nowhere.

mod told;

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::bot::{Phase, Run};
use crate::run::Plan;
use crate::status::{Asker, Region, Status, beside_socket};
pub(crate) use told::{Outcome, Storms};

/// How long an order may take. The server itself gives one up after five seconds.
const LIMIT: Duration = Duration::from_secs(10);
/// How long bots may take to notice that the server is gone.
const NOTICE: Duration = Duration::from_secs(2);
/// Orders under way at once; more are left out.
const AT_ONCE: usize = 16;
/// The longest answer that is taken, in bytes.
const MAX_BYTES: usize = 64 << 10;
/// With fewer regions nothing is merged, with more nothing is split.
const FEWEST: usize = 4;
const MOST: usize = 32;
/// Regions that are pinned at once.
const PINNED: usize = 2;
/// What an order is seeded with besides the run's seed, so that it is none of the bots' seeds.
const SALT: u64 = 0x5707;

/// Who gives the orders.
pub(crate) struct Storm {
    rng: SmallRng,
    every: Duration,
    asker: Asker,
    orderer: Rc<Orderer>,
}

struct Orderer {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    authorization: HeaderValue,
}

/// An order as `/admin` takes it.
#[derive(Debug, PartialEq)]
struct Order {
    kind: &'static str,
    body: Value,
}

/// What the server answers to an order that it carried out; and else.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    pause_ms: Option<f64>,
    error: Option<Refusal>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    message: String,
}

impl Storm {
    /// The storm that the plan asks for, if it does.
    ///
    /// # Errors
    /// When there is no token in the file.
    pub(crate) fn of(plan: &Plan) -> anyhow::Result<Option<Self>> {
        let common = &plan.common;
        let (Some(every), Some(file)) = (common.storm, &common.admin_token_file) else {
            return Ok(None);
        };
        Ok(Some(Self {
            rng: SmallRng::seed_from_u64(common.seed ^ SALT),
            every: every.max(Duration::from_millis(1)),
            asker: Asker::new(&plan.url),
            orderer: Rc::new(Orderer {
                client: Client::builder(TokioExecutor::new()).build_http(),
                url: beside_socket(&plan.url, "/admin"),
                authorization: bearer(file)?,
            }),
        }))
    }

    /// Gives orders as long as bots play, and waits for the last answers.
    pub(crate) async fn rage(mut self, mut run: Run) {
        let stats = Rc::clone(&run.stats);
        run.reaches(Phase::Play).await;
        let mut beat = interval(self.every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                () = run.reaches(Phase::Drain) => break,
                _ = beat.tick() => {}
            }
            while under_way.try_join_next().is_some() {}
            let status = self.asker.ask().await;
            let order = status.ok().and_then(|status| self.choose(&status));
            let Some(order) = order.filter(|_| under_way.len() < AT_ONCE) else {
                stats.borrow_mut().storms.left_out += 1;
                continue;
            };
            let (orderer, stats) = (Rc::clone(&self.orderer), Rc::clone(&stats));
            under_way.spawn_local(async move {
                let outcome = orderer.give(&order).await;
                if matches!(outcome, Outcome::Unanswered(_)) {
                    // The bots may not have noticed yet that the server is gone.
                    sleep(NOTICE).await;
                }
                let mut stats = stats.borrow_mut();
                // Nobody knows what became of an order that a dying server took.
                let excused = stats.outages.any_since(Instant::now() - LIMIT);
                stats.storms.book(order.kind, outcome, excused);
            });
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Draws an order that makes sense to these regions.
    fn choose(&mut self, status: &Status) -> Option<Order> {
        let (regions, rng) = (&status.regions, &mut self.rng);
        if regions.is_empty() {
            return None;
        }
        let region = &regions[rng.random_range(0..regions.len())];
        let id = region.id;
        let order = |kind, body| Some(Order { kind, body });
        match rng.random_range(0..12) {
            0 => Some(pin(regions, region)),
            1..5 if regions.len() < MOST => order("split", json!({ "region": id })),
            5..9 if regions.len() > FEWEST => order("merge", json!({ "region": id })),
            _ => {
                let workers = status.workers.len() as u64;
                let steps = rng.random_range(1..workers.max(2));
                let worker = (region.worker + steps) % workers.max(1);
                order("move", json!({ "region": id, "worker": worker }))
            }
        }
    }
}

/// Pins a region, or, when enough are, unpins one.
fn pin(regions: &[Region], region: &Region) -> Order {
    let pinned: Vec<_> = regions.iter().filter(|region| region.pinned).collect();
    let (id, pin) = match pinned.first() {
        Some(first) if pinned.len() >= PINNED => (first.id, false),
        _ => (region.id, !region.pinned),
    };
    Order {
        kind: "pin",
        body: json!({ "region": id, "pinned": pin }),
    }
}

impl Orderer {
    async fn give(&self, order: &Order) -> Outcome {
        match timeout(LIMIT, self.try_give(order)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Unanswered(format!("{error:#}")),
            Err(_) => Outcome::Stuck(format!("no answer within {LIMIT:?}")),
        }
    }

    async fn try_give(&self, order: &Order) -> anyhow::Result<Outcome> {
        let request = Request::post(format!("{}/{}", self.url, order.kind))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(order.body.to_string()))?;
        let answer = self.client.request(request).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
        let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
        let answer: Answer = serde_json::from_slice(&body)?;
        Ok(match answer.error {
            None => Outcome::Done(answer.pause_ms),
            Some(refusal) => Outcome::refused(status, refusal.message),
        })
    }
}

/// What is said with an order, so that it is obeyed.
fn bearer(file: &Path) -> anyhow::Result<HeaderValue> {
    let name = || file.display().to_string();
    let token = std::fs::read_to_string(file).with_context(name)?;
    ensure!(!token.trim().is_empty(), "{}: there is no token", name());
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        .map_err(|_| anyhow::anyhow!("{}: this can't be a token", name()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Worker;

    fn storm(seed: u64) -> Storm {
        Storm {
            rng: SmallRng::seed_from_u64(seed),
            every: Duration::from_secs(1),
            asker: Asker::new("ws://127.0.0.1:1"),
            orderer: Rc::new(Orderer {
                client: Client::builder(TokioExecutor::new()).build_http(),
                url: String::new(),
                authorization: HeaderValue::from_static(""),
            }),
        }
    }

    fn status(regions: u64) -> Status {
        Status {
            workers: vec![Worker::busy(0.1), Worker::busy(0.1)],
            regions: (0..regions)
                .map(|id| Region::bare(id, id, id + 1))
                .collect(),
            ..Status::default()
        }
    }

    fn kinds(regions: u64) -> Vec<&'static str> {
        let (mut storm, status) = (storm(7), status(regions));
        let kinds = (0..500).map(|_| storm.choose(&status).unwrap().kind);
        let mut kinds: Vec<_> = kinds.collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    #[test]
    fn orders_are_of_all_kinds_by_the_seed_and_keep_some_regions() {
        assert_eq!(kinds(10), ["merge", "move", "pin", "split"]);
        assert_eq!(kinds(FEWEST as u64), ["move", "pin", "split"]);
        assert_eq!(kinds(MOST as u64), ["merge", "move", "pin"]);
        let orders = |seed| {
            let (mut storm, status) = (storm(seed), status(10));
            (0..20).map(|_| storm.choose(&status)).collect::<Vec<_>>()
        };
        assert_eq!(orders(1), orders(1));
        assert_ne!(orders(1), orders(2));
        assert_eq!(storm(1).choose(&status(0)), None);
    }

    #[test]
    fn a_move_is_to_another_worker() {
        let (mut storm, status) = (storm(3), status(5));
        for _ in 0..200 {
            let order = storm.choose(&status).unwrap();
            assert!(
                order.kind != "move" || order.body["worker"] == 1,
                "{order:?}"
            );
        }
    }

    #[test]
    fn at_most_so_many_are_pinned() {
        let mut regions = status(5).regions;
        assert_eq!(pin(&regions, &regions[4]).body["pinned"], true);
        regions[0].pinned = true;
        regions[1].pinned = true;
        let order = pin(&regions, &regions[4]);
        assert_eq!(order.body, json!({ "region": 0, "pinned": false }));
    }
}
