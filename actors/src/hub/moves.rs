//! Lives here: sessions that change hubs, or begin anew for another client of their account.
//! Not here: who may (`accounts`), and the login that asks for it (`enter`).
//!
//! Invariant: a session is at one hub at a time, and no effect for it is lost or overtaken: its
//! route is switched first, then what is at the old door is taken in, then it goes; the new hub
//! holds what comes meanwhile. What is said on channels comes to both doors: the old hub tells it
//! what was said before the switch, and the new one what was said later.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;
use world_data::{Effect, SessionId, World};

use super::HubCore;
use crate::post::Parcel;
use crate::refusal::Refusal;
use crate::session::{Core, Ending, Session};
use crate::spoken::Spoken;

/// Events and messages on channels held for a session on its way, which takes an instant. With one
/// that had to be left out its numbers would be wrong: then it ends, as when a door is full. Replies,
/// which its window bounds, are always held.
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
    held: VecDeque<Parcel>,
    /// Something that is surely its own did not fit.
    lost: bool,
    /// What was said on channels up to this number did not fit; as long as the session waits for its
    /// old commands that is the old hub's to tell.
    unheard: u64,
}

impl Arriving {
    fn new(waiter: oneshot::Sender<Arrival>) -> Self {
        Self {
            waiter,
            held: VecDeque::new(),
            lost: false,
            unheard: 0,
        }
    }

    /// Holds an effect.
    pub(super) fn hold(&mut self, effect: Effect) {
        if matches!(effect, Effect::Event { .. }) && !self.make_room() {
            self.lost = true;
        } else {
            self.held.push_back(Parcel::Effect(effect));
        }
    }

    /// Holds what was said on a channel: whether it is in it is known when it is here.
    pub(super) fn hold_spoken(&mut self, spoken: &Arc<Spoken>) {
        if self.make_room() {
            self.held.push_back(Parcel::Spoken(Arc::clone(spoken)));
        } else {
            self.lost = true;
        }
    }

    /// Makes room for one more. What was said before the first effect came may be given up.
    fn make_room(&mut self) -> bool {
        if self.held.len() < HELD_EVENTS_LIMIT {
            return true;
        }
        if let Some(Parcel::Spoken(oldest)) = self.held.front() {
            self.unheard = oldest.number;
            self.held.pop_front();
            return true;
        }
        false
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
        self.arriving
            .borrow_mut()
            .insert(session, Arriving::new(waiter));
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
        let spoken = self.switch(id, to);
        self.pack(id, to, spoken);
    }

    /// Switches a session's route; returns the number of the last message on a channel that is this
    /// hub's to tell.
    fn switch(&self, id: SessionId, to: usize) -> u64 {
        let spoken = self.host.post.route(id, to);
        self.with(id, |session| session.core.hears.1 = spoken);
        spoken
    }

    fn pack(&self, id: SessionId, to: usize, spoken: u64) {
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
        core.hears = (spoken, u64::MAX);
        self.stop_listening(&core);
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
        self.listen(&core);
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
        let Some(mut arriving) = self.arriving.borrow_mut().remove(&id) else {
            return;
        };
        let lost = self.serve_held(id, &mut arriving);
        let here = matches!(arrival, Arrival::Here);
        if lost && here {
            let why = Refusal::new(protocol::ErrorCode::Overloaded, "the server fell behind");
            self.with(id, |session| session.core.doomed = Some(why));
        }
        if arriving.waiter.send(arrival).is_err() && here {
            self.left_alone(id);
        }
    }
}

impl<W: World> HubCore<W> {
    /// Serves what was held for a session; says whether something of it did not fit.
    fn serve_held(&self, id: SessionId, arriving: &mut Arriving) -> bool {
        for parcel in arriving.held.drain(..) {
            match parcel {
                Parcel::Effect(_) => self.serve([parcel]),
                Parcel::Spoken(spoken) => self
                    .with(id, |session| {
                        if session.core.channels.contains(spoken.channel()) {
                            self.whisper(session, &spoken);
                        }
                    })
                    .unwrap_or_default(),
            }
        }
        let behind = self.with(id, |session| session.core.hears.0);
        arriving.lost || behind.is_some_and(|behind| arriving.unheard > behind)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use world_data::{Caller, EffectSink, Payload, Said};

    use super::*;
    use crate::accounts::Claim;
    use crate::host::Host;
    use crate::region::Shared;
    use crate::session::Told;
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
                .map(|(n, told)| match told {
                    Told::Event(payload) => {
                        format!("{n}={}", serde_json::to_string(&payload).unwrap())
                    }
                    Told::Spoken(spoken) => {
                        format!("{n} on {} {}", spoken.channel(), spoken.number)
                    }
                })
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

    fn say(host: &Host<Void>, number: u64) {
        let said = Said::new("moot".into(), None, Payload::new(number)).unwrap();
        host.post.deliver(vec![Effect::Said {
            number,
            count: number,
            said: Arc::new(said),
        }]);
    }

    #[test]
    fn what_is_said_on_channels_follows_a_session_that_moves_and_is_told_once() {
        let (host, a, b, id) = two_hubs();
        a.with(id, |session| a.joined(&mut session.core, "moot".into()));
        say(&host, 1);
        assert!(matches!(
            host.accounts.claim("ann", b.index, 10),
            Claim::Move(..)
        ));
        let mut arrival = b.fetch(id, a.index, false);
        assert!(a.door.take_request().is_some());
        // At both doors, and the old hub's to tell: one the new hub has seen, and one it has not.
        say(&host, 2);
        b.look();
        say(&host, 3);
        let spoken = a.switch(id, b.index);
        // At both doors, and the new hub's to tell, before and after the session is there.
        say(&host, 4);
        a.pack(id, b.index, spoken);
        assert!(a.sessions.borrow().is_empty());
        say(&host, 5);
        a.look();
        b.look();
        assert!(matches!(arrival.try_recv(), Ok(Arrival::Here)));
        say(&host, 6);
        b.look();
        let all = (1..=6).map(|n| format!("{n} on moot {n}"));
        assert_eq!(events(&b, id), all.collect::<Vec<_>>());
    }

    #[test]
    fn who_is_held_more_than_there_is_room_for_ends_unless_the_old_hub_told_it() {
        for told_by_the_old in [true, false] {
            let (host, a, b, id) = two_hubs();
            a.with(id, |session| a.joined(&mut session.core, "moot".into()));
            assert!(matches!(
                host.accounts.claim("ann", b.index, 10),
                Claim::Move(..)
            ));
            let mut arrival = b.fetch(id, a.index, false);
            let request = a.door.take_request().expect("it was asked");
            let many = HELD_EVENTS_LIMIT as u64 + 10;
            if told_by_the_old {
                (1..=many).for_each(|n| say(&host, n));
                b.look();
                a.answer(request);
            } else {
                let spoken = a.switch(id, b.index);
                (1..=many).for_each(|n| say(&host, n));
                b.look();
                a.pack(id, b.index, spoken);
            }
            b.look();
            assert!(matches!(arrival.try_recv(), Ok(Arrival::Here)));
            let doomed = b.with(id, |session| session.core.doomed.is_some());
            assert_eq!(doomed, Some(!told_by_the_old));
        }
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
