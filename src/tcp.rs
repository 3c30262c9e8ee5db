//! Lives here: TCP sockets as the system sees them: how many there may be, listening, and what is
//! asked of each connection.
//! Not here: what runs over them (`gateway`, `http`).

use std::any::Any;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::rt::net::TcpStream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, SockRef, Socket, Type};

use crate::config::Gateway;

/// Connections that may wait to be accepted: a crowd that comes back after a restart.
const BACKLOG: i32 = 4_096;

/// Files that a process has open besides sockets: the store, the journal, the log, and room.
const OTHER_FILES: u64 = 256;

/// Raises the system's limit of open files towards what so many sockets need. Says in the log when
/// that is not allowed.
pub(crate) fn allow_sockets(sockets: usize) {
    let wanted = sockets as u64 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let allowed = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = Rlimit {
        current: Some(allowed),
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, wanted, "the limit of open files could not be raised");
    } else if allowed < wanted {
        tracing::info!(
            allowed,
            wanted,
            "the system allows fewer open files than gateway.max_sockets needs; raise `ulimit -Hn`"
        );
    }
}

/// Listens on an address.
///
/// # Errors
/// When the address is taken or not ours.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // So that a server can start again while connections of the last one are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What is asked of the system for every connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tuning {
    unsent_bytes: u32,
    stall: Duration,
}

impl Tuning {
    pub(crate) fn new(gateway: &Gateway) -> Self {
        Self {
            unsent_bytes: gateway.unsent_bytes,
            stall: Duration::from_secs(gateway.stall_seconds),
        }
    }

    /// Tunes a new connection. A connection that can't be tuned is served all the same.
    pub(crate) fn apply(self, connection: &dyn Any) {
        let plain = connection.downcast_ref::<TcpStream>();
        let tls = connection.downcast_ref::<TlsStream<TcpStream>>();
        let Some(stream) = plain.or_else(|| tls.map(|tls| tls.get_ref().0)) else {
            return;
        };
        if let Err(error) = self.tune(stream) {
            tracing::debug!(%error, "a connection could not be tuned");
        }
    }

    fn tune(self, stream: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        // Messages are small and already batched; waiting for more would only delay them.
        socket.set_tcp_nodelay(true)?;
        #[cfg(target_os = "linux")]
        {
            // A client that takes nothing, though it may still be there, is given up by the
            // kernel: our side can't see it while the writer waits for room.
            socket.set_tcp_user_timeout(Some(self.stall))?;
            socket.set_tcp_notsent_lowat(self.unsent_bytes)?;
        }
        Ok(())
    }
}
