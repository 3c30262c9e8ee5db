//! Lives here: how a client gets in: login, resume, takeover; and how sessions of an earlier run do.
//! Not here: whether a token or password is good (the gateway), what a login does in the world.
//!
//! Invariant: a login that its client gives up leaves no half a session: before its task was
//! handed over everything is taken back, afterwards the session exists and lingers. Nobody is told
//! of a pass that is not safe on disk.

use std::fmt;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::{Codec, ErrorCode, ServerMessage, Welcome};
use tokio::sync::oneshot;
use tokio::time::timeout;
use world_data::{Caller, SavedSession, SessionId, World};

use super::moves::Arrival;
use super::{Hub, HubCore};
use crate::accounts::Claim;
use crate::link::Link;
use crate::refusal::Refusal;
use crate::region::{Shared, Work};
use crate::session::{Core, Session, Socket};

/// What a client asks for when it comes: its `hello`, and what its socket is.
#[derive(Clone)]
pub struct Entry {
    /// The account's name (guest login, or the subject of a token that the gateway has checked).
    pub name: Option<String>,
    /// A resume token. When it is unknown and there is a name, the name logs in.
    pub resume: Option<String>,
    /// With `resume`: the number of the last event seen.
    pub last: Option<u64>,
    /// The codec its socket speaks.
    pub codec: Codec,
    /// Where it comes from.
    pub peer: IpAddr,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the resume token: whoever reads the log must not be able to use it.
        f.debug_struct("Entry")
            .field("name", &self.name)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// A login or resume that runs.
#[derive(Debug)]
pub(super) struct Entering {
    waiter: oneshot::Sender<Result<(), Refusal>>,
}

/// How a client came to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    New,
    Takeover,
    Resumed,
}

impl<W: World> Hub<W> {
    /// Logs a client in, resumes its session, or takes it over. The first message that
    /// [`Link::next`] hands out is the `welcome`.
    ///
    /// A takeover keeps the account's session and entity in the world, but is a new beginning for
    /// the client: `resumed` is false, commands and events are numbered from 1 again, and it waits
    /// until the old client's commands are answered.
    ///
    /// # Errors
    /// Ends the socket: there is no link, so telling the client and counting is the gateway's.
    pub async fn enter(&self, entry: Entry) -> Result<Link<W>, Refusal> {
        let core = self.core();
        let limit = core.host.settings.login_limit;
        let entered = timeout(limit, core.admit(&entry))
            .await
            .unwrap_or_else(|_| {
                let why = format!("no login within {} s", limit.as_secs_f64());
                Err(Refusal::new(ErrorCode::Overloaded, why))
            });
        let metrics = &core.host.metrics;
        match &entered {
            Ok((_, Way::New)) => metrics.logins_new.increment(1),
            Ok((_, Way::Takeover)) => metrics.logins_takeover.increment(1),
            Ok((_, Way::Resumed)) => metrics.logins_resumed.increment(1),
            Err(refusal) => {
                metrics.logins_refused.increment(1);
                tracing::debug!(?entry, %refusal, "login refused");
            }
        }
        entered.map(|(link, _)| link)
    }
}

impl<W: World> HubCore<W> {
    async fn admit(self: &Rc<Self>, entry: &Entry) -> Result<(Link<W>, Way), Refusal> {
        let limit = self.host.settings.name_limit;
        let name = entry
            .name
            .as_deref()
            .map(|name| checked(name, limit))
            .transpose()?;
        let unknown = "the session is over, or its token was used";
        let mut pass = match &entry.resume {
            None => None,
            Some(token) => match self.host.accounts.read(token) {
                None if name.is_none() => return Err(Refusal::bad_login(unknown)),
                pass => pass,
            },
        };
        loop {
            if self.host.phase.draining() {
                return Err(Refusal::draining());
            }
            let mut changed = pin!(self.host.accounts.changed());
            changed.as_mut().enable();
            let claim = match (pass, name) {
                (Some(pass), _) => self.host.accounts.claim_pass(pass, self.index),
                (None, Some(name)) => {
                    self.host
                        .accounts
                        .claim(name, self.index, self.host.settings.max_sessions)
                }
                (None, None) => return Err(Refusal::bad_login("neither a name nor a session")),
            };
            match claim {
                Claim::New(id) => {
                    let coming = Coming::new(self, id);
                    self.log_in(id, name.unwrap_or_default()).await?;
                    return coming.attach(Way::New, entry);
                }
                Claim::Move(id, from) => {
                    let way = match pass {
                        Some(_) => Way::Resumed,
                        None => Way::Takeover,
                    };
                    let coming = Coming::new(self, id);
                    let arrival = self.fetch(id, from, way == Way::Takeover).await;
                    match arrival.map_err(|_| Refusal::internal("the session was lost"))? {
                        Arrival::Here => {
                            self.come_back(id, pass.map(|pass| pass.number)).await?;
                            return coming.attach(way, entry);
                        }
                        Arrival::Ended(why) => return Err(why),
                        Arrival::Absent => {}
                    }
                }
                Claim::Wait => changed.await,
                Claim::Full => {
                    let limit = self.host.settings.max_sessions;
                    let why = format!("there are {limit} sessions, the most allowed");
                    return Err(Refusal::new(ErrorCode::Overloaded, why));
                }
                Claim::Unknown if name.is_some() => pass = None,
                Claim::Unknown => return Err(Refusal::bad_login(unknown)),
            }
        }
    }

