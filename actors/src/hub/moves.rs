//! Lives here: sessions that change hubs, or begin anew for another client of their account.
//! Not here: who may (`accounts`), and the login that asks for it (`enter`).
//!
//! Invariant: a session is at one hub at a time, and no effect for it is lost or overtaken: its
//! route is switched first, then what is at the old door is taken in, then it goes; the new hub
//! holds what comes meanwhile.

use tokio::sync::oneshot;
use world_data::{Effect, SessionId, World};

use super::HubCore;
use crate::refusal::Refusal;
use crate::session::{Core, Ending, Session};

/// Events held for a session on its way; further ones are dropped, as when it keeps too many.
/// Replies, which its window bounds, are always held.
const HELD_EVENTS_LIMIT: usize = 1024;

/// What one hub asks of another.
pub(crate) enum Request<W: World> {
    /// Give the session to hub `to`; `fresh`: to begin anew, when all is answered.
    Take {
        /// Which.
        session: SessionId,
        /// To whom.
        to: usize,
        /// Whether it begins anew.
        fresh: bool,
    },
    /// Here it is.
    Arrive(Box<Core<W>>),
    /// It is not here.
    Absent(SessionId),
}

impl<W: World> std::fmt::Debug for Request<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Take { .. } => "Take",
            Self::Arrive(_) => "Arrive",
            Self::Absent(_) => "Absent",
        })
    }
}

/// How a session on its way here fares.
#[derive(Debug)]
pub(super) enum Arrival {
    /// It is here, without a socket yet.
    Here,
    /// It no longer exists: ask for the account again.
    Absent,
    /// The world has ended it.
    Ended(Refusal),
}

/// A session on its way here.
#[derive(Debug)]
pub(super) struct Arriving {
    waiter: oneshot::Sender<Arrival>,
    held: Vec<Effect>,
}

impl Arriving {
    /// Holds an effect; says whether there was room.
    pub(super) fn hold(&mut self, effect: Effect) -> bool {
        let room = self.held.len() < HELD_EVENTS_LIMIT || !matches!(effect, Effect::Event { .. });
        if room {
            self.held.push(effect);
        }
        room
    }
}

impl<W: World> HubCore<W> {
    /// Asks hub `from` for a session that was claimed for this one.
    pub(super) fn fetch(
        &self,
        session: SessionId,
        from: usize,
        fresh: bool,
    ) -> oneshot::Receiver<Arrival> {
        let (waiter, arrival) = oneshot::channel();
        self.arriving.borrow_mut().insert(
            session,
            Arriving {
                waiter,
                held: Vec::new(),
            },
        );
        self.host.directory.ask(
            from,
            Request::Take {
                session,
                to: self.index,
                fresh,
            },
        );
        arrival
    }

    /// Does what another hub asks.
    pub(super) fn answer(&self, request: Request<W>) {
        match request {
            Request::Take { session, to, fresh } => {
                if !self.sessions.borrow().contains_key(&session) {
                    self.host.directory.ask(to, Request::Absent(session));
                    return;
                }
                let why = "the account has logged in somewhere else";
                let why = Refusal::new(protocol::ErrorCode::TakenOver, why);
                self.end_socket(session, Some(why));
                if fresh {
                    self.end_when_answered(session, Ending::Hand(to));
                } else {
                    self.hand_over(session, to);
                }
            }
            Request::Arrive(core) => self.arrive(*core),
            Request::Absent(session) => self.arrived(session, Arrival::Absent),
        }
    }

    /// Gives a session to hub `to`, which has claimed it.
    pub(super) fn hand_over(&self, id: SessionId, to: usize) {
        self.host.post.route(id, to);
        // Whatever was laid down here before the route changed is the session's, and goes first.
        self.serve(self.door.door.take_in_effects());
        let Some(session) = self.sessions.borrow_mut().remove(&id) else {
            self.host.directory.ask(to, Request::Absent(id));
            return;
        };
        let Session {
            core, mut sight, ..
        } = session;
        sight.close(&mut self.slots.borrow_mut());
        if to == self.index {
            self.arrive(core);
        } else {
            self.host.directory.ask(to, Request::Arrive(Box::new(core)));
        }
    }

