//! Lives here: `epoch/...`: transfers that are made durable, against files and against raw LMDB.
//! Not here: sockets (`client`), tasks in memory (`task`).
//!
//! Ours: one thread runs transfers; at most `WINDOW` of them may wait for the disk, as a server's
//! sessions allow it; the clock stops when the last reply has been released.
//!
//! - against `append`: a plain file to which the write sets of the very epochs that ours made are
//!   appended, epoch by epoch, each synced before the next one begins. It computes no transfer: it
//!   is handed the rows, and encodes and writes them.
//! - against `heed`: LMDB itself, with group commit: each write transaction reads and changes
//!   all transfers of a full window, and commits with LMDB's full sync. No journal, no tasks.
//! - `idle`: one transfer at a time, from its start to its reply, against one append of as many
//!   bytes and one sync.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use heed::CommitOrAbort;
use heed::byteorder::BigEndian;
use heed::types::{Bytes, U64};
use ledger::Ledger;
use tempfile::TempDir;
use uuid::Uuid;
use world_data::{
    Call, Class, Done, Effect, EffectSink, Engine, Options, Outcome, Payload, SessionId, Worker,
};

use crate::harness::{Measure, Plan, compare, median, now, rate, time};
use crate::sample::{ACCOUNTS, Choice, Pair, pairs};

/// Transfers that may wait for the disk.
const WINDOW: usize = 2560;
const TRANSFERS: usize = 300_000;
/// LMDB is slower: fewer transfers take as long.
const HEED_TRANSFERS: usize = 50_000;
const IDLE_TRANSFERS: usize = 200;
const BALANCE: i64 = 1_000_000_000;
const ROW_BYTES: usize = 48;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    if !plan.wants_area("epoch/") {
        return Ok(());
    }
    for (name, choice) in [
        ("uniform", Choice::Uniform),
        ("zipf-1.5", Choice::Zipf(1.5)),
    ] {
        let pairs = pairs(&choice, plan.times(TRANSFERS));
        let mut ours = Ours::open()?;
        let folder = folder()?;

        let mut epochs = Vec::new();
        let id = format!("epoch/transfer/{name}/append");
        let goal = Measure::Rate {
            at_least: Some(0.4),
        };
        // Both closures are called by turns: the floor repeats the epochs of the round.
        let made = Mutex::new(&mut epochs);
        let run_ours = || {
            let (rate, epochs) = ours.run(&pairs)?;
            **made.lock().unwrap_or_else(PoisonError::into_inner) = write_sets(&pairs, &epochs);
            Ok(rate)
        };
        let run_floor = || {
            let sets = made.lock().unwrap_or_else(PoisonError::into_inner);
            append(folder.path(), &sets, pairs.len())
        };
        compare(plan, &id, goal, run_ours, run_floor)?;

        let id = format!("epoch/transfer/{name}/heed");
        let raw = Raw::open()?;
        let few = &pairs[..plan.times(HEED_TRANSFERS).min(pairs.len())];
        let goal = Measure::Rate {
            at_least: Some(1.5),
        };
        compare(plan, &id, goal, || Ok(ours.run(&pairs)?.0), || raw.run(few))?;
        ours.engine.close();
    }
    idle(plan)
}

fn idle(plan: &Plan) -> Result<()> {
    let id = "epoch/idle-p50/one-transfer";
    if !plan.wants(id) {
        return Ok(());
    }
    let pairs = pairs(&Choice::Uniform, plan.times(IDLE_TRANSFERS));
    let mut ours = Ours::open()?;
    let folder = folder()?;
    let goal = Measure::Time { at_most: Some(1.5) };
    compare(
        plan,
        id,
        goal,
        || ours.idle(&pairs),
        || append_each(folder.path(), pairs.len()),
    )?;
    ours.engine.close();
    Ok(())
}

/// A folder on a real disk, not in memory.
fn folder() -> Result<TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// Counts the replies that were released.
#[derive(Default)]
struct Released {
    count: Mutex<usize>,
    more: Condvar,
}

