//! Proofs that worlds written by released formats are read: a small folder of each, kept in
//! `formats/NUMBER`, as a server left it that was killed, with all that it holds in `lines.jsonl`.
//!
//! After a change of the format this fails until there is a folder of the new one:
//! `BRIGHTSTAR_RECORD=1 cargo test -p world-data --test main formats` makes it. A folder that is
//! there is never made again: if it is not read as it was, what is stored has changed its meaning.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;
use world_data::backup::backup;
use world_data::check::check;
use world_data::export::export;
use world_data::{
    Call, Class, Effect, Engine, Entity, Fault, Kinds, Map, NoClients, Object, Options, Outcome,
    Owner, Payload, Point, Ref, SessionId, Stop, Task, World,
};

const EVENTS_KEPT: usize = 16;
const WHO: SessionId = SessionId(Uuid::from_u128(0x0123_4567_89AB_CDEF));
/// A folder may have so many bytes.
const MOST_BYTES: u64 = 200 << 10;

/// The largest value that is stored of each sort. Fields are only added, with defaults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Chest {
    label: String,
    count: i64,
    weight: f64,
    next: Option<Ref<Chest>>,
    inside: Vec<(u8, Option<bool>)>,
}

impl Object for Chest {
    const KIND: u16 = 1;
    const NAME: &'static str = "chest";
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
enum Chore {
    Dust { the: Ref<Chest> },
}

struct Attic;

impl World for Attic {
    const NAME: &'static str = "attic of formats";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = Chore;
    type View = ();

    fn map(&self) -> Map {
        Map {
            cell: 32.0,
            side: 4,
            shards: 4,
        }
    }
    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Chest>()
    }
    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        let plain = task.create(chest("plain", None))?;
        let keyed = task.create_keyed(9, chest("keyed", Some(plain)))?;
        let placed = task.create_at(chest("placed", Some(keyed)), Point::new(40.5, 0.1))?;
        task.bind("chests/placed", placed.id())?;
        task.bind("plain", plain.id())?;
        let dust = Chore::Dust { the: plain };
        task.every(Owner::tied(placed), Duration::from_mins(1), &dust)?;
        Ok(())
    }
    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}

fn chest(label: &str, next: Option<Ref<Chest>>) -> Chest {
    Chest {
        label: label.to_owned(),
        count: -7,
        weight: 0.1,
        next,
        inside: vec![(1, Some(true)), (200, None)],
    }
}

fn open(dir: &Path) -> Engine {
    let options = Options {
        store_bytes: 16 << 20,
        regions: 3,
        events_kept: EVENTS_KEPT,
        checkpoint_interval: Duration::from_hours(1),
        ..Options::default()
    };
    Engine::open(dir, &Attic, options, Arc::new(NoClients)).unwrap()
}

