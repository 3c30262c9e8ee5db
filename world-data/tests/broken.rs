//! Lives here: what a broken disk, a full one, a second process and a changed type do to a world.
//! Not here: damage inside the journal's or the store's files, which their own tests do.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use world_data::{
    Class, Done, Effect, EffectSink, Engine, Entity, Fault, Faults, Kinds, Map, NoClients, Object,
    OnFailure, Options, Ref, Stop, Task, World,
};

use crate::ground::{
    FUNDS, Ground, MAP, Told, bank, call, folder, must, open, options, reply, run, session, told,
};

#[test]
fn a_failing_sync_is_told_once_and_nothing_commits_after_it() {
    let dir = folder(true);
    let faults = Faults::new(1);
    let times = Arc::new(AtomicU32::new(0));
    let on_failure = {
        let times = Arc::clone(&times);
        OnFailure(Arc::new(move |_| {
            times.fetch_add(1, Ordering::SeqCst);
        }))
    };
    let options = Options {
        on_failure: Some(on_failure),
        ..options()
    };
    let engine = Engine::open_with_faults(
        dir.path(),
        &Ground,
        options,
        Arc::new(NoClients),
        Arc::clone(&faults),
    )
    .unwrap();
    let mut worker = engine.worker();
    let add = |task: &mut Task<'_>| task.update(bank(0), |thing| Ok(thing.n += 1));
    must(&mut worker, add);
    engine.flush();
    faults.crash_after(0);
    let (done, report) = run(&mut worker, add);
    assert!(done.is_ok(), "in memory it has happened");
    engine.flush();
    assert!(engine.durable_epoch() < report.epoch, "it is not on disk");
    assert!(
        engine
            .failure()
            .is_some_and(|why| why.contains("can't be written"))
    );
    for _ in 0..3 {
        assert_eq!(run(&mut worker, add).0.unwrap_err().0, Fault::Failed);
    }
    engine.close();
    assert_eq!(times.load(Ordering::SeqCst), 1);
    drop((worker, engine));
    let n = must(
        &mut open(dir.path(), crate::ground::options()).unwrap().worker(),
        |task| task.read(bank(0), |thing| thing.n),
    );
    // The one that was flushed; the torn one, if all of it got there by chance.
    assert!(n == FUNDS + 1 || n == FUNDS + 2, "{n}");
}

#[test]
fn a_second_opening_is_refused_until_the_first_has_ended() {
    let dir = folder(true);
    let engine = open(dir.path(), options()).unwrap();
    let worker = engine.worker();
    let why = open(dir.path(), options()).unwrap_err().to_string();
    assert!(why.contains("another process has it open"), "{why}");
    let child = child(dir.path(), "refused", &[]);
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(said.contains("another process has it open"), "{said}");
    drop((worker, engine));
    open(dir.path(), options()).unwrap();
}

/// Runs this very binary again, to do `what` in `dir`; `shell` is said to the shell before.
fn child(dir: &Path, what: &str, shell: &[&str]) -> Output {
    let exe = std::env::current_exe().unwrap();
    let script = format!("{} exec \"$0\" \"$@\"", shell.join("; ") + ";");
    let script = if shell.is_empty() {
        "exec \"$0\" \"$@\"".to_owned()
    } else {
        script
    };
    Command::new("sh")
        .args(["-c", &script])
        .arg(exe)
        .args(["--exact", "broken::in_a_child_process", "--nocapture"])
        .env("BRIGHTSTAR_CHILD", what)
        .env("BRIGHTSTAR_CHILD_DIR", dir)
        .output()
        .unwrap()
}

/// Does nothing, unless it is run by `child`.
#[test]
fn in_a_child_process() {
    let Ok(what) = std::env::var("BRIGHTSTAR_CHILD") else {
        return;
    };
    let dir = std::env::var("BRIGHTSTAR_CHILD_DIR").unwrap();
    match what.as_str() {
        "refused" => println!("{}", open(Path::new(&dir), options()).unwrap_err()),
        "full" => fill_the_disk(Path::new(&dir)),
        other => panic!("{other}?"),
    }
}

/// Says at once what it is told, past the test's own capture.
struct Aloud;

