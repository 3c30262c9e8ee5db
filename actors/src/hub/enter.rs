//! Lives here: how a client gets in: login, resume, takeover.
//! Not here: whether a token or password is good (the gateway), what a login does in the world.
//!
//! Invariant: a login that its client gives up leaves no half a session: before its task was
//! handed over everything is taken back, afterwards the session exists and lingers.

use std::fmt;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::{Codec, ErrorCode, ServerMessage, Welcome};
use tokio::sync::oneshot;
use tokio::time::timeout;
use world_data::{Caller, SessionId, World};

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

/// A login that runs.
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
        let mut token = entry.resume.as_deref();
        loop {
            if self.host.phase.draining() {
                return Err(Refusal::draining());
            }
            let mut changed = pin!(self.host.accounts.changed());
            changed.as_mut().enable();
            let claim = match (token, name) {
                (Some(token), _) => self.host.accounts.claim_token(token, self.index),
                (None, Some(name)) => {
                    self.host
                        .accounts
                        .claim(name, self.index, self.host.settings.max_sessions)
                }
                (None, None) => return Err(Refusal::bad_login("neither a name nor a session")),
            };
            match claim {
                Claim::New(id) => {
                    self.log_in(id, name.unwrap_or_default()).await?;
                    return self
                        .attach(id, Way::New, entry)
                        .map(|link| (link, Way::New));
                }
                Claim::Move(id, from) => {
                    let way = if token.is_some() {
                        Way::Resumed
                    } else {
                        Way::Takeover
                    };
                    let arrival = self.fetch(id, from, way == Way::Takeover).await;
                    match arrival.map_err(|_| Refusal::internal("the session was lost"))? {
                        Arrival::Here => {
                            return self.attach(id, way, entry).map(|link| (link, way));
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
                Claim::Unknown if name.is_some() => token = None,
                Claim::Unknown => {
                    return Err(Refusal::bad_login(
                        "the session is over, or its token was used",
                    ));
                }
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

    /// Tells who waits for a login what came of it.
    pub(super) fn entered(&self, id: SessionId, result: Result<(), Refusal>) {
        let Some(entering) = self.entering.borrow_mut().remove(&id) else {
            return;
        };
        if entering.waiter.send(result).is_err() {
            // Its client has gone. The session lingers, as if it had lost its socket.
            tracing::debug!(session = %id.0, "nobody waits for the login");
        }
    }

    /// Gives a session its new socket.
    fn attach(self: &Rc<Self>, id: SessionId, way: Way, entry: &Entry) -> Result<Link<W>, Refusal> {
        let token = self.host.accounts.rotate(id).map_err(|error| {
            tracing::error!(%error, "the operating system has no random numbers");
            Refusal::internal("no resume token could be made")
        })?;
        let socket = Socket::new(entry.codec);
        let settings = &self.host.settings;
        let attached = self.with(id, |session| {
            if way == Way::Resumed {
                session.core.events.resume(entry.last.unwrap_or(0));
            }
            session.ending = None;
            socket.push(ServerMessage::Welcome(Welcome {
                session: id.0,
                resume: token.reveal(),
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