fn run<R>(engine: &Engine, body: impl Fn(&mut Task<'_>) -> Result<R, Stop>) -> Option<R> {
    let call = Call {
        kind: "command",
        class: Class::Durable,
        origin: &"a test",
    };
    let mut result = None;
    engine.worker().execute(
        call,
        |task| {
            result = Some(body(task)?);
            Ok(())
        },
        |_| None,
    );
    result
}

fn placed(task: &mut Task<'_>) -> Result<Ref<Chest>, Stop> {
    let id = task.lookup("chests/placed")?;
    Ok(Ref::new(id.ok_or_else(|| Stop::refused("no chest"))?))
}

/// Makes a folder as a server leaves it that is killed: some of it is in the store, some in the
/// journal, and some in both.
fn make(dir: &Path) {
    let home = tempfile::tempdir().unwrap();
    let engine = open(home.path());
    engine.tell(Effect::LoggedIn {
        session: WHO,
        name: "ann".into(),
        you: None,
    });
    run(&engine, |task| task.join(WHO, "attic")).unwrap();
    engine.checkpoint();
    for (seq, outcome) in [
        (1, Outcome::Ok(Payload::new(vec![1.5, 2.0]))),
        (
            2,
            Outcome::Error {
                fault: Fault::Refused,
                message: "locked".into(),
            },
        ),
    ] {
        engine.tell(Effect::Reply {
            session: WHO,
            seq,
            outcome,
        });
    }
    engine.tell(Effect::Event {
        session: WHO,
        n: 0,
        payload: Payload::new("a noise"),
    });
    run(&engine, |task| {
        task.publish("attic", Payload::new("dust"))?;
        let chest = placed(task)?;
        task.update(chest, |chest| {
            chest.count = 8;
            Ok(())
        })?;
        task.place(chest.id(), Point::new(100.0, 100.0))?;
        let late = task.create_keyed(10, self::chest("late", Some(chest)))?;
        task.after(late, Duration::from_hours(1), &Chore::Dust { the: late })
    })
    .unwrap();
    run(&engine, |_| -> Result<(), Stop> {
        std::panic::resume_unwind(Box::new("a mouse"))
    });
    engine.flush();
    drop(engine);
    backup(home.path(), &Attic, dir).unwrap();
    // The journal's file has room ahead, which says nothing.
    for entry in fs::read_dir(dir.join("journal")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        bytes.truncate(end + 64);
        fs::write(path, bytes).unwrap();
    }
    fs::write(dir.join("lines.jsonl"), lines(dir)).unwrap();
}

fn lines(dir: &Path) -> String {
    let mut out = Vec::new();
    export(dir, &Attic, EVENTS_KEPT, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")
}

/// The format of what is written today.
fn today() -> u64 {
    let home = tempfile::tempdir().unwrap();
    open(home.path()).close();
    let first = lines(home.path());
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    first["world"]["format"].as_u64().unwrap()
}

/// Copies store and journal, and nothing else, to where they may be written; returns their bytes.
fn copy(from: &Path, to: &Path) -> u64 {
    let mut bytes = 0;
    for part in ["store", "journal"] {
        fs::create_dir(to.join(part)).unwrap();
        for entry in fs::read_dir(from.join(part)).unwrap() {
            let path = entry.unwrap().path();
            bytes += fs::copy(&path, to.join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    bytes
}

/// What was put into each folder, as a world of today finds it.
fn look_into(engine: &Engine) {
    run(engine, |task| {
        let chest = placed(task)?;
        let next = Ref::<Chest>::keyed(9);
        let expected = Chest {
            count: 8,
            ..self::chest("placed", Some(next))
        };
        assert_eq!(*task.get(chest)?, expected);
        assert_eq!(task.position(chest.id())?, Point::new(100.0, 100.0));
        let plain = task.lookup("plain")?.map(Ref::<Chest>::new);
        assert_eq!(*task.get(next)?, self::chest("keyed", plain));
        assert_eq!(
            *task.get(Ref::<Chest>::keyed(10))?,
            self::chest("late", Some(chest))
        );
        Ok(())
    })
    .unwrap();
    assert_eq!(engine.pending_jobs(), 2);
    let sessions = engine.sessions().unwrap();
    let ann = &sessions[0];
    assert_eq!(
        (sessions.len(), ann.id, ann.record.name.as_str()),
        (1, WHO, "ann")
    );
    assert_eq!((ann.outcomes.len(), ann.record.done), (2, 2));
    assert_eq!(
        (ann.channels().len(), ann.events.len(), ann.newest),
        (1, 2, 2)
    );
    let letters = engine.dead_letters(None, 10).unwrap();
    assert_eq!(
        (letters.len(), letters[0].cause.as_str()),
        (1, "panic: a mouse")
    );
}

#[test]
fn a_folder_of_each_format_is_read_as_it_was_written() {
    let today = today();
    let newest = formats().join(today.to_string());
    if std::env::var_os("BRIGHTSTAR_RECORD").is_some() && !newest.exists() {
        make(&newest);
    }
    assert!(
        newest.is_dir(),
        "there is no folder of format {today}: see the top of this file"
    );
    for entry in fs::read_dir(formats()).unwrap() {
        let kept = entry.unwrap().path();
        let home = tempfile::tempdir().unwrap();
        let bytes = copy(&kept, home.path());
        assert!(bytes <= MOST_BYTES, "{}: {bytes} bytes", kept.display());
        if kept == newest {
            // As it lies there, without a start.
            let checked = check(home.path(), &Attic, EVENTS_KEPT).unwrap();
            assert_eq!(checked.findings, [], "{}", kept.display());
            assert!(checked.in_journal > 0, "the journal says nothing");
            let expected = fs::read_to_string(kept.join("lines.jsonl")).unwrap();
            let found = lines(home.path());
            for (found, expected) in found.lines().zip(expected.lines()) {
                assert_eq!(found, expected);
            }
            assert_eq!(found.len(), expected.len());
        }
        let engine = open(home.path());
        look_into(&engine);
        engine.close();
        drop(engine);
        let checked = check(home.path(), &Attic, EVENTS_KEPT).unwrap();
        assert_eq!(checked.findings, [], "{}", kept.display());
    }
}
