//! Lives here: which account has which session, where it is, and which pass it is resumed by.
//! Not here: what a session knows (`session`), who logs it in and out (`hub`), how a pass becomes a
//! token (`pass`).
//!
//! Invariant: an account has at most one session at a time; its next login begins only when its
//! last logout is done; a resume token is good until the welcome that it brought is handed out.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use uuid::Uuid;
use world_data::{SessionId, SessionRecord};

use crate::pass::{Pass, Signer};

/// What a session is doing. While it is not `Here`, whoever else wants its account waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Entering,
    Here,
    Moving,
    Leaving,
}

#[derive(Debug)]
struct Seat {
    name: Arc<str>,
    hub: usize,
    state: State,
    /// The number of its newest pass.
    pass: u64,
    /// The pass that the newest was given for, until its client may have the newest.
    before: Option<u64>,
}

/// What came of asking for an account.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It has no session: this is its new one, entering.
    New(SessionId),
    /// Its session is at this hub; it is moving now, and the asker moves it.
    Move(SessionId, usize),
    /// Somebody else is at it: wait for a change and ask again.
    Wait,
    /// There are as many sessions as may be.
    Full,
    /// No session goes by this token.
    Unknown,
}

/// All accounts with a session on this host.
#[derive(Debug)]
pub(crate) struct Accounts {
    signer: Signer,
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    names: FxHashMap<Arc<str>, SessionId>,
    seats: FxHashMap<SessionId, Seat>,
}

impl Accounts {
    /// No accounts yet; tokens are signed with `key`.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self {
            signer: Signer::new(key),
            inner: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Takes over a session of an earlier run. Whoever wants it waits until it is settled.
    pub(crate) fn restore(&self, session: SessionId, record: &SessionRecord) {
        let name: Arc<str> = record.name.as_str().into();
        let mut inner = self.inner.lock();
        inner.names.insert(Arc::clone(&name), session);
        let seat = Seat {
            name,
            hub: 0,
            state: State::Entering,
            pass: record.pass,
            before: record.pass_before,
        };
        inner.seats.insert(session, seat);
    }

    /// Asks for the account `name` on behalf of hub `hub`.
    pub(crate) fn claim(&self, name: &str, hub: usize, limit: usize) -> Claim {
        let mut inner = self.inner.lock();
        if let Some(session) = inner.names.get(name).copied() {
            return inner.take(session, hub);
        }
        if inner.seats.len() >= limit {
            return Claim::Full;
        }
        let session = SessionId(Uuid::new_v4());
        let name: Arc<str> = name.into();
        inner.names.insert(Arc::clone(&name), session);
        inner.seats.insert(
            session,
            Seat {
                name,
                hub,
                state: State::Entering,
                pass: 1,
                before: None,
            },
        );
        Claim::New(session)
    }

    /// Reads a resume token; `None` when it was not given out here.
    pub(crate) fn read(&self, token: &str) -> Option<Pass> {
        self.signer.read(token)
    }

    /// Asks for the session that goes by a pass, on behalf of hub `hub`.
    pub(crate) fn claim_pass(&self, pass: Pass, hub: usize) -> Claim {
        let mut inner = self.inner.lock();
        let good = inner
            .seats
            .get(&pass.session)
            .is_some_and(|seat| pass.number == seat.pass || Some(pass.number) == seat.before);
        if good {
            inner.take(pass.session, hub)
        } else {
            Claim::Unknown
        }
    }

    /// The session has come to rest at hub `hub`.
    pub(crate) fn settle(&self, session: SessionId, hub: usize) {
        if let Some(seat) = self.inner.lock().seats.get_mut(&session) {
            seat.state = State::Here;
            seat.hub = hub;
        }
        self.changed.notify_waiters();
    }

    /// The number of the session's next pass.
    pub(crate) fn next_pass(&self, session: SessionId) -> u64 {
        let inner = self.inner.lock();
        inner.seats.get(&session).map_or(1, |seat| seat.pass + 1)
    }

    /// The next pass counts, as is safe on disk: all before are void, but for `used`, for which it
    /// was given, until its client is handed the new one.
    pub(crate) fn passed(&self, session: SessionId, pass: u64, used: Option<u64>) {
        if let Some(seat) = self.inner.lock().seats.get_mut(&session) {
            (seat.pass, seat.before) = (pass, used);
        }
    }

