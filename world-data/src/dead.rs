//! Lives here: dead letters: what is kept of a task that was given up, and how it is run again.
//! Not here: when a task is given up (`worker`), the table they stand in (`store`).
//!
//! Invariant: a letter is dropped in the very commit of the replay that succeeds, and at most one
//! replay or drop runs at a time: so what a letter asks for happens once, or not at all.
//!
//! A letter is stored as JSON, then, behind a byte 0, its payload as MessagePack. An empty letter
//! in a record takes the letter of that number away.

use std::io;
use std::sync::atomic::Ordering;

use metrics::counter;
use serde::{Deserialize, Serialize};

use crate::effect::Fault;
use crate::engine::{Call, Class, Done, Engine};
use crate::job::{JobId, MAX_JOB_BYTES};
use crate::lane::Entry;
use crate::origin::{Asked, From, Words};
use crate::shared::Shared;
use crate::task::{Stop, Task};
use crate::tree::readable_json;
use crate::worker::Worker;
use crate::world::{Caller, World};

/// Dead letters kept: the newest.
pub const MAX_DEAD_LETTERS: usize = 10_000;
/// The most bytes of a payload that a letter keeps; a longer one is not kept at all.
pub const PAYLOAD_LIMIT: usize = 16 << 10;
const _: () = assert!(
    MAX_JOB_BYTES <= PAYLOAD_LIMIT,
    "a job's letter keeps it whole"
);
/// The most bytes of a cause that a letter keeps: a panic may say anything.
const CAUSE_LIMIT: usize = 4 << 10;
/// The most bytes of an origin that a letter keeps.
const ORIGIN_LIMIT: usize = 1 << 10;

/// A task that was given up, as it is kept in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeadLetter {
    /// Its number: letters are numbered as they come, from 1 on.
    pub number: u64,
    /// The kind of task: `command`, `input`, `job` ...
    pub kind: String,
    /// Where it came from, in words.
    pub origin: String,
    /// Who asked for it; `None`: a job.
    pub caller: Option<Caller>,
    /// The job whose turn it was.
    pub job: Option<JobId>,
    /// The number of the command or input.
    pub seq: u64,
    /// How it ended, the last time.
    pub fault: Option<Fault>,
    /// Why, for the operator: a panic's message, the budget that was exceeded.
    pub cause: String,
    /// Runs, the last time.
    pub attempts: u32,
    /// How often it was given up: once, and once for each replay that failed.
    pub tries: u32,
    /// When it was first given up, in milliseconds since the Unix epoch.
    pub first_ms: u64,
    /// When it was last given up, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Why the payload is not kept, if there was one that is not.
    pub lost: Option<String>,
    /// What was asked, as MessagePack. At most [`PAYLOAD_LIMIT`] bytes.
    #[serde(skip)]
    pub payload: Option<Vec<u8>>,
}

impl DeadLetter {
    /// What was asked, as JSON for people; not for machines, since JSON has no words for some of it.
    pub fn payload_json(&self) -> Option<String> {
        let packed = self.payload.as_ref()?;
        Some(readable_json(packed).unwrap_or_else(|_| "null".to_owned()))
    }

    /// A letter as the store has it.
    pub(crate) fn read(number: u64, stored: &[u8]) -> Result<Self, String> {
        let split = stored.iter().position(|byte| *byte == 0);
        let (head, payload) = match split {
            Some(at) => (&stored[..at], Some(stored[at + 1..].to_vec())),
            None => (stored, None),
        };
        let head: Self = serde_json::from_slice(head)
            .map_err(|e| format!("dead letter {number} can't be read: {e}"))?;
        Ok(Self {
            number,
            payload,
            ..head
        })
    }

    pub(crate) fn write(&self) -> Result<Vec<u8>, String> {
        let mut stored = serde_json::to_vec(self).map_err(|e| e.to_string())?;
        if let Some(payload) = &self.payload {
            stored.push(0);
            stored.extend_from_slice(payload);
        }
        Ok(stored)
    }

    /// Keeps what a task was asked.
    fn keep(&mut self, asked: &Asked<'_>) {
        match asked.from {
            From::Session(caller, seq) => (self.caller, self.seq) = (Some(caller.clone()), seq),
            From::Job(job) => self.job = Some(job),
        }
        let payload = match asked.payload {
            Words::None => return,
            Words::Value(payload) => payload,
            // No longer than a payload may be.
            Words::Packed(packed) => return self.payload = Some(packed.to_vec()),
        };
        let mut room = Room(Vec::new());
        let mut packer = rmp_serde::Serializer::new(&mut room).with_struct_map();
        match erased_serde::serialize(payload, &mut packer) {
            Ok(()) => self.payload = Some(room.0),
            Err(_) if room.0.len() > PAYLOAD_LIMIT => {
                self.lost = Some(format!("it has more than {PAYLOAD_LIMIT} bytes"));
            }
            Err(error) => self.lost = Some(format!("it can't be written: {error}")),
        }
    }
}

