//! Lives here: what each kind of task may take, what a dead letter keeps of one that was given up,
//! and that replaying it happens once.
//! Not here: that a bad task harms nobody else (`containment`), the command line (`tests/` of the
//! server).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use world_data::dead::PAYLOAD_LIMIT;
use world_data::{
    Asked, Call, Caller, Class, DeadError, DeadLetter, Engine, Entity, Fault, Faults, Kinds, Limit,
    Map, NoClients, Object, ObjectId, Options, Payload, Ref, Replayed, Stop, Task, World,
};

use crate::ground::{Heard, Told, folder, options, session};

/// The one object.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(default)]
struct Till {
    gold: u64,
}

impl Object for Till {
    const KIND: u16 = 1;
    const NAME: &'static str = "till";
}

/// A shop whose rules have a bug until it is mended.
#[derive(Default)]
struct Shop {
    mended: AtomicBool,
}

#[derive(Debug, Serialize, Deserialize)]
enum Command {
    /// Puts gold into the till, and tells so.
    Pay(u64),
    /// Touches nothing at all.
    Nod(f64),
    /// Is refused, bug or not.
    Beg,
    /// Is long.
    Speak(String),
    /// Reads the till for ever.
    Dawdle,
    /// Can be sent and never be written.
    Unspeakable(Secret),
}

#[derive(Debug, Deserialize)]
struct Secret;

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("words fail"))
    }
}

const TILL: u64 = 1;

impl World for Shop {
    const NAME: &'static str = "shop";
    type Command = Command;
    type Reply = u64;
    type Input = (f64, f64);
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map::shards_only(16)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Till>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        task.create_keyed(TILL, Till::default()).map(drop)
    }

    fn login(&self, _: &mut Task<'_>, _: &Caller) -> Result<Option<ObjectId>, Stop> {
        self.bug();
        Ok(None)
    }

    fn logout(&self, task: &mut Task<'_>, _: &Caller) -> Result<(), Stop> {
        pay(task, 1_000)?;
        self.bug();
        Ok(())
    }

    fn command(&self, task: &mut Task<'_>, who: &Caller, command: &Command) -> Result<u64, Stop> {
        match command {
            Command::Pay(gold) => {
                task.send(who.session, Payload::new(*gold));
                let all = pay(task, *gold)?;
                self.bug();
                Ok(all)
            }
            Command::Nod(_) | Command::Speak(_) | Command::Unspeakable(Secret) => {
                self.bug();
                Ok(0)
            }
            Command::Beg => {
                self.bug();
                Err(Stop::refused("no alms"))
            }
            Command::Dawdle => loop {
                pay(task, 0)?;
            },
        }
    }

    fn input(&self, task: &mut Task<'_>, _: &Caller, (gold, _): &(f64, f64)) -> Result<(), Stop> {
        self.bug();
        pay(task, *gold as u64).map(drop)
    }

    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}

impl Shop {
    fn bug(&self) {
        assert!(self.mended.load(Ordering::SeqCst), "the till is stuck");
    }

    fn mend(&self) {
        self.mended.store(true, Ordering::SeqCst);
    }
}

fn pay(task: &mut Task<'_>, gold: u64) -> Result<u64, Stop> {
    task.update(Ref::<Till>::keyed(TILL), |till| {
        till.gold += gold;
        Ok(till.gold)
    })
}

fn ann() -> Caller {
    Caller {
        session: session(7),
        name: "ann".into(),
        you: ObjectId::from_raw(5),
    }
}

fn open(dir: &Path, shop: &Shop) -> Engine {
    Engine::open(dir, shop, options(), Arc::new(NoClients)).unwrap()
}

/// Runs a command as a region does.
fn command(engine: &Engine, shop: &Shop, seq: u64, command: &Command) -> Option<Fault> {
    let who = ann();
    let call = Call {
        kind: "command",
        class: Class::Durable,
        origin: &Asked::new(&who, seq, command),
    };
    let body = |task: &mut Task<'_>| shop.command(task, &who, command);
    engine.worker().execute(call, body, |_| None).fault
}

fn gold(engine: &Engine) -> u64 {
    crate::ground::must(&mut engine.worker(), |task| {
        task.read(Ref::<Till>::keyed(TILL), |till| till.gold)
    })
}

fn letters(engine: &Engine) -> Vec<DeadLetter> {
    engine.dead_letters(None, 100).unwrap()
}

