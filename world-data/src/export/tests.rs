//! Lives here: that a world comes back from its export as it was, and that no part of one does.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::*;
use crate::effect::{Effect, NoClients, Outcome, Payload, SessionId};
use crate::engine::{Call, Class, Engine, Options};
use crate::line::Point;
use crate::object::Object;
use crate::store::tamper;
use crate::task::{Stop, Task};
use crate::world::Entity;

/// With all that is hard to say in JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Odd {
    by_number: BTreeMap<i32, Vec<u8>>,
    double: f64,
    single: f32,
    bytes: Raw,
    nothing: Option<()>,
}

/// Bytes that serde knows as bytes.
#[derive(Debug, Clone, Default)]
struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}
impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Any;
        impl serde::de::Visitor<'_> for Any {
            type Value = Raw;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Raw, E> {
                Ok(Raw(bytes.to_vec()))
            }
        }
        d.deserialize_bytes(Any)
    }
}

impl Object for Odd {
    const KIND: u16 = 1;
    const NAME: &'static str = "odd";
}

struct Attic;

impl World for Attic {
    const NAME: &'static str = "attic";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = String;
    type View = ();

    fn map(&self) -> Map {
        Map::square(256.0)
    }
    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Odd>()
    }
    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        for n in 0..20_u32 {
            let odd = Odd {
                by_number: [(-1, vec![1, 2]), (7, Vec::new())].into(),
                double: f64::from(n) / 7.0,
                single: f32::NAN,
                bytes: Raw(vec![0, 255]),
                nothing: None,
            };
            let at = Point::new(f64::from(n) * 12.3, 0.1 + f64::from(n));
            let id = task.create_at(odd.clone(), at)?.id();
            task.bind(&format!("odd/{n}"), id)?;
            let plain = task.create(odd.clone())?;
            task.create_keyed(n.into(), odd)?;
            let words = format!("look after {n}");
            task.after(plain, Duration::from_hours(1), &words)?;
            task.every(id, Duration::from_mins(1), &words)?;
        }
        Ok(())
    }
    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}

const SIZE: usize = 32 << 20;

fn open(dir: &Path) -> Engine {
    let options = Options {
        store_bytes: SIZE,
        ..Options::default()
    };
    Engine::open(dir, &Attic, options, Arc::new(NoClients)).unwrap()
}

/// An attic with sessions, channels and a dead letter.
fn attic() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let who = SessionId(Uuid::from_u128(3));
    engine.tell(Effect::LoggedIn {
        session: who,
        name: "ann".into(),
        you: None,
    });
    let outcomes = [
        Outcome::Ok(Payload::new(f64::INFINITY)),
        Outcome::Error {
            fault: crate::effect::Fault::Refused,
            message: "no".into(),
        },
        Outcome::Ok(Payload::new("x".repeat(100_000))),
    ];
    for (seq, outcome) in (1..).zip(outcomes) {
        engine.tell(Effect::Reply {
            session: who,
            seq,
            outcome,
        });
    }
    for payload in [Payload::new("hello"), Payload::new("x".repeat(100_000))] {
        engine.tell(Effect::Event {
            session: who,
            n: 0,
            payload,
        });
    }
    let call = Call {
        kind: "command",
        class: Class::Durable,
        origin: &"a test",
    };
    let mut worker = engine.worker();
    let talk = |task: &mut Task<'_>| {
        task.join(who, "all")?;
        task.publish("all", Payload::new(1.5))
    };
    worker.execute(call, talk, |_| None);
    let bug =
        |_: &mut Task<'_>| -> Result<(), Stop> { std::panic::resume_unwind(Box::new("a bug")) };
    worker.execute(call, bug, |_| None);
    engine.close();
    dir
}

fn lines_of(dir: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    export(dir, &Attic, 64, &mut out).unwrap();
    out
}

