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
                    self.hand_over(session, to, false);
                }
            }
            Request::Arrive(core) => self.arrive(*core),
            Request::Absent(session) => self.arrived(session, Arrival::Absent),
        }
    }

    /// Gives a session to hub `to`, which has claimed it.
    pub(super) fn hand_over(&self, id: SessionId, to: usize, fresh: bool) {
        self.host.post.route(id, to);
        // Whatever was laid down here before the route changed is the session's, and goes first.
        self.serve(self.door.door.take_in_effects());
        let Some(session) = self.sessions.borrow_mut().remove(&id) else {
            self.host.directory.ask(to, Request::Absent(id));
            return;
        };
        let Session {
            mut core,
            mut sight,
            ..
        } = session;
        sight.close(&mut self.slots.borrow_mut());
        if fresh {
            core.renew();
        }
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
        self.host.accounts.settle(id);
        match doomed {
            None => self.arrived(id, Arrival::Here),
            Some(why) => {
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
        if arriving.waiter.send(arrival).is_err() {
            // Its client did not wait. The session lingers, as if it had lost its socket.
            tracing::debug!(session = %id.0, "nobody waits for the session that arrived");
        }
    }
}