impl EffectSink for Aloud {
    fn deliver(&self, effects: Vec<Effect>) {
        let mut out = std::io::stdout().lock();
        for effect in &effects {
            if let Told::Reply(_, seq, None) = told(effect) {
                writeln!(out, "told {seq}").unwrap();
            }
        }
    }
}

fn fill_the_disk(dir: &Path) {
    let engine = Engine::open(dir, &Ground, options(), Arc::new(Aloud)).unwrap();
    let mut worker = engine.worker();
    for seq in 1..=100_000 {
        let report = worker.execute(
            call(Class::Durable),
            |task| {
                // Half a kilobyte of new marks each, so that the journal and the store both grow.
                let marks = vec![seq as u32; 100];
                let thing = crate::ground::Thing {
                    marks,
                    ..Default::default()
                };
                task.create_keyed(1_000 + seq, thing)
            },
            |done| {
                let done = matches!(done, Done::Committed(_));
                done.then(|| reply(session(1), seq, None))
            },
        );
        // Nobody outruns the disk by much.
        if seq % 50 == 0 {
            engine.flush();
        }
        if report.fault.is_some() {
            println!("failed: {}", engine.failure().unwrap_or("not"));
            return;
        }
    }
    println!("never failed");
}

#[test]
fn a_full_disk_stops_the_world_and_loses_nothing_that_was_told() {
    let dir = folder(true);
    fs::create_dir_all(dir.path()).unwrap();
    // No file may grow above two to four megabytes, by the shell's idea of a block.
    let output = child(dir.path(), "full", &["trap '' XFSZ", "ulimit -f 4000"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = said
        .lines()
        .filter_map(|line| line.strip_prefix("told ")?.parse::<u64>().ok())
        .max();
    let last = last.unwrap_or_else(|| panic!("nothing was told: {said}"));
    let failed = said.lines().find(|line| line.contains("failed: "));
    assert!(
        failed.is_some_and(|line| !line.ends_with("not")),
        "{failed:?} after {last}, {}: {} {}",
        output.status,
        &said[said.len().saturating_sub(300)..],
        String::from_utf8_lossy(&output.stderr),
    );
    let engine = open(dir.path(), options()).unwrap();
    must(&mut engine.worker(), |task| {
        for seq in 1..=last {
            assert_eq!(task.get(bank(1_000 + seq))?.marks, [seq as u32; 100]);
        }
        Ok(())
    });
}

/// The thing of a later version of the ground: one field gone, one new.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(default)]
struct LaterThing {
    n: i64,
    title: String,
}

impl Object for LaterThing {
    const KIND: u16 = 1;
    const NAME: &'static str = "thing";
}

struct LaterGround;

impl World for LaterGround {
    const NAME: &'static str = "ground";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        MAP
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<LaterThing>()
    }

    fn genesis(&self, _: &mut Task<'_>) -> Result<(), Stop> {
        Err(Stop::refused("genesis runs once"))
    }

    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}

#[test]
fn a_type_may_gain_and_lose_fields_between_two_starts() {
    let dir = folder(true);
    open(dir.path(), options()).unwrap().close();
    let later = Ref::<LaterThing>::keyed(3);
    let engine = Engine::open(dir.path(), &LaterGround, options(), Arc::new(NoClients)).unwrap();
    let mut worker = engine.worker();
    must(&mut worker, |task| {
        assert_eq!(
            task.read(later, |thing| (thing.n, thing.title.clone()))?,
            (FUNDS, String::new())
        );
        task.update(later, |thing| Ok(thing.title.push_str("chief")))
    });
    engine.close();
    drop((worker, engine));
    let engine = open(dir.path(), options()).unwrap();
    let (changed, other) = must(&mut engine.worker(), |task| {
        Ok((
            task.get(bank(3))?.marks.clone(),
            task.get(bank(4))?.marks.clone(),
        ))
    });
    assert_eq!(
        (changed, other),
        (vec![], vec![0]),
        "what was rewritten lost the field it lost"
    );
    // A kind that the world does not know any more: the task fails, the object stays.
    must(&mut engine.worker(), |task| {
        task.create_keyed(900, crate::ground::Thing::default())?;
        task.create(crate::ground::Note::default()).map(drop)
    });
}
