//! Lives here: that a check finds each thing that can be wrong with a folder, and nothing in one
//! that is sound. Each line of `each_fault_is_found` breaks one thing of a sound folder.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::effect::{Effect, NoClients, Outcome, Payload, SessionId};
use crate::engine::{Call, Class, Engine, Options};
use crate::job::Owner;
use crate::line::Point;
use crate::object::{Object, Ref};
use crate::session::SessionRecord;
use crate::store::tamper;
use crate::task::{Stop, Task};
use crate::world::Entity;

/// An entity.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Hen {
    owner: Option<Ref<Farmer>>,
    mate: Option<ObjectId>,
}
impl Object for Hen {
    const KIND: u16 = 1;
    const NAME: &'static str = "hen";
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Farmer {
    heir: Option<Ref<Farmer>>,
}
impl Object for Farmer {
    const KIND: u16 = 2;
    const NAME: &'static str = "farmer";
}

/// What a job does.
#[derive(Debug, Serialize, Deserialize)]
struct Feed(Ref<Farmer>);

struct Croft;

impl World for Croft {
    const NAME: &'static str = "croft";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = Feed;
    type View = ();

    fn map(&self) -> Map {
        Map::square(256.0)
    }
    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Hen>().with::<Farmer>()
    }
    fn genesis(&self, _: &mut Task<'_>) -> Result<(), Stop> {
        Ok(())
    }
    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}

/// What there is in a sound croft.
struct Sound {
    dir: TempDir,
    hen: ObjectId,
    owner: ObjectId,
    heir: ObjectId,
    keyed: ObjectId,
    job: u64,
}

const WHO: SessionId = SessionId(Uuid::from_u128(77));
const KEPT: usize = 64;

fn options() -> Options {
    Options {
        store_bytes: 64 << 20,
        ..Options::default()
    }
}

fn open(dir: &Path) -> Engine {
    Engine::open(dir, &Croft, options(), Arc::new(NoClients)).unwrap()
}

fn run<R: Default>(engine: &Engine, body: impl Fn(&mut Task<'_>) -> Result<R, Stop>) -> R {
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
    result.unwrap()
}

fn tell_of_a_session(engine: &Engine, hen: ObjectId) {
    for effect in [
        Effect::LoggedIn {
            session: WHO,
            name: "ann".into(),
            you: Some(hen),
        },
        Effect::Reply {
            session: WHO,
            seq: 1,
            outcome: Outcome::Ok(Payload::new(7)),
        },
        Effect::Event {
            session: WHO,
            n: 0,
            payload: Payload::new("hello"),
        },
    ] {
        engine.tell(effect);
    }
}

/// A folder with one of each, by a server that was closed, or killed: then the journal has it all.
fn sound(closed: bool) -> Sound {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        checkpoint_interval: std::time::Duration::from_hours(1),
        ..options()
    };
    let engine = Engine::open(dir.path(), &Croft, options, Arc::new(NoClients)).unwrap();
    let (hen, owner, heir, keyed, job) = run(&engine, |task| {
        let heir = task.create(Farmer::default())?;
        let owner = task.create(Farmer { heir: Some(heir) })?;
        let keyed = task.create_keyed(5, Farmer::default())?;
        let at = Point::new(100.0, 30.0);
        let hen = task.create_at(Hen::default(), at)?;
        task.update(hen, |hen: &mut Hen| {
            hen.owner = Some(owner);
            hen.mate = Some(keyed.id());
            Ok(())
        })?;
        task.bind("hens/ann", hen.id())?;
        let tied = Owner::tied(owner);
        let job = task.after(tied, std::time::Duration::from_hours(1), &Feed(heir))?;
        Ok(Some((
            hen.id(),
            owner.id(),
            heir.id(),
            keyed.id(),
            job.number(),
        )))
    })
    .unwrap();
    tell_of_a_session(&engine, hen);
    run(&engine, |task| {
        task.join(WHO, "hens")?;
        task.publish("hens", Payload::new("cluck"))
    });
    let call = Call {
        kind: "command",
        class: Class::Durable,
        origin: &"a bug",
    };
    engine.worker().execute::<()>(
        call,
        |_| std::panic::resume_unwind(Box::new("as told")),
        |_| None,
    );
    if closed {
        engine.close();
    } else {
        engine.flush();
    }
    drop(engine);
    let sound = Sound {
        dir,
        hen,
        owner,
        heir,
        keyed,
        job,
    };
    let told = check(sound.dir.path(), &Croft, KEPT).unwrap();
    assert_eq!(told.findings, []);
    assert_eq!(told.in_journal == 0, closed);
    sound
}

