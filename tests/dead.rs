//! Whole-server tests: dead letters as an operator meets them: through `/admin` of a running server,
//! and by the command line, there and on the folder of a stopped one.
//! Not here: that a replay happens once (`world-data/tests/dead.rs`).

use std::path::Path;
use std::process::{Command as Process, Output};
use std::sync::Arc;

use brightstar::world_data::{
    Asked, Call, Caller, Class, Engine, Entity, Kinds, Map, NoClients, Object, ObjectId, Options,
    Point, SessionId, Stop, Task, World,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::admin::{TOKEN, body, error, guarded, guarded_by, order, token_file};
use crate::binary::field;
use crate::support::server::TestServer;
use crate::support::wire::{Client, Codec};

/// Sends a command; how it ended.
fn outcome(client: &mut Client, seq: u64, command: Value) -> Vec<Value> {
    client.command(seq, command);
    client.receive_kind("reply")[2..].to_vec()
}

/// A letter of `ann`, whose first command broke.
fn broken(server: &TestServer) -> Client {
    let mut client = server.enter(Codec::MessagePack, "ann");
    let failed = outcome(&mut client, 1, json!("brittle"));
    assert_eq!(failed[1]["code"], "failed");
    client
}

#[test]
fn an_operator_lists_shows_replays_and_drops_through_admin() {
    let server = guarded();
    let list = |order_is: Value| body(&order(&server, "dead/list", &order_is));
    assert_eq!(list(json!({})), json!({ "letters": [], "more": false }));
    let mut client = broken(&server);
    let letters = list(json!({}))["letters"].clone();
    assert_eq!(letters[0]["number"], 1);
    assert_eq!(letters[0]["caller"]["name"], "ann");
    assert!(
        letters[0].get("payload").is_none(),
        "what was asked is shown one by one"
    );
    let shown = body(&order(&server, "dead/show", &json!({ "number": 1 })));
    assert_eq!(shown["payload"], "brittle");
    assert_eq!(shown["cause"], "panic: a brittle command breaks");
    // The bug is still there.
    let again = body(&order(&server, "dead/replay", &json!({ "number": 1 })));
    let cause = "panic: a brittle command breaks";
    assert_eq!(
        again,
        json!({ "outcome": "again", "fault": "failed", "cause": cause })
    );
    assert_eq!(list(json!({}))["letters"][0]["tries"], 2);
    // It is mended.
    assert_eq!(
        outcome(&mut client, 2, json!({ "count": 0 })),
        [json!("ok"), json!(1)]
    );
    let done = body(&order(&server, "dead/replay", &json!({ "number": 1 })));
    assert_eq!(done, json!({ "outcome": "done", "reply": 2 }));
    assert_eq!(
        client.receive_kind("event")[2],
        json!(2),
        "its effects reach the caller"
    );
    let words = error(
        &order(&server, "dead/replay", &json!({ "number": 1 })),
        404,
        "unknown",
    );
    assert_eq!(words, "there is no dead letter 1");
    for seq in 3..=6 {
        outcome(&mut client, seq, json!("panic"));
    }
    let page = list(json!({ "limit": 2, "before": 5 }));
    let numbers: Vec<_> = page["letters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| &l["number"])
        .collect();
    assert_eq!(
        (numbers, &page["more"]),
        (vec![&json!(4), &json!(3)], &json!(true))
    );
    let drop = |order_is: Value| body(&order(&server, "dead/drop", &order_is));
    assert_eq!(drop(json!({ "number": 3 })), json!({ "dropped": 1 }));
    assert_eq!(drop(json!({ "all": true })), json!({ "dropped": 3 }));
    assert_eq!(list(json!({})), json!({ "letters": [], "more": false }));
    error(
        &order(&server, "dead/show", &json!({ "number": 4 })),
        404,
        "unknown",
    );
}

#[test]
fn a_letter_outlives_the_server_and_an_order_needs_the_token() {
    let token = token_file();
    let mut server = guarded_by(&token);
    drop(broken(&server));
    server.restart();
    let shown = body(&order(&server, "dead/show", &json!({ "number": 1 })));
    assert_eq!(shown["payload"], "brittle");
    for path in ["dead/list", "dead/show", "dead/replay", "dead/drop"] {
        let path = format!("/admin/{path}");
        let answer = crate::support::server::post(server.address, &path, "", "{}");
        error(&answer, 401, "unauthorized");
    }
}

fn run(command: &mut Process) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.env_clear().output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn the_command_line_asks_a_running_server() {
    let (server, token) = (guarded(), token_file());
    let mut client = broken(&server);
    let url = format!("http://{}/", server.address);
    let dead = |args: &[&str]| {
        let mut command = Process::new(field());
        command
            .arg("dead")
            .args(args)
            .args(["--server", &url, "--token-file"]);
        run(command.arg(token.path()))
    };
    let (code, told, _) = dead(&["list"]);
    assert_eq!(code, Some(0));
    let line = told.lines().nth(1).unwrap();
    assert!(line.starts_with("1 ") && line.contains("ann") && line.ends_with("command breaks"));
    let (code, _, why) = dead(&["replay", "1"]);
    assert_eq!(code, Some(1));
    let words = "letter 1 stays: it ended as failed again: panic: a brittle command breaks";
    assert_eq!(why.trim(), format!("field: {words}"));
    outcome(&mut client, 2, json!({ "count": 0 }));
    let (code, told, why) = dead(&["replay", "1"]);
    assert_eq!(
        (code, told.as_str()),
        (Some(0), "replayed; it replied 2\n"),
        "{why}"
    );
    let (code, _, why) = dead(&["show", "1"]);
    assert_eq!(code, Some(1));
    assert!(
        why.ends_with("there is no dead letter 1\n") && !why.contains(TOKEN),
        "{why}"
    );
    assert_eq!(dead(&["drop", "all"]).1, "dropped: 0\n");
    let mut wrong = Process::new(field());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "another-operators-token").unwrap();
    wrong.args(["dead", "list", "--server", &url, "--token-file"]);
    let (code, _, why) = run(wrong.arg(file.path()));
    assert!(
        code == Some(1) && why.contains("needs the operator's token"),
        "{why}"
    );
}

/// The field, with a bug.
struct BrokenField;

#[derive(Clone, Serialize, Deserialize)]
struct Walker {
    name: String,
    target: Option<Point>,
    listens: Option<SessionId>,
}

impl Object for Walker {
    const KIND: u16 = 1;
    const NAME: &'static str = "walker";
}

impl World for BrokenField {
    const NAME: &'static str = "field";
    type Command = String;
    type Reply = ();
    type Input = ();
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map::square(512.0)
    }
    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Walker>()
    }
    fn genesis(&self, _: &mut Task<'_>) -> Result<(), Stop> {
        Ok(())
    }
    fn login(&self, task: &mut Task<'_>, who: &Caller) -> Result<Option<ObjectId>, Stop> {
        let walker = Walker {
            name: who.name.clone(),
            target: None,
            listens: None,
        };
        Ok(Some(task.create_at(walker, Point::new(7.0, 9.0))?.id()))
    }
    fn logout(&self, _: &mut Task<'_>, _: &Caller) -> Result<(), Stop> {
        Ok(())
    }
    fn command(&self, _: &mut Task<'_>, _: &Caller, _: &String) -> Result<(), Stop> {
        panic!("a bug")
    }
    fn input(&self, _: &mut Task<'_>, _: &Caller, (): &()) -> Result<(), Stop> {
        Ok(())
    }
    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}

