//! Lives here: the ledger's rules and refusals as a table, and what must hold whatever is asked,
//! on the real engine in memory.
#![allow(clippy::unwrap_used, reason = "a test that fails shows its line")]

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::{Command, Ledger, MAX_ACCOUNTS, MAX_BALANCES, MAX_LIST, MAX_OPS};
use proptest::prelude::*;
use uuid::Uuid;
use world_data::{Call, Caller, Class, Done, Engine, NoClients, Options, SessionId, Worker, World};

/// A ledger in memory.
struct Stage {
    world: Ledger,
    worker: Worker,
    caller: Caller,
}

impl Stage {
    fn new(world: Ledger, regions: usize) -> Self {
        let options = Options {
            regions,
            ..Options::default()
        };
        let worker = Engine::in_memory(&world, options, Arc::new(NoClients))
            .unwrap()
            .worker();
        let session = SessionId(Uuid::nil());
        let caller = Caller {
            session,
            name: "ann".to_owned(),
            you: None,
        };
        Self {
            world,
            worker,
            caller,
        }
    }

    /// Asks as a client does, in JSON; returns the reply, or why there is none.
    fn ask(&mut self, command: &str) -> String {
        let command: Command = serde_json::from_str(command).unwrap();
        let call = Call {
            kind: "command",
            class: Class::Durable,
            origin: &"a test",
        };
        let (world, caller, mut outcome) = (&self.world, &self.caller, None);
        let conclude = |done| {
            outcome = Some(match done {
                Done::Committed(reply) => serde_json::to_string(&reply).unwrap(),
                Done::Ended(fault, message) => format!("{fault:?} {message}").to_lowercase(),
            });
            None
        };
        self.worker
            .execute(call, |task| world.command(task, caller, &command), conclude);
        outcome.unwrap()
    }
}

/// Asks line by line, and compares what came of each.
#[track_caller]
fn check(table: &str) {
    let mut stage = Stage::new(
        Ledger {
            accounts: 10,
            balance: 100,
        },
        16,
    );
    let (mut wanted, mut got) = (Vec::new(), Vec::new());
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, outcome) = line.split_once("->").unwrap();
        let (command, outcome) = (command.trim(), outcome.trim());
        wanted.push(format!("{command} -> {outcome}"));
        got.push(format!("{command} -> {}", stage.ask(command)));
    }
    assert_eq!(
        got.join("\n"),
        wanted.join("\n"),
        "what came of it (left), and what should (right)"
    );
}

#[test]
fn transfers_and_their_refusals() {
    check(
        r#"
        {"transfer": {"from": 0, "to": 1, "amount": 30}}    -> {"from":70,"to":130}
        {"transfer": {"from": 0, "to": 1, "amount": 70}}    -> {"from":0,"to":200}
        {"transfer": {"from": 0, "to": 1, "amount": 1}}     -> refused insufficient
        {"transfer": {"from": 1, "to": 0, "amount": 201}}   -> refused insufficient
        {"transfer": {"from": 1, "to": 0, "amount": 0}}     -> refused bad_amount
        {"transfer": {"from": 1, "to": 0, "amount": -5}}    -> refused bad_amount
        {"transfer": {"from": 1, "to": 1, "amount": 5}}     -> refused same_account
        {"transfer": {"from": 1, "to": 10, "amount": 5}}    -> refused no_such_account
        {"transfer": {"from": 10, "to": 1, "amount": 5}}    -> refused no_such_account
        {"transfer": {"from": 1, "to": 18446744073709551615, "amount": 5}} -> refused no_such_account
        {"transfer": {"from": 1, "to": 2, "amount": 9223372036854775807}}  -> refused insufficient
        {"balance": [0, 1, 2, 1]}                           -> [0,200,100,200]
        {"balance": []}                                     -> []
        {"balance": [0, 10]}                                -> refused no_such_account
        "total"                                             -> 1000
        "#,
    );
    let many = vec!["1"; MAX_BALANCES + 1].join(",");
    check(&format!("{{\"balance\": [{many}]}} -> refused too_many"));
}

