//! Lives here: why a socket ends: what its client is told, and what it is counted as.
//! Not here: when (`session`, `hub`, and the gateway for what happens before a login).

use protocol::ErrorCode;

/// Why a socket ended. A closed set: dashboards and alerts name these labels of
/// `brightstar_disconnects_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The client said `bye`.
    Bye,
    /// The client, or the network, closed the socket.
    Closed,
    /// A message could not be read or was out of turn.
    BadMessage,
    /// A message exceeded a limit of size.
    TooLarge,
    /// Messages came faster than a stated rate.
    TooFast,
    /// The client reads too slowly, or did not answer in time.
    TooSlow,
    /// The session was taken over by another socket.
    TakenOver,
    /// There was no room.
    Overloaded,
    /// The server is about to stop.
    Draining,
    /// No login came of it.
    Handshake,
    /// The server's own fault.
    Internal,
    /// A task ended the session.
    ClosedByWorld,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Bye,
        Self::Closed,
        Self::BadMessage,
        Self::TooLarge,
        Self::TooFast,
        Self::TooSlow,
        Self::TakenOver,
        Self::Overloaded,
        Self::Draining,
        Self::Handshake,
        Self::Internal,
        Self::ClosedByWorld,
    ];

    /// The label of `brightstar_disconnects_total`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bye => "bye",
            Self::Closed => "closed",
            Self::BadMessage => "bad_message",
            Self::TooLarge => "too_large",
            Self::TooFast => "too_fast",
            Self::TooSlow => "too_slow",
            Self::TakenOver => "taken_over",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::Handshake => "handshake",
            Self::Internal => "internal",
            Self::ClosedByWorld => "closed_by_world",
        }
    }
}

/// Ends a socket: the client gets `["error", code, message]`, then the socket is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// The code the client is told.
    pub code: ErrorCode,
    /// A word for a person; names the limit that was met and its value.
    pub message: String,
    /// What the end is counted as.
    pub cause: Cause,
}

impl Refusal {
    /// A refusal whose cause follows from its code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let cause = match code {
            ErrorCode::BadMessage | ErrorCode::Unsupported => Cause::BadMessage,
            ErrorCode::BadLogin => Cause::Handshake,
            ErrorCode::TooLarge => Cause::TooLarge,
            ErrorCode::TooFast => Cause::TooFast,
            ErrorCode::TooSlow | ErrorCode::Timeout => Cause::TooSlow,
            ErrorCode::TakenOver => Cause::TakenOver,
            ErrorCode::Overloaded => Cause::Overloaded,
            ErrorCode::Draining => Cause::Draining,
            ErrorCode::Refused => Cause::ClosedByWorld,
            ErrorCode::Internal | ErrorCode::Failed => Cause::Internal,
        };
        Self {
            code,
            message: message.into(),
            cause,
        }
    }

    pub(crate) fn bad_message(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadMessage, message)
    }

    pub(crate) fn bad_login(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadLogin, message)
    }

    pub(crate) fn draining() -> Self {
        Self::new(ErrorCode::Draining, "the server is about to stop")
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }
}
