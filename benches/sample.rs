//! Lives here: which accounts the benches move money between: seeded samples, made before the
//! clock runs. Not here: who moves it.

use std::collections::BTreeMap;

use fastrand::Rng;
use ledger::Account;
use world_data::{Engine, Ref};

/// Accounts of the benches' ledger.
pub(crate) const ACCOUNTS: u64 = 100_000;
const SEED: u64 = 42;

/// Two different accounts.
pub(crate) type Pair = (u64, u64);

/// How often which account is chosen.
pub(crate) enum Choice {
    /// All alike.
    Uniform,
    /// The n-th with a weight of n to the power of minus this.
    Zipf(f64),
}

/// Pairs of accounts from the whole ledger.
pub(crate) fn pairs(choice: &Choice, count: usize) -> Vec<Pair> {
    let mut random = Rng::with_seed(SEED);
    match choice {
        Choice::Uniform => {
            let one = |random: &mut Rng| random.u64(..ACCOUNTS);
            different(count, &mut random, one)
        }
        Choice::Zipf(alpha) => {
            let mut sum = 0.0;
            let weights = (1..=ACCOUNTS).map(|n| {
                sum += (n as f64).powf(-alpha);
                sum
            });
            let weights: Vec<f64> = weights.collect();
            let one = |random: &mut Rng| {
                let at = random.f64() * weights[weights.len() - 1];
                weights.partition_point(|weight| *weight < at) as u64
            };
            different(count, &mut random, one)
        }
    }
}

fn different(count: usize, random: &mut Rng, one: impl Fn(&mut Rng) -> u64) -> Vec<Pair> {
    (0..count)
        .map(|_| {
            loop {
                let (from, to) = (one(random), one(random));
                if from != to {
                    return (from, to);
                }
            }
        })
        .collect()
}

/// Which accounts live in which region of an engine.
pub(crate) struct ByRegion(pub(crate) Vec<Vec<u64>>);

impl ByRegion {
    pub(crate) fn of(engine: &Engine) -> Self {
        let regions = engine.regions();
        let mut accounts: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for account in 0..ACCOUNTS {
            let home = engine
                .map()
                .shard_of(Ref::<Account>::keyed(account).id().raw());
            accounts
                .entry(regions.partition.index(home))
                .or_default()
                .push(account);
        }
        Self(accounts.into_values().collect())
    }

    /// The region of each account.
    pub(crate) fn index(&self) -> Vec<usize> {
        let mut index = vec![0; ACCOUNTS as usize];
        for (region, accounts) in self.0.iter().enumerate() {
            for account in accounts {
                index[*account as usize] = region;
            }
        }
        index
    }

    /// Pairs for thread `thread` of `threads`: the account that pays lives in a region of that
    /// thread, the other one, in `cross` of 100 cases, in any other region, else in the same one.
    pub(crate) fn pairs(
        &self,
        thread: usize,
        threads: usize,
        cross: u32,
        count: usize,
    ) -> Vec<Pair> {
        let mut random = Rng::with_seed(SEED + thread as u64);
        let mine: Vec<usize> = (thread..self.0.len()).step_by(threads).collect();
        (0..count)
            .map(|_| {
                let region = mine[random.usize(..mine.len())];
                let other = (region + random.usize(1..self.0.len())) % self.0.len();
                let to_region = if random.u32(..100) < cross {
                    other
                } else {
                    region
                };
                loop {
                    let from = self.0[region][random.usize(..self.0[region].len())];
                    let to = self.0[to_region][random.usize(..self.0[to_region].len())];
                    if from != to {
                        return (from, to);
                    }
                }
            })
            .collect()
    }
}