#[test]
fn each_kind_of_task_has_its_own_budget_and_attempts() {
    let dir = folder(true);
    let limit = |millis, attempts| Limit {
        budget: Duration::from_millis(millis),
        attempts,
    };
    let options = Options {
        task_budget: Duration::from_millis(50),
        task_attempts: 9,
        task_limits: vec![("command", limit(1_000, 3)), ("input", limit(10, 5))],
        ..options()
    };
    let engine = Engine::open(dir.path(), &Shop::default(), options, Arc::new(NoClients)).unwrap();
    for (kind, passes_ms, stops_ms, attempts) in [
        ("command", 1_000, 1_001, 3),
        ("input", 10, 11, 5),
        ("login", 50, 51, 9),
    ] {
        let call = Call {
            kind,
            class: Class::Durable,
            origin: &"a test",
        };
        let slow = |millis| {
            let begun = engine.clock().now_ms();
            let body = |task: &mut Task<'_>| {
                engine.clock().advance(begun + millis);
                pay(task, 1)
            };
            engine.worker().execute(call, body, |_| None).fault
        };
        assert_eq!(slow(passes_ms), None, "{kind}");
        assert_eq!(slow(stops_ms), Some(Fault::Timeout), "{kind}");
        let again = |_: &mut Task<'_>| Err::<(), _>(Stop::Again);
        assert_eq!(
            engine.worker().execute(call, again, |_| None).attempts,
            attempts
        );
    }
    let causes: Vec<_> = letters(&engine)
        .into_iter()
        .map(|letter| letter.cause)
        .collect();
    assert!(
        causes.contains(&"exceeded its budget of 1s".to_owned()),
        "{causes:?}"
    );
    assert!(
        causes.contains(&"regions were taken 5 times".to_owned()),
        "{causes:?}"
    );
}

