//! Lives here: lives of sessions by seed: what each was told, against what LMDB says it was told after
//! a crash. Not here: how it reaches a client (`actors/tests/channels.rs`).
//!
//! The model is told what effects say in the order in which they leave, and counts as a session's
//! thread does: an event has the number that the engine gave it, a message the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use uuid::Uuid;

use crate::batch::Batch;
use crate::channel::{Channel, Said};
use crate::effect::{Effect, Payload, SessionId};
use crate::record::{write_effect, write_fact};
use crate::session::{Fact, Numbers, Told};
use crate::store::Store;
use crate::store::tests::open;

const SEEDS: u64 = 25;
const STEPS: usize = 400;
const SESSIONS: u64 = 4;
const CHANNELS: u64 = 3;
/// Events kept.
const KEPT: usize = 12;

/// What a session was told, as its thread knows it.
#[derive(Debug, Default, Clone)]
struct Heard {
    channels: Vec<Channel>,
    newest: u64,
    acked: u64,
    /// All with their numbers; `None`: it is too large to be kept.
    told: Vec<(u64, Option<String>)>,
}

#[derive(Default)]
struct Life {
    numbers: Numbers,
    /// The epoch that is not in LMDB yet.
    record: Vec<u8>,
    epoch: u64,
    sessions: BTreeMap<SessionId, Heard>,
    /// So many things were said and sent.
    words: u64,
    logins: u64,
}

fn json(payload: &Payload) -> String {
    serde_json::to_string(payload).unwrap()
}

impl Life {
    /// An effect leaves: it is numbered, written down, and told.
    fn leave(&mut self, mut effect: Effect) {
        let noted = self.numbers.number(&mut effect);
        write_effect(&mut self.record, &effect, &noted, 0);
        match effect {
            Effect::LoggedIn { session, .. } => {
                self.sessions.insert(session, Heard::default());
            }
            Effect::LoggedOut { session } => {
                self.sessions.remove(&session);
            }
            Effect::Resumed {
                session,
                used: None,
                ..
            } => {
                let heard = self.sessions.get_mut(&session).unwrap();
                let channels = std::mem::take(&mut heard.channels);
                *heard = Heard {
                    channels,
                    ..Heard::default()
                };
            }
            Effect::Joined {
                session,
                channel,
                at: Some(_),
            } => self
                .sessions
                .get_mut(&session)
                .unwrap()
                .channels
                .push(channel),
            Effect::Left {
                session, channel, ..
            } => {
                let heard = self.sessions.get_mut(&session).unwrap();
                heard.channels.retain(|name| *name != channel);
            }
            Effect::Event {
                session,
                n,
                payload,
            } => {
                let text = json(&payload);
                let heard = self.sessions.get_mut(&session).unwrap();
                assert_eq!(n, heard.newest + 1, "the engine counts as the thread does");
                heard.newest = n;
                heard.told.push((n, (text.len() < 1000).then_some(text)));
            }
            Effect::Said { said, .. } => {
                for heard in self.sessions.values_mut() {
                    if heard.channels.contains(&said.channel) {
                        heard.newest += 1;
                        let text = json(&said.payload);
                        heard.told.push((heard.newest, Some(text)));
                    }
                }
            }
            _ => {}
        }
    }

    fn word(&mut self, rng: &mut Rng) -> Payload {
        self.words += 1;
        match rng.u8(..12) {
            0 => Payload::new("x".repeat(70_000)),
            _ => Payload::new(self.words),
        }
    }

    fn step(&mut self, rng: &mut Rng) {
        let session = match self.sessions.len() {
            0 => None,
            many => self.sessions.keys().nth(rng.usize(..many)).copied(),
        };
        let channel: Channel = format!("c{}", rng.u64(..CHANNELS)).into();
        let Some(session) = session.filter(|_| self.sessions.len() as u64 > rng.u64(..SESSIONS))
        else {
            self.logins += 1;
            return self.leave(Effect::LoggedIn {
                session: SessionId(Uuid::from_u128(self.logins.into())),
                name: "ann".into(),
                you: None,
            });
        };
        match rng.u8(..100) {
            0..30 => {
                let payload = loop {
                    let payload = self.word(rng);
                    if json(&payload).len() < 1000 {
                        break payload;
                    }
                };
                let said = Arc::new(Said::new(channel, None, payload).unwrap());
                self.leave(Effect::Said {
                    number: 0,
                    count: 0,
                    said,
                });
            }
            30..55 => {
                let (n, payload) = (0, self.word(rng));
                self.leave(Effect::Event {
                    session,
                    n,
                    payload,
                });
            }
            55..70 => {
                let at = None;
                self.leave(Effect::Joined {
                    session,
                    channel,
                    at,
                });
            }
            70..82 => {
                let heard = None;
                self.leave(Effect::Left {
                    session,
                    channel,
                    heard,
                });
            }
            82..94 => {
                let heard = self.sessions.get_mut(&session).unwrap();
                heard.acked = rng.u64(heard.acked..=heard.newest);
                // As the committer writes it: before the effects that are still to come.
                write_fact(&mut self.record, session, &Fact::Acked(heard.acked));
            }
            94..98 => self.leave(Effect::Resumed {
                session,
                pass: 2,
                used: None,
            }),
            _ => self.leave(Effect::LoggedOut { session }),
        }
    }

