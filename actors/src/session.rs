//! Lives here: a session: what one client has asked, been answered and is still to be told.
//! Not here: who calls it (`link` for its socket, `hub` for effects and time).
//!
//! Invariant: a session's work runs in the order it was handed over, also when its region changes:
//! the new one gets work only when the old one has run all it was given.

mod commands;
mod events;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::{Codec, ServerMessage};
use tokio::sync::Notify;
use tokio::time::Instant;
use world_data::Watch;
use world_data::{Caller, Channel, Home, Map, Payload, SavedSession, SessionId, World};

pub(crate) use self::commands::{Commands, Turn};
pub(crate) use self::events::{Events, Told};
use crate::bucket::{self, Bucket};
use crate::directory::Placement;
use crate::hub::Sight;
use crate::refusal::Refusal;
use crate::region::{RegionHandle, Shared, Slot, Work};
use crate::settings::{LadderSettings, Settings};
use crate::spoken::Spoken;

/// A session on the thread of its socket.
pub(crate) struct Session<W: World> {
    /// What goes with it to another hub.
    pub(crate) core: Core<W>,
    /// The socket, unless it is away.
    pub(crate) socket: Option<Rc<Socket>>,
    /// Since when it has been without a socket.
    pub(crate) away_since: Instant,
    /// What it sees.
    pub(crate) sight: Sight,
    /// What becomes of it as soon as nothing is unanswered. Until then it takes no messages.
    pub(crate) ending: Option<Ending>,
}

/// What becomes of a session when its last command is answered.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It logs out; its client is told why, unless it asked for it.
    Leave(Option<Refusal>),
    /// Its socket ends, and its client is told why; it can be resumed.
    Part(Refusal),
    /// It goes to this hub, to begin anew for another client of the same account.
    Hand(usize),
}

impl<W: World> Session<W> {
    /// A session without a socket.
    pub(crate) fn away(core: Core<W>) -> Self {
        let away_since = Instant::now();
        Self {
            core,
            socket: None,
            away_since,
            sight: Sight::default(),
            ending: None,
        }
    }

    /// Whether `socket` is the session's.
    pub(crate) fn is_at(&self, socket: &Rc<Socket>) -> bool {
        self.socket
            .as_ref()
            .is_some_and(|mine| Rc::ptr_eq(mine, socket))
    }
}

/// The part of a session that may change threads.
pub(crate) struct Core<W: World> {
    pub(crate) id: SessionId,
    /// What the regions see of it.
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: Commands,
    pub(crate) events: Events,
    /// The channels it is in.
    pub(crate) channels: Vec<Channel>,
    /// What it is told of what is said on them: what is behind the first number, counted over all
    /// channels, and not behind the second. Both change when it moves to another hub.
    pub(crate) hears: (u64, u64),
    pub(crate) watch: Option<Arc<Watch>>,
    /// The world has ended it: it logs out as soon as it is nobody's to move.
    pub(crate) doomed: Option<Refusal>,
    /// Whether it has a client, as far as the world was told or is about to be.
    pub(crate) present: bool,
    command_rate: Bucket,
    input_rate: Bucket,
    publish_rate: Bucket,
    /// Where its work is best run: the home of its entity, or a shard of its own.
    home: Home,
    /// The region that has its work, and how much it was handed in all.
    region: Option<Arc<RegionHandle<W>>>,
    handed: u64,
    /// Where a newer input may still replace the last one: gone once a command was handed over.
    slot: Option<Arc<Slot<W>>>,
}

/// A message rate that was exceeded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rate {
    Commands,
    Inputs,
    Publishes,
}

impl<W: World> Core<W> {
    pub(crate) fn new(shared: Arc<Shared>, map: &Map) -> Self {
        let id = shared.caller.session;
        let now = Instant::now();
        Self {
            id,
            shared,
            commands: Commands::default(),
            events: Events::default(),
            channels: Vec::new(),
            hears: (0, u64::MAX),
            watch: None,
            doomed: None,
            present: false,
            command_rate: Bucket::new(now),
            input_rate: Bucket::new(now),
            publish_rate: Bucket::new(now),
            home: shard_of(id, map),
            region: None,
            handed: 0,
            slot: None,
        }
    }

    /// A session of an earlier run, as it was kept. Its entity is still to be followed.
    pub(crate) fn restore(saved: SavedSession, map: &Map) -> Self {
        let channels = saved.channels();
        let SavedSession {
            id,
            record,
            outcomes,
            newest,
            events,
        } = saved;
        let shared = Shared::new(Caller {
            session: id,
            name: record.name,
            you: record.you,
        });
        let why = |message| Refusal::new(protocol::ErrorCode::Refused, message);
        let told = events.into_iter().map(|(n, told)| match told {
            world_data::Told::Event(payload) => (n, Told::Event(payload)),
            world_data::Told::Said(number, said) => (n, Told::Spoken(Spoken::new(number, said))),
        });
        Self {
            commands: Commands::restore(record.done, outcomes),
            events: Events::restore(newest, record.acked, told),
            channels,
            doomed: record.closed.map(why),
            present: record.away_ms.is_none(),
            ..Self::new(shared, map)
        }
    }