#[test]
fn a_letter_keeps_who_asked_what_and_why_it_was_given_up() {
    let dir = folder(true);
    let shop = Shop::default();
    let engine = open(dir.path(), &shop);
    assert_eq!(
        command(&engine, &shop, 12, &Command::Pay(5)),
        Some(Fault::Failed)
    );
    engine.close();
    drop(engine);
    let engine = open(dir.path(), &shop);
    let letter = engine.dead_letter(1).unwrap();
    assert_eq!(letter.caller, Some(ann()));
    assert_eq!((letter.kind.as_str(), letter.seq), ("command", 12));
    assert_eq!(
        (letter.fault, letter.attempts, letter.tries),
        (Some(Fault::Failed), 1, 1)
    );
    assert_eq!(letter.cause, "panic: the till is stuck");
    assert_eq!((letter.first_ms, letter.at_ms), (1_000_000, 1_000_000));
    assert_eq!(letter.payload_json().unwrap(), r#"{"Pay":5}"#);
    assert!(letter.origin.starts_with("ann (") && letter.origin.ends_with("#12"));
    assert_eq!(letters(&engine), [letter]);
    assert_eq!(engine.dead_letter(2), Err(DeadError::Unknown(2)));
}

#[test]
fn g8_a_letter_keeps_a_bounded_payload_and_says_what_is_lost() {
    let dir = folder(true);
    let shop = Shop::default();
    let engine = open(dir.path(), &shop);
    let fits = PAYLOAD_LIMIT - "Speak".len() - 5;
    for (length, kept) in [(fits, true), (fits + 1, false), (10 << 20, false)] {
        command(&engine, &shop, 1, &Command::Speak("x".repeat(length)));
        let letter = letters(&engine).remove(0);
        let bytes = letter.payload.as_ref().map(Vec::len);
        assert_eq!(bytes, kept.then_some(PAYLOAD_LIMIT), "{length}");
        let lost = letter.lost.as_deref();
        assert_eq!(lost, (!kept).then_some("it has more than 16384 bytes"));
    }
    command(&engine, &shop, 1, &Command::Unspeakable(Secret));
    let letter = letters(&engine).remove(0);
    assert_eq!(
        letter.lost.as_deref(),
        Some("it can't be written: words fail")
    );
    shop.mend();
    let DeadError::NotReplayable(_, why) = engine.replay(&shop, letter.number).unwrap_err() else {
        panic!("it was replayed");
    };
    assert!(
        why.contains("its payload is not kept: it can't be written"),
        "{why}"
    );
    // A panic may say anything, and an origin be called anything.
    let (cause, origin) = ("ü".repeat(100_000), "é".repeat(100_000));
    let call = Call {
        kind: "command",
        class: Class::Durable,
        origin: &origin,
    };
    let body = |_: &mut Task<'_>| -> Result<(), Stop> { panic!("{cause}") };
    engine.worker().execute(call, body, |_| None);
    let letter = letters(&engine).remove(0);
    assert_eq!((letter.cause.len(), letter.origin.len()), (4_095, 1_023));
}

#[test]
fn a_replay_takes_effect_and_drops_its_letter() {
    let dir = folder(true);
    let (shop, heard) = (Shop::default(), Arc::new(Heard::default()));
    let engine = Engine::open(dir.path(), &shop, options(), Arc::<Heard>::clone(&heard)).unwrap();
    command(&engine, &shop, 1, &Command::Pay(5));
    command(&engine, &shop, 2, &Command::Nod(f64::NAN));
    shop.mend();
    assert_eq!(engine.replay(&shop, 1), Ok(Replayed::Done("5".into())));
    // What touches no object has a letter to drop, too; and what JSON can't say is kept.
    assert_eq!(
        engine.dead_letter(2).unwrap().payload_json().unwrap(),
        r#"{"Nod":"NaN"}"#
    );
    assert_eq!(engine.replay(&shop, 2), Ok(Replayed::Done("0".into())));
    for number in [1, 2, 3] {
        assert_eq!(
            engine.replay(&shop, number),
            Err(DeadError::Unknown(number))
        );
    }
    assert_eq!((gold(&engine), letters(&engine)), (5, Vec::new()));
    engine.close();
    assert_eq!(
        heard.all(),
        [Told::Event(session(7), 5)],
        "its effects leave, and no reply"
    );
    drop(engine);
    let engine = open(dir.path(), &shop);
    assert_eq!((gold(&engine), letters(&engine)), (5, Vec::new()));
}

#[test]
fn a_replay_that_fails_again_keeps_its_letter_with_a_higher_count() {
    let dir = folder(true);
    let shop = Shop::default();
    let engine = open(dir.path(), &shop);
    command(&engine, &shop, 1, &Command::Beg);
    engine.clock().advance(1_000_777);
    let again = Replayed::Again(Fault::Failed, "panic: the till is stuck".into());
    assert_eq!(engine.replay(&shop, 1), Ok(again));
    let letter = engine.dead_letter(1).unwrap();
    assert_eq!((letter.tries, letter.fault), (2, Some(Fault::Failed)));
    assert_eq!((letter.first_ms, letter.at_ms), (1_000_000, 1_000_777));
    // What the world refuses in earnest is for the operator to drop.
    shop.mend();
    let refused = Replayed::Again(Fault::Refused, "no alms".into());
    assert_eq!(engine.replay(&shop, 1), Ok(refused));
    let letter = engine.dead_letter(1).unwrap();
    assert_eq!((letter.tries, letter.fault), (3, Some(Fault::Refused)));
    assert_eq!(letter.cause, "no alms");
    assert_eq!(letter.payload_json().unwrap(), r#""Beg""#);
    assert_eq!(letters(&engine).len(), 1);
    assert_eq!(
        command(&engine, &shop, 2, &Command::Beg),
        Some(Fault::Refused)
    );
    assert_eq!(
        letters(&engine).len(),
        1,
        "a refusal by itself is no dead letter"
    );
    // One that ran out of time does so again.
    let done = AtomicBool::new(false);
    let endless = std::thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                engine.clock().advance(engine.clock().now_ms() + 1);
                std::thread::yield_now();
            }
        });
        let first = command(&engine, &shop, 3, &Command::Dawdle);
        let second = engine.replay(&shop, 2);
        done.store(true, Ordering::SeqCst);
        (first, second)
    });
    let why = "exceeded its budget of 100ms".to_owned();
    assert_eq!(
        endless,
        (
            Some(Fault::Timeout),
            Ok(Replayed::Again(Fault::Timeout, why))
        )
    );
}