fn call(origin: &dyn brightstar::world_data::Origin) -> Call<'_> {
    Call {
        kind: "command",
        class: Class::Durable,
        origin,
    }
}

/// Leaves a folder with the letters of commands that broke.
fn break_in(folder: &Path, commands: &[&str]) {
    let options = Options {
        store_bytes: 1 << 28,
        ..Options::default()
    };
    let engine = Engine::open(folder, &BrokenField, options, Arc::new(NoClients)).unwrap();
    let mut worker = engine.worker();
    let mut who = Caller {
        session: SessionId(uuid::Uuid::from_u128(1)),
        name: "ann".to_owned(),
        you: None,
    };
    let mut you = None;
    worker.execute(
        call(&"a login"),
        |task| {
            you = BrokenField.login(task, &who)?;
            Ok(())
        },
        |_| None,
    );
    who.you = you;
    for (seq, command) in (1..).zip(commands) {
        let command = (*command).to_owned();
        worker.execute(
            call(&Asked::new(&who, seq, &command)),
            |task| BrokenField.command(task, &who, &command),
            |_| None,
        );
    }
    engine.close();
}

#[test]
fn the_command_line_works_on_the_folder_of_a_stopped_server() {
    let folder = tempfile::tempdir().unwrap();
    break_in(folder.path(), &["where", "fly", "where"]);
    let dead = |args: &[&str]| {
        let mut command = Process::new(field());
        command
            .arg("dead")
            .args(args)
            .arg("--data")
            .arg(folder.path());
        run(command.env("BRIGHTSTAR_ENGINE__STORE_BYTES", "268435456"))
    };
    let (code, told, why) = dead(&["list", "--json", "--limit", "2"]);
    assert_eq!(code, Some(0), "{why}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told["letters"][0]["number"], &told["more"]),
        (&json!(3), &json!(true))
    );
    let shown: Value = serde_json::from_str(&dead(&["show", "2"]).1).unwrap();
    assert_eq!(shown["payload"], "fly");
    // The world was mended meanwhile: it is another program.
    let (code, told, why) = dead(&["replay", "1"]);
    assert_eq!(code, Some(0), "{why}");
    assert_eq!(told, "replayed; it replied {\"x\":7.0,\"y\":9.0}\n");
    let (code, _, why) = dead(&["replay", "2"]);
    assert_eq!(code, Some(1));
    assert!(why.contains("this world can't read its payload: "), "{why}");
    assert_eq!(dead(&["drop", "2"]).1, "dropped: 1\n");
    assert_eq!(dead(&["drop", "all"]).1, "dropped: 1\n");
    assert_eq!(dead(&["list"]).1, "no dead letters\n");
    let (code, _, why) = dead(&["drop", "9"]);
    assert_eq!(
        (code, why.as_str()),
        (Some(1), "field: there is no dead letter 9\n")
    );
}

#[test]
fn a_folder_without_a_world_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Process::new(field());
    command.args(["dead", "list", "--data"]).arg(folder.path());
    let (code, _, why) = run(&mut command);
    assert_eq!(code, Some(1));
    assert!(
        why.contains("there is no world in") && why.lines().count() == 1,
        "{why}"
    );
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    for (args, words) in [
        (&["list", "--server", "http://a:1"][..], "--token-file"),
        (&["drop", "some"], "a number, or all"),
        (&["show"], "<N>"),
    ] {
        let mut command = Process::new(field());
        let (code, _, why) = run(command.arg("dead").args(args));
        assert!(code == Some(2) && why.contains(words), "{args:?}: {why}");
    }
}