type Rows = Vec<(&'static str, Vec<u8>, Vec<u8>)>;

fn rows(dir: &Path) -> Rows {
    let look = Look::open(dir, Attic::NAME, &Attic.map(), 64).unwrap();
    let mut all = Vec::new();
    for table in TABLES {
        for item in look.rows(table, &[]).unwrap() {
            let (key, row) = item.unwrap();
            all.push((table, key.to_vec(), row.to_vec()));
        }
    }
    all
}

#[test]
fn a_world_comes_back_row_by_row_and_byte_by_byte() {
    let dir = attic();
    let lines = lines_of(dir.path());
    let text = String::from_utf8(lines.clone()).unwrap();
    for kind in [
        "object", "name", "session", "outcome", "event", "job", "dead", "channel", "meta",
    ] {
        assert!(
            text.contains(&format!("{{\"{kind}\":")),
            "no {kind} in {text}"
        );
    }
    let raw: Vec<_> = text.lines().filter(|l| l.starts_with("{\"row\"")).collect();
    assert!(raw.iter().all(|line| line.contains("\"said\"")), "{raw:?}");
    let copy = tempfile::tempdir().unwrap();
    import(copy.path(), &Attic, SIZE, &mut Cursor::new(&lines)).unwrap();
    assert_eq!(rows(copy.path()), rows(dir.path()));
    assert_eq!(lines_of(copy.path()), lines);
    let checked = crate::check::check(copy.path(), &Attic, 64).unwrap();
    assert!(!checked.is_wrong(), "{:?}", checked.findings);
    // It goes on: numbers, jobs and sessions are those of the first.
    let engine = open(copy.path());
    assert_eq!(engine.pending_jobs(), 40);
    assert_eq!(engine.sessions().unwrap().len(), 1);
    engine.close();
}

#[test]
fn what_only_the_journal_has_is_exported_and_the_folder_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.flush();
    drop(engine);
    let before = fs::read(dir.path().join("store/data.mdb")).unwrap();
    let lines = lines_of(dir.path());
    assert_eq!(fs::read(dir.path().join("store/data.mdb")).unwrap(), before);
    let copy = tempfile::tempdir().unwrap();
    import(copy.path(), &Attic, SIZE, &mut Cursor::new(&lines)).unwrap();
    assert_eq!(rows(copy.path()), rows(dir.path()));
}

#[test]
fn damage_is_exported_as_the_bytes_that_it_is() {
    let dir = attic();
    for (table, key, row) in [
        ("rows", &[1_u8; 16][..], &[7_u8, 7][..]),
        ("names", &[0; 9], &[]),
        ("names", b"\0\0\0\0\0\0\0\0far", &[0; 8]),
        ("where", &[9; 8], &[0; 8]),
        ("sessions", &[2; 16], &[0xC1]),
        ("meta", b"more", &[0, 1]),
    ] {
        tamper(dir.path(), table, key, Some(row));
    }
    let copy = tempfile::tempdir().unwrap();
    import(
        copy.path(),
        &Attic,
        SIZE,
        &mut Cursor::new(&lines_of(dir.path())),
    )
    .unwrap();
    assert_eq!(rows(copy.path()), rows(dir.path()));
}

#[test]
fn no_part_of_an_export_makes_a_world() {
    let dir = attic();
    let lines = lines_of(dir.path());
    let text = String::from_utf8(lines).unwrap();
    let count = text.lines().count();
    let home = tempfile::tempdir().unwrap();
    let refused = |name: &str, lines: &str| {
        let folder = home.path().join(name);
        let error = import(&folder, &Attic, SIZE, &mut Cursor::new(lines)).unwrap_err();
        assert!(!crate::engine::Engine::is_made(&folder), "{name}");
        error.to_string()
    };
    for kept in [0, 1, 2, count / 2, count - 1] {
        let part: Vec<_> = text.split_inclusive('\n').take(kept).collect();
        let why = refused(&format!("part{kept}"), &part.concat());
        assert!(why.contains("too early"), "{kept}: {why}");
    }
    let without: Vec<_> = text
        .lines()
        .enumerate()
        .filter(|(n, _)| *n != 5)
        .map(|(_, l)| l)
        .collect();
    let why = refused("without", &without.join("\n"));
    assert!(why.contains("there should be"), "{why}");
    for (name, from, to, words) in [
        ("world", "\"attic\"", "\"cellar\"", "cellar"),
        ("map", "\"side\":8", "\"side\":16", "map"),
        ("export", "\"export\":1", "\"export\":2", "newer"),
        ("format", "\"format\":", "\"format\":9", "newer"),
        ("line", "{\"name\":{", "{\"nome\":{", "nome"),
        (
            "own",
            "{\"meta\":{\"key\":\"id_limit\"",
            "{\"meta\":{\"key\":\"format\"",
            "not for a line",
        ),
        ("value", "\"$f32\"", "\"$f16\"", "$f16"),
    ] {
        assert!(text.contains(from), "{from}");
        let why = refused(name, &text.replacen(from, to, 1));
        assert!(why.contains(words), "{name}: {why}");
    }
    let taken = home.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("letter"), "mine").unwrap();
    let why = refused("taken", &text);
    assert!(why.contains("not empty"), "{why}");
    assert_eq!(fs::read_dir(&taken).unwrap().count(), 1);
}

proptest! {
    #[test]
    fn any_row_of_any_table_leads_back(
        table in 0..TABLES.len(),
        key in proptest::collection::vec(any::<u8>(), 0..40),
        row in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let line = Line::of(TABLES[table], &key, &row, &Attic.map(), &Attic.kinds());
        let json = serde_json::to_string(&line).unwrap();
        let read: Line = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read.row(&Attic.map()).unwrap(), (TABLES[table].to_owned(), key, row));
    }
}
