//! Lives here: `task/transfer`: transfers as tasks in memory, against a plain map.
//! Not here: transfers that are made durable (`epoch`).
//!
//! The floor on one thread is one `std::collections::HashMap` from account to balance: no lock,
//! no undo, no budget, no record of what is dirty: some 50 ns for two look-ups that mostly miss
//! the cache. On two threads that would be a race, so there it is one such map per region behind
//! a mutex each, both locked in order when two regions are touched. Ours keeps what a server
//! needs to go on with: locks, undo, dirty rows, commit numbers. Neither builds a reply for a
//! client.

use std::collections::HashMap;
use std::sync::{Arc, Barrier, Mutex};

use anyhow::{Result, ensure};
use ledger::Ledger;
use world_data::{Call, Class, Done, Engine, NoClients, Options, Worker};

use crate::harness::{Measure, Plan, compare, cpu_rate, time};
use crate::sample::{ACCOUNTS, ByRegion, Pair};

const BALANCE: i64 = 1_000_000_000;
const REGIONS: usize = 16;
const TRANSFERS: usize = 100_000;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    if !plan.wants_area("task/transfer") {
        return Ok(());
    }
    let world = Ledger {
        accounts: ACCOUNTS,
        balance: BALANCE,
    };
    let options = Options {
        regions: REGIONS,
        ..Options::default()
    };
    let engine = Engine::in_memory(&world, options, Arc::new(NoClients))?;
    let accounts = ByRegion::of(&engine);
    let index = accounts.index();
    let count = plan.times(TRANSFERS);
    for cross in [0, 1, 10, 100] {
        let mut map: HashMap<u64, i64> = (0..ACCOUNTS).map(|account| (account, BALANCE)).collect();
        let maps = accounts.0.iter().map(|of| {
            Mutex::new(
                of.iter()
                    .map(|account| (*account, BALANCE))
                    .collect::<HashMap<_, _>>(),
            )
        });
        let maps: Vec<_> = maps.collect();
        let one = vec![accounts.pairs(0, 1, cross, count)];
        let two: Vec<_> = (0..2)
            .map(|thread| accounts.pairs(thread, 2, cross, count))
            .collect();

        let id = format!("task/transfer/1-thread/{cross}%");
        let goal = Measure::Rate {
            at_least: Some(0.3),
        };
        compare(
            plan,
            &id,
            goal,
            || ours_alone(&engine, &one[0]),
            || Ok(plain(&mut map, &one[0])),
        )?;

        let id = format!("task/transfer/2-threads/{cross}%");
        compare(
            plan,
            &id,
            goal,
            || ours(&engine, &two),
            || Ok(locked(&maps, &index, &two)),
        )?;

        // What a second thread brings. The goal is for ours alone, the floor's own gain beside it
        // says what this machine gives anybody.
        let id = format!("task/transfer/gain-of-2nd-thread/{cross}%");
        let gain = || Ok(ours(&engine, &two)? / ours(&engine, &one)?);
        let floor_gain = || Ok(locked(&maps, &index, &two) / locked(&maps, &index, &one));
        compare(
            plan,
            &id,
            Measure::Number {
                ours_at_least: (cross <= 1).then_some(1.7),
            },
            gain,
            floor_gain,
        )?;
    }
    Ok(())
}

/// Transfers per second of one thread's own time.
fn ours_alone(engine: &Engine, pairs: &[Pair]) -> Result<f64> {
    let (rate, committed) = cpu_rate(pairs.len(), || transfers(engine, pairs));
    ensure!(
        committed == pairs.len(),
        "only {committed} transfers committed"
    );
    Ok(rate)
}

/// Transfers per second of the clock, over all threads.
fn ours(engine: &Engine, threads: &[Vec<Pair>]) -> Result<f64> {
    let total = threads.iter().map(Vec::len).sum();
    let (rate, committed) = on_threads(threads, total, &|pairs| transfers(engine, pairs));
    ensure!(committed == total, "only {committed} transfers committed");
    Ok(rate)
}

/// Runs all transfers; says how many committed.
fn transfers(engine: &Engine, pairs: &[Pair]) -> usize {
    let mut worker = engine.worker();
    let committed = pairs.iter().filter(|pair| transfer(&mut worker, **pair));
    committed.count()
}

fn transfer(worker: &mut Worker, (from, to): Pair) -> bool {
    let call = Call {
        kind: "command",
        class: Class::Durable,
        origin: &"bench",
    };
    let mut committed = false;
    let body = |task: &mut world_data::Task<'_>| ledger::transfer(task, from, to, 1);
    worker.execute(call, body, |done| {
        committed = matches!(done, Done::Committed(_));
        None
    });
    committed
}

fn plain(map: &mut HashMap<u64, i64>, pairs: &[Pair]) -> f64 {
    let work = || pairs.iter().filter(|pair| move_one(map, **pair)).count();
    cpu_rate(pairs.len(), work).0
}

fn move_one(map: &mut HashMap<u64, i64>, (from, to): Pair) -> bool {
    let Some(balance) = map.get_mut(&from).filter(|balance| **balance > 0) else {
        return false;
    };
    *balance -= 1;
    map.get_mut(&to).is_some_and(|balance| {
        *balance += 1;
        true
    })
}

fn locked(maps: &[Mutex<HashMap<u64, i64>>], index: &[usize], threads: &[Vec<Pair>]) -> f64 {
    let total = threads.iter().map(Vec::len).sum();
    let work = |pairs: &[Pair]| {
        pairs
            .iter()
            .filter(|pair| move_locked(maps, index, **pair))
            .count()
    };
    on_threads(threads, total, &work).0
}

fn move_locked(maps: &[Mutex<HashMap<u64, i64>>], index: &[usize], (from, to): Pair) -> bool {
    let (payer, payee) = (index[from as usize], index[to as usize]);
    let lock = |at: usize| {
        maps[at]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    if payer == payee {
        return move_one(&mut lock(payer), (from, to));
    }
    let (mut low, mut high) = (lock(payer.min(payee)), lock(payer.max(payee)));
    let (payer, payee) = if payer < payee {
        (&mut low, &mut high)
    } else {
        (&mut high, &mut low)
    };
    let Some(balance) = payer.get_mut(&from).filter(|balance| **balance > 0) else {
        return false;
    };
    let Some(other) = payee.get_mut(&to) else {
        return false;
    };
    *balance -= 1;
    *other += 1;
    true
}

/// Runs `work` on each thread's pairs, all begun together; returns the rate over all, and the sum
/// of what each returned.
fn on_threads(
    threads: &[Vec<Pair>],
    total: usize,
    work: &(impl Fn(&[Pair]) -> usize + Sync),
) -> (f64, usize) {
    let begin = Barrier::new(threads.len() + 1);
    let (took, done) = std::thread::scope(|scope| {
        let start = |pairs| {
            let begin = &begin;
            scope.spawn(move || {
                begin.wait();
                work(pairs)
            })
        };
        let running: Vec<_> = threads.iter().map(|pairs| start(pairs)).collect();
        begin.wait();
        // A thread that panicked has done nothing.
        time(|| {
            running
                .into_iter()
                .map(|thread| thread.join().unwrap_or(0))
                .sum()
        })
    });
    (total as f64 / took.as_secs_f64(), done)
}