    fn arrive(&self, core: Core<W>) {
        let id = core.id;
        let doomed = core.doomed.clone();
        self.sessions.borrow_mut().insert(id, Session::away(core));
        match doomed {
            // It is still on the move: it is its new client's until that has it, or has gone.
            None => self.arrived(id, Arrival::Here),
            Some(why) => {
                self.host.accounts.settle(id, self.index);
                self.arrived(id, Arrival::Ended(why));
                self.log_out(id);
            }
        }
    }

    fn arrived(&self, id: SessionId, arrival: Arrival) {
        let Some(arriving) = self.arriving.borrow_mut().remove(&id) else {
            return;
        };
        self.serve(arriving.held);
        let here = matches!(arrival, Arrival::Here);
        if arriving.waiter.send(arrival).is_err() && here {
            self.left_alone(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use world_data::{Caller, EffectSink, Payload};

    use super::*;
    use crate::accounts::Claim;
    use crate::host::Host;
    use crate::region::Shared;
    use crate::void::{self, Void};

    type VoidHub = Rc<HubCore<Void>>;

    /// Two hubs on one thread, without their actors, so that the test says what comes when; and a
    /// session at the first.
    fn two_hubs() -> (Arc<Host<Void>>, VoidHub, VoidHub, SessionId) {
        let host = void::host();
        let (a, b) = (
            HubCore::new(Arc::clone(&host)),
            HubCore::new(Arc::clone(&host)),
        );
        let Claim::New(id) = host.accounts.claim("ann", a.index, 10) else {
            panic!("new")
        };
        let shared = Shared::new(Caller {
            session: id,
            name: "ann".into(),
            you: None,
        });
        let core = Core::new(shared, &host.map);
        a.sessions.borrow_mut().insert(id, Session::away(core));
        host.post.route(id, a.index);
        host.accounts.settle(id, a.index);
        (host, a, b, id)
    }

    fn event(host: &Host<Void>, session: SessionId, value: u64) {
        host.post.deliver(vec![Effect::Event {
            session,
            n: value,
            payload: Payload::new(value),
        }]);
    }

    fn events(hub: &HubCore<Void>, id: SessionId) -> Vec<String> {
        let next = |session: &mut Session<Void>| {
            std::iter::from_fn(|| session.core.events.next())
                .map(|(n, payload)| format!("{n}={}", serde_json::to_string(&payload).unwrap()))
                .collect()
        };
        hub.with(id, next).expect("the session is here")
    }

    #[test]
    fn effects_follow_a_session_that_moves_and_keep_their_order() {
        let (host, a, b, id) = two_hubs();
        assert!(matches!(
            host.accounts.claim("ann", b.index, 10),
            Claim::Move(..)
        ));
        let mut arrival = b.fetch(id, a.index, false);
        // Laid at the old door after the old hub has looked, before the route changes.
        event(&host, id, 1);
        let request = a.door.take_request().expect("it was asked");
        a.answer(request);
        assert!(a.sessions.borrow().is_empty());
        // Laid at the new door before the session is there.
        event(&host, id, 2);
        b.look();
        assert!(matches!(arrival.try_recv(), Ok(Arrival::Here)));
        event(&host, id, 3);
        b.look();
        assert_eq!(events(&b, id), ["1=1", "2=2", "3=3"]);
    }

    #[test]
    fn a_session_that_ends_while_it_is_claimed_is_absent() {
        let (host, a, b, id) = two_hubs();
        assert!(matches!(
            host.accounts.claim("ann", b.index, 10),
            Claim::Move(..)
        ));
        let mut arrival = b.fetch(id, a.index, true);
        // The world ends it before the old hub hears that it is wanted elsewhere.
        host.post.deliver(vec![Effect::Close {
            session: id,
            message: "out".into(),
        }]);
        a.look();
        b.look();
        assert!(matches!(arrival.try_recv(), Ok(Arrival::Ended(why)) if why.message == "out"));
        assert!(b.sessions.borrow().is_empty(), "it was logged out");
    }
}
