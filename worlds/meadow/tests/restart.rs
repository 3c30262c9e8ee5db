//! Lives here: what a restart does to players. Not here: what it does to the data (`crash`, and
//! the tests of `world-data`).

use std::sync::Arc;

use meadow::{Command, Meadow, Reply};
use uuid::Uuid;
use world_data::{
    Call, Caller, Class, Done, Engine, NoClients, ObjectId, Options, SessionId, Stop, Task, World,
};

fn run<R>(engine: &Engine, mut body: impl FnMut(&mut Task<'_>) -> Result<R, Stop>) -> R {
    let call = Call {
        kind: "test",
        class: Class::Durable,
        origin: &"restart",
    };
    let mut result = None;
    engine.worker().execute(call, &mut body, |done| {
        result = Some(done);
        None
    });
    match result {
        Some(Done::Committed(result)) => result,
        other => panic!(
            "the task ended: {}",
            if other.is_some() { "refused" } else { "never" }
        ),
    }
}

fn players(engine: &Engine, world: &Meadow, who: &Caller) -> usize {
    match run(engine, |task| world.command(task, who, &Command::Census)) {
        Reply::Census { players, .. } => players as usize,
        other => panic!("not a census: {other:?}"),
    }
}

/// A server that was killed logged nobody out: once, 60 bots stood in the meadow for ever.
#[test]
fn who_was_playing_when_the_server_was_killed_is_gone_after_the_restart() {
    let folder = tempfile::tempdir().unwrap();
    let world = Meadow::bare();
    let caller = |name: &str, you: Option<ObjectId>| Caller {
        session: SessionId(Uuid::new_v4()),
        name: name.into(),
        you,
    };
    let open = || {
        Engine::open(
            folder.path(),
            &world,
            Options::default(),
            Arc::new(NoClients),
        )
    };
    let engine = open().unwrap();
    let (ann, bob) = (caller("ann", None), caller("bob", None));
    let ann_id = run(&engine, |task| world.login(task, &ann));
    let bob_id = run(&engine, |task| world.login(task, &bob));
    let ann = Caller { you: ann_id, ..ann };
    let bob = Caller { you: bob_id, ..bob };
    assert_eq!(players(&engine, &world, &ann), 2);
    run(&engine, |task| world.logout(task, &bob));
    assert_eq!(players(&engine, &world, &ann), 1);
    engine.flush();
    drop(engine);

    let engine = open().unwrap();
    let cat = caller("cat", None);
    let cat_id = run(&engine, |task| world.login(task, &cat));
    let cat = Caller { you: cat_id, ..cat };
    assert_eq!(
        players(&engine, &world, &cat),
        1,
        "only she who logged in since"
    );
    let again = caller("ann", None);
    assert_eq!(
        run(&engine, |task| world.login(task, &again)),
        ann_id,
        "the same body"
    );
    assert_eq!(players(&engine, &world, &cat), 2);
    engine.close();
}