#[test]
fn transactions_over_lists() {
    check(
        r#"
        {"txn": [["r", 1, null]]}                                     -> [["r",1,null]]
        {"txn": [["append", 1, 5], ["r", 1, null], ["append", 1, 6]]} -> [["append",1,5],["r",1,[5]],["append",1,6]]
        {"txn": [["r", 1, null], ["r", 2, null], ["append", 2, -7]]}  -> [["r",1,[5,6]],["r",2,null],["append",2,-7]]
        {"txn": [["append", 1, 8], ["append", 2, null]]}              -> refused bad_op
        {"txn": [["append", 1, 8], ["r", 2, 8]]}                      -> refused bad_op
        {"txn": [["append", 1, 8], ["r", 1099511627776, null]]}       -> refused bad_key
        {"txn": [["r", 1, null], ["r", 2, null]]}                     -> [["r",1,[5,6]],["r",2,[-7]]]
        {"txn": []}                                                   -> []
        "#,
    );
    let most = vec![r#"["append", 1, 0]"#; MAX_OPS].join(",");
    check(&format!(
        "{{\"txn\": [{most}, [\"r\", 1, null]]}} -> refused too_many"
    ));
    let mut stage = Stage::new(
        Ledger {
            accounts: 0,
            balance: 0,
        },
        2,
    );
    for _ in 0..MAX_LIST / MAX_OPS {
        stage.ask(&format!("{{\"txn\": [{most}]}}"));
    }
    assert_eq!(
        stage.ask(r#"{"txn": [["append", 1, 0]]}"#),
        "refused list_full"
    );
}

#[test]
fn a_ledger_that_cannot_balance_is_not_begun() {
    let begin = |accounts, balance| {
        let world = Ledger { accounts, balance };
        Engine::in_memory(&world, Options::default(), Arc::new(NoClients)).map(|_| ())
    };
    assert!(begin(10, -1).is_err());
    assert!(begin(MAX_ACCOUNTS + 1, 1).is_err());
    assert!(begin(3, i64::MAX / 2).is_err());
    assert!(begin(2, i64::MAX / 2).is_ok());
}

#[test]
fn the_whole_ledger_is_summed_within_the_budget() {
    let mut stage = Stage::new(Ledger::default(), 16);
    assert_eq!(stage.ask("\"total\""), "100000000000000");
}

fn transfer() -> impl Strategy<Value = (u64, u64, i64)> {
    (0..6_u64, 0..6_u64, -10..200_i64)
}

proptest! {
    /// The engine does what a plain map does, however the ledger is cut into regions.
    #[test]
    fn transfers_do_what_a_map_does(transfers in proptest::collection::vec(transfer(), 1..60)) {
        let ledger = || Ledger { accounts: 5, balance: 100 };
        let mut stages = [1, 4, 16].map(|regions| Stage::new(ledger(), regions));
        let mut map: BTreeMap<u64, i64> = (0..5).map(|n| (n, 100)).collect();
        for (from, to, amount) in transfers {
            let can_pay = map.get(&from).is_some_and(|balance| *balance >= amount);
            let wanted = if amount > 0 && from != to && map.contains_key(&to) && can_pay {
                *map.get_mut(&from).unwrap() -= amount;
                *map.get_mut(&to).unwrap() += amount;
                format!("{{\"from\":{},\"to\":{}}}", map[&from], map[&to])
            } else {
                "refused".to_owned()
            };
            let ask = format!(
                "{{\"transfer\": {{\"from\": {from}, \"to\": {to}, \"amount\": {amount}}}}}"
            );
            for stage in &mut stages {
                let got = stage.ask(&ask);
                prop_assert!(got.starts_with(&wanted), "{} is not {}", got, wanted);
                prop_assert_eq!(stage.ask("\"total\""), "500");
            }
        }
    }
}