    /// Runs the login task of a new session, and waits until it is safe on disk.
    async fn log_in(&self, id: SessionId, name: &str) -> Result<(), Refusal> {
        let shared = Shared::new(Caller {
            session: id,
            name: name.to_owned(),
            you: None,
        });
        let core = Core::new(Arc::clone(&shared), &self.host.map);
        self.sessions.borrow_mut().insert(id, Session::away(core));
        let (waiter, entered) = oneshot::channel();
        self.entering.borrow_mut().insert(id, Entering { waiter });
        self.host.post.route(id, self.index);
        let mut guard = Unclaim {
            hub: self,
            id,
            armed: true,
        };
        let mut login = Some(Work::Login(shared));
        self.until_handed(id, None, |core, placement| {
            let Some(work) = login.take() else {
                return true;
            };
            login = core.hand(placement, work).err();
            login.is_none()
        })
        .await;
        guard.armed = false;
        entered
            .await
            .unwrap_or_else(|_| Err(Refusal::internal("the login was lost")))
    }

    /// Tells the world that a session's client is back, and waits until that and its next pass are
    /// safe on disk. `used` is the pass it came with; without one it begins anew.
    async fn come_back(&self, id: SessionId, used: Option<u64>) -> Result<(), Refusal> {
        // In order: it was away before it is back.
        self.go_away(id);
        let pass = self.host.accounts.next_pass(id);
        let (waiter, entered) = oneshot::channel();
        let placement = self.host.directory.placement();
        let handed = self.with(id, |session| {
            session.core.present = true;
            let shared = Arc::clone(&session.core.shared);
            let work = Work::Resume { shared, pass, used };
            session.core.say(&placement, work);
        });
        if handed.is_some() {
            self.entering.borrow_mut().insert(id, Entering { waiter });
        }
        entered
            .await
            .unwrap_or_else(|_| Err(Refusal::internal("the session was lost")))
    }

    /// Tells who waits for a login or resume what came of it.
    pub(super) fn entered(&self, id: SessionId, result: Result<(), Refusal>) {
        let Some(entering) = self.entering.borrow_mut().remove(&id) else {
            return;
        };
        let failed = result.is_err();
        if entering.waiter.send(result).is_err() && !failed {
            self.left_alone(id);
        }
    }

    /// A session's client did not wait for it: it lingers, as if it had lost its socket.
    pub(super) fn left_alone(&self, id: SessionId) {
        tracing::debug!(session = %id.0, "nobody waits for the session");
        self.go_away(id);
        if self.with(id, |_| ()).is_some() {
            self.host.accounts.settle(id, self.index);
        }
    }

    /// Takes over sessions of an earlier run: they are away, and linger from now on.
    pub(crate) fn adopt(&self, sessions: Vec<SavedSession>) {
        for saved in sessions {
            let mut core = Core::restore(saved, &self.host.map);
            let id = core.id;
            core.watch = core
                .shared
                .caller
                .you
                .and_then(|you| self.host.engine.watch(you));
            let doomed = core.doomed.is_some();
            self.listen(&core);
            self.sessions.borrow_mut().insert(id, Session::away(core));
            self.host.post.route(id, self.index);
            self.host.accounts.settle(id, self.index);
            if doomed {
                self.log_out(id);
            } else {
                self.go_away(id);
            }
        }
    }

