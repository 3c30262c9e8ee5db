//! Lives here: a task's channels: joining, leaving, speaking.
//! Not here: who hears it (`session::numbers`, `actors`), what is kept of it (`store`).
//!
//! Invariant: a session's memberships are read and changed only by who holds its shard's region.

use std::sync::Arc;

use super::{Result, Task};
use crate::channel::{self, Channel, MAX_CHANNELS, Said};
use crate::effect::{Effect, Payload, SessionId};
use crate::object::ObjectId;
use crate::task::Stop;

impl Task<'_> {
    /// Makes a session a member of a channel, if the task commits: it hears what is said there from
    /// then on, over reconnects and restarts, until it leaves or logs out. Says whether that is new.
    /// A channel needs no making: it is there as long as it has members. Its name is 1 to
    /// [`MAX_CHANNEL_NAME`](crate::MAX_CHANNEL_NAME) bytes long.
    ///
    /// # Errors
    /// [`Stop::Refused`] if the session is in [`MAX_CHANNELS`] channels, [`Stop::Fault`] if the
    /// name is empty or too long.
    pub fn join(&mut self, session: SessionId, channel: &str) -> Result<bool> {
        channel::checked(channel)?;
        let channels = self.on.channels(session)?;
        if channels.iter().any(|name| &**name == channel) {
            return Ok(false);
        }
        if channels.len() >= MAX_CHANNELS {
            let why = format!("a session can be in at most {MAX_CHANNELS} channels");
            return Err(Stop::Refused(why));
        }
        let channel = Channel::from(channel);
        channels.push(Channel::clone(&channel));
        let at = None;
        self.effect(Effect::Joined {
            session,
            channel,
            at,
        });
        Ok(true)
    }

    /// Ends a session's membership, if the task commits. Says whether it was a member.
    ///
    /// # Errors
    /// Only those that end any task.
    pub fn leave(&mut self, session: SessionId, channel: &str) -> Result<bool> {
        let channels = self.on.channels(session)?;
        let Some(place) = channels.iter().position(|name| &**name == channel) else {
            return Ok(false);
        };
        let channel = channels.remove(place);
        let heard = None;
        self.effect(Effect::Left {
            session,
            channel,
            heard,
        });
        Ok(true)
    }

    /// The channels that a session is in.
    ///
    /// # Errors
    /// Only those that end any task.
    pub fn channels(&mut self, session: SessionId) -> Result<Vec<Channel>> {
        self.on.channels(session).cloned()
    }

    /// Whether a session is in a channel.
    ///
    /// # Errors
    /// Only those that end any task.
    pub fn is_member(&mut self, session: SessionId, channel: &str) -> Result<bool> {
        let channels = self.on.channels(session)?;
        Ok(channels.iter().any(|name| &**name == channel))
    }

    /// Says something on a channel, as the world, if the task commits. Who is a member then hears
    /// it, in the same order as all other members. At most
    /// [`MAX_SAID_BYTES`](crate::MAX_SAID_BYTES).
    ///
    /// # Errors
    /// [`Stop::Fault`] if it can't be written or is too long, or the channel's name is.
    pub fn publish(&mut self, channel: &str, payload: Payload) -> Result<()> {
        self.publish_from(channel, None, payload)
    }

    /// As [`Task::publish`], in the name of an entity or object.
    ///
    /// # Errors
    /// As [`Task::publish`].
    pub fn publish_from(
        &mut self,
        channel: &str,
        from: Option<ObjectId>,
        payload: Payload,
    ) -> Result<()> {
        channel::checked(channel)?;
        self.on.go_on()?;
        let said = Arc::new(Said::new(channel.into(), from, payload)?);
        self.effect(Effect::Said {
            number: 0,
            count: 0,
            said,
        });
        Ok(())
    }
}
