//! Lives here: the runtime (skeleton).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use world_data::{Effect, EffectSink, Engine, World};

use crate::hub::Hub;
use crate::settings::Settings;
use crate::status::Status;

/// Where effects go.
#[derive(Debug)]
pub struct Post;

impl Post {
    /// A post with no hub yet.
    #[expect(clippy::new_ret_no_self, reason = "always shared")]
    pub fn new() -> Arc<Self> {
        Arc::new(Self)
    }
}

#[expect(
    clippy::todo,
    unused_variables,
    reason = "signatures first; bodies within the hour"
)]
impl EffectSink for Post {
    fn deliver(&self, effects: Vec<Effect>) {
        todo!()
    }
}

/// The actors of one host. Cheap to clone.
#[derive(Debug)]
pub struct Runtime<W: World>(Arc<W>);

impl<W: World> Clone for Runtime<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[expect(
    clippy::todo,
    unused_variables,
    clippy::unused_async,
    reason = "signatures first; bodies within the hour"
)]
impl<W: World> Runtime<W> {
    /// Starts worker threads, regions, supervisor and clock. Call inside an actix system.
    ///
    /// # Errors
    /// When a thread can't be started.
    pub fn start(
        engine: Engine,
        world: Arc<W>,
        post: Arc<Post>,
        settings: Settings,
    ) -> io::Result<Self> {
        todo!()
    }

    /// This thread's hub, made on first use. Call on the threads that sockets live on.
    pub fn hub(&self) -> Hub<W> {
        todo!()
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        todo!()
    }

    /// Whether all regions run and logins are accepted.
    pub fn ready(&self) -> bool {
        todo!()
    }

    /// Stops: no new logins; each client gets the error `draining` once its window is answered, or
    /// when `limit` has passed; sessions log out; then regions and workers stop. Closing the engine
    /// is the caller's.
    pub async fn drain(&self, limit: Duration) {
        todo!()
    }
}
