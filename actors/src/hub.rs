//! Lives here: the hub (skeleton).

use std::net::IpAddr;

use protocol::Codec;
use world_data::World;

use crate::link::Link;
use crate::refusal::Refusal;

/// What a client asks for when it comes: its `hello`, and what its socket is.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The account's name (guest login, or the subject of a token that the gateway has checked).
    pub name: Option<String>,
    /// A resume token.
    pub resume: Option<String>,
    /// With `resume`: the number of the last event seen.
    pub last: Option<u64>,
    /// The codec its socket speaks.
    pub codec: Codec,
    /// Where it comes from.
    pub peer: IpAddr,
}

/// This thread's hub: the sessions whose sockets live here. Cheap to clone, stays on its thread.
#[derive(Debug)]
pub struct Hub<W: World>(std::marker::PhantomData<std::rc::Rc<W>>);

#[expect(
    clippy::todo,
    unused_variables,
    clippy::unused_async,
    clippy::unused_self,
    reason = "signatures first; bodies within the hour"
)]
impl<W: World> Hub<W> {
    /// Logs a client in, resumes its session, or takes it over. The first message that
    /// [`Link::next`] hands out is the `welcome`.
    ///
    /// # Errors
    /// Ends the socket.
    pub async fn enter(&self, entry: Entry) -> Result<Link<W>, Refusal> {
        todo!()
    }
}