    /// The login is done: from now on tasks run for `shared`.
    pub(crate) fn enter(&mut self, shared: Arc<Shared>) {
        self.shared = shared;
        self.handed = 0;
        self.present = true;
    }

    /// Begins anew for another client of the same account: with the same entity, but its own
    /// numbers and nothing left over. Nothing may be unanswered.
    pub(crate) fn renew(&mut self) {
        self.commands = Commands::default();
        self.events = Events::default();
        self.slot = None;
        self.shared.input_done.store(0, Ordering::Relaxed);
    }

    /// Takes in what was said on a channel that it is in; says whether it was for it.
    pub(crate) fn hear(&mut self, spoken: &Arc<Spoken>, limit: usize) -> bool {
        let (behind, to) = self.hears;
        let mine = spoken.number > behind && spoken.number <= to;
        if mine && self.events.hear(Arc::clone(spoken), limit) {
            tracing::debug!(session = %self.id.0, "dropped the oldest event");
        }
        mine
    }

    /// Counts a message against its rate.
    pub(crate) fn admit(
        &mut self,
        rate: Rate,
        now: Instant,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        let (bucket, limit, name) = match rate {
            Rate::Commands => (
                &mut self.command_rate,
                settings.commands_per_second,
                "messages but inputs",
            ),
            Rate::Inputs => (&mut self.input_rate, settings.inputs_per_second, "inputs"),
            Rate::Publishes => (
                &mut self.publish_rate,
                settings.publishes_per_second,
                "messages to channels",
            ),
        };
        if bucket.take(bucket::Rate::of_seconds(limit, settings.burst_seconds), now) {
            return Ok(());
        }
        Err(Refusal::new(
            protocol::ErrorCode::TooFast,
            format!("more than {limit} {name} per second"),
        ))
    }

    /// Notes where the session's entity is.
    pub(crate) fn moved_to(&mut self, cell: Home) {
        self.home = cell;
    }

    /// World time per real time where its entity is.
    pub(crate) fn dilation(&self, placement: &Placement<W>, ladder: &LadderSettings) -> f32 {
        placement.at(self.home).dilation(ladder) as f32
    }

    /// The region that runs the session's next piece of work.
    pub(crate) fn region(&mut self, placement: &Placement<W>) -> &Arc<RegionHandle<W>> {
        let best = placement.at(self.home);
        match &mut self.region {
            Some(region) => {
                // Acquire: pairs with the count, so all that was run there is done.
                let idle = self.shared.executed.load(Ordering::Acquire) == self.handed;
                if region.id != best.id && idle {
                    *region = Arc::clone(best);
                }
                region
            }
            none => none.insert(Arc::clone(best)),
        }
    }

    /// Hands work to the session's region.
    pub(crate) fn hand(&mut self, placement: &Placement<W>, work: Work<W>) -> Result<(), Work<W>> {
        self.region(placement).offer(work)?;
        self.handed += 1;
        self.slot = None;
        Ok(())
    }

    /// Hands over what the world must be told of the session: it is never handed back.
    pub(crate) fn say(&mut self, placement: &Placement<W>, work: Work<W>) {
        self.region(placement).push(work);
        self.handed += 1;
        self.slot = None;
    }

    /// Leaves an input for the session's region: in place of the last one, if that has not been
    /// run and nothing was handed over since, or queued.
    pub(crate) fn leave_input(
        &mut self,
        placement: &Placement<W>,
        input: (u64, W::Input),
    ) -> Result<Left, (u64, W::Input)> {
        if let Some(slot) = &self.slot {
            let mut last = slot.lock();
            if last.is_some() {
                *last = Some(input);
                return Ok(Left::Replaced);
            }
        }
        let slot = Arc::new(Slot::<W>::new(Some(input)));
        let work = Work::Input {
            shared: Arc::clone(&self.shared),
            slot: Arc::clone(&slot),
        };
        if self.hand(placement, work).is_ok() {
            self.slot = Some(slot);
            return Ok(Left::Queued);
        }
        // Nobody else has seen the slot, so the input is still in it.
        let input = slot.lock().take();
        input.map_or(Ok(Left::Queued), Err)
    }
}

/// Where an input was left for the region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// In the queue.
    Queued,
    /// In place of the last one, which had not been run: the newest wins.
    Replaced,
}