    /// Gives a session its new socket.
    fn attach(self: &Rc<Self>, id: SessionId, way: Way, entry: &Entry) -> Result<Link<W>, Refusal> {
        let (token, pass) = self.host.accounts.token(id);
        let socket = Socket::new(entry.codec);
        socket.unheard.set((way == Way::Resumed).then_some(pass));
        let settings = &self.host.settings;
        let attached = self.with(id, |session| {
            if way == Way::Resumed {
                session.core.events.resume(entry.last.unwrap_or(0));
            }
            session.ending = None;
            socket.push(ServerMessage::Welcome(Welcome {
                session: id.0,
                resume: token,
                resumed: way == Way::Resumed,
                last_command: session.core.commands.last_done(),
                tick_hz: settings.tick_hz,
                cell: self.host.map.cell,
                view_radius: self.host.world.view_radius(),
                you: session
                    .core
                    .shared
                    .caller
                    .you
                    .map(world_data::ObjectId::raw),
            }));
            session.socket.replace(Rc::clone(&socket))
        });
        match attached {
            None => Err(Refusal::new(
                ErrorCode::TakenOver,
                "the session has gone elsewhere",
            )),
            Some(before) => {
                match before {
                    Some(before) => before.finish(Some(Refusal::internal("two sockets at once"))),
                    None => {
                        self.host.connected.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ok(Link::new(Rc::clone(self), id, socket))
            }
        }
    }
}

/// A client that is about to get its session. When it goes before it has it, the session is left
/// alone, whatever it was waiting for.
struct Coming<'a, W: World> {
    hub: &'a Rc<HubCore<W>>,
    id: SessionId,
}

impl<'a, W: World> Coming<'a, W> {
    fn new(hub: &'a Rc<HubCore<W>>, id: SessionId) -> Self {
        Self { hub, id }
    }

    fn attach(self, way: Way, entry: &Entry) -> Result<(Link<W>, Way), Refusal> {
        let (hub, id) = (self.hub, self.id);
        // The world may have ended it while it was nobody's to log out.
        if let Some(why) = hub
            .with(id, |session| session.core.doomed.clone())
            .flatten()
        {
            hub.host.accounts.settle(id, hub.index);
            hub.log_out(id);
            return Err(why);
        }
        hub.attach(id, way, entry).map(|link| (link, way))
    }
}

impl<W: World> Drop for Coming<'_, W> {
    fn drop(&mut self) {
        let (hub, id) = (self.hub, self.id);
        let under_way =
            hub.entering.borrow().contains_key(&id) || hub.arriving.borrow().contains_key(&id);
        if under_way {
            // Whoever brings it finds that nobody waits.
            return;
        }
        match hub.with(id, |session| session.socket.is_some()) {
            Some(true) => hub.host.accounts.settle(id, hub.index),
            Some(false) => hub.left_alone(id),
            None => {}
        }
    }
}

/// Takes a login back whose task was not handed over.
struct Unclaim<'a, W: World> {
    hub: &'a HubCore<W>,
    id: SessionId,
    armed: bool,
}

impl<W: World> Drop for Unclaim<'_, W> {
    fn drop(&mut self) {
        if self.armed {
            self.hub.sessions.borrow_mut().remove(&self.id);
            self.hub.entering.borrow_mut().remove(&self.id);
            self.hub.host.post.forget(self.id);
            self.hub.host.accounts.gone(self.id);
        }
    }
}

/// A name as it counts: without the blanks around it, of visible characters only.
fn checked(name: &str, limit: usize) -> Result<&str, Refusal> {
    let name = name.trim();
    // Cut before counting: the name may be as long as a message.
    let length = name.chars().take(limit + 1).count();
    if length == 0 || length > limit {
        return Err(Refusal::bad_login(format!(
            "a name has 1 to {limit} characters"
        )));
    }
    if name
        .chars()
        .any(|c| c != ' ' && (c.is_whitespace() || c.is_control() || is_format(c)))
    {
        return Err(Refusal::bad_login("a name has visible characters only"));
    }
    Ok(name)
}

/// Characters that are not seen, or turn the direction of those around them: with them two names
/// could look alike.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_visible() {
        for good in ["a", " ann ", "Ann of Cleves", "安", &"x".repeat(32)] {
            assert_eq!(checked(good, 32).unwrap(), good.trim());
        }
        for bad in [
            "",
            "  ",
            &"x".repeat(33),
            "a\nb",
            "a\u{200b}",
            "\u{202e}a",
            "a\u{a0}b",
        ] {
            let refusal = checked(bad, 32).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::BadLogin, "{bad:?}");
        }
    }
}