/// The bytes of every file of a folder.
fn bytes(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.insert(path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    all
}

fn findings(sound: &Sound) -> Vec<String> {
    let told = check(sound.dir.path(), &Croft, KEPT).unwrap();
    let line = |f: &Finding| format!("{} {}: {}", f.matter, f.place, f.what);
    told.findings.iter().map(line).collect()
}

fn home_id(home: u64, id: ObjectId) -> Vec<u8> {
    [home.to_be_bytes(), id.raw().to_be_bytes()].concat()
}

fn key_of(id: ObjectId) -> Vec<u8> {
    home_id(Croft.map().shard_of(id.raw()).0, id)
}

fn cell() -> u64 {
    Croft.map().cell_at(Point::new(100.0, 30.0)).0
}

fn row(kind: u16, at: Option<(f64, f64)>, value: &impl Serialize) -> Vec<u8> {
    let mut row = vec![u8::from(at.is_some())];
    row.extend(kind.to_le_bytes());
    if let Some((x, y)) = at {
        row.extend([x.to_le_bytes(), y.to_le_bytes()].concat());
    }
    row.extend(rmp_serde::to_vec_named(value).unwrap());
    row
}

#[test]
fn a_sound_folder_is_counted_and_left_as_it_was() {
    for closed in [true, false] {
        let sound = sound(closed);
        let before = bytes(sound.dir.path());
        let told = check(sound.dir.path(), &Croft, KEPT).unwrap();
        assert!(!told.is_wrong());
        let counts = Counts {
            objects: 4,
            entities: 1,
            references: 6,
            names: 2,
            sessions: 1,
            outcomes: 1,
            events: 1,
            channels: 1,
            said: 1,
            jobs: 1,
            letters: 1,
        };
        assert_eq!(told.counts, counts, "closed: {closed}");
        assert_eq!(bytes(sound.dir.path()), before);
        // What was looked at is what a server then finds.
        drop(open(sound.dir.path()));
        let again = check(sound.dir.path(), &Croft, KEPT).unwrap();
        assert_eq!((again.counts, again.findings), (counts, Vec::new()));
    }
}

type Fault = fn(&Sound);

fn put(sound: &Sound, table: &str, key: &[u8], value: &[u8]) {
    tamper(sound.dir.path(), table, key, Some(value));
}

fn take(sound: &Sound, table: &str, key: &[u8]) {
    tamper(sound.dir.path(), table, key, None);
}

fn session_key(rest: &[u8]) -> Vec<u8> {
    [&WHO.0.into_bytes()[..], rest].concat()
}

/// What is kept of ann, with a change.
fn record(change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut record = json!({
        "name": "ann", "pass": 1, "done": 1, "newest": 1, "own": 1,
        "channels": [{ "channel": "hens", "at": 0, "since": 0 }],
    });
    change(&mut record);
    let record: SessionRecord = serde_json::from_value(record).unwrap();
    rmp_serde::to_vec_named(&record).unwrap()
}

const OBJECTS: [(&str, Fault); 16] = [
    ("damage rows: key 01 is not home and id", |s| {
        put(s, "rows", &[1], &[]);
    }),
    ("damage rows: 18446744073709551615 is no object id", |s| {
        put(s, "rows", &[255; 16], &[]);
    }),
    ("is there twice", |s| {
        let hen = row(1, Some((0.0, 0.0)), &Hen::default());
        put(s, "rows", &home_id(63, s.hen), &hen);
    }),
    ("its id is of kind 2 and its row of kind 1", |s| {
        put(s, "rows", &key_of(s.keyed), &row(1, None, &Hen::default()));
    }),
    ("was never handed out", |s| {
        let id = ObjectId::from_raw(1 << 40).unwrap();
        put(s, "rows", &key_of(id), &row(2, None, &Farmer::default()));
    }),
    ("its row has a position, and its id says otherwise", |s| {
        put(
            s,
            "rows",
            &key_of(s.keyed),
            &row(2, Some((1.0, 1.0)), &Farmer::default()),
        );
    }),
    ("its row has no position", |s| {
        put(
            s,
            "rows",
            &home_id(cell(), s.hen),
            &row(1, None, &Hen::default()),
        );
    }),
    ("off the map", |s| {
        put(
            s,
            "rows",
            &home_id(cell(), s.hen),
            &row(1, Some((1e6, 30.0)), &Hen::default()),
        );
    }),
    ("and belongs in", |s| {
        put(
            s,
            "rows",
            &home_id(cell(), s.hen),
            &row(1, Some((5.0, 200.0)), &Hen::default()),
        );
    }),
    ("kind 9 is unknown to this world", |s| {
        put(
            s,
            "rows",
            &home_id(cell(), s.hen),
            &row(9, Some((100.0, 30.0)), &Hen::default()),
        );
    }),
    ("kind 1 (hen): ", |s| {
        put(
            s,
            "rows",
            &home_id(cell(), s.hen),
            &row(1, Some((100.0, 30.0)), &"no hen"),
        );
    }),
    ("the row ends too early", |s| {
        put(s, "rows", &home_id(cell(), s.hen), &[]);
    }),
    ("is looked for in 3", |s| {
        put(s, "where", &s.hen.raw().to_be_bytes(), &3_u64.to_be_bytes());
    }),
    ("it is looked for in home 3, and is not there", |s| {
        put(s, "where", &9_u64.to_be_bytes(), &3_u64.to_be_bytes());
    }),
    ("it is not found by its id", |s| {
        take(s, "where", &s.hen.raw().to_be_bytes());
    }),
    ("damage where: key 02 is no object id", |s| {
        put(s, "where", &[2], &[]);
    }),
];

const CHANNELS: [(&str, Fault); 9] = [
    ("is not a name with a number", |s| {
        put(s, "channels", &[0xFF], &1_u64.to_be_bytes());
    }),
    ("damage channels: key 68656e73 is not a name with", |s| {
        put(s, "channels", b"hens", &[1]);
    }),
    ("its name is 65 bytes long", |s| {
        put(s, "channels", &[b'x'; 65], &1_u64.to_be_bytes());
    }),
    ("damage channel \"cows\": nobody is in it", |s| {
        put(s, "channels", b"cows", &1_u64.to_be_bytes());
    }),
    ("it is in channel \"hens\", which is not there", |s| {
        take(s, "channels", b"hens");
    }),
    ("at message 2, and 1 is the last", |s| {
        let late = record(|r| r["channels"][0]["at"] = json!(2));
        put(s, "sessions", &session_key(&[]), &late);
    }),
    ("at message 7 of all, and 1 is the last", |s| {
        let late = record(|r| r["channels"][0]["since"] = json!(7));
        put(s, "sessions", &session_key(&[]), &late);
    }),
    ("damage message 1: ", |s| {
        put(s, "said", &1_u64.to_be_bytes(), &[]);
    }),
    ("more than the last 65536 messages", |s| {
        put(s, "said", &70_000_u64.to_be_bytes(), &[]);
    }),
];

const REST: [(&str, Fault); 25] = [
    ("damage names: key 01 is not home and name", |s| {
        put(s, "names", &[1], &[]);
    }),
    ("damage name \"x\": it is in home 1 and belongs in ", |s| {
        let key = [&1_u64.to_be_bytes()[..], b"x"].concat();
        put(s, "names", &key, &s.hen.raw().to_be_bytes());
    }),
    ("it is 0 bytes long", |s| {
        put(s, "names", &1_u64.to_be_bytes(), &s.hen.raw().to_be_bytes());
    }),
    ("damage name \"hens/ann\": it leads to no object id", |s| {
        let home = crate::task::home_of_name(&Croft.map(), "hens/ann").0;
        put(
            s,
            "names",
            &[&home.to_be_bytes()[..], b"hens/ann"].concat(),
            &[1],
        );
    }),
    ("the world has never begun", |s| {
        let home = crate::task::home_of_name(&Croft.map(), crate::worker::GENESIS).0;
        take(
            s,
            "names",
            &[&home.to_be_bytes()[..], crate::worker::GENESIS.as_bytes()].concat(),
        );
    }),
    ("damage sessions: key 01 is no session", |s| {
        put(s, "sessions", &[1], &[]);
    }),
    ("its record can't be read", |s| {
        put(s, "sessions", &session_key(&[]), &[1]);
    }),
    ("\"ann\" has another session, too", |s| {
        put(s, "sessions", &[9; 16], &record(|_| {}));
    }),
    ("event 3 has arrived and 2 is the newest", |s| {
        put(
            s,
            "sessions",
            &session_key(&[]),
            &record(|r| r["acked"] = json!(3)),
        );
    }),
    ("its token is not newer", |s| {
        put(
            s,
            "sessions",
            &session_key(&[]),
            &record(|r| r["pass_before"] = json!(1)),
        );
    }),
    ("command 1 has an outcome and 0 is the last", |s| {
        put(
            s,
            "sessions",
            &session_key(&[]),
            &record(|r| r["done"] = json!(0)),
        );
    }),
    ("event 1 is there and 0 is the newest", |s| {
        put(
            s,
            "sessions",
            &session_key(&[]),
            &record(|r| r["newest"] = json!(0)),
        );
    }),
    ("of a session that is gone", |s| {
        take(s, "sessions", &session_key(&[]));
    }),
    ("stands in the place of another", |s| {
        put(
            s,
            "outcomes",
            &session_key(&[5]),
            &[&1_u64.to_be_bytes()[..], &[2]].concat(),
        );
    }),
    ("the outcome of command 1: unknown outcome 9", |s| {
        put(
            s,
            "outcomes",
            &session_key(&[1]),
            &[&1_u64.to_be_bytes()[..], &[9]].concat(),
        );
    }),
    ("an outcome is cut short", |s| {
        put(s, "outcomes", &session_key(&[1]), &[1]);
    }),
    ("event 1: a payload can't be read", |s| {
        put(s, "events", &session_key(&1_u64.to_be_bytes()), &[0xC1]);
    }),
    ("damage jobs: key 01 is not object and number", |s| {
        put(s, "jobs", &[1], &[]);
    }),
    ("a job's row ends too early", |s| {
        put(s, "jobs", &home_id(s.owner.raw(), s.heir), &[]);
    }),
    ("this world can't read what is to be done", |s| {
        let row = [&[0; 17][..], &[0xC1]].concat();
        put(s, "jobs", &home_id(s.owner.raw(), s.heir), &row);
    }),
    ("it is tied to its object, which is gone", |s| {
        take(s, "rows", &key_of(s.owner));
    }),
    ("damage dead: key 01 is no number", |s| {
        put(s, "dead", &[1], b"{}");
    }),
    ("damage dead letter 0: its number was never given", |s| {
        put(s, "dead", &0_u64.to_be_bytes(), b"{}");
    }),
    ("dead letter 1 can't be read", |s| {
        put(s, "dead", &1_u64.to_be_bytes(), b"{");
    }),
    ("its payload can't be read", |s| {
        put(s, "dead", &1_u64.to_be_bytes(), b"{}\0\xC1");
    }),
];

#[test]
fn each_fault_is_found() {
    let mut missed = Vec::new();
    for (words, fault) in OBJECTS.iter().chain(&REST).chain(&CHANNELS) {
        let sound = sound(true);
        fault(&sound);
        let found = findings(&sound);
        let damage = |line: &String| line.starts_with("damage") && line.contains(words);
        if !found.iter().any(damage) {
            missed.push((words, found));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn what_leads_nowhere_is_told_with_who_leads_there() {
    let sound = sound(true);
    let (hen, owner, heir, job) = (
        sound.hen.raw(),
        sound.owner.raw(),
        sound.heir.raw(),
        sound.job,
    );
    take(&sound, "rows", &key_of(sound.heir));
    assert_eq!(
        findings(&sound),
        [
            format!("dangling object {owner}: leads to farmer {heir}, which is not there"),
            format!(
                "dangling job {job} of object {owner}: leads to farmer {heir}, which is not there"
            ),
        ]
    );
    assert!(check(sound.dir.path(), &Croft, KEPT).unwrap().is_wrong());
    // The heir is another kind, and the keyed farmer that the hen knows by its id alone is gone.
    let value = &Hen::default();
    put(&sound, "rows", &key_of(sound.heir), &row(1, None, value));
    take(&sound, "rows", &key_of(sound.keyed));
    let mut found = findings(&sound);
    found.sort();
    let keyed = sound.keyed.raw();
    assert_eq!(found.len(), 3, "{found:#?}");
    assert_eq!(
        found[0],
        format!("dangling job {job} of object {owner}: leads to farmer {heir}, which is a hen")
    );
    assert_eq!(
        found[1],
        format!("dangling object {hen}: leads to object {keyed}, which is not there")
    );
}

#[test]
fn a_name_and_a_session_that_lead_nowhere_are_told() {
    let sound = sound(true);
    take(&sound, "rows", &home_id(cell(), sound.hen));
    take(&sound, "where", &sound.hen.raw().to_be_bytes());
    let hen = sound.hen.raw();
    let mut found = findings(&sound);
    found.sort();
    assert_eq!(
        found,
        [
            format!("dangling name \"hens/ann\": leads to object {hen}, which is not there"),
            format!(
                "dangling session {}: leads to object {hen}, which is not there",
                WHO.0
            ),
            // Only the hen led to its owner; to the heir the job leads, too.
            format!("unreachable object {}: a farmer", sound.owner.raw()),
        ]
    );
}

#[test]
fn what_only_unreachable_objects_lead_to_is_unreachable_and_no_fault() {
    let sound = sound(true);
    let engine = open(sound.dir.path());
    let mut lost: Vec<_> = run(&engine, |task| {
        let inner = task.create(Farmer::default())?;
        let outer = task.create(Farmer { heir: Some(inner) })?;
        // By a name and two steps more: not lost.
        let third = task.create(Farmer::default())?;
        let second = task.create(Farmer { heir: Some(third) })?;
        let first = task.create(Farmer { heir: Some(second) })?;
        task.bind("first", first.id())?;
        Ok(vec![inner.id().raw(), outer.id().raw()])
    });
    lost.sort_unstable();
    engine.close();
    drop(engine);
    let told = check(sound.dir.path(), &Croft, KEPT).unwrap();
    let places: Vec<_> = told.findings.iter().map(|f| f.place.clone()).collect();
    let lost: Vec<_> = lost.iter().map(|id| format!("object {id}")).collect();
    assert_eq!(places, lost);
    assert!(!told.is_wrong() && told.found == [0, 0, 2]);
}

#[test]
fn a_damaged_journal_is_found_and_the_rest_is_checked() {
    let sound = sound(false);
    let journal = sound.dir.path().join("journal");
    let segments = fs::read_dir(&journal).unwrap().map(|e| e.unwrap().path());
    let mut segments: Vec<_> = segments
        .filter(|p| p.extension() == Some("log".as_ref()))
        .collect();
    segments.sort();
    let mut bytes = fs::read(&segments[0]).unwrap();
    bytes[48 + 24] ^= 1;
    fs::write(&segments[0], bytes).unwrap();
    let found = findings(&sound);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with("damage journal: the journal is damaged"),
        "{found:#?}"
    );
}

#[test]
fn a_folder_that_is_open_elsewhere_or_is_none_of_ours_is_refused() {
    let sound = sound(true);
    let engine = open(sound.dir.path());
    let error = |dir: &Path| check(dir, &Croft, KEPT).unwrap_err().to_string();
    let words = error(sound.dir.path());
    assert!(words.contains("another process has it open"), "{words}");
    engine.close();
    let empty = tempfile::tempdir().unwrap();
    let words = error(empty.path());
    assert!(words.contains("there is no world in it"), "{words}");
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}