/// Takes no more than a payload may have.
struct Room(Vec<u8>);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        if self.0.len() > PAYLOAD_LIMIT {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a task ended that is given up.
pub(crate) struct End<'a> {
    pub(crate) fault: Fault,
    pub(crate) cause: &'a str,
    pub(crate) attempts: u32,
}

impl Shared {
    /// Keeps a letter of a task that is given up; `again` is the letter that it was run from.
    #[cold]
    pub(crate) fn bury(&self, call: &Call<'_>, end: &End<'_>, again: Option<&DeadLetter>) {
        counter!("brightstar_dead_letters_total", "kind" => call.kind).increment(1);
        let now = self.clock.now_ms();
        let mut letter = match again {
            Some(letter) => letter.clone(),
            None => self.new_letter(call, now),
        };
        letter.fault = Some(end.fault);
        letter.cause = cut(end.cause.to_owned(), CAUSE_LIMIT);
        letter.attempts = end.attempts;
        letter.tries += 1;
        letter.at_ms = now;
        let DeadLetter { number, tries, .. } = letter;
        let (origin, cause, attempts) = (&letter.origin, &letter.cause, letter.attempts);
        tracing::warn!(
            kind = call.kind,
            origin,
            cause,
            attempts,
            tries,
            number,
            "task given up"
        );
        match letter.write() {
            Ok(letter) => self.lay_loose(Entry::Dead { number, letter }),
            Err(error) => tracing::error!(error, "a dead letter can't be written"),
        }
    }

    fn new_letter(&self, call: &Call<'_>, now: u64) -> DeadLetter {
        let mut letter = DeadLetter {
            number: self.dead.fetch_add(1, Ordering::Relaxed),
            kind: call.kind.to_owned(),
            origin: cut(format!("{:?}", call.origin), ORIGIN_LIMIT),
            first_ms: now,
            ..DeadLetter::default()
        };
        if let Some(asked) = call.origin.asked() {
            letter.keep(&asked);
        }
        letter
    }
}

/// What became of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// It took effect, durably, and its letter is gone. With the world's reply, as JSON.
    Done(String),
    /// It left no trace but in its letter, which stays.
    Again(Fault, String),
}

/// Why a dead letter can't be shown, dropped or replayed. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeadError {
    /// There is no such letter: it was dropped or replayed, or newer ones took its place.
    #[error("there is no dead letter {0}")]
    Unknown(u64),
    /// It can't be run again: it says why.
    #[error("dead letter {0} can't be replayed: {1}")]
    NotReplayable(u64, String),
    /// The store can't be read or written; the log has more.
    #[error("{0}")]
    Store(String),
}

/// What a letter asks for, in the world's own types.
enum Request<W: World> {
    Command(Caller, W::Command),
    Input(Caller, W::Input),
    Logout(Caller),
    Job(JobId, W::Job),
}

impl<W: World> Request<W> {
    fn of(letter: &DeadLetter) -> Result<Self, String> {
        let nobody = || "nobody asked for it".to_owned();
        let caller = || letter.caller.clone().ok_or_else(nobody);
        match letter.kind.as_str() {
            "command" => unpack(letter).and_then(|what| Ok(Self::Command(caller()?, what))),
            "input" => unpack(letter).and_then(|what| Ok(Self::Input(caller()?, what))),
            "logout" => caller().map(Self::Logout),
            "job" => Ok(Self::Job(letter.job.ok_or_else(nobody)?, unpack(letter)?)),
            "login" => Err("its client was refused then, and may have logged in since".to_owned()),
            "publish" => Err("what was to be said then would be out of place now".to_owned()),
            kind => Err(format!("a task of kind {kind} is none that was asked for")),
        }
    }
}

fn unpack<T: serde::de::DeserializeOwned>(letter: &DeadLetter) -> Result<T, String> {
    let Some(payload) = &letter.payload else {
        let why = letter.lost.as_deref().unwrap_or("there is none");
        return Err(format!("its payload is not kept: {why}"));
    };
    rmp_serde::from_slice(payload).map_err(|e| format!("this world can't read its payload: {e}"))
}