    /// The token of the session's newest pass, and its number.
    pub(crate) fn token(&self, session: SessionId) -> (String, u64) {
        let inner = self.inner.lock();
        let number = inner.seats.get(&session).map_or(0, |seat| seat.pass);
        (self.signer.sign(Pass { session, number }), number)
    }

    /// The client has been handed its newest pass: the one it used is void.
    pub(crate) fn handed(&self, session: SessionId) {
        if let Some(seat) = self.inner.lock().seats.get_mut(&session) {
            seat.before = None;
        }
    }

    /// Begins to log a session out; `false` if it is on the move, when it is no longer the
    /// asker's to log out.
    pub(crate) fn leave(&self, session: SessionId) -> bool {
        let mut inner = self.inner.lock();
        let Some(seat) = inner.seats.get_mut(&session) else {
            return false;
        };
        if seat.state != State::Here {
            return false;
        }
        seat.state = State::Leaving;
        true
    }

    /// The session is gone; its account may log in again.
    pub(crate) fn gone(&self, session: SessionId) {
        let mut inner = self.inner.lock();
        if let Some(seat) = inner.seats.remove(&session) {
            inner.names.remove(&seat.name);
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// How many sessions there are, coming and going ones included.
    pub(crate) fn count(&self) -> usize {
        self.inner.lock().seats.len()
    }

    /// How many sessions come, move or go.
    pub(crate) fn unsettled(&self) -> usize {
        let inner = self.inner.lock();
        let seats = inner.seats.values();
        seats.filter(|seat| seat.state != State::Here).count()
    }

    /// Tells of every change of a session's state; take it before asking.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

impl Inner {
    fn take(&mut self, session: SessionId, hub: usize) -> Claim {
        match self.seats.get_mut(&session) {
            Some(seat) if seat.state == State::Here => {
                seat.state = State::Moving;
                Claim::Move(session, std::mem::replace(&mut seat.hub, hub))
            }
            _ => Claim::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Accounts {
        Accounts::new(&[7; 32])
    }

    #[test]
    fn an_account_has_one_session_at_a_time() {
        let accounts = none();
        let Claim::New(session) = accounts.claim("ann", 0, 10) else {
            panic!("new")
        };
        assert!(matches!(accounts.claim("ann", 1, 10), Claim::Wait));
        accounts.settle(session, 0);
        assert!(matches!(accounts.claim("ann", 1, 10), Claim::Move(s, 0) if s == session));
        assert!(!accounts.leave(session), "it is on the move");
        accounts.settle(session, 1);
        assert!(accounts.leave(session));
        assert!(matches!(accounts.claim("ann", 1, 10), Claim::Wait));
        accounts.gone(session);
        assert!(matches!(accounts.claim("ann", 1, 10), Claim::New(s) if s != session));
    }

    #[test]
    fn a_pass_is_good_until_the_next_is_handed_out() {
        let accounts = none();
        let Claim::New(session) = accounts.claim("ann", 0, 10) else {
            panic!("new")
        };
        let pass = |number| Pass { session, number };
        assert_eq!(
            accounts.read(&accounts.token(session).0),
            Some(pass(1)),
            "the first is of the login"
        );
        let claim = |number| {
            let claim = accounts.claim_pass(pass(number), 0);
            accounts.settle(session, 0);
            matches!(claim, Claim::Move(..))
        };
        accounts.settle(session, 0);
        assert!(claim(1) && !claim(2) && !claim(0));
        accounts.passed(session, 2, Some(1));
        assert!(claim(1) && claim(2), "nobody was handed the second");
        accounts.handed(session);
        assert!(!claim(1) && claim(2));
        // Another client of the account: the first one's pass is void at once.
        accounts.passed(session, 3, None);
        assert!(!claim(2) && claim(3));
        accounts.gone(session);
        assert!(!claim(3));
    }

    #[test]
    fn there_are_only_so_many() {
        let accounts = none();
        assert!(matches!(accounts.claim("ann", 0, 1), Claim::New(_)));
        assert!(matches!(accounts.claim("bob", 0, 1), Claim::Full));
        assert_eq!((accounts.count(), accounts.unsettled()), (1, 1));
    }
}
