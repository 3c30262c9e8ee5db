//! Lives here: the numbers of events: each session's run 1, 2, 3 … in commit order, and what is said
//! on the channels it is in has its place among them.
//! Not here: keeping events (`store`), sending them (`actors`).
//!
//! Invariant: an event gets its number once, in the order in which effects leave; the same numbers
//! are on disk, so that they go on after a crash.
//!
//! Nothing is written or counted per member when something is said. A session's newest number is
//! that of its own events and, for each channel it is in, of the messages since it joined: its
//! memberships and one count per channel say it. The same sum is made again after a crash, and by
//! the thread of the session, which counts up by one for each message.

use rustc_hash::FxHashMap;

use crate::channel::Channel;
use crate::effect::{Effect, Heard, SessionId};
use crate::session::{Fact, SessionRecord};

/// Who is logged in, who hears what, and how far all have counted.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    sessions: FxHashMap<SessionId, Counted>,
    /// Those with members.
    channels: FxHashMap<Channel, Talk>,
    /// The number of the newest message on all channels.
    said: u64,
    /// The same when the engine was opened.
    said_before: u64,
    /// (session, channel) pairs.
    members: usize,
}

/// How much there is of what is said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Census {
    /// Channels with members.
    pub(crate) channels: usize,
    /// Pairs of a session and a channel it is in.
    pub(crate) members: usize,
    /// Messages since the engine was opened.
    pub(crate) said: u64,
}

/// How far a session has counted.
#[derive(Debug, Default)]
struct Counted {
    /// Numbers that were not heard on channels it is in now.
    own: u64,
    /// The channels it is in, and how much had been said there when it joined.
    channels: Vec<(Channel, u64)>,
}

/// A channel that has members.
#[derive(Debug, Default)]
struct Talk {
    said: u64,
    members: usize,
}

/// What is to be written down with an effect, besides what it says itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted {
    /// Of an event: how many of its session's numbers were not heard on channels that it is in.
    pub(crate) own: u64,
    /// In this order.
    #[expect(
        clippy::box_collection,
        reason = "nearly always none: one word per effect"
    )]
    pub(crate) asides: Option<Box<Vec<Aside>>>,
}

impl Noted {
    fn of(asides: Vec<Aside>) -> Self {
        let asides = (!asides.is_empty()).then(|| Box::new(asides));
        Self { own: 0, asides }
    }
}

/// What is to be written down besides an effect, because of it.
#[derive(Debug, Clone)]
pub(crate) enum Aside {
    /// A fact of the effect's session.
    Fact(SessionId, Fact),
    /// A channel has no members any more: nothing is kept of it.
    Quiet(Channel),
}

impl Numbers {
    /// Takes over what was said on all channels.
    pub(crate) fn restore_said(&mut self, newest: u64) {
        (self.said, self.said_before) = (newest, newest);
    }

    /// Takes over a session of an earlier run; `count` says how much was said on a channel.
    pub(crate) fn restore(
        &mut self,
        session: SessionId,
        record: &SessionRecord,
        count: impl Fn(&str) -> u64,
    ) {
        let own = record.own();
        let mut channels = Vec::new();
        for (name, at) in record.memberships() {
            let known = self.channels.get_key_value(name);
            let channel = known.map_or_else(|| name.into(), |(known, _)| Channel::clone(known));
            let talk = self.channels.entry(Channel::clone(&channel)).or_default();
            talk.said = talk.said.max(count(name)).max(at);
            talk.members += 1;
            self.members += 1;
            channels.push((channel, at));
        }
        self.sessions.insert(session, Counted { own, channels });
    }

    /// How much there is of what is said.
    pub(crate) fn census(&self) -> Census {
        Census {
            channels: self.channels.len(),
            members: self.members,
            said: self.said - self.said_before,
        }
    }

    /// Whether [`Numbers::number`] has anything to do for the effect.
    pub(crate) fn concerns(effect: &Effect) -> bool {
        !matches!(effect, Effect::Reply { .. } | Effect::Away { .. })
    }

