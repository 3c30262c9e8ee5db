//! Lives here: the moot, the world of the recorded conversation on channels: a channel, and a rule
//! of what may be said there.

use brightstar::world_data::{
    Caller, Entity, Kinds, Map, Message, ObjectId, Payload, Stop, Task, World,
};
use serde::{Deserialize, Serialize};

pub(crate) struct Moot;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Is a member no longer; answers whether it was.
    Leave,
}

impl World for Moot {
    const NAME: &'static str = "moot";
    type Command = Command;
    type Reply = bool;
    type Input = ();
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map::shards_only(16)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new()
    }

    fn genesis(&self, _: &mut Task<'_>) -> Result<(), Stop> {
        Ok(())
    }

    fn login(&self, task: &mut Task<'_>, who: &Caller) -> Result<Option<ObjectId>, Stop> {
        task.join(who.session, "moot")?;
        Ok(None)
    }

    fn logout(&self, _: &mut Task<'_>, _: &Caller) -> Result<(), Stop> {
        Ok(())
    }

    fn command(&self, task: &mut Task<'_>, who: &Caller, _: &Command) -> Result<bool, Stop> {
        task.leave(who.session, "moot")
    }

    fn input(&self, _: &mut Task<'_>, _: &Caller, (): &()) -> Result<(), Stop> {
        Ok(())
    }

    /// Nobody may curse, and nobody may shout.
    fn publish(
        &self,
        _: &mut Task<'_>,
        _: &Caller,
        _: &str,
        message: &Message,
    ) -> Result<Payload, Stop> {
        let text: String = message.read()?;
        if text == "damn" {
            return Err(Stop::refused("mind your tongue"));
        }
        if text == text.to_uppercase() {
            return Ok(Payload::new(text.to_lowercase()));
        }
        Ok(message.clone().into())
    }

    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}
