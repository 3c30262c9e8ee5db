//! Lives here: a hub's part in channels: which of its sessions hear what is said on one.
//! Not here: who may speak (the world's task), a session's numbers (`session/events`).
//!
//! Invariant: a session of this hub is in the audience of exactly the channels in its
//! `Core::channels`, so it takes these along when it moves.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use world_data::{Channel, SessionId, World};

use super::HubCore;
use crate::session::{Core, Session};
use crate::spoken::Spoken;

/// The sessions of a hub by channel.
#[derive(Debug, Default)]
pub(super) struct Audience(FxHashMap<Channel, FxHashSet<SessionId>>);

impl Audience {
    fn join(&mut self, session: SessionId, channel: &Channel) {
        let members = self.0.entry(Channel::clone(channel)).or_default();
        members.insert(session);
    }

    fn leave(&mut self, session: SessionId, channel: &Channel) {
        let Some(members) = self.0.get_mut(channel) else {
            return;
        };
        members.remove(&session);
        if members.is_empty() {
            self.0.remove(channel);
        }
    }

    /// The members of a channel that are here.
    pub(super) fn of(&self, channel: &Channel) -> impl Iterator<Item = SessionId> {
        self.0.get(channel).into_iter().flatten().copied()
    }
}

impl<W: World> HubCore<W> {
    /// A session is here, and hears what is said on its channels.
    pub(super) fn listen(&self, core: &Core<W>) {
        let mut audience = self.audience.borrow_mut();
        for channel in &core.channels {
            audience.join(core.id, channel);
        }
    }

    /// A session is not here any more.
    pub(super) fn stop_listening(&self, core: &Core<W>) {
        let mut audience = self.audience.borrow_mut();
        for channel in &core.channels {
            audience.leave(core.id, channel);
        }
    }

    pub(super) fn joined(&self, core: &mut Core<W>, channel: Channel) {
        self.audience.borrow_mut().join(core.id, &channel);
        if !core.channels.contains(&channel) {
            core.channels.push(channel);
        }
    }

    pub(super) fn left(&self, core: &mut Core<W>, channel: &Channel) {
        self.audience.borrow_mut().leave(core.id, channel);
        core.channels.retain(|name| name != channel);
    }

    /// Tells all members that are here what was said, and holds it for sessions on their way.
    pub(super) fn spread(
        &self,
        sessions: &mut FxHashMap<SessionId, Session<W>>,
        spoken: &Arc<Spoken>,
    ) {
        let mut told = 0;
        for id in self.audience.borrow().of(spoken.channel()) {
            if let Some(session) = sessions.get_mut(&id) {
                told += u64::from(self.whisper(session, spoken));
            }
        }
        let metrics = &self.host.metrics;
        metrics.channel_told.increment(told);
        for arriving in self.arriving.borrow_mut().values_mut() {
            arriving.hold_spoken(spoken);
        }
    }

    /// Tells one session what was said; says whether it was for it.
    pub(super) fn whisper(&self, session: &mut Session<W>, spoken: &Arc<Spoken>) -> bool {
        let heard = session.core.hear(spoken, self.host.settings.events_kept);
        if heard && let Some(socket) = &session.socket {
            socket.writer.notify_one();
        }
        heard
    }
}
