//! Lives here: the diary, the world of the target `session`: a page per session, on which its
//! commands and inputs leave all their traces.
//! Not here: what is played in it (`session`).

use serde::{Deserialize, Serialize};
use world_data::{Caller, Entity, Kinds, Map, Object, ObjectId, Payload, Ref, Stop, Task, World};

/// The world.
#[derive(Debug)]
pub(crate) struct Diary;

/// What one session wrote.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Page {
    pages: Vec<u64>,
    note: u64,
}

impl Object for Page {
    const KIND: u16 = 1;
    const NAME: &'static str = "page";
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Writes; answered with how much is written.
    Write(u64),
    Refuse,
    /// Sends so many events to oneself.
    Tell(u64),
    Read,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Pages(u64),
    All(Vec<u64>, u64),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Input {
    Note(u64),
}

fn page(who: &Caller) -> Result<Ref<Page>, Stop> {
    who.you.map(Ref::new).ok_or_else(|| Stop::refused("nobody"))
}

impl World for Diary {
    const NAME: &'static str = "diary";
    type Command = Command;
    type Reply = Reply;
    type Input = Input;
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map::shards_only(8)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Page>()
    }

    fn genesis(&self, _: &mut Task<'_>) -> Result<(), Stop> {
        Ok(())
    }

    fn login(&self, task: &mut Task<'_>, _: &Caller) -> Result<Option<ObjectId>, Stop> {
        Ok(Some(task.create(Page::default())?.id()))
    }

    fn logout(&self, task: &mut Task<'_>, who: &Caller) -> Result<(), Stop> {
        task.remove(page(who)?.id())
    }

    fn command(&self, task: &mut Task<'_>, who: &Caller, asked: &Command) -> Result<Reply, Stop> {
        let mine = page(who)?;
        match asked {
            Command::Write(value) => task.update(mine, |page| {
                page.pages.push(*value);
                Ok(Reply::Pages(page.pages.len() as u64))
            }),
            Command::Refuse => Err(Stop::refused("no")),
            Command::Tell(events) => {
                (0..*events).for_each(|n| task.send(who.session, Payload::new(n)));
                Ok(Reply::Pages(*events))
            }
            Command::Read => task.read(mine, |page| Reply::All(page.pages.clone(), page.note)),
        }
    }

    fn input(&self, task: &mut Task<'_>, who: &Caller, input: &Input) -> Result<(), Stop> {
        let Input::Note(value) = input;
        task.update(page(who)?, |page| {
            page.note = *value;
            Ok(())
        })
    }

    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}
