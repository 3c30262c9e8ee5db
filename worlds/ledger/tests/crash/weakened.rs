//! Lives here: whether the checker of histories deserves to be believed: an engine that is weakened
//! on purpose must be caught, and the engine as it is must not.
//! Not here: the checker (`history`), the campaigns that rely on it.
//!
//! The engine is the real one, with threads that run `txn`s on a ledger in memory. It is weakened
//! from outside, at the one place where a `txn` becomes a task: what its clients see is what a store
//! would show them that gave less than it says.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};

use brightstar::world_data::{
    Call, Caller, Class, Done, Engine, NoClients, Options, Rng, SessionId, Worker, World,
};
use ledger::{Command, Ledger, Op, Read, Reply, Verb};

use crate::history::{Act, Entry, serial_order_exists};

const THREADS: u64 = 4;
/// Tasks of each thread.
const TASKS: u64 = 1500;
const LISTS: u64 = 6;
/// Every so many tasks of a thread go wrong, where only some do.
const EVERY: u64 = 100;

/// What the engine fails to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weakness {
    /// Nothing: it is as it should be.
    None,
    /// Each operation is a task of its own: no isolation.
    Torn,
    /// Reads are of some time ago.
    Stale,
    /// Now and then a write is told of and not done.
    Forgetful,
    /// Now and then a task is run again though it has committed.
    Repeating,
    /// Now and then a task tells what it would have done, and is aborted after others saw it.
    Leaking,
}

/// One client thread.
struct Teller {
    weakness: Weakness,
    number: u64,
    worker: Worker,
    world: Ledger,
    caller: Caller,
    rng: Rng,
    appended: u64,
    /// What a stale reader believes.
    believes: HashMap<u64, Vec<i64>>,
}

impl Teller {
    fn new(weakness: Weakness, number: u64, engine: &Engine) -> Self {
        Self {
            weakness,
            number,
            worker: engine.worker(),
            world: Ledger::default(),
            caller: Caller {
                session: SessionId(uuid::Uuid::nil()),
                name: format!("teller-{number}"),
                you: None,
            },
            rng: Rng::with_seed(number),
            appended: 0,
            believes: HashMap::new(),
        }
    }

    fn think(&mut self) -> Vec<Op> {
        let mut ops = Vec::new();
        for _ in 0..self.rng.usize(2..5) {
            let key = self.rng.u64(0..LISTS);
            ops.push(if self.rng.bool() {
                Op(Verb::R, key, None)
            } else {
                self.appended += 1;
                let value = self.appended * THREADS + self.number;
                Op(Verb::Append, key, Some(value.cast_signed()))
            });
        }
        ops
    }

    fn run(&mut self, ops: &[Op]) -> Vec<(Verb, u64, Read)> {
        let call = Call {
            kind: "command",
            class: Class::Durable,
            origin: &"a test",
        };
        let (world, caller, mut done) = (&self.world, &self.caller, Vec::new());
        let command = Command::Txn(ops.to_vec());
        self.worker.execute(
            call,
            |task| world.command(task, caller, &command),
            |end| {
                match end {
                    Done::Committed(Reply::Txn(acts)) => done = acts,
                    other => panic!("{other:?}"),
                }
                None
            },
        );
        done
    }

    /// Runs a `txn` on the engine, as weak as it is.
    fn transact(&mut self, turn: u64, ops: &[Op]) -> Vec<(Verb, u64, Read)> {
        let wrong = turn % EVERY == EVERY - 1;
        match self.weakness {
            Weakness::Torn => {
                let mut acts = Vec::new();
                for op in ops {
                    acts.extend(self.run(std::slice::from_ref(op)));
                    std::thread::yield_now();
                }
                acts
            }
            Weakness::Stale => {
                let mut acts = self.run(ops);
                self.believe(turn, &mut acts);
                acts
            }
            Weakness::Forgetful if wrong => {
                let first = |op: &Op| op.0 == Verb::Append;
                let Some(at) = ops.iter().position(first) else {
                    return self.run(ops);
                };
                let mut rest = ops.to_vec();
                let forgotten = rest.remove(at);
                let mut acts = self.run(&rest);
                let value = forgotten.2.unwrap_or_default();
                acts.insert(at, (Verb::Append, forgotten.1, Read::Appended(value)));
                acts
            }
            Weakness::Repeating if wrong => {
                self.run(ops);
                self.run(ops)
            }
            Weakness::Leaking if wrong => {
                self.run(ops);
                // Its client is told that it was aborted.
                Vec::new()
            }
            _ => self.run(ops),
        }
    }

