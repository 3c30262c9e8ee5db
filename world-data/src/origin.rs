//! Lives here: where a task comes from: who asked, and for what, as its dead letter will tell.
//! Not here: the letter itself (`dead`).

use std::fmt::{self, Debug};

use serde::Serialize;

use crate::effect::SessionId;
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

/// What a session asked for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) seq: u64,
    pub(crate) payload: Option<&'a dyn erased_serde::Serialize>,
}

impl<'a> Asked<'a> {
    /// A session's request number `seq`, `payload`.
    pub fn new(caller: &'a Caller, seq: u64, payload: &'a impl Serialize) -> Self {
        Self {
            caller,
            seq,
            payload: Some(payload),
        }
    }

    /// What is done for a session without a word of its own: it comes or goes.
    pub fn plain(caller: &'a Caller) -> Self {
        Self {
            caller,
            seq: 0,
            payload: None,
        }
    }
}

impl Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SessionId(session) = self.caller.session;
        write!(f, "{} ({session}) #{}", self.caller.name, self.seq)
    }
}

impl Origin for Asked<'_> {
    fn asked(&self) -> Option<Asked<'_>> {
        Some(*self)
    }
}