    /// Gives an event its number, and takes note of who comes and goes. Call it once for each
    /// effect, in the order in which they leave. Returns what is to be written down behind it.
    pub(crate) fn number(&mut self, effect: &mut Effect) -> Noted {
        match effect {
            Effect::Event { session, n, .. } => {
                // Who is not logged in has no number to go on from, and nothing is kept for it.
                let Some(counted) = self.sessions.get_mut(session) else {
                    *n = 0;
                    return Noted::default();
                };
                counted.own += 1;
                *n = counted.newest(&self.channels);
                return Noted {
                    own: counted.own,
                    asides: None,
                };
            }
            Effect::LoggedIn { session, .. } => {
                self.sessions.insert(*session, Counted::default());
            }
            Effect::Resumed {
                session,
                used: None,
                ..
            } => return Noted::of(self.begin_anew(*session)),
            Effect::LoggedOut { session } => return Noted::of(self.end(*session)),
            Effect::Joined {
                session,
                channel,
                at,
            } => *at = self.join(*session, channel),
            Effect::Left {
                session,
                channel,
                heard,
            } => return Noted::of(self.leave(*session, channel, heard)),
            Effect::Said {
                number,
                count,
                said,
            } => {
                if let Some(talk) = self.channels.get_mut(&said.channel) {
                    self.said += 1;
                    talk.said += 1;
                    (*number, *count) = (self.said, talk.said);
                }
            }
            Effect::Resumed { .. }
            | Effect::Away { .. }
            | Effect::LoginFailed { .. }
            | Effect::Reply { .. }
            | Effect::Close { .. } => {}
        }
        Noted::default()
    }

    fn join(&mut self, session: SessionId, channel: &Channel) -> Option<(u64, u64)> {
        let counted = self.sessions.get_mut(&session)?;
        if counted.channels.iter().any(|(name, _)| name == channel) {
            return None;
        }
        let talk = self.channels.entry(Channel::clone(channel)).or_default();
        talk.members += 1;
        self.members += 1;
        counted.channels.push((Channel::clone(channel), talk.said));
        Some((talk.said, self.said))
    }

    fn leave(
        &mut self,
        session: SessionId,
        channel: &Channel,
        heard: &mut Option<Box<Heard>>,
    ) -> Vec<Aside> {
        let Some(counted) = self.sessions.get_mut(&session) else {
            return Vec::new();
        };
        let place = counted
            .channels
            .iter()
            .position(|(name, _)| name == channel);
        let Some(place) = place else {
            return Vec::new();
        };
        let newest = counted.newest(&self.channels);
        let (name, at) = counted.channels.remove(place);
        let said = self.channels.get(&name).map_or(at, |talk| talk.said);
        let messages = said - at;
        counted.own += messages;
        *heard = Some(Box::new(Heard {
            messages,
            until: self.said,
            own: counted.own,
            newest,
        }));
        self.part(&name).into_iter().collect()
    }

    /// A session's client begins anew, with the same memberships.
    fn begin_anew(&mut self, session: SessionId) -> Vec<Aside> {
        let counted = self.sessions.entry(session).or_default();
        counted.own = 0;
        let again = counted.channels.iter_mut().map(|(channel, at)| {
            *at = self.channels.get(channel).map_or(0, |talk| talk.said);
            let fact = Fact::Joined {
                channel: channel.to_string(),
                at: *at,
                since: self.said,
            };
            Aside::Fact(session, fact)
        });
        again.collect()
    }

    fn end(&mut self, session: SessionId) -> Vec<Aside> {
        let Some(counted) = self.sessions.remove(&session) else {
            return Vec::new();
        };
        let channels = counted.channels.into_iter();
        channels.filter_map(|(name, _)| self.part(&name)).collect()
    }

    /// A channel has a member less.
    fn part(&mut self, name: &Channel) -> Option<Aside> {
        self.members -= 1;
        let talk = self.channels.get_mut(name)?;
        talk.members -= 1;
        if talk.members > 0 {
            return None;
        }
        self.channels.remove(name);
        Some(Aside::Quiet(Channel::clone(name)))
    }
}

impl Counted {
    fn newest(&self, channels: &FxHashMap<Channel, Talk>) -> u64 {
        let heard = self.channels.iter().map(|(name, at)| {
            let said = channels.get(name).map_or(*at, |talk| talk.said);
            said - at
        });
        self.own + heard.sum::<u64>()
    }
}
