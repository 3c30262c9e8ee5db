//! Lives here: talk: what is said to those who stand near, and to everybody.
//! Not here: who may do what else (`rules`), what the words look like on the wire (`words`).

use world_data::{Caller, Payload, Ref, Stop, Task};

use crate::rules::{EARSHOT, MAX_TEXT};
use crate::things::Player;
use crate::words::{Event, Reply, Talk};

/// The channel that everybody is a member of.
pub const WORLD: &str = "world";

/// Words as they may be said.
fn checked(text: &str) -> Result<&str, Stop> {
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Stop::refused("bad_text"));
    }
    if text.chars().count() > MAX_TEXT {
        return Err(Stop::refused("too_long"));
    }
    Ok(text)
}

/// Who stands within earshot hears it.
pub(crate) fn say(task: &mut Task<'_>, you: Ref<Player>, text: &str) -> Result<Reply, Stop> {
    let text = checked(text)?;
    let (name, at) = (
        task.read(you, |player| player.name.clone())?,
        task.position(you.id())?,
    );
    let mut listeners = Vec::new();
    task.nearby(at, EARSHOT, |entity| {
        listeners.extend(entity.get::<Player>().and_then(|player| player.session));
    })?;
    let said = Payload::new(Event::Said {
        from: you.id(),
        name,
        text: text.to_owned(),
    });
    for session in &listeners {
        task.send(*session, said.clone());
    }
    Ok(Reply::Heard {
        heard: listeners.len() as u32,
    })
}

/// What a player wants to say to everybody, with the name it is said under: a client could claim
/// any.
pub(crate) fn to_all(who: &Caller, text: &str) -> Result<Payload, Stop> {
    Ok(Payload::new(Talk {
        name: who.name.clone(),
        text: checked(text)?.to_owned(),
    }))
}
