//! Whole-server tests: what a well-behaved client sees of commands, events and frames, through the
//! Rust client's rules and by hand.
//! Not here: exactly-once over crashes and moves (`world-data`, `actors`, the crash campaign).

use protocol::ClientMessage;
use serde_json::{Value, json};

use crate::support::server::{TestServer, eventually};
use crate::support::wire::{Client, Codec};

fn reply(client: &mut Client, seq: u64, command: Value) -> Vec<Value> {
    client.command(seq, command);
    let reply = client.receive_kind("reply");
    assert_eq!(reply[1], json!(seq));
    reply[2..].to_vec()
}

#[test]
fn every_outcome_has_its_code_and_no_trace() {
    let server = TestServer::with(|config| config.engine.task_budget_ms = 50);
    for codec in Codec::ALL {
        let mut client = server.enter(codec, &format!("ann-{codec}"));
        let error = |outcome: &[Value]| {
            assert_eq!(outcome[0], "error");
            outcome[1].clone()
        };
        let refused = error(&reply(&mut client, 1, json!({ "refuse": "not today" })));
        assert_eq!(
            refused,
            json!({ "code": "refused", "message": "not today" })
        );
        assert_eq!(
            error(&reply(&mut client, 2, json!("spin")))["code"],
            "timeout"
        );
        assert_eq!(
            error(&reply(&mut client, 3, json!("panic")))["code"],
            "failed"
        );
        let at = reply(&mut client, 4, json!("where"));
        assert_eq!(
            at,
            [json!("ok"), json!([256.0, 256.0])],
            "the session goes on"
        );
    }
}

#[test]
fn a_command_sent_again_is_answered_from_the_record() {
    let server = TestServer::start();
    let mut client = server.enter(Codec::Json, "ann");
    assert_eq!(
        reply(&mut client, 1, json!({ "count": 5 })),
        [json!("ok"), json!(1)]
    );
    assert_eq!(
        reply(&mut client, 1, json!({ "count": 5 })),
        [json!("ok"), json!(1)]
    );
    assert_eq!(
        reply(&mut client, 2, json!({ "count": 5 })),
        [json!("ok"), json!(2)]
    );
}

#[test]
fn commands_over_all_regions_are_one_step() {
    let server = TestServer::start();
    let mut one = server.enter(Codec::MessagePack, "ann");
    let mut other = server.enter(Codec::MessagePack, "bob");
    for seq in 1..=50 {
        one.command(seq, json!("count_all"));
        other.command(seq, json!("count_all"));
    }
    let mut sums: Vec<u64> = [&mut one, &mut other]
        .into_iter()
        .flat_map(|client| {
            (1..=50)
                .map(|seq| {
                    let reply = client.receive_kind("reply");
                    assert_eq!((&reply[1], &reply[2]), (&json!(seq), &json!("ok")));
                    reply[3].as_u64().unwrap()
                })
                .collect::<Vec<_>>()
        })
        .collect();
    sums.sort_unstable();
    let serial: Vec<u64> = (1..=100).map(|step| step * 64).collect();
    assert_eq!(
        sums, serial,
        "each saw all counters as one other had left them"
    );
}

#[test]
fn events_are_numbered_and_come_in_order() {
    let server = TestServer::start();
    let mut client = server.enter(Codec::MessagePack, "ann");
    client.command(1, json!({ "events": 5 }));
    for event in 0..5 {
        assert_eq!(
            client.receive_kind("event")[1..],
            [json!(event + 1), json!(event)]
        );
    }
}

#[test]
fn what_two_sessions_see_of_each_other() {
    let server = TestServer::start();
    let mut ann = server.connect(Codec::Json);
    let you = ann.hello("ann")["you"].clone();
    let mut bob = server.enter(Codec::MessagePack, "bob");
    // Bob sees Ann, with her view, in a full cell; then her walking, by place alone.
    let entity = until(&mut bob, |entity| {
        entity[0] == you && entity.get(3).is_some()
    });
    assert_eq!(entity[3], json!({ "name": "ann" }));
    ann.send_payload(br#"["input", 1, {"go": [300, 256]}]"#);
    let moved = until(&mut bob, |entity| {
        entity[0] == you && entity[1].as_f64() > Some(257.0)
    });
    assert!(moved[1].as_f64().unwrap() < 300.0, "{moved:?}");
}

/// Reads frames until one has an entity that `wanted` takes.
fn until(client: &mut Client, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    loop {
        let frame = client.receive_kind("frame");
        for cell in frame[4].as_array().unwrap() {
            for entity in cell[2].as_array().unwrap() {
                let entity = entity.as_array().unwrap();
                if wanted(entity) {
                    return entity.clone();
                }
            }
        }
    }
}

#[test]
fn the_world_may_end_a_session() {
    let server = TestServer::start();
    let mut client = server.enter(Codec::Json, "ann");
    client.command(1, json!("close"));
    let (_, message) = client.receive_error();
    assert_eq!(message, "closed by the yard");
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let mut server = TestServer::start();
    let mut client = server.enter(Codec::Json, "ann");
    for seq in 1..=10 {
        assert_eq!(
            reply(&mut client, seq, json!({ "count": 3 })),
            [json!("ok"), json!(seq)]
        );
    }
    server.restart();
    let mut client = server.enter(Codec::Json, "ann");
    assert_eq!(
        reply(&mut client, 1, json!({ "count": 3 })),
        [json!("ok"), json!(11)]
    );
    server.stop();
}

/// A region whose ticks take longer than they may, all for one entity, can't be cut: its time runs
/// slower, each of its frames says so on the wire, and nothing that is asked is left out.
#[test]
fn where_time_is_slowed_down_frames_say_so_and_commands_are_answered() {
    let server = TestServer::with(|config| {
        (config.ladder.up_seconds, config.ladder.down_seconds) = (1, 1);
    });
    for codec in [Codec::Json, Codec::MessagePack] {
        let mut client = server.enter(codec, "ann");
        for (seq, drag, slow) in [(1, 60, true), (2, 0, false)] {
            client.command(seq, json!({ "drag": drag }));
            assert_eq!(client.receive_kind("reply")[3], json!(drag));
            eventually("time changes its pace", || {
                let frame = client.receive_kind("frame");
                (frame[3].as_f64().unwrap() < 0.99) == slow
            });
        }
        client.send(&ClientMessage::Bye);
        assert!(client.is_closed());
    }
}