impl Released {
    fn wait_for(&self, count: usize) {
        let mut released = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        while *released < count {
            released = self
                .more
                .wait(released)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl EffectSink for Released {
    fn deliver(&self, effects: Vec<Effect>) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += effects.len();
        self.more.notify_one();
    }
}

struct Ours {
    engine: Engine,
    worker: Worker,
    released: Arc<Released>,
    /// Replies that were asked for since the engine was opened.
    asked: usize,
    _folder: TempDir,
}

impl Ours {
    fn open() -> Result<Self> {
        let folder = folder()?;
        let released = Arc::new(Released::default());
        let world = Ledger {
            accounts: ACCOUNTS,
            balance: BALANCE,
        };
        let sink: Arc<dyn EffectSink> = Arc::<Released>::clone(&released);
        let engine = Engine::open(folder.path(), &world, Options::default(), sink)?;
        let worker = engine.worker();
        Ok(Self {
            engine,
            worker,
            released,
            asked: 0,
            _folder: folder,
        })
    }

    /// One transfer; returns its epoch.
    fn transfer(&mut self, (from, to): Pair) -> Result<u64> {
        let call = Call {
            kind: "command",
            class: Class::Durable,
            origin: &"bench",
        };
        let session = SessionId(Uuid::nil());
        self.asked += 1;
        let seq = self.asked as u64;
        let body = |task: &mut world_data::Task<'_>| ledger::transfer(task, from, to, 1);
        let conclude = |done| {
            let outcome = match done {
                Done::Committed(reply) => Outcome::Ok(Payload::new(reply)),
                Done::Ended(fault, message) => Outcome::Error { fault, message },
            };
            Some(Effect::Reply {
                session,
                seq,
                outcome,
            })
        };
        let report = self.worker.execute(call, body, conclude);
        ensure!(
            report.fault.is_none(),
            "a transfer ended as {:?}",
            report.fault
        );
        Ok(report.epoch)
    }

    /// Transfers per second, and the epoch of each.
    fn run(&mut self, pairs: &[Pair]) -> Result<(f64, Vec<u64>)> {
        let mut epochs = Vec::with_capacity(pairs.len());
        let (took, done) = time(|| -> Result<()> {
            for pair in pairs {
                let done = self.asked.saturating_sub(WINDOW - 1);
                self.released.wait_for(done);
                epochs.push(self.transfer(*pair)?);
            }
            self.released.wait_for(self.asked);
            Ok(())
        });
        done?;
        Ok((pairs.len() as f64 / took.as_secs_f64(), epochs))
    }

    /// The median time of a transfer when there is nothing else to do.
    fn idle(&mut self, pairs: &[Pair]) -> Result<f64> {
        let times = pairs.iter().map(|pair| {
            let start = now();
            self.transfer(*pair)?;
            self.released.wait_for(self.asked);
            Ok(start.elapsed().as_secs_f64())
        });
        Ok(median(times.collect::<Result<_>>()?))
    }
}

/// Which rows each epoch has to write: every account once, however often it changed in it.
fn write_sets(pairs: &[Pair], epochs: &[u64]) -> Vec<Vec<u64>> {
    let both = pairs.iter().zip(epochs);
    let mut sets: Vec<Vec<u64>> = Vec::new();
    let mut of = None;
    let mut set = BTreeSet::new();
    for ((from, to), epoch) in both {
        if of.is_some_and(|of| of != epoch) {
            sets.push(std::mem::take(&mut set).into_iter().collect());
        }
        of = Some(epoch);
        set.extend([*from, *to]);
    }
    sets.push(set.into_iter().collect());
    sets
}

/// The floor: write sets appended to a file, each synced; transfers per second.
fn append(folder: &Path, sets: &[Vec<u64>], transfers: usize) -> Result<f64> {
    let mut file = File::create(folder.join("append"))?;
    let mut bytes = Vec::new();
    let mut balance = BALANCE;
    let mut result = Ok(());
    let rate = rate(transfers, || {
        for (epoch, set) in sets.iter().enumerate() {
            bytes.clear();
            bytes.extend_from_slice(&(epoch as u64).to_le_bytes());
            for account in set {
                balance += 1;
                bytes.extend_from_slice(&row(*account, balance));
            }
            result = file.write_all(&bytes).and_then(|()| file.sync_data());
            if result.is_err() {
                return;
            }
        }
    });
    result?;
    Ok(rate)
}

/// A row as long as ours: home, id, length, and a `MessagePack` map with one field.
fn row(account: u64, balance: i64) -> [u8; ROW_BYTES] {
    let mut row = [0; ROW_BYTES];
    row[..8].copy_from_slice(&account.to_be_bytes());
    row[8..16].copy_from_slice(&account.to_be_bytes());
    row[16..27].copy_from_slice(b"\x81\xa7balance\xcf\x00");
    row[27..35].copy_from_slice(&balance.to_be_bytes());
    row
}

/// The idle floor: one append as long as one transfer's record, one sync; the median time.
fn append_each(folder: &Path, count: usize) -> Result<f64> {
    let mut file = File::create(folder.join("append-each"))?;
    let mut times = Vec::with_capacity(count);
    for n in 0..count as u64 {
        let start = now();
        let mut record = [0; 20 + 2 * ROW_BYTES];
        record[..8].copy_from_slice(&n.to_le_bytes());
        file.write_all(&record)?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(median(times))
}

type Rows = heed::Database<'static, U64<BigEndian>, Bytes>;

/// LMDB without anything in front of it.
struct Raw {
    env: heed::Env,
    rows: Rows,
    _folder: TempDir,
}

impl Raw {
    fn open() -> Result<Self> {
        let folder = folder()?;
        // SAFETY: the folder is new and this program opens it only here.
        let env = unsafe {
            heed::EnvOpenOptions::new()
                .map_size(1 << 30)
                .max_dbs(1)
                .open(folder.path())?
        };
        let made = env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
            let rows = opener.create_database::<U64<BigEndian>, Bytes>(txn, Some("rows"))?;
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(rows))
        })?;
        let rows: Rows = made.commit().context("the table was not made")?;
        let mut writing = env.write_txn()?;
        for account in 0..ACCOUNTS {
            rows.put(&mut writing, &account, &row(account, BALANCE))?;
        }
        writing.commit()?;
        Ok(Self {
            env,
            rows,
            _folder: folder,
        })
    }

    fn run(&self, pairs: &[Pair]) -> Result<f64> {
        let mut result = Ok(());
        let rate = rate(pairs.len(), || {
            result = pairs
                .chunks(WINDOW)
                .try_for_each(|group| self.commit(group));
        });
        result?;
        Ok(rate)
    }

    fn commit(&self, group: &[Pair]) -> Result<()> {
        let mut writing = self.env.write_txn()?;
        for (from, to) in group {
            let (payer, payee) = (self.read(&writing, *from)?, self.read(&writing, *to)?);
            ensure!(payer > 0, "account {from} is empty");
            self.rows.put(&mut writing, from, &row(*from, payer - 1))?;
            self.rows.put(&mut writing, to, &row(*to, payee + 1))?;
        }
        writing.commit()?;
        Ok(())
    }

    fn read(&self, txn: &heed::RoTxn<'_>, account: u64) -> Result<i64> {
        let row = self
            .rows
            .get(txn, &account)?
            .context("an account is missing")?;
        Ok(i64::from_be_bytes(row[27..35].try_into()?))
    }
}
