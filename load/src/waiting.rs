//! Lives here: the commands of a bot that wait for their replies, and whether these come in order.
//! Not here: what the replies say; that is for each world's bots.
//!
//! Invariant: a command's latency counts from the moment it was due, not from when the bot got
//! around to sending it: a slow server does not hide its slowness by slowing the bots.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use brightstar_client::{ErrorCode, Outcome};
use tokio::time::Instant;

use crate::stats::{Rule, Stats};

/// A command without a reply.
#[derive(Debug)]
struct Open<T> {
    seq: u64,
    kind: &'static str,
    due: Instant,
    what: T,
    /// Whether its socket went while it was under way: then its latency is the bot's doing.
    interrupted: bool,
}

/// The commands of one bot that wait for their replies, each with what its world needs to judge it.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    list: VecDeque<Open<T>>,
    stats: Rc<RefCell<Stats>>,
}

impl<T> Waiting<T> {
    pub(crate) fn new(stats: Rc<RefCell<Stats>>) -> Self {
        Self {
            list: VecDeque::new(),
            stats,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// A command of this kind, due at that time, was sent under this number.
    pub(crate) fn sent(&mut self, seq: u64, kind: &'static str, due: Instant, what: T) {
        self.stats.borrow_mut().sent(kind);
        self.list.push_back(Open {
            seq,
            kind,
            due,
            what,
            interrupted: false,
        });
    }

    /// The socket has gone; gives the number of the newest command, if any is under way.
    pub(crate) fn interrupt(&mut self) -> Option<u64> {
        for open in &mut self.list {
            open.interrupted = true;
        }
        self.list.back().map(|open| open.seq)
    }

    /// The session is over: what has no reply will have none. Gives what was asked.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = T> + '_ {
        self.list.drain(..).map(|open| open.what)
    }

    /// Takes the outcome of a command into account; gives what was asked and the reply, if there
    /// is one.
    pub(crate) fn answered<R>(&mut self, seq: u64, outcome: Outcome<R>) -> Option<(T, Option<R>)> {
        let mut stats = self.stats.borrow_mut();
        let Some(place) = self.list.iter().position(|open| open.seq == seq) else {
            stats.violate(Rule::Words, || {
                format!("a reply to command {seq}, which was not sent")
            });
            return None;
        };
        if place > 0 {
            stats.violate(Rule::Reordered, || {
                format!("the reply to command {seq} overtook {place} others")
            });
        }
        let open = self.list.remove(place)?;
        let latency = open.due.elapsed();
        match outcome {
            Ok(reply) => {
                if open.interrupted {
                    stats.resumed(open.kind, false, latency);
                } else {
                    stats.ok(open.kind, latency);
                }
                Some((open.what, Some(reply)))
            }
            Err(error) if error.code == ErrorCode::Refused => {
                if open.interrupted {
                    stats.resumed(open.kind, true, latency);
                } else {
                    stats.refused(open.kind, error.message, latency);
                }
                Some((open.what, None))
            }
            Err(error) => {
                stats.failed(open.kind, &error);
                Some((open.what, None))
            }
        }
    }
}
