//! Lives here: which account has which session, where it is, and the tokens to resume by.
//! Not here: what a session knows (`session`), who logs it in and out (`hub`).
//!
//! Invariant: an account has at most one session at a time; its next login begins only when its
//! last logout is done; a resume token is good once.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::TryRngCore;
use rand::rngs::OsRng;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use uuid::Uuid;
use world_data::SessionId;

/// A resume token: 128 random bits. Never logged.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(u128);

impl Token {
    /// A fresh token from the operating system's random numbers.
    fn draw() -> Result<Self, rand::rand_core::OsError> {
        let mut bytes = [0; 16];
        OsRng.try_fill_bytes(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if hex {
            u128::from_str_radix(text, 16).ok().map(Self)
        } else {
            None
        }
    }

    /// As the client is told it.
    pub(crate) fn reveal(self) -> String {
        format!("{:032x}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

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
    token: Option<Token>,
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
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    names: FxHashMap<Arc<str>, SessionId>,
    tokens: FxHashMap<Token, SessionId>,
    seats: FxHashMap<SessionId, Seat>,
}

impl Accounts {
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
                token: None,
            },
        );
        Claim::New(session)
    }

    /// Asks for the session that goes by a resume token. A token that is found is used up, but
    /// for [`Claim::Wait`].
    pub(crate) fn claim_token(&self, token: &str, hub: usize) -> Claim {
        let Some(token) = Token::parse(token) else {
            return Claim::Unknown;
        };
        let mut inner = self.inner.lock();
        let Some(session) = inner.tokens.get(&token).copied() else {
            return Claim::Unknown;
        };
        let claim = inner.take(session, hub);
        if matches!(claim, Claim::Move(..)) {
            inner.drop_token(session);
        }
        claim
    }

    /// The session has come to rest at the hub it was claimed for.
    pub(crate) fn settle(&self, session: SessionId) {
        if let Some(seat) = self.inner.lock().seats.get_mut(&session) {
            seat.state = State::Here;
        }
        self.changed.notify_waiters();
    }

    /// Draws the session's next resume token; the last one is void.
    pub(crate) fn rotate(&self, session: SessionId) -> Result<Token, rand::rand_core::OsError> {
        let token = Token::draw()?;
        let mut inner = self.inner.lock();
        inner.drop_token(session);
        if let Some(seat) = inner.seats.get_mut(&session) {
            seat.token = Some(token);
            inner.tokens.insert(token, session);
        }
        Ok(token)
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
        inner.drop_token(session);
        true
    }

    /// The session is gone; its account may log in again.
    pub(crate) fn gone(&self, session: SessionId) {
        let mut inner = self.inner.lock();
        inner.drop_token(session);
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

    fn drop_token(&mut self, session: SessionId) {
        if let Some(token) = self
            .seats
            .get_mut(&session)
            .and_then(|seat| seat.token.take())
        {
            self.tokens.remove(&token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_one_session_at_a_time() {
        let accounts = Accounts::default();
        let Claim::New(session) = accounts.claim("ann", 0, 10) else {
            panic!("new")
        };
        assert!(matches!(accounts.claim("ann", 1, 10), Claim::Wait));
        accounts.settle(session);
        assert!(matches!(accounts.claim("ann", 1, 10), Claim::Move(s, 0) if s == session));
        assert!(!accounts.leave(session), "it is on the move");
        accounts.settle(session);
        assert!(accounts.leave(session));
        assert!(matches!(accounts.claim("ann", 1, 10), Claim::Wait));
        accounts.gone(session);
        assert!(matches!(accounts.claim("ann", 1, 10), Claim::New(s) if s != session));
    }

    #[test]
    fn a_token_is_good_once() {
        let accounts = Accounts::default();
        let Claim::New(session) = accounts.claim("ann", 0, 10) else {
            panic!("new")
        };
        accounts.settle(session);
        let first = accounts.rotate(session).unwrap().reveal();
        let second = accounts.rotate(session).unwrap().reveal();
        assert_ne!(first, second);
        assert!(matches!(accounts.claim_token(&first, 1), Claim::Unknown));
        assert!(matches!(accounts.claim_token(&second, 1), Claim::Move(..)));
        accounts.settle(session);
        assert!(matches!(accounts.claim_token(&second, 1), Claim::Unknown));
        for odd in [
            "",
            "xyz",
            "+0000000000000000000000000000000",
            &"é".repeat(16),
        ] {
            assert!(matches!(accounts.claim_token(odd, 1), Claim::Unknown));
        }
    }

    #[test]
    fn there_are_only_so_many() {
        let accounts = Accounts::default();
        assert!(matches!(accounts.claim("ann", 0, 1), Claim::New(_)));
        assert!(matches!(accounts.claim("bob", 0, 1), Claim::Full));
        assert_eq!(accounts.count(), 1);
    }
}