    /// LMDB is brought up to now.
    fn checkpoint(&mut self, store: &Store) {
        let record = std::mem::take(&mut self.record);
        let mut batch = Batch::default();
        batch.merge(&record).unwrap();
        self.epoch += 1;
        store.apply(&batch, self.epoch).unwrap();
    }

    /// The process dies and begins again from LMDB, which must know all that was told.
    fn crash(&mut self, store: &Store, seed: u64) {
        self.checkpoint(store);
        let archive = store.archive().unwrap();
        self.numbers = Numbers::default();
        self.numbers.restore_said(archive.newest);
        let mut saved = store.sessions().unwrap();
        saved.sort_by_key(|saved| saved.id);
        assert!(saved.iter().map(|saved| &saved.id).eq(self.sessions.keys()));
        for (saved, heard) in saved.iter().zip(self.sessions.values_mut()) {
            self.numbers
                .restore(saved.id, &saved.record, |name| archive.count(name));
            let mut channels = saved.channels();
            channels.sort();
            heard.channels.sort();
            assert_eq!(channels, heard.channels, "seed {seed}");
            assert_eq!(saved.newest, heard.newest, "seed {seed}");
            assert_eq!(saved.record.acked, heard.acked, "seed {seed}");
            let again: Vec<_> = saved
                .events
                .iter()
                .map(|(n, told)| match told {
                    Told::Event(payload) => (*n, Some(json(payload))),
                    Told::Said(_, said) => (*n, Some(json(&said.payload))),
                })
                .collect();
            for told in &again {
                assert!(heard.told.contains(told), "seed {seed}: {told:?} never was");
            }
            let oldest = heard.acked.max(heard.newest.saturating_sub(KEPT as u64));
            let due = heard.told.iter();
            let due = due.filter(|(n, text)| *n > oldest && text.is_some());
            for told in due {
                assert!(again.contains(told), "seed {seed}: {told:?} is missing");
            }
            assert!(again.len() <= KEPT);
            assert!(again.iter().all(|(n, _)| *n > heard.acked), "seed {seed}");
        }
    }
}

#[test]
fn after_any_crash_each_session_is_told_again_what_it_was_told_under_the_same_numbers() {
    for seed in 0..SEEDS {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path()).unwrap();
        store.keep_events(KEPT);
        let (mut rng, mut life) = (Rng::with_seed(seed), Life::default());
        for _ in 0..STEPS {
            life.step(&mut rng);
            match rng.u8(..20) {
                0 => life.crash(&store, seed),
                1 | 2 => life.checkpoint(&store),
                _ => {}
            }
        }
        life.crash(&store, seed);
    }
}

#[test]
fn nothing_is_kept_of_a_channel_without_members() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let mut life = Life::default();
    let session = SessionId(Uuid::from_u128(1));
    let channel = Channel::from("moot");
    life.leave(Effect::LoggedIn {
        session,
        name: "ann".into(),
        you: None,
    });
    life.leave(Effect::Joined {
        session,
        channel: Channel::clone(&channel),
        at: None,
    });
    let said = || Effect::Said {
        number: 0,
        count: 0,
        said: Arc::new(Said::new("moot".into(), None, Payload::new(1)).unwrap()),
    };
    life.leave(said());
    life.checkpoint(&store);
    assert_eq!(store.archive().unwrap().counts.len(), 1);
    life.leave(Effect::LoggedOut { session });
    // Nobody hears it: it has no number, and is not kept.
    life.leave(said());
    life.checkpoint(&store);
    let archive = store.archive().unwrap();
    assert_eq!((archive.counts.len(), archive.newest), (0, 1));
}
