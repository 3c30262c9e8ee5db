//! Whole-server tests: what an operator's commands say of the folder of a stopped server.
//! Not here: each thing that can be wrong with a folder (`world-data/src/check/tests.rs`).

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::binary::{Process, field};
use crate::support::wire::{Client, Codec};

/// What a command of the field said: its exit code, standard output and standard error.
pub(crate) fn run(args: &[&str], folder: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new(field());
    let (name, flags) = args.split_first().unwrap();
    command.arg(name).arg(folder).args(flags);
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .env_clear()
        .env("BRIGHTSTAR_ENGINE__STORE_BYTES", "268435456")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A folder that a server was killed in, when `ann` had walked in it.
pub(crate) fn walked_in() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut ann = Client::connect(server.address, Codec::Json);
    ann.hello("ann");
    ann.command(1, json!("where"));
    ann.receive_kind("reply");
    drop(server);
    folder
}

fn lines(told: &str) -> Vec<Value> {
    told.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

#[test]
fn a_folder_is_checked_as_a_killed_server_left_it() {
    let folder = walked_in();
    let (code, told, why) = run(&["check"], folder.path());
    assert_eq!((code, why.as_str()), (Some(0), ""), "{told}");
    assert!(told.contains("1 objects (1 entities)") && told.contains("1 sessions (1 outcomes"));
    assert!(told.ends_with("\nnothing is wrong\n"), "{told}");
    let (code, told, _) = run(&["check", "--json"], folder.path());
    let end = &lines(&told)[0];
    assert_eq!((code, &end["counts"]["objects"]), (Some(0), &json!(1)));
    // The journal alone has what was told last: break it.
    let mut segments: Vec<_> = std::fs::read_dir(folder.path().join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension() == Some("log".as_ref()))
        .collect();
    segments.sort();
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&segments[0], bytes).unwrap();
    let (code, told, _) = run(&["check"], folder.path());
    assert_eq!(code, Some(1));
    assert!(
        told.starts_with("damage       journal: the journal is damaged"),
        "{told}"
    );
}

#[test]
fn what_is_in_a_folder_is_shown_by_kind_home_and_id() {
    let folder = walked_in();
    let inspect = |flags: &[&str]| {
        let args: Vec<_> = ["inspect"].iter().chain(flags).copied().collect();
        run(&args, folder.path())
    };
    let (code, told, why) = inspect(&[]);
    assert_eq!(code, Some(0), "{why}");
    let all = lines(&told);
    assert_eq!(all.len(), 1);
    let walker = &all[0];
    assert_eq!(
        (&walker["kind"], &walker["value"]["name"]),
        (&json!("walker"), &json!("ann"))
    );
    let (id, home) = (walker["id"].to_string(), walker["home"].to_string());
    for flags in [
        ["--id", &id],
        ["--home", &home],
        ["--kind", "walker"],
        ["--kind", "1"],
    ] {
        assert_eq!(inspect(&flags).1, told, "{flags:?}");
    }
    assert_eq!(inspect(&["--home", "0"]).1, "");
    let (code, _, why) = inspect(&["--id", "77"]);
    assert!(
        code == Some(1) && why.contains("no such object 77"),
        "{why}"
    );
    let (code, _, why) = inspect(&["--kind", "dragon"]);
    assert!(code == Some(1) && why.contains("there are walker"), "{why}");
    let sizes = lines(&inspect(&["--sizes"]).1);
    assert_eq!(
        (&sizes[0]["of"], &sizes[0]["count"]),
        (&json!("walker"), &json!(1))
    );
    assert_eq!(sizes[0]["largest_id"], walker["id"]);
    let sessions = sizes.iter().find(|size| size["of"] == "table sessions");
    assert_eq!(sessions.unwrap()["count"], 1);
}

#[test]
fn a_folder_that_a_server_has_open_is_left_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let _server = Process::start(folder.path(), &[]);
    for command in ["check", "inspect"] {
        let (code, _, why) = run(&[command], folder.path());
        assert!(
            code == Some(1) && why.contains("another process has it open"),
            "{why}"
        );
    }
}

#[test]
fn a_folder_goes_through_json_lines_and_comes_back() {
    let folder = walked_in();
    let (code, lines, why) = run(&["export"], folder.path());
    assert_eq!(code, Some(0), "{why}");
    let copy = folder.path().join("copy");
    let import = |lines: &str| {
        let mut child = Command::new(field())
            .arg("import")
            .arg(&copy)
            .env_clear()
            .env("BRIGHTSTAR_ENGINE__STORE_BYTES", "268435456")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may have seen enough before it has read all.
        let mut input = child.stdin.take().unwrap();
        input.write_all(lines.as_bytes()).unwrap_or_default();
        drop(input);
        let done = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let cut = &lines[..lines.len() - 2];
    let (code, _, why) = import(cut);
    assert!(code == Some(1) && why.starts_with("field: line "), "{why}");
    // What a refused one leaves is no world, and in nobody's way but its own lock.
    std::fs::remove_dir_all(&copy).unwrap();
    let (code, told, why) = import(&lines);
    assert_eq!(code, Some(0), "{why}");
    assert!(
        told.contains(&format!("the world of {} lines", lines.lines().count())),
        "{told}"
    );
    assert_eq!(run(&["export"], &copy).1, lines);
    // Its people find themselves where they were.
    let server = Process::start(&copy, &[]);
    let mut ann = Client::connect(server.address, Codec::Json);
    ann.hello("ann");
    ann.command(1, json!("where"));
    assert_eq!(ann.receive_kind("reply")[2], json!("ok"));
}
