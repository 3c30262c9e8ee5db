//! Lives here: Ledger's pattern `transfer`: so many transfers under way at any moment, between
//! accounts chosen uniformly or by Zipf's law.
//! Not here: the run (`run`), the ledger's own rules.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use anyhow::bail;
use brightstar_client::{ClientError, Connection, Update, Welcome, World};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Zipf};
use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use tokio::time::Instant;

use crate::bot::Bot;
use crate::run::{Birth, Pattern, must_ask};
use crate::stats::{Rule, Stats};
use crate::verdict::Check;
use crate::waiting::Waiting;

/// Commands without a reply that a server allows one session.
const WINDOW: u32 = 64;
/// Amounts are from 1 to this.
const MOST: i64 = 100;
/// Tries to find a second account that is not the first; then its neighbour is taken.
const MAX_TRIES: u32 = 16;

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Command {
    Transfer { from: u64, to: u64, amount: i64 },
    Total,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Reply {
    Transferred { from: i64, to: i64 },
    Total(i64),
}

// By hand: serde's `untagged` first makes a tree of each reply, and there are very many.
impl<'de> Deserialize<'de> for Reply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReplyVisitor)
    }
}

struct ReplyVisitor;

impl<'de> Visitor<'de> for ReplyVisitor {
    type Value = Reply;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two balances or a total")
    }

    fn visit_u64<E: Error>(self, total: u64) -> Result<Reply, E> {
        i64::try_from(total).map(Reply::Total).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, total: i64) -> Result<Reply, E> {
        Ok(Reply::Total(total))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Reply, A::Error> {
        #[derive(serde::Deserialize)]
        struct Balances {
            from: i64,
            to: i64,
        }
        let Balances { from, to } = Balances::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Reply::Transferred { from, to })
    }
}

/// The ledger as its bots see it.
#[derive(Debug)]
pub(crate) struct Ledger;

impl World for Ledger {
    type Command = Command;
    type Reply = Reply;
    type Input = ();
    type Event = serde_json::Value;
}

/// The pattern.
#[derive(Debug)]
pub(crate) struct Transfers {
    in_flight: u32,
    bots: u32,
    accounts: Accounts,
    /// What all balances sum up to.
    total: Cell<i64>,
}

impl Transfers {
    pub(crate) fn new(
        bots: u32,
        in_flight: u32,
        alpha: f64,
        accounts: u64,
    ) -> Result<Self, String> {
        let each = in_flight.div_ceil(bots);
        if each > WINDOW {
            return Err(format!(
                "--in-flight {in_flight} over --bots {bots} is {each} for each, and a session may \
                 have {WINDOW}: use at least {} bots",
                in_flight.div_ceil(WINDOW)
            ));
        }
        Ok(Self {
            in_flight,
            bots,
            accounts: Accounts::new(accounts, alpha)?,
            total: Cell::new(0),
        })
    }
}

impl Pattern for Transfers {
    type Bot = Teller;
    const WORLD: &'static str = "ledger";
    const RULES: &'static [(Rule, &'static str)] = &[
        (Rule::Lost, "no reply is lost"),
        (Rule::Doubled, "nothing comes twice"),
        (
            Rule::Reordered,
            "replies come in the order of their commands",
        ),
        (Rule::Words, "what bots were told agrees with the rules"),
    ];
    const LATENCY: &'static str = "from sending; a closed loop: the next transfer waits for a \
                                   reply, so a slow server is asked less";

    fn name(&self) -> String {
        "transfer".into()
    }

    async fn before(&self, control: &mut Connection<Ledger>) -> anyhow::Result<()> {
        self.total.set(total(control).await?);
        Ok(())
    }

    fn bot(&self, birth: Birth) -> Teller {
        let rest = u32::from(birth.number < self.in_flight % self.bots);
        Teller {
            share: self.in_flight / self.bots + rest,
            accounts: self.accounts,
            total: self.total.get(),
            rng: SmallRng::seed_from_u64(birth.seed),
            waiting: Waiting::new(Rc::clone(&birth.stats)),
            stats: birth.stats,
        }
    }

    async fn after(
        &self,
        control: &mut Connection<Ledger>,
        _: &RefCell<Stats>,
    ) -> anyhow::Result<Vec<Check>> {
        let (before, after) = (self.total.get(), total(control).await?);
        Ok(vec![Check {
            name: "the total is what it was".into(),
            passed: before == after,
            detail: format!("{before} before, {after} after"),
        }])
    }
}

async fn total(control: &mut Connection<Ledger>) -> anyhow::Result<i64> {
    match must_ask(control, &Command::Total).await? {
        Reply::Total(total) => Ok(total),
        other @ Reply::Transferred { .. } => bail!("total was answered with {other:?}"),
    }
}

