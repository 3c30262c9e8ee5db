//! Lives here: the work of a region, and running one piece of it as a task.
//! Not here: the queue it waits in (`handle`), and when it runs (`region`).
//!
//! Invariant: each piece of work is run once, and whoever waits for its end hears of it, even when
//! the region's actor dies in the middle.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;
use world_data::{
    Asked, Call, Caller, Class, Done, Effect, Fault, Message, Outcome, Payload, SessionId, Stop,
    Task, Worker, World,
};

use crate::host::Host;

/// What a session and the regions that work for it both see.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Who the tasks run for.
    pub(crate) caller: Caller,
    /// Pieces of work that were run.
    pub(crate) executed: AtomicU64,
    /// The number of the newest input that was run.
    pub(crate) input_done: AtomicU64,
}

impl Shared {
    pub(crate) fn new(caller: Caller) -> Arc<Self> {
        Arc::new(Self {
            caller,
            executed: AtomicU64::new(0),
            input_done: AtomicU64::new(0),
        })
    }
}

/// Where a session leaves its newest input until the region comes to it.
pub(crate) type Slot<W> = Mutex<Option<(u64, <W as World>::Input)>>;

/// A piece of work: one task to be.
pub(crate) enum Work<W: World> {
    /// A session comes.
    Login(Arc<Shared>),
    /// A session's client is back.
    Resume {
        /// Whose.
        shared: Arc<Shared>,
        /// The number of the pass that it is given.
        pass: u64,
        /// The number of the pass it came with; `None`: it begins anew.
        used: Option<u64>,
    },
    /// A session has no socket.
    Away(Arc<Shared>),
    /// A session goes.
    Logout(Arc<Shared>),
    /// A session's command.
    Command {
        /// Whose.
        shared: Arc<Shared>,
        /// Its number.
        seq: u64,
        /// What.
        payload: W::Command,
        /// When it came from the socket.
        received: Instant,
    },
    /// What a session says on a channel.
    Publish {
        /// Whose.
        shared: Arc<Shared>,
        /// The channel, and what.
        said: Box<(String, Message)>,
    },
    /// A session's input: the newest at the time it runs.
    Input {
        /// Whose.
        shared: Arc<Shared>,
        /// The input.
        slot: Arc<Slot<W>>,
    },
    /// Makes the actor panic outside of any task.
    #[cfg(test)]
    Die,
}

impl<W: World> fmt::Debug for Work<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, shared) = match self {
            Self::Login(shared) => ("Login", shared),
            Self::Resume { shared, .. } => ("Resume", shared),
            Self::Away(shared) => ("Away", shared),
            Self::Logout(shared) => ("Logout", shared),
            Self::Command { shared, .. } => ("Command", shared),
            Self::Publish { shared, .. } => ("Publish", shared),
            Self::Input { shared, .. } => ("Input", shared),
            #[cfg(test)]
            Self::Die => return f.write_str("Die"),
        };
        write!(f, "{kind} of {}", shared.caller.name)
    }
}

/// Runs its closure at the end of the scope, unless told that all went well.
struct Otherwise<F: FnMut()> {
    done: Cell<bool>,
    action: F,
}

impl<F: FnMut()> Otherwise<F> {
    fn new(action: F) -> Self {
        Self {
            done: Cell::new(false),
            action,
        }
    }
}

impl<F: FnMut()> Drop for Otherwise<F> {
    fn drop(&mut self) {
        if !self.done.get() {
            (self.action)();
        }
    }
}

/// Counts a piece of work as run, however it ended.
struct Count<'a>(&'a AtomicU64);

impl Drop for Count<'_> {
    fn drop(&mut self) {
        // Release: whoever sees the count sees the task's end, and may go on in another region.
        self.0.fetch_add(1, Ordering::Release);
    }
}

impl<W: World> Work<W> {
    /// Runs the work as one task.
    pub(crate) fn run(self, host: &Host<W>, worker: &mut Worker) {
        match self {
            Self::Login(shared) => login(host, worker, &shared),
            Self::Resume { shared, pass, used } => {
                let session = shared.caller.session;
                let told = Effect::Resumed {
                    session,
                    pass,
                    used,
                };
                let resume = |task: &mut Task<'_>| host.world.resume(task, &shared.caller);
                say(host, worker, (&shared, "resume"), &told, resume);
            }
            Self::Away(shared) => {
                let session = shared.caller.session;
                let away = |task: &mut Task<'_>| host.world.away(task, &shared.caller);
                say(
                    host,
                    worker,
                    (&shared, "away"),
                    &Effect::Away { session },
                    away,
                );
            }
            Self::Logout(shared) => logout(host, worker, &shared),
            Self::Command {
                shared,
                seq,
                payload,
                received,
            } => {
                let _count = Count(&shared.executed);
                command(host, worker, &shared.caller, seq, &payload);
                host.metrics.command_commit.record(received.elapsed());
            }
            Self::Publish { shared, said } => publish(host, worker, &shared, &said),
            Self::Input { shared, slot } => input(host, worker, &shared, &slot),
            #[cfg(test)]
            Self::Die => panic!("told to die"),
        }
    }
}