impl Engine {
    /// The newest dead letters below number `before` (all, if it is `None`), the newest first, at
    /// most `limit`. What happened in the last instant may be missing.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn dead_letters(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, DeadError> {
        self.checkpoint();
        let Some(store) = &self.shared().store else {
            return Ok(Vec::new());
        };
        let stored = store.dead_letters(before, limit);
        let stored = stored.map_err(|e| DeadError::Store(e.to_string()))?;
        stored
            .into_iter()
            .map(|(number, letter)| DeadLetter::read(number, &letter).map_err(DeadError::Store))
            .collect()
    }

    /// One dead letter, with its payload.
    ///
    /// # Errors
    /// When there is none of this number, or the store can't be read.
    pub fn dead_letter(&self, number: u64) -> Result<DeadLetter, DeadError> {
        let above = number.checked_add(1);
        let newest = self.dead_letters(above, 1)?;
        let found = newest.into_iter().find(|letter| letter.number == number);
        found.ok_or(DeadError::Unknown(number))
    }

    /// Drops a dead letter, durably: nobody will ask for it any more.
    ///
    /// # Errors
    /// As [`Engine::dead_letter`].
    pub fn drop_dead_letter(&self, number: u64) -> Result<(), DeadError> {
        let _alone = self.shared().undertaker.lock();
        self.dead_letter(number)?;
        self.lay_drops([number]);
        self.settled()
    }

    /// Drops all dead letters that there are now, durably; says how many.
    ///
    /// # Errors
    /// When the store can't be read or written.
    pub fn drop_dead_letters(&self) -> Result<usize, DeadError> {
        let _alone = self.shared().undertaker.lock();
        let all = self.dead_letters(None, MAX_DEAD_LETTERS)?;
        self.lay_drops(all.iter().map(|letter| letter.number));
        self.settled().map(|()| all.len())
    }

    fn lay_drops(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            let letter = Vec::new();
            self.shared().lay_loose(Entry::Dead { number, letter });
        }
    }

    /// Waits until what was done is on disk.
    fn settled(&self) -> Result<(), DeadError> {
        self.flush();
        let failed = |why: &str| Err(DeadError::Store(format!("the store has failed: {why}")));
        self.failure().map_or(Ok(()), failed)
    }

    /// Runs what a dead letter asks for as a new task, for the same caller. It drops the letter in
    /// its own commit; when it is given up again, or the world refuses it, the letter stays, with a
    /// higher count. Its effects leave as any task's do; its client, which was told of the failure
    /// then, is sent no reply. Waits for the disk: call it on a thread that may.
    ///
    /// # Errors
    /// When there is no such letter, it can't be run again, or the store has failed.
    pub fn replay<W: World>(&self, world: &W, number: u64) -> Result<Replayed, DeadError> {
        let _alone = self.shared().undertaker.lock();
        let letter = self.dead_letter(number)?;
        let not = |why| DeadError::NotReplayable(number, why);
        let request = Request::<W>::of(&letter).map_err(not)?;
        let done = run(&mut self.worker(), world, &request, letter);
        self.settled()?;
        let outcome = match &done {
            Replayed::Done(_) => "done",
            Replayed::Again(..) => "again",
        };
        counter!("brightstar_dead_letters_replayed_total", "outcome" => outcome).increment(1);
        Ok(done)
    }
}

fn run<W: World>(
    worker: &mut Worker,
    world: &W,
    request: &Request<W>,
    letter: DeadLetter,
) -> Replayed {
    let kind = match request {
        Request::Command(..) => "command",
        Request::Input(..) => "input",
        Request::Logout(_) => "logout",
        Request::Job(..) => "job",
    };
    let origin = format!("dead letter {}: {}", letter.number, letter.origin);
    let call = Call {
        kind,
        class: Class::Durable,
        origin: &origin,
    };
    let done = |()| "null".to_owned();
    let body = |task: &mut Task<'_>| -> Result<String, Stop> {
        match request {
            Request::Command(caller, command) => {
                let reply = world.command(task, caller, command)?;
                Ok(serde_json::to_string(&reply).unwrap_or_else(|_| "null".to_owned()))
            }
            Request::Input(caller, input) => world.input(task, caller, input).map(done),
            Request::Logout(caller) => world.logout(task, caller).map(done),
            Request::Job(this, job) => world.job(task, *this, job).map(done),
        }
    };
    let mut replayed = None;
    worker.execute_again(letter, call, body, |done| {
        replayed = Some(match done {
            Done::Committed(reply) => Replayed::Done(reply),
            Done::Ended(fault, why) => Replayed::Again(fault, why),
        });
        None
    });
    replayed.unwrap_or_else(|| Replayed::Again(Fault::Failed, "it was not concluded".to_owned()))
}

/// The beginning of a text, at most so many bytes.
fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_comes_back_as_written_and_an_old_one_is_still_read() {
        let letter = DeadLetter {
            number: 3,
            kind: "command".into(),
            tries: 2,
            payload: Some(vec![0, 1, 0]),
            ..DeadLetter::default()
        };
        let stored = letter.write().unwrap();
        assert_eq!(DeadLetter::read(3, &stored).unwrap(), letter);
        // Before there were payloads.
        let old = r#"{"kind":"command","origin":"ann","cause":"x","attempts":1,"at_ms":5}"#;
        let old = DeadLetter::read(9, old.as_bytes()).unwrap();
        assert_eq!((old.number, old.at_ms, old.payload), (9, 5, None));
        let error = DeadLetter::read(4, b"{").unwrap_err();
        assert!(error.starts_with("dead letter 4 can't be read"), "{error}");
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        assert_eq!(cut("aéé".to_owned(), 4), "aé");
        assert_eq!(cut("aéé".to_owned(), 5), "aéé");
    }
}
