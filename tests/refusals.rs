//! Whole-server tests: what the world refuses is counted, by rule and session, and told to operators.
//! Not here: the counting's bounds (`actors`), who may give orders (`admin`).

use serde_json::{Value, json};

use crate::admin::{TOKEN, body, error, guarded, order};
use crate::support::server::post;
use crate::support::wire::Codec;

#[test]
fn an_operator_is_told_who_was_refused_what() {
    let server = guarded();
    let mut eve = server.enter(Codec::Json, "eve");
    let mut ann = server.enter(Codec::Json, "ann");
    for seq in 1..=5 {
        eve.command(seq, json!({ "refuse": "too_far" }));
        eve.receive_kind("reply");
    }
    eve.command(6, json!({ "refuse": "not today, and not tomorrow" }));
    eve.receive_kind("reply");
    ann.command(1, json!({ "refuse": "gone" }));
    ann.receive_kind("reply");
    ann.command(2, json!("where"));
    ann.receive_kind("reply");
    let told = body(&order(&server, "refusals", &json!({ "most": 10 })));
    let sessions = told["sessions"].as_array().unwrap();
    let of = |session: &Value| json!([session["account"], session["total"], session["rules"]]);
    assert_eq!(
        sessions.iter().map(of).collect::<Vec<_>>(),
        [
            json!(["eve", 6, [["too_far", 5], ["other", 1]]]),
            json!(["ann", 1, [["gone", 1]]])
        ]
    );
    assert!(sessions[0]["session"].is_string(), "{told}");
    let told = body(&order(&server, "refusals", &json!({ "most": 1 })));
    assert_eq!(told["sessions"].as_array().unwrap().len(), 1);
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    error(
        &post(server.address, "/admin/refusals", "", "{}"),
        401,
        "unauthorized",
    );
    error(
        &post(server.address, "/admin/refusals", &token, "{}"),
        400,
        "bad_request",
    );
    let metrics = server.get("/metrics", "").body;
    assert!(
        metrics.contains("brightstar_refusals_total{rule=\"too_far\"}"),
        "{metrics}"
    );
}