/// A session without an entity does its work in a shard of its own.
pub(crate) fn shard_of(id: SessionId, map: &Map) -> Home {
    map.shard_of(id.0.as_u64_pair().0)
}

/// How a socket ends: what its client is told. Nothing, when it said `bye` itself.
#[derive(Debug, Clone)]
pub(crate) struct Farewell(pub(crate) Option<Refusal>);

/// What waits in a control lane.
#[derive(Debug)]
enum Queued {
    /// Welcome, reply, `forget`, `pong`.
    Message(ServerMessage<Payload>),
    /// In the end: something with a number among events.
    Told(u64, Told),
    /// All events up to this number go first: they were committed before what follows.
    Events(u64),
}

/// What comes next from a control lane.
#[derive(Debug)]
pub(crate) enum Next {
    Message(ServerMessage<Payload>),
    Told(u64, Told),
}

/// One socket, as its session and its link see it.
pub(crate) struct Socket {
    /// The codec it speaks.
    pub(crate) codec: Codec,
    /// What must arrive, in order.
    lane: RefCell<VecDeque<Queued>>,
    /// Set once it ends: what the client is told.
    end: RefCell<Option<Farewell>>,
    /// A frame may be composed.
    pub(crate) frame_due: Cell<bool>,
    /// Wakes whoever reads it.
    pub(crate) reader: Notify,
    /// Wakes whoever writes to it.
    pub(crate) writer: Notify,
    /// The gateway has let go of it.
    pub(crate) closed: Cell<bool>,
    /// The pass that its client was given for another, until the client is heard of.
    pub(crate) unheard: Cell<Option<u64>>,
}

impl Socket {
    pub(crate) fn new(codec: Codec) -> Rc<Self> {
        Rc::new(Self {
            codec,
            lane: RefCell::default(),
            end: RefCell::default(),
            frame_due: Cell::new(false),
            reader: Notify::new(),
            writer: Notify::new(),
            closed: Cell::new(false),
            unheard: Cell::new(None),
        })
    }

    /// Adds a message to the control lane; returns how many are in it now.
    pub(crate) fn push(&self, message: ServerMessage<Payload>) -> usize {
        let mut lane = self.lane.borrow_mut();
        lane.push_back(Queued::Message(message));
        self.writer.notify_one();
        lane.len()
    }

    /// Adds something with a number among events to the control lane.
    pub(crate) fn push_told(&self, n: u64, told: Told) {
        self.lane.borrow_mut().push_back(Queued::Told(n, told));
        self.writer.notify_one();
    }

    /// As [`Socket::push`], behind all events there are now.
    pub(crate) fn push_behind(&self, events: &Events, message: ServerMessage<Payload>) -> usize {
        if events.waiting() {
            let newest = events.newest();
            self.lane.borrow_mut().push_back(Queued::Events(newest));
        }
        self.push(message)
    }

    /// Takes the first message of the control lane; events that come before it are taken from
    /// `events`, which is `None` when they are another socket's now.
    pub(crate) fn pop(&self, mut events: impl FnMut(u64) -> Option<(u64, Told)>) -> Option<Next> {
        loop {
            let first = self.lane.borrow_mut().pop_front()?;
            let n = match first {
                Queued::Message(message) => return Some(Next::Message(message)),
                Queued::Told(n, told) => return Some(Next::Told(n, told)),
                Queued::Events(n) => n,
            };
            if let Some((number, told)) = events(n) {
                self.lane.borrow_mut().push_front(Queued::Events(n));
                return Some(Next::Told(number, told));
            }
        }
    }

    /// Forgets what waits in the control lane.
    pub(crate) fn clear(&self) {
        self.lane.borrow_mut().clear();
    }

    /// Puts the events that the control lane waits for into it: the session and its events go on
    /// without this socket.
    pub(crate) fn part(&self, events: &mut Events) {
        let waiting = self.lane.take();
        let mut lane = self.lane.borrow_mut();
        for queued in waiting {
            match queued {
                Queued::Message(_) | Queued::Told(..) => lane.push_back(queued),
                Queued::Events(to) => {
                    while let Some((n, told)) = events.next_to(to) {
                        lane.push_back(Queued::Told(n, told));
                    }
                }
            }
        }
    }

    /// What the client is told at the end; `None` while the socket is open.
    pub(crate) fn ended(&self) -> Option<Farewell> {
        self.end.borrow().clone()
    }

    /// Ends it. The first word counts.
    pub(crate) fn finish(&self, why: Option<Refusal>) {
        self.end.borrow_mut().get_or_insert(Farewell(why));
        self.reader.notify_one();
        self.writer.notify_one();
    }
}