/// Chooses accounts: the first are the busiest when there is skew.
#[derive(Debug, Clone, Copy)]
struct Accounts {
    count: u64,
    skew: Option<Zipf<f64>>,
}

impl Accounts {
    fn new(count: u64, alpha: f64) -> Result<Self, String> {
        let skew = match alpha {
            0.0 => None,
            alpha => Some(
                Zipf::new(count as f64, alpha)
                    .map_err(|error| format!("--alpha {alpha}, --accounts {count}: {error}"))?,
            ),
        };
        Ok(Self { count, skew })
    }

    fn one(&self, rng: &mut SmallRng) -> u64 {
        match self.skew {
            None => rng.random_range(0..self.count),
            // Ranks begin at 1; the sampler's floats are exact far above any count of accounts.
            Some(zipf) => (zipf.sample(rng) as u64).clamp(1, self.count) - 1,
        }
    }

    fn two(&self, rng: &mut SmallRng) -> (u64, u64) {
        let from = self.one(rng);
        let other = (0..MAX_TRIES).map(|_| self.one(rng)).find(|to| *to != from);
        (from, other.unwrap_or((from + 1) % self.count))
    }
}

/// A bot that keeps its share of transfers under way.
#[derive(Debug)]
pub(crate) struct Teller {
    share: u32,
    accounts: Accounts,
    total: i64,
    rng: SmallRng,
    waiting: Waiting<()>,
    stats: Rc<RefCell<Stats>>,
}

impl Teller {
    async fn transfer(&mut self, connection: &mut Connection<Ledger>) -> Result<(), ClientError> {
        let (from, to) = self.accounts.two(&mut self.rng);
        let amount = self.rng.random_range(1..=MOST);
        let due = Instant::now();
        let seq = connection
            .command(&Command::Transfer { from, to, amount })
            .await?;
        self.waiting.sent(seq, "transfer", due, ());
        Ok(())
    }

    fn judge(&self, reply: &Reply) {
        let sound = match reply {
            Reply::Transferred { from, to } => {
                *from >= 0 && *to > 0 && from.saturating_add(*to) <= self.total
            }
            Reply::Total(_) => false,
        };
        if !sound {
            let words = || format!("a transfer was answered with {reply:?}");
            self.stats.borrow_mut().violate(Rule::Words, words);
        }
    }
}

impl Bot for Teller {
    type World = Ledger;

    fn due(&self) -> Option<Instant> {
        None
    }

    async fn act(&mut self, connection: &mut Connection<Ledger>) -> Result<(), ClientError> {
        for _ in 0..self.share {
            self.transfer(connection).await?;
        }
        Ok(())
    }

    async fn hear(
        &mut self,
        update: Update<Ledger>,
        connection: &mut Connection<Ledger>,
        going: bool,
    ) -> Result<(), ClientError> {
        let Update::Reply { seq, outcome } = update else {
            return Ok(());
        };
        if let Some(((), Some(reply))) = self.waiting.answered(seq, outcome) {
            self.judge(&reply);
        }
        if going {
            self.transfer(connection).await?;
        }
        Ok(())
    }

    fn back(&mut self, _: Option<&Welcome>) {
        self.waiting.interrupt();
    }

    fn begin_anew(&mut self, _: &Welcome) {
        self.waiting.abandon().for_each(drop);
    }

    fn unanswered(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(alpha: f64) -> Vec<usize> {
        let accounts = Accounts::new(1000, alpha).unwrap();
        let mut rng = SmallRng::seed_from_u64(7);
        let mut counts = vec![0; 1000];
        for _ in 0..100_000 {
            let (from, to) = accounts.two(&mut rng);
            assert_ne!(from, to);
            counts[from as usize] += 1;
        }
        counts
    }

    #[test]
    fn accounts_follow_the_skew_that_was_asked_for() {
        let uniform = shares(0.0);
        assert!(uniform.iter().all(|count| (50..200).contains(count)));
        // Zipf 1.5 of 1,000: the first has 1 / sum(k^-1.5) = 39 %, the second 2^-1.5 of it.
        let skewed = shares(1.5);
        assert!((37_000..42_000).contains(&skewed[0]), "{}", skewed[0]);
        let ratio = skewed[1] as f64 / skewed[0] as f64;
        assert!((0.32..0.39).contains(&ratio), "{ratio}");
        shares(10.0);
    }

    #[test]
    fn in_flight_is_spread_and_bounded_by_the_window() {
        let error = Transfers::new(10, 2560, 0.0, 100).unwrap_err();
        assert!(error.contains("use at least 40 bots"), "{error}");
        Transfers::new(40, 2560, 0.0, 100).unwrap();
    }
}
