//! The crash campaign of Meadow (G2, G3): the real server is killed again and again while gold
//! changes hands, and started again on the same folder.
//!
//! Givers sit in a ring; each gives single coins to the next as fast as it can. Gatherers drop a
//! coin and pick it up again, one command at a time. After each kill every purse must be what the
//! answered commands made of it, but for commands without an answer, each of which has been done
//! or not: a coin that was seen dropped lies there, one that was seen picked is gone, what a giver
//! gave the next one has, and `census` is what it was on the first day.

#![allow(clippy::unwrap_used, reason = "the line of the failure is shown")]

#[path = "crash/guest.rs"]
mod guest;
#[path = "../../../tests/crash/host.rs"]
mod host;
#[path = "crash/returns.rs"]
mod returns;

use std::time::Duration;

use brightstar::world_data::Rng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use guest::{Gatherer, Giver, Guest, census};
use host::Host;

const GIVERS: usize = 6;
const GATHERERS: usize = 2;
/// A kill comes after this many further answers, over all players.
const ANSWERS: std::ops::Range<usize> = 200..3_000;
/// And then within this many microseconds.
const JITTER_US: std::ops::Range<u64> = 0..5_000;
/// What one kill, restart and check may take.
const ROUND_LIMIT: Duration = Duration::from_secs(90);
/// What it may take until every player has found a coin.
const GATHER_LIMIT: Duration = Duration::from_mins(2);

/// Everybody between two rounds.
struct Ring {
    givers: Vec<Giver>,
    gatherers: Vec<Gatherer>,
}

impl Ring {
    /// Lets every player find a first coin, so that there is something to give.
    async fn gather(url: &str) -> Self {
        let mut searching = JoinSet::new();
        for number in 0..GIVERS + GATHERERS {
            let mut guest = Guest::new(number);
            let url = url.to_owned();
            searching.spawn(async move {
                guest.find_a_coin(&url).await;
                guest
            });
        }
        let mut guests = searching.join_all().await;
        guests.sort_by_key(|guest| guest.number);
        let gatherers = guests.split_off(GIVERS);
        Self {
            givers: guests.into_iter().map(Giver::new).collect(),
            gatherers: gatherers.into_iter().map(Gatherer::new).collect(),
        }
    }

    /// Lets all play until enough is answered, then kills the server under them.
    async fn play_and_kill(self, host: Host, rng: &mut Rng) -> (Self, usize) {
        let (answered, mut answers) = mpsc::channel(1);
        let next: Vec<_> = (1..=GIVERS)
            .map(|next| self.givers[next % GIVERS].guest.id)
            .collect();
        let (mut giving, mut gathering) = (JoinSet::new(), JoinSet::new());
        for (giver, next) in self.givers.into_iter().zip(next) {
            giving.spawn(giver.play(host.url(), next, answered.clone()));
        }
        for gatherer in self.gatherers {
            gathering.spawn(gatherer.play(host.url(), answered.clone()));
        }
        drop(answered);
        let target = rng.usize(ANSWERS);
        for _ in 0..target {
            answers
                .recv()
                .await
                .expect("all players ended before the kill");
        }
        answers.close();
        // Not to wait for anything: to hit another moment of an epoch each time.
        sleep(Duration::from_micros(rng.u64(JITTER_US))).await;
        host.kill();
        let (mut givers, mut gatherers) = (giving.join_all().await, gathering.join_all().await);
        givers.sort_by_key(|giver| giver.guest.number);
        gatherers.sort_by_key(|gatherer| gatherer.guest.number);
        (Self { givers, gatherers }, target)
    }

    /// Checks everything that must have survived; returns how many gifts were open.
    async fn check(&mut self, host: &Host) -> u64 {
        for gatherer in &mut self.gatherers {
            gatherer.check(&host.url()).await;
        }
        let mut purses = Vec::new();
        for giver in &mut self.givers {
            purses.push(giver.guest.purse(&host.url()).await);
        }
        let open = self.givers.iter().map(|giver| giver.open).sum();
        settle(&mut self.givers, &purses);
        open
    }
}

/// Finds out how many of each giver's open gifts were done, if that can explain all purses.
///
/// Around the ring the purses tell all numbers but one: with `k` gifts of the first done, the
/// second's purse says how many of its own were, and so on. Some `k` must fit everywhere.
fn settle(givers: &mut [Giver], purses: &[u64]) {
    let change: Vec<i64> = (0..GIVERS)
        .map(|at| {
            let before = &givers[(at + GIVERS - 1) % GIVERS];
            // Not below zero in the end, but here: what an open gift brought may be given on.
            let [gold, got, given, purse] = [
                givers[at].guest.gold,
                before.given,
                givers[at].given,
                purses[at],
            ]
            .map(u64::cast_signed);
            purse - (gold + got - given)
        })
        .collect();
    assert_eq!(
        change.iter().sum::<i64>(),
        0,
        "gold was lost or made among the givers: {change:?}"
    );
    let done_with = |first: i64| -> Option<Vec<u64>> {
        let mut done = first;
        let all = (0..GIVERS).map(|at| {
            if at > 0 {
                done -= change[at];
            }
            // What the next one was told is done for certain; what was never asked is not.
            let told = givers[(at + 1) % GIVERS]
                .told
                .saturating_sub(givers[at].given);
            let done = u64::try_from(done).ok()?;
            (told..=givers[at].open).contains(&done).then_some(done)
        });
        all.collect()
    };
    let most = i64::try_from(givers[0].open).unwrap();
    let found = (0..=most).find_map(done_with);
    assert!(
        found.is_some(),
        "no number of open gifts explains the purses {purses:?}, which differ by {change:?} from \
         what was answered, with {:?} open",
        givers.iter().map(|giver| giver.open).collect::<Vec<_>>()
    );
    for (giver, purse) in givers.iter_mut().zip(purses) {
        giver.begin_round(*purse);
    }
}

#[tokio::test]
async fn kills_while_gold_changes_hands_lose_nothing_and_double_nothing() {
    let (seed, kills) = (host::seed(), host::kills());
    println!("seed {seed}, {kills} kills");
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        Host::start(
            env!("CARGO_BIN_EXE_meadow"),
            folder.path(),
            &["--regions", "8"],
        )
    };
    let mut rng = Rng::with_seed(seed);
    let mut host = start();
    let all_gold = census(&host.url()).await;
    let mut ring = timeout(GATHER_LIMIT, Ring::gather(&host.url()))
        .await
        .expect("no coins to be found");
    let mut ever_open = 0;
    for round in 0..kills {
        let this_round = async {
            let (mut ring, answers) = ring.play_and_kill(host, &mut rng).await;
            let host = start();
            let open = ring.check(&host).await;
            assert_eq!(census(&host.url()).await, all_gold, "census");
            println!("kill {round}: {answers} answered, {open} gifts open");
            ever_open += open;
            (host, ring)
        };
        (host, ring) = timeout(ROUND_LIMIT, this_round)
            .await
            .expect("a round takes too long");
    }
    assert!(
        ever_open > 0,
        "every kill hit an idle server: the campaign shows nothing"
    );
    host.kill();
}
