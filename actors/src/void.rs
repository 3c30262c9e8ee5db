//! Lives here: a world with nothing in it, for tests inside the crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use world_data::{Caller, Engine, Entity, Kinds, Map, ObjectId, Options, Stop, Task, World};

use crate::host::Host;
use crate::post::Post;
use crate::settings::Settings;

#[derive(Debug, Default)]
pub(crate) struct Void {
    pub(crate) logins: AtomicUsize,
}

impl World for Void {
    const NAME: &'static str = "void";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map::square(128.0)
    }
    fn kinds(&self) -> Kinds {
        Kinds::new()
    }
    fn genesis(&self, _: &mut Task<'_>) -> Result<(), Stop> {
        Ok(())
    }
    fn login(&self, _: &mut Task<'_>, _: &Caller) -> Result<Option<ObjectId>, Stop> {
        self.logins.fetch_add(1, Ordering::SeqCst);
        Ok(None)
    }
    fn logout(&self, _: &mut Task<'_>, _: &Caller) -> Result<(), Stop> {
        Ok(())
    }
    fn command(&self, _: &mut Task<'_>, _: &Caller, (): &()) -> Result<(), Stop> {
        Ok(())
    }
    fn input(&self, _: &mut Task<'_>, _: &Caller, (): &()) -> Result<(), Stop> {
        Ok(())
    }
    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}

/// A host of it, without any actor.
pub(crate) fn host() -> Arc<Host<Void>> {
    host_with(Settings {
        workers: 1,
        ..Settings::default()
    })
}

/// As [`host`], with these settings.
pub(crate) fn host_with(settings: Settings) -> Arc<Host<Void>> {
    let (world, post) = (Arc::new(Void::default()), Post::new());
    let options = Options {
        regions: 4,
        ..Options::default()
    };
    let engine = Engine::in_memory(&*world, options, Arc::<Post>::clone(&post)).unwrap();
    Host::new(engine, world, post, settings, [7; 32])
}
