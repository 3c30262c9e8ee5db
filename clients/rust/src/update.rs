//! Lives here: what a server tells its client, in the world's types, and the bounded queue in
//! which a [`crate::Client`] keeps it until it is asked for.
//! Not here: the socket (`connection`).
//!
//! Invariant: the queue never holds more than [`MAX_UPDATES`]; what it drops, it says.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use protocol::{Codec, DecodeError, Frame, RawPayload, ReplyError};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Notify;

use crate::error::ClientError;
use crate::session::Resume;

/// A world's types, as its clients see them.
pub trait World: fmt::Debug + Send + Sync + 'static {
    /// What a client asks, exactly once.
    type Command: Serialize + Send + Sync + 'static;
    /// What it is answered.
    type Reply: DeserializeOwned + fmt::Debug + Send + 'static;
    /// What a client steers with.
    type Input: Serialize + Send + Sync + 'static;
    /// What a session is told.
    type Event: DeserializeOwned + fmt::Debug + Send + 'static;
}

/// What came of a command.
pub type Outcome<R> = Result<R, ReplyError>;

/// A frame, not decoded yet.
#[derive(Debug, Clone)]
pub struct EncodedFrame {
    pub(crate) codec: Codec,
    pub(crate) bytes: Bytes,
}

impl EncodedFrame {
    /// A frame that came some other way than by a connection: from a recording, say.
    pub fn new(codec: Codec, bytes: Bytes) -> Self {
        Self { codec, bytes }
    }

    /// Decodes it into `frame`, whose buffers are used again.
    ///
    /// # Errors
    /// When the server's frame is not in the protocol.
    pub fn read(self, frame: &mut Frame) -> Result<(), DecodeError> {
        frame.read(self.codec, self.bytes)
    }

    /// Its size as it was sent, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

/// What the server tells its client.
#[derive(Debug)]
pub enum Update<W: World> {
    /// The outcome of a command. [`crate::Client`] gives it to whoever sent the command, and has
    /// it here only for commands that were sent before the session was resumed.
    Reply {
        /// The command's number.
        seq: u64,
        /// What came of it.
        outcome: Outcome<W::Reply>,
    },
    /// An event for this session. Each arrives once, also over resumes.
    Event {
        /// Its number.
        n: u64,
        /// What.
        event: W::Event,
    },
    /// Heard on a channel.
    Channel {
        /// Its number, in one sequence with events.
        n: u64,
        /// The channel.
        name: String,
        /// The entity that said it; none: the world itself.
        from: Option<u64>,
        /// What.
        payload: RawPayload,
    },
    /// What the session sees.
    Frame(EncodedFrame),
    /// Cells that are no longer in view.
    Forget(Vec<u64>),
    /// The answer to a ping.
    Pong {
        /// The ping's.
        nonce: u64,
        /// World time in milliseconds since the Unix epoch.
        server_ms: u64,
    },
    /// The session lives elsewhere now: connect there and resume.
    Moved {
        /// Where.
        url: String,
    },
    /// So many older updates were dropped, since nobody took them. What is known of cells is
    /// stale; resume the session to be shown everything anew.
    Lagged(u64),
}

/// The updates that may wait to be taken.
pub const MAX_UPDATES: usize = 1024;

#[derive(Debug)]
struct Queue<W: World> {
    waiting: VecDeque<Update<W>>,
    lagged: u64,
    end: Option<(ClientError, Option<Resume>)>,
    ended: bool,
}

#[derive(Debug)]
struct Shared<W: World> {
    queue: Mutex<Queue<W>>,
    changed: Notify,
}

impl<W: World> Shared<W> {
    fn queue(&self) -> MutexGuard<'_, Queue<W>> {
        // Nothing panics while it is held; and a queue of updates is whole at any moment.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what the server tells, in order.
#[derive(Debug)]
pub struct Updates<W: World>(Arc<Shared<W>>);

/// The client's end of the queue.
#[derive(Debug)]
pub(crate) struct Feed<W: World>(Arc<Shared<W>>);

pub(crate) fn queue<W: World>() -> (Feed<W>, Updates<W>) {
    let queue = Queue {
        waiting: VecDeque::new(),
        lagged: 0,
        end: None,
        ended: false,
    };
    let shared = Arc::new(Shared {
        queue: Mutex::new(queue),
        changed: Notify::new(),
    });
    (Feed(Arc::clone(&shared)), Updates(shared))
}

impl<W: World> Updates<W> {
    /// The next update; `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<Update<W>> {
        loop {
            {
                let mut queue = self.0.queue();
                if queue.lagged > 0 {
                    return Some(Update::Lagged(std::mem::take(&mut queue.lagged)));
                }
                if let Some(update) = queue.waiting.pop_front() {
                    return Some(update);
                }
                if queue.ended {
                    return None;
                }
            }
            // A change between the look and the wait leaves a permit behind: nothing is missed.
            self.0.changed.notified().await;
        }
    }

    /// Why the connection has ended, and what it takes to resume the session, if it can be. Ask
    /// once [`Updates::next`] has returned `None`; there is an answer once.
    pub fn error(&mut self) -> Option<(ClientError, Option<Resume>)> {
        self.0.queue().end.take()
    }
}

impl<W: World> Feed<W> {
    pub(crate) fn push(&self, update: Update<W>) {
        // Without a taker there is nobody to keep it for.
        if Arc::strong_count(&self.0) == 1 {
            return;
        }
        let mut queue = self.0.queue();
        if queue.waiting.len() == MAX_UPDATES {
            queue.waiting.pop_front();
            queue.lagged += 1;
        }
        queue.waiting.push_back(update);
        drop(queue);
        self.0.changed.notify_one();
    }

    /// The connection has ended: `error` says why, unless the client wanted it.
    pub(crate) fn end(&self, error: Option<(ClientError, Option<Resume>)>) {
        let mut queue = self.0.queue();
        queue.end = error;
        queue.ended = true;
        drop(queue);
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nothing;
    impl World for Nothing {
        type Command = ();
        type Reply = ();
        type Input = ();
        type Event = ();
    }

    #[tokio::test]
    async fn a_full_queue_drops_the_oldest_and_says_so() {
        let (feed, mut updates) = queue::<Nothing>();
        for nonce in 0..MAX_UPDATES as u64 + 3 {
            feed.push(Update::Pong {
                nonce,
                server_ms: 0,
            });
        }
        feed.end(None);
        assert!(matches!(updates.next().await, Some(Update::Lagged(3))));
        for expected in 3..MAX_UPDATES as u64 + 3 {
            let next = updates.next().await;
            assert!(matches!(next, Some(Update::Pong { nonce, .. }) if nonce == expected));
        }
        assert!(updates.next().await.is_none());
    }
}
