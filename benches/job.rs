//! Lives here: `job/pending`: what jobs cost that are not due, against the same world without any:
//! ticks of the objects they belong to, and the look of the clock's driver for what is due.
//! Not here: the world itself (`tick`).

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Result, ensure};
use world_data::{Call, Class, Done, Engine, ObjectId, Point, Worker};

use crate::harness::{Measure, Plan, compare, rate};
use crate::tick::{Flock, METRES, Ours, TICKS};

/// Jobs that wait, and the objects that they belong to.
const JOBS: usize = 100_000;
const LAMBS: usize = 10_000;
/// Jobs that one task leaves for later.
const AT_ONCE: usize = 1_000;
/// The first of them is due after this: never, as far as a bench goes.
const FAR: Duration = Duration::from_hours(1000);
/// Looks for what is due in a round.
const LOOKS: usize = 100_000;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    if !plan.wants_area("job/pending") {
        return Ok(());
    }
    let flock = Flock {
        lambs: LAMBS,
        restless: 0.05,
        sight: 0.0,
    };
    let (mut with, mut without) = (Ours::new(flock, 1, 1)?, Ours::new(flock, 1, 1)?);
    leave_for_later(with.engine())?;
    ensure!(
        with.engine().pending_jobs() == JOBS && without.engine().pending_jobs() == 0,
        "not {JOBS} jobs wait"
    );
    let id = format!("job/pending/{JOBS}/look");
    let nothing = Measure::Rate {
        at_least: Some(0.9),
    };
    let look = |engine: &Engine| {
        let clock = engine.clock();
        rate(LOOKS, || {
            for _ in 0..LOOKS {
                clock.advance(clock.now_ms());
                black_box(engine.due());
            }
        })
    };
    let looks = || Ok(look(with.engine()));
    compare(plan, &id, nothing, looks, || Ok(look(without.engine())))?;

    let id = format!("job/pending/{JOBS}/tick");
    let nothing = Measure::Time { at_most: Some(1.1) };
    let ticks = plan.times(TICKS);
    compare(
        plan,
        &id,
        nothing,
        || with.ticks(ticks),
        || without.ticks(ticks),
    )
}

/// Leaves jobs with all lambs, the same number with each.
fn leave_for_later(engine: &Engine) -> Result<()> {
    let mut worker = engine.worker();
    let lambs = all(&mut worker)?;
    let jobs: Vec<_> = lambs.iter().cycle().take(JOBS).zip(0..).collect();
    for some in jobs.chunks(AT_ONCE) {
        let mut left = false;
        worker.execute(
            call(),
            |task| {
                for (lamb, number) in some {
                    task.after(**lamb, FAR + Duration::from_millis(*number), &())?;
                }
                Ok(())
            },
            |done| {
                left = matches!(done, Done::Committed(()));
                None
            },
        );
        ensure!(left, "jobs were not taken");
    }
    Ok(())
}

/// All lambs there are.
fn all(worker: &mut Worker) -> Result<Vec<ObjectId>> {
    let mut found = Vec::new();
    let middle = Point::new(METRES / 2.0, METRES / 2.0);
    worker.execute(
        call(),
        |task| {
            found.clear();
            task.nearby(middle, METRES, |entity| found.push(entity.id()))
        },
        |_| None,
    );
    ensure!(found.len() == LAMBS, "{} lambs", found.len());
    Ok(found)
}

fn call() -> Call<'static> {
    Call {
        kind: "command",
        class: Class::Durable,
        origin: &"bench",
    }
}