    /// Replaces what was read by what was read some time ago.
    fn believe(&mut self, turn: u64, acts: &mut [(Verb, u64, Read)]) {
        for (_, key, read) in acts {
            let Read::List(list) = read else {
                continue;
            };
            let now = list.clone().unwrap_or_default();
            let believed = self.believes.entry(*key).or_insert_with(|| now.clone());
            if turn.is_multiple_of(10) {
                believed.clone_from(&now);
            }
            *list = Some(believed.clone());
        }
    }
}

fn acts(done: Vec<(Verb, u64, Read)>) -> Vec<Act<u64>> {
    let number = |value: i64| u32::try_from(value).unwrap();
    let act = |(_, key, read)| match read {
        Read::Appended(value) => Act::Append(key, number(value)),
        Read::List(list) => {
            let list = list.unwrap_or_default();
            Act::Read(key, list.into_iter().map(number).collect())
        }
    };
    done.into_iter().map(act).collect()
}

/// What clients of an engine of this weakness see.
fn history(weakness: Weakness) -> Vec<Entry<u64>> {
    let world = Ledger {
        accounts: 1,
        balance: 1,
    };
    let options = Options {
        regions: 4,
        ..Options::default()
    };
    let engine = Engine::in_memory(&world, options, Arc::new(NoClients)).unwrap();
    // A clock that only says what came before what.
    let clock = Arc::new(AtomicU64::new(0));
    let begin = Arc::new(Barrier::new(THREADS as usize));
    let tell = |number| {
        let mut teller = Teller::new(weakness, number, &engine);
        let (clock, begin) = (Arc::clone(&clock), Arc::clone(&begin));
        std::thread::spawn(move || {
            begin.wait();
            let mut entries = Vec::new();
            for turn in 0..TASKS {
                let ops = teller.think();
                let from = clock.fetch_add(1, Ordering::SeqCst);
                let acts = acts(teller.transact(turn, &ops));
                let to = clock.fetch_add(1, Ordering::SeqCst);
                entries.push(Entry { from, to, acts });
            }
            entries
        })
    };
    let threads: Vec<_> = (0..THREADS).map(tell).collect();
    let mut history: Vec<Entry<u64>> = Vec::new();
    for thread in threads {
        history.extend(thread.join().unwrap());
    }
    let mut auditor = Teller::new(Weakness::None, 0, &engine);
    let all: Vec<_> = (0..LISTS).map(|key| Op(Verb::R, key, None)).collect();
    let from = clock.fetch_add(1, Ordering::SeqCst);
    let acts = acts(auditor.run(&all));
    history.push(Entry {
        from,
        to: from + 1,
        acts,
    });
    history
}

/// What the checker says of what clients saw.
fn verdict(weakness: Weakness) -> Result<(), String> {
    serial_order_exists(&history(weakness))
}

#[test]
fn g1_an_engine_that_is_not_weakened_is_not_accused() {
    verdict(Weakness::None).unwrap();
}

#[test]
fn g1_a_weakened_engine_is_caught() {
    for (weakness, word) in [
        (Weakness::Torn, ""),
        (Weakness::Stale, ""),
        (Weakness::Forgetful, ""),
        (Weakness::Repeating, "twice"),
        (Weakness::Leaking, "no committed task"),
    ] {
        let why = verdict(weakness).expect_err(&format!("{weakness:?} is not seen"));
        assert!(why.contains(word), "{weakness:?}: {why}");
    }
}
