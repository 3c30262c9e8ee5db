//! Lives here: the numbers of events: each session's run 1, 2, 3 … in commit order.
//! Not here: keeping events (`store`), sending them (`actors`).
//!
//! Invariant: an event gets its number once, in the order in which effects leave; the same numbers
//! are on disk, so that they go on after a crash.

use rustc_hash::FxHashMap;

use crate::effect::{Effect, SessionId};

/// The number of the newest event of every session that is logged in.
#[derive(Debug, Default)]
pub(crate) struct Numbers(FxHashMap<SessionId, u64>);

impl Numbers {
    /// Takes over a session of an earlier run.
    pub(crate) fn restore(&mut self, session: SessionId, newest: u64) {
        self.0.insert(session, newest);
    }

    /// Whether [`Numbers::number`] has anything to do for the effect.
    pub(crate) fn concerns(effect: &Effect) -> bool {
        !matches!(effect, Effect::Reply { .. } | Effect::Away { .. })
    }

    /// Gives an event its number, and takes note of who comes and goes. Call it once for each
    /// effect, in the order in which they leave.
    pub(crate) fn number(&mut self, effect: &mut Effect) {
        match effect {
            Effect::Event { session, n, .. } => {
                // Who is not logged in has no number to go on from, and nothing is kept for it.
                *n = match self.0.get_mut(session) {
                    Some(newest) => {
                        *newest += 1;
                        *newest
                    }
                    None => 0,
                };
            }
            Effect::LoggedIn { session, .. }
            | Effect::Resumed {
                session,
                used: None,
                ..
            } => {
                self.0.insert(*session, 0);
            }
            Effect::LoggedOut { session } => {
                self.0.remove(session);
            }
            Effect::Resumed { .. }
            | Effect::Away { .. }
            | Effect::LoginFailed { .. }
            | Effect::Reply { .. }
            | Effect::Close { .. } => {}
        }
    }
}
