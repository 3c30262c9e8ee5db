//! Lives here: the hub's tick: views follow their entities, frames fall due, time runs out.
//! Not here: cells and versions (`interest`), when a socket takes its frame (`link`).

use bytes::Bytes;
use protocol::{ServerMessage, frame};
use std::sync::atomic::Ordering;
use tokio::time::Instant;
use world_data::{Note, SessionId, World};

use super::HubCore;
use crate::directory::Census;
use crate::ladder::HubRung;
use crate::refusal::Refusal;
use crate::session::{Ending, Session, Socket};

impl<W: World> HubCore<W> {
    /// Once per tick period.
    pub(super) fn tick(&self) {
        self.climb();
        self.look();
        let now = Instant::now();
        let placement = self.host.directory.placement();
        let slowed = self.host.slowed.load(Ordering::Relaxed);
        let (mut over, mut slow, mut skipped, mut seen) = (Vec::new(), Vec::new(), 0, 0);
        for (id, session) in self.sessions.borrow_mut().iter_mut() {
            let Some(socket) = session.socket.clone() else {
                if now - session.away_since >= self.host.settings.session_linger {
                    over.push(*id);
                }
                continue;
            };
            if self.follow(session, &socket) > self.host.settings.control_lane {
                slow.push(*id);
            }
            seen += session.sight.len();
            // Everywhere else time runs as it should: no need to look where the session is.
            let dilation = if slowed {
                session
                    .core
                    .dilation(&placement, &self.host.settings.ladder)
            } else {
                1.0
            };
            if session.sight.len() > 0 && session.sight.pace.is_due(dilation) {
                skipped += u64::from(socket.frame_due.replace(true));
                socket.writer.notify_one();
            }
        }
        drop(placement);
        self.host.metrics.frames_skipped.increment(skipped);
        self.count_subscriptions(seen);
        // Not at round numbers only: a hub that is late may leave these out.
        let tick = self.tick.get();
        if tick >= self.counted.get() + u64::from(self.host.settings.tick_hz) {
            self.counted.set(tick);
            self.count_sessions();
            self.note_acknowledged();
        }
        for id in slow {
            self.overflow(id);
        }
        for id in over {
            self.log_out(id);
        }
        self.drain();
        self.tell_regions();
    }

    /// Gives up what its rung says.
    fn climb(&self) {
        let rung = self.door.rung();
        let mut slots = self.slots.borrow_mut();
        slots.now = self.tick.get();
        slots.rate = rung.rate();
        let narrow = rung >= HubRung::Nearest;
        slots.nearest = narrow.then_some(self.host.settings.ladder.nearest);
    }

    /// Lets a session's view follow its entity; returns the depth of its control lane.
    fn follow(&self, session: &mut Session<W>, socket: &Socket) -> usize {
        let at = session.core.watch.as_ref().and_then(|watch| watch.at());
        let Some(at) = at else { return 0 };
        let map = &self.host.map;
        session.core.moved_to(map.cell_at(at));
        let view = (map, self.host.world.view_radius());
        let slots = &mut self.slots.borrow_mut();
        let forget = session.sight.follow(at, view, socket.codec, slots);
        if forget.is_empty() {
            0
        } else {
            socket.push(ServerMessage::Forget(forget))
        }
    }

    /// Composes the frame of a session, of what is newest now.
    pub(crate) fn compose(&self, session: &mut Session<W>, socket: &Socket) -> Bytes {
        let mut parts = self.parts.borrow_mut();
        session
            .sight
            .catch_up(&mut self.slots.borrow_mut(), &mut parts);
        let input = session.core.shared.input_done.load(Ordering::Relaxed);
        let list = parts.iter().map(|part| &part[..]);
        let dilation = session.sight.pace.dilation;
        let bytes = frame(socket.codec, self.tick.get(), input, dilation, list);
        parts.clear();
        self.host.metrics.frames.increment(1);
        bytes
    }

    fn count_sessions(&self) {
        let placement = self.host.directory.placement();
        let mut census = Census {
            subscriptions: self.subscriptions.get(),
            ..Census::default()
        };
        for session in self.sessions.borrow().values() {
            let at = session.core.watch.as_ref().and_then(|watch| watch.at());
            let Some(at) = at.filter(|_| session.socket.is_some()) else {
                continue;
            };
            let here = placement.index(self.host.map.cell_at(at));
            let region = placement.regions[here].id;
            *census.sessions.entry(region).or_default() += 1;
            census.hidden += session.sight.hidden();
            let inside = placement.interval(here);
            for cell in session.sight.cells().filter(|cell| !inside.contains(*cell)) {
                let pair = (region, placement.at(cell).id);
                *census.looks.entry(pair).or_default() += 1;
            }
            census.people.extend([at.x as f32, at.y as f32]);
        }
        self.door.counted(census);
    }

    /// Lets the disk forget what has arrived.
    fn note_acknowledged(&self) {
        let mut sessions = self.sessions.borrow_mut();
        let acked = sessions.iter_mut().filter_map(|(id, session)| {
            Some((*id, Note::Acked(session.core.events.take_acked()?)))
        });
        let acked: Vec<_> = acked.collect();
        drop(sessions);
        if !acked.is_empty() {
            self.host.engine.note(acked);
        }
    }

    fn count_subscriptions(&self, now: usize) {
        let before = self.subscriptions.replace(now);
        // Wrapping: the difference may be negative, the sum over all hubs never is.
        self.host
            .subscriptions
            .fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// While the host drains: every socket ends once its session is answered, or at once. The
    /// sessions are away then, and can be resumed when the server is there again.
    fn drain(&self) {
        if !self.host.phase.draining() {
            return;
        }
        let forced = self.host.phase.forced();
        let all: Vec<SessionId> = self
            .sessions
            .borrow()
            .iter()
            .filter(|(_, session)| session.socket.is_some() && (forced || session.ending.is_none()))
            .map(|(id, _)| *id)
            .collect();
        for id in all {
            if forced {
                self.end_socket(id, Some(Refusal::draining()));
            } else {
                self.end_when_answered(id, Ending::Part(Refusal::draining()));
            }
        }
    }

    fn tell_regions(&self) {
        let placement = self.host.directory.placement();
        self.slots
            .borrow_mut()
            .tell(self.index, self.tick.get(), &placement);
    }
}
