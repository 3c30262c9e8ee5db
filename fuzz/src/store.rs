//! Lives here: what must hold for any bytes in a world's folder: the world opens, or it does not
//! and says why; nothing panics; what opens closes, and opens again with the same state.
//! Not here: damage to the pages of LMDB itself, which its library does not promise to see.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use world_data::{
    Call, Class, Engine, Entity, Kinds, Map, NoClients, Object, Options, Point, Stop, Task, World,
    fuzzing,
};

/// The reserved size of the map.
const STORE_BYTES: usize = 4 << 20;

/// A thing with and without a place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Thing {
    name: String,
    count: i64,
}

impl Object for Thing {
    const KIND: u16 = 1;
    const NAME: &'static str = "thing";
}

/// A world of things.
#[derive(Debug)]
struct Attic;

impl World for Attic {
    const NAME: &'static str = "attic";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map::square(128.0)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Thing>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        for n in 0_u32..4 {
            let thing = task.create_at(
                Thing::default(),
                Point {
                    x: 30.0 * f64::from(n),
                    y: 9.0,
                },
            )?;
            task.bind(&format!("things/{n}"), thing.id())?;
            task.create_keyed(n.into(), Thing::default())?;
        }
        Ok(())
    }

    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}

/// Opens a folder whose journal the bytes have been put into: as records with right checksums, or,
/// by the first byte, as a damaged file.
pub fn run(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let folder = tempfile::tempdir_in(memory()).expect("a folder for the world");
    let dir = folder.path();
    let Some(engine) = open(dir) else {
        panic!("a fresh world does not open");
    };
    engine.close();
    drop(engine);
    if choice & 1 == 0 {
        // Records with right checksums: what stands in them is the fuzzer's.
        let records: Vec<&[u8]> = bytes.split(|byte| *byte == 0xF5).collect();
        let appended = fuzzing::append_records(dir, &Attic, STORE_BYTES, &records);
        appended.expect("the journal takes any record");
    } else {
        damage(&dir.join("journal"), bytes).expect("the folder can be written");
    }
    let Some(engine) = open(dir) else {
        return;
    };
    let first = see(&engine);
    engine.close();
    drop(engine);
    let engine = open(dir).expect("what has opened once opens again");
    assert_eq!(first, see(&engine), "the state after another start");
    engine.close();
}

/// Writes over bytes of the newest segment: two bytes say where, one what. If there is no segment,
/// the bytes are one.
fn damage(journal: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(journal)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "log") {
            segments.push(path);
        }
    }
    let Some(newest) = segments.into_iter().max() else {
        return fs::write(journal.join(format!("{:020}.log", 1)), bytes);
    };
    let mut segment = fs::read(&newest)?;
    for edit in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]]));
        if let Some(byte) = segment.get_mut(at) {
            *byte = edit[2];
        }
    }
    fs::write(&newest, segment)
}

/// A folder that is not on a disk, where there is one: thousands are made per minute.
fn memory() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        Path::new(".")
    }
}

fn open(dir: &Path) -> Option<Engine> {
    let options = Options {
        regions: 2,
        store_bytes: STORE_BYTES,
        on_failure: Some(world_data::OnFailure(Arc::new(|_| {}))),
        ..Options::default()
    };
    Engine::open(dir, &Attic, options, Arc::new(NoClients)).ok()
}

/// All that can be seen of the world.
fn see(engine: &Engine) -> Vec<String> {
    let mut worker = engine.worker();
    let call = Call {
        kind: "command",
        class: Class::Durable,
        origin: &"fuzz",
    };
    let mut seen = Vec::new();
    for part in 0..3 {
        let mut lines = Vec::new();
        worker.execute(
            call,
            |task: &mut Task<'_>| {
                lines.clear();
                look(task, part, &mut lines)
            },
            |_| None,
        );
        seen.append(&mut lines);
    }
    seen
}

fn look(task: &mut Task<'_>, part: u32, lines: &mut Vec<String>) -> Result<(), Stop> {
    match part {
        0 => task.nearby(Point { x: 64.0, y: 64.0 }, 100.0, |entity| {
            lines.push(format!("{:?} {:?}", entity.id(), entity.get::<Thing>()));
        }),
        1 => {
            for (name, id) in task.names("things", None, 100)? {
                let thing = task.find_kind::<Thing>(id)?;
                lines.push(format!("{name} {id:?} {thing:?}"));
            }
            Ok(())
        }
        _ => {
            for key in 0..4 {
                let thing = task.find(world_data::Ref::<Thing>::keyed(key))?;
                lines.push(format!("{key} {thing:?}"));
            }
            Ok(())
        }
    }
}