fn login<W: World>(host: &Host<W>, worker: &mut Worker, shared: &Shared) {
    let _count = Count(&shared.executed);
    let session = shared.caller.session;
    let failed = |fault, message| Effect::LoginFailed {
        session,
        fault,
        message,
    };
    let owed = Otherwise::new(|| {
        let told = failed(Fault::Failed, "the login failed".to_owned());
        host.engine.tell(told);
    });
    worker.execute(
        call("login", Class::Durable, &Asked::plain(&shared.caller)),
        |task| host.world.login(task, &shared.caller),
        |done| {
            owed.done.set(true);
            Some(match done {
                Done::Committed(you) => Effect::LoggedIn {
                    session,
                    name: shared.caller.name.as_str().into(),
                    you,
                },
                Done::Ended(fault, message) => failed(fault, message),
            })
        },
    );
}

fn logout<W: World>(host: &Host<W>, worker: &mut Worker, shared: &Shared) {
    // However it ends, the account is free again: a logout that fails is dead-lettered, and
    // locking its player out would not undo that.
    let session = shared.caller.session;
    let _owed = Otherwise::new(|| host.accounts.gone(session));
    let logout = |task: &mut Task<'_>| host.world.logout(task, &shared.caller);
    let told = Effect::LoggedOut { session };
    say(host, worker, (shared, "logout"), &told, logout);
}

/// Says something of a session to the world. However its task ends, `told` is true then, and stands
/// on disk with it; the world can't refuse it.
fn say<W: World>(
    host: &Host<W>,
    worker: &mut Worker,
    (shared, kind): (&Shared, &'static str),
    told: &Effect,
    task: impl FnMut(&mut Task<'_>) -> Result<(), Stop>,
) {
    let _count = Count(&shared.executed);
    let owed = Otherwise::new(|| host.engine.tell(told.clone()));
    worker.execute(
        call(kind, Class::Durable, &Asked::plain(&shared.caller)),
        task,
        |_| {
            owed.done.set(true);
            Some(told.clone())
        },
    );
}

fn command<W: World>(
    host: &Host<W>,
    worker: &mut Worker,
    caller: &Caller,
    seq: u64,
    payload: &W::Command,
) {
    let session = caller.session;
    let owed = Otherwise::new(|| host.engine.tell(failed_reply(session, seq)));
    worker.execute(
        call("command", Class::Durable, &Asked::new(caller, seq, payload)),
        |task| host.world.command(task, caller, payload),
        |done| {
            owed.done.set(true);
            count_refusal(host, caller, &done);
            let outcome = match done {
                Done::Committed(reply) => Outcome::Ok(Payload::new(reply)),
                Done::Ended(fault, message) => Outcome::Error { fault, message },
            };
            Some(Effect::Reply {
                session,
                seq,
                outcome,
            })
        },
    );
}

fn failed_reply(session: SessionId, seq: u64) -> Effect {
    let message = "the command failed".to_owned();
    Effect::Reply {
        session,
        seq,
        outcome: Outcome::Error {
            fault: Fault::Failed,
            message,
        },
    }
}

fn publish<W: World>(
    host: &Host<W>,
    worker: &mut Worker,
    shared: &Shared,
    said: &(String, Message),
) {
    let _count = Count(&shared.executed);
    let caller = &shared.caller;
    let (channel, message) = said;
    worker.execute(
        call("publish", Class::Durable, &Asked::new(caller, 0, said)),
        |task| {
            // In the order of the session's work, and nobody changes it as long as the task runs.
            if !task.is_member(caller.session, channel)? {
                return Ok(false);
            }
            let payload = host.world.publish(task, caller, channel, message)?;
            task.publish_from(channel, caller.you, payload)?;
            Ok(true)
        },
        |done| {
            count_refusal(host, caller, &done);
            let metrics = &host.metrics;
            let outcome = match done {
                Done::Committed(true) => &metrics.publishes_said,
                Done::Committed(false) => &metrics.publishes_foreign,
                Done::Ended(Fault::Refused, _) => &metrics.publishes_refused,
                Done::Ended(..) => &metrics.publishes_failed,
            };
            outcome.increment(1);
            None
        },
    );
}

fn input<W: World>(host: &Host<W>, worker: &mut Worker, shared: &Shared, slot: &Slot<W>) {
    let _count = Count(&shared.executed);
    let Some((seq, input)) = slot.lock().take() else {
        return;
    };
    worker.execute(
        call(
            "input",
            Class::Lazy,
            &Asked::new(&shared.caller, seq, &input),
        ),
        |task| host.world.input(task, &shared.caller, &input),
        |done| {
            count_refusal(host, &shared.caller, &done);
            None
        },
    );
    shared.input_done.store(seq, Ordering::Relaxed);
}

/// Counts what the world refused a session, by rule.
fn count_refusal<W: World, R>(host: &Host<W>, caller: &Caller, done: &Done<R>) {
    if let Done::Ended(Fault::Refused, message) = done {
        host.fouls.count(caller, message);
    }
}

fn call<'a>(kind: &'static str, class: Class, origin: &'a Asked<'a>) -> Call<'a> {
    Call {
        kind,
        class,
        origin,
    }
}
