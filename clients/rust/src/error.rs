//! Lives here: what can go wrong between a client and its server.
//! Not here: a command refused by the world; that is an outcome, not an error.

use protocol::{DecodeError, EncodeError, ErrorCode, Retry};
use tokio_tungstenite::tungstenite;

/// Why a client can't go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket could not be opened, or has failed. The session may be resumed.
    #[error("socket: {0}")]
    Socket(Box<tungstenite::Error>),
    /// The server closed the socket without a word. The session may be resumed.
    #[error("the server closed the connection")]
    Closed,
    /// The server said why it closes the socket; the code says whether to try again.
    #[error("{code}: {message}")]
    Refused {
        /// Why.
        code: ErrorCode,
        /// A word for people.
        message: String,
    },
    /// The server sent something that is not in the protocol. The connection is of no more use.
    #[error("the server's message can't be read: {0}")]
    Decode(#[from] DecodeError),
    /// The server sent a message where it may not. The connection is of no more use.
    #[error("the server's message is out of turn")]
    OutOfTurn,
    /// The payload can't be written. Nothing was sent; the connection is as it was.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The certificates to trust can't be read. Nothing was tried.
    #[error("the certificates to trust: {0}")]
    Trust(String),
    /// The server did not answer in time.
    #[error("no answer within {0:?}")]
    Timeout(std::time::Duration),
    /// More commands wait for their replies than may. Nothing was sent; await replies first.
    #[error("{0} commands wait for their replies already")]
    WindowFull(usize),
    /// The session could not be resumed: the server made a new one, or none.
    #[error("the session is gone")]
    SessionLost,
    /// The client's task has ended; [`crate::Updates::error`] says why.
    #[error("the client has stopped")]
    Stopped,
}

impl ClientError {
    /// Whether, and when, to connect again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Refused { code, .. } => code.retry(),
            Self::Socket(_) | Self::Timeout(_) => Retry::Later,
            Self::Closed => Retry::Now,
            Self::Decode(_)
            | Self::OutOfTurn
            | Self::Encode(_)
            | Self::Trust(_)
            | Self::WindowFull(_)
            | Self::SessionLost
            | Self::Stopped => Retry::Never,
        }
    }

    /// A short name of the cause, one of a closed set: for counting.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Socket(_) => "socket",
            Self::Closed => "closed",
            Self::Refused { code, .. } => code.as_str(),
            Self::Decode(_) => "decode",
            Self::OutOfTurn => "out_of_turn",
            Self::Encode(_) => "encode",
            Self::Trust(_) => "trust",
            Self::Timeout(_) => "timeout",
            Self::WindowFull(_) => "window_full",
            Self::SessionLost => "session_lost",
            Self::Stopped => "stopped",
        }
    }
}

impl From<tungstenite::Error> for ClientError {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ) => Self::Closed,
            other => Self::Socket(Box::new(other)),
        }
    }
}
