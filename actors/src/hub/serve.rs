//! Lives here: what is done with the things at the hub's door, and how sessions end.
//! Not here: who lays things there (`post`, `region`), moves (`moves`).
//!
//! Invariant: effects are served in the order they came.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::{ErrorCode, ReplyError, ServerMessage};
use tokio::time::Instant;
use world_data::{Effect, Fault, ObjectId, Outcome, Payload, SessionId, World};

use super::HubCore;
use crate::post::Parcel;
use crate::refusal::{Cause, Refusal};
use crate::region::{RegionTick, Shared, Work};
use crate::session::{Ending, Session, Socket};

/// The message that tells a client what came of its command.
pub(crate) fn reply(seq: u64, outcome: Outcome) -> ServerMessage<Payload> {
    let outcome = match outcome {
        Outcome::Ok(payload) => Ok(payload),
        Outcome::Error { fault, message } => {
            let code = match fault {
                Fault::Refused => ErrorCode::Refused,
                Fault::Timeout => ErrorCode::Timeout,
                Fault::Failed => ErrorCode::Failed,
            };
            Err(ReplyError { code, message })
        }
    };
    ServerMessage::Reply { seq, outcome }
}

impl<W: World> HubCore<W> {
    /// Looks what is at the door and serves it.
    pub(super) fn look(&self) {
        let inbox = self.door.door.take_in();
        self.serve(inbox.parcels);
        let mut lost = inbox.lost;
        for channel in &inbox.lost_on {
            lost.extend(self.audience.borrow().of(channel));
        }
        for id in lost {
            let why = Refusal::new(ErrorCode::Overloaded, "the server fell behind");
            self.entered(id, Err(why.clone()));
            self.close(id, why);
        }
        for tick in &inbox.ticks {
            self.hear(tick);
        }
        let placement = self.host.directory.placement();
        let missed = inbox.missed.iter();
        for interval in missed.filter_map(|id| placement.interval_of(*id)) {
            self.slots.borrow_mut().ask_again(interval);
        }
        while let Some(request) = self.door.take_request() {
            self.answer(request);
        }
        self.end_answered();
    }

    /// Takes in a region's tick.
    fn hear(&self, tick: &RegionTick) {
        let mut slots = self.slots.borrow_mut();
        let known = self
            .generations
            .borrow_mut()
            .insert(tick.region, tick.generation);
        if known.is_some_and(|known| known != tick.generation)
            && let Some(interval) = self.host.directory.placement().interval_of(tick.region)
        {
            slots.ask_again(interval);
        }
        for update in &tick.updates {
            slots.update(update);
        }
    }

    /// Serves effects, in order.
    pub(super) fn serve(&self, parcels: impl IntoIterator<Item = Parcel>) {
        let (mut over, mut closed, mut back) = (Vec::new(), Vec::new(), Vec::new());
        let mut sessions = self.sessions.borrow_mut();
        for parcel in parcels {
            let effect = match parcel {
                Parcel::Effect(effect) => effect,
                Parcel::Spoken(spoken) => {
                    self.spread(&mut sessions, &spoken);
                    continue;
                }
            };
            let Some(id) = effect.session() else { continue };
            let Some(session) = sessions.get_mut(&id) else {
                self.hold(id, effect);
                continue;
            };
            match effect {
                Effect::Reply { seq, outcome, .. } => {
                    if self.serve_reply(session, seq, outcome) > self.host.settings.control_lane {
                        over.push(id);
                    }
                }
                Effect::Event { n, payload, .. } => self.serve_event(session, n, payload),
                Effect::Close { message, .. } => closed.push((id, message)),
                Effect::Resumed { pass, used, .. } => {
                    self.host.accounts.passed(id, pass, used);
                    if used.is_none() {
                        session.core.renew();
                    }
                    back.push(id);
                }
                Effect::Joined {
                    channel,
                    at: Some(_),
                    ..
                } => self.joined(&mut session.core, channel),
                Effect::Left { channel, .. } => self.left(&mut session.core, &channel),
                Effect::Away { .. }
                | Effect::LoggedOut { .. }
                | Effect::Joined { at: None, .. }
                | Effect::Said { .. } => {}
                Effect::LoggedIn { you, .. } => {
                    self.logged_in(session, you);
                    back.push(id);
                }
                Effect::LoginFailed { fault, message, .. } => {
                    sessions.remove(&id);
                    self.not_logged_in(id, fault, message);
                }
            }
        }
        drop(sessions);
        for id in back {
            self.entered(id, Ok(()));
        }
        for id in over {
            self.overflow(id);
        }
        for (id, message) in closed {
            self.close(id, Refusal::new(ErrorCode::Refused, message));
        }
    }

    fn not_logged_in(&self, id: SessionId, fault: Fault, message: String) {
        self.host.post.forget(id);
        self.host.accounts.gone(id);
        let code = match fault {
            Fault::Refused => ErrorCode::BadLogin,
            // The account may be fine: the client may try again.
            Fault::Timeout => ErrorCode::Overloaded,
            Fault::Failed => ErrorCode::Internal,
        };
        self.entered(id, Err(Refusal::new(code, message)));
    }

    /// An effect for a session that is not here: it may be on its way.
    fn hold(&self, id: SessionId, effect: Effect) {
        match self.arriving.borrow_mut().get_mut(&id) {
            Some(arriving) => arriving.hold(effect),
            None => {
                tracing::debug!(session = %id.0, "dropped an effect for a session that is not here");
            }
        }
    }