#[test]
fn what_was_asked_can_be_replayed_and_what_was_not_can_not() {
    let dir = folder(true);
    let shop = Shop::default();
    let engine = open(dir.path(), &shop);
    let who = ann();
    let go = |kind: &'static str, origin: Asked<'_>| {
        let call = Call {
            kind,
            class: Class::Lazy,
            origin: &origin,
        };
        let body = |task: &mut Task<'_>| match kind {
            "input" => shop.input(task, &who, &(3.0, f64::INFINITY)),
            "logout" => shop.logout(task, &who),
            _ => shop.login(task, &who).map(drop),
        };
        engine.worker().execute(call, body, |_| None);
    };
    go("input", Asked::new(&who, 4, &(3.0, f64::INFINITY)));
    go("logout", Asked::plain(&who));
    go("login", Asked::plain(&who));
    go("tick", Asked::plain(&who));
    let call = Call {
        kind: "command",
        class: Class::Durable,
        origin: &"nobody",
    };
    let nod = |_: &mut Task<'_>| -> Result<(), Stop> { panic!("unasked") };
    engine.worker().execute(call, nod, |_| None);
    shop.mend();
    assert_eq!(engine.replay(&shop, 1), Ok(Replayed::Done("null".into())));
    assert_eq!(engine.replay(&shop, 2), Ok(Replayed::Done("null".into())));
    assert_eq!(gold(&engine), 1_003);
    for (number, words) in [
        (3, "may have logged in since"),
        (4, "a task of kind tick is none that was asked for"),
        (5, "its payload is not kept: there is none"),
    ] {
        let error = engine.replay(&shop, number).unwrap_err();
        assert!(matches!(error, DeadError::NotReplayable(..)), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(letters(&engine).len(), 3);
}

#[test]
fn g4_many_replays_of_one_letter_run_it_once() {
    let dir = folder(true);
    let shop = Shop::default();
    let engine = open(dir.path(), &shop);
    for round in 1..=5 {
        shop.mended.store(false, Ordering::SeqCst);
        command(&engine, &shop, round, &Command::Pay(1));
        shop.mend();
        let outcomes: Vec<_> = std::thread::scope(|threads| {
            let replays: Vec<_> = (0..4)
                .map(|_| threads.spawn(|| engine.replay(&shop, round)))
                .collect();
            replays
                .into_iter()
                .map(|replay| replay.join().unwrap())
                .collect()
        });
        let (done, not): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(done, [Ok(Replayed::Done(round.to_string()))]);
        assert!(
            not.into_iter()
                .all(|error| error == Err(DeadError::Unknown(round)))
        );
    }
    assert_eq!(gold(&engine), 5);
}

/// The machine dies at any sync of a replay: what it did and its letter's end are on disk together,
/// or neither is.
#[test]
fn g4_a_crash_during_a_replay_leaves_the_letter_or_the_effect_and_never_both() {
    let (mut done, mut not) = (0, 0);
    for seed in 0..120 {
        let dir = folder(false);
        let (shop, faults) = (Shop::default(), Faults::new(seed));
        let sink = Arc::new(NoClients);
        let engine =
            Engine::open_with_faults(dir.path(), &shop, options(), sink, Arc::clone(&faults))
                .unwrap();
        command(&engine, &shop, 1, &Command::Pay(5));
        engine.checkpoint();
        shop.mend();
        faults.crash_after(seed % 3);
        let told = engine.replay(&shop, 1);
        engine.close();
        drop(engine);
        let engine = open(dir.path(), &shop);
        let (gold, left) = (gold(&engine), letters(&engine).len());
        assert!(
            (gold, left) == (5, 0) || (gold, left) == (0, 1),
            "seed {seed}: {gold}, {left}"
        );
        if told.is_ok() {
            assert_eq!(gold, 5, "seed {seed}: what was told is true");
        }
        (done, not) = (done + usize::from(gold == 5), not + usize::from(gold == 0));
    }
    assert!(done > 3 && not > 3, "{done} took effect, {not} did not");
}

#[test]
fn letters_are_dropped_for_good_and_their_numbers_are_not_given_again() {
    let dir = folder(true);
    let shop = Shop::default();
    let engine = open(dir.path(), &shop);
    for seq in 1..=4 {
        command(&engine, &shop, seq, &Command::Nod(0.0));
    }
    let numbers = |engine: &Engine, before, limit| {
        let letters = engine.dead_letters(before, limit).unwrap();
        letters
            .iter()
            .map(|letter| letter.number)
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers(&engine, None, 2), [4, 3]);
    assert_eq!(numbers(&engine, Some(3), 9), [2, 1]);
    engine.drop_dead_letter(4).unwrap();
    assert_eq!(engine.drop_dead_letter(4), Err(DeadError::Unknown(4)));
    assert_eq!(numbers(&engine, None, 9), [3, 2, 1]);
    assert_eq!(engine.drop_dead_letters(), Ok(3));
    assert_eq!(engine.drop_dead_letters(), Ok(0));
    engine.close();
    drop(engine);
    let engine = open(dir.path(), &shop);
    assert_eq!(numbers(&engine, None, 9), [0; 0]);
    command(&engine, &shop, 5, &Command::Nod(0.0));
    assert_eq!(numbers(&engine, None, 9), [5]);
}
