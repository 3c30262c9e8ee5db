//! Lives here: where a task comes from: who asked, and for what, as its dead letter will tell.
//! Not here: the letter itself (`dead`).

use std::fmt::{self, Debug};

use serde::Serialize;

use crate::effect::SessionId;
use crate::job::JobId;
use crate::object::ObjectId;
use crate::world::Caller;

/// Where a task comes from. Its `Debug` names it in the log.
pub trait Origin: Debug {
    /// Who asked, for what: what is needed to run it again later.
    fn asked(&self) -> Option<Asked<'_>> {
        None
    }
}

impl Origin for &str {}
impl Origin for String {}
impl Origin for ObjectId {}

/// What a session asked for, or what was left for later.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub(crate) from: From<'a>,
    pub(crate) payload: Words<'a>,
}

/// Who asked.
#[derive(Clone, Copy)]
pub(crate) enum From<'a> {
    /// A session, and the number of what it asked.
    Session(&'a Caller, u64),
    /// A job.
    Job(JobId),
}

/// What was asked.
#[derive(Clone, Copy)]
pub(crate) enum Words<'a> {
    None,
    Value(&'a dyn erased_serde::Serialize),
    /// As MessagePack.
    Packed(&'a [u8]),
}

impl<'a> Asked<'a> {
    /// A session's request number `seq`, `payload`.
    pub fn new(caller: &'a Caller, seq: u64, payload: &'a impl Serialize) -> Self {
        Self {
            from: From::Session(caller, seq),
            payload: Words::Value(payload),
        }
    }

    /// The turn of a job.
    pub(crate) fn job(id: JobId, packed: &'a [u8]) -> Self {
        Self {
            from: From::Job(id),
            payload: Words::Packed(packed),
        }
    }

    /// What is done for a session without a word of its own: it comes or goes.
    pub fn plain(caller: &'a Caller) -> Self {
        Self {
            from: From::Session(caller, 0),
            payload: Words::None,
        }
    }
}

impl Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            From::Session(caller, seq) => {
                let SessionId(session) = caller.session;
                write!(f, "{} ({session}) #{seq}", caller.name)
            }
            From::Job(job) => {
                write!(f, "job {} of object {}", job.number(), job.of().raw())
            }
        }
    }
}

impl Origin for Asked<'_> {
    fn asked(&self) -> Option<Asked<'_>> {
        Some(*self)
    }
}