    fn serve_event(&self, session: &mut Session<W>, n: u64, payload: Payload) {
        let limit = self.host.settings.events_kept;
        if session.core.events.push(n, payload, limit) {
            tracing::debug!(session = %session.core.id.0, "dropped the oldest event");
        }
        if let Some(socket) = &session.socket {
            socket.writer.notify_one();
        }
    }

    /// Serves a reply; returns the depth of the control lane.
    fn serve_reply(&self, session: &mut Session<W>, seq: u64, outcome: Outcome) -> usize {
        let Some(received) = session.core.commands.answer(seq, outcome.clone()) else {
            tracing::debug!(seq, "an answer that nobody waits for");
            return 0;
        };
        self.host.metrics.command_durable.record(received.elapsed());
        if session.ending.is_some() && session.core.commands.unanswered() == 0 {
            self.answered.borrow_mut().push(session.core.id);
        }
        let Some(socket) = &session.socket else {
            return 0;
        };
        let depth = socket.push_behind(&session.core.events, reply(seq, outcome));
        socket.reader.notify_one();
        self.host.metrics.outbox.record(depth as f64);
        depth
    }

    fn logged_in(&self, session: &mut Session<W>, you: Option<ObjectId>) {
        let core = &mut session.core;
        let mut caller = core.shared.caller.clone();
        caller.you = you;
        core.enter(Shared::new(caller));
        core.watch = you.and_then(|you| self.host.engine.watch(you));
        session.away_since = Instant::now();
    }

    /// The control lane is full: the socket ends, the session can be resumed.
    pub(crate) fn overflow(&self, id: SessionId) {
        let limit = self.host.settings.control_lane;
        let why = format!("more than {limit} messages wait for the client to read");
        self.with(id, |session| {
            if let Some(socket) = &session.socket {
                socket.clear();
                self.host.metrics.outbox_overflows.increment(1);
            }
        });
        self.end_socket(id, Some(Refusal::new(ErrorCode::TooSlow, why)));
    }

    /// Ends a session for good, and tells its client why.
    fn close(&self, id: SessionId, why: Refusal) {
        self.with(id, |session| session.core.doomed = Some(why.clone()));
        self.part(id, Some(why));
        self.log_out(id);
    }

    /// Ends a session's socket, if it has one; the session is away from now on, and the world told.
    pub(crate) fn end_socket(&self, id: SessionId, why: Option<Refusal>) {
        self.part(id, why);
        self.go_away(id);
    }

    /// Tells the world that a session has no socket, unless it knows.
    pub(super) fn go_away(&self, id: SessionId) {
        let placement = self.host.directory.placement();
        self.with(id, |session| {
            if session.socket.is_none() && std::mem::take(&mut session.core.present) {
                let shared = Arc::clone(&session.core.shared);
                session.core.say(&placement, Work::Away(shared));
            }
        });
    }

    /// Ends a session's socket, if it has one.
    fn part(&self, id: SessionId, why: Option<Refusal>) {
        self.with(id, |session| {
            let Some(socket) = session.socket.take() else {
                return;
            };
            session.away_since = Instant::now();
            session.sight.close(&mut self.slots.borrow_mut());
            self.host.connected.fetch_sub(1, Ordering::Relaxed);
            socket.part(&mut session.core.events);
            let last_words = why
                .as_ref()
                .is_none_or(|why| matches!(why.cause, Cause::Draining | Cause::ClosedByWorld));
            // The last that this client hears for long, or for ever: events that were not sent yet
            // go out first.
            while last_words && let Some((n, told)) = session.core.events.next() {
                socket.push_told(n, told);
            }
            socket.finish(why);
        });
    }

    /// Lets a session end as soon as nothing is unanswered; its socket is not read any more.
    pub(crate) fn end_when_answered(&self, id: SessionId, ending: Ending) {
        let answered = self.with(id, |session| {
            session.ending = Some(ending);
            session.core.commands.unanswered() == 0
        });
        if answered == Some(true) {
            self.answered.borrow_mut().push(id);
            self.door.door.wake();
        }
    }

    /// Ends the sessions that were waiting for their last answer.
    fn end_answered(&self) {
        loop {
            // Not held: ending one may serve effects, which may end another.
            let Some(id) = self.answered.borrow_mut().pop() else {
                break;
            };
            match self.with(id, |session| session.ending.take()).flatten() {
                Some(Ending::Leave(why)) => {
                    self.part(id, why);
                    self.log_out(id);
                }
                Some(Ending::Part(why)) => self.end_socket(id, Some(why)),
                Some(Ending::Hand(to)) => self.hand_over(id, to),
                None => {}
            }
        }
    }

    /// Logs a session out, unless it is on its way to another hub, whose it is then.
    pub(crate) fn log_out(&self, id: SessionId) {
        if !self.host.accounts.leave(id) {
            return;
        }
        self.part(id, None);
        let Some(mut session) = self.sessions.borrow_mut().remove(&id) else {
            return;
        };
        self.stop_listening(&session.core);
        self.host.post.forget(id);
        let placement = self.host.directory.placement();
        let work = Work::Logout(Arc::clone(&session.core.shared));
        session.core.say(&placement, work);
    }

    /// The gateway has let go of a socket.
    pub(crate) fn closed(&self, id: SessionId, socket: &Rc<Socket>) {
        if self.with(id, |session| session.is_at(socket)) == Some(true) {
            self.end_socket(id, None);
        }
    }
}
