//! Lives here: error codes of the protocol, and why bytes are no message.
//! Not here: who sends an error when (`src/gateway`, the session actor).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::MAX_ERROR_CHARS;

/// What went wrong, as the client is told. Metrics and clients depend on the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The message can't be read, or is out of turn.
    BadMessage,
    /// The name or token is not accepted.
    BadLogin,
    /// The message exceeds a limit of size.
    TooLarge,
    /// Messages come faster than a stated rate.
    TooFast,
    /// The client reads too slowly, or said nothing in time.
    TooSlow,
    /// The account has logged in somewhere else.
    TakenOver,
    /// The server has no room.
    Overloaded,
    /// The server is about to stop.
    Draining,
    /// This version or feature is unknown here.
    Unsupported,
    /// The server's own fault.
    Internal,
    /// In replies: the world said no; the message is the world's.
    Refused,
    /// In replies: the command exceeded its budget of time or attempts.
    Timeout,
    /// In replies: the command's code failed; it was set aside for the operator.
    Failed,
}

/// Whether, and when, a client should try again what was answered with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same will fail again.
    Never,
    /// After a pause, growing with each attempt.
    Later,
    /// At once: the session can be resumed.
    Now,
}

impl ErrorCode {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::BadMessage,
        Self::BadLogin,
        Self::TooLarge,
        Self::TooFast,
        Self::TooSlow,
        Self::TakenOver,
        Self::Overloaded,
        Self::Draining,
        Self::Unsupported,
        Self::Internal,
        Self::Refused,
        Self::Timeout,
        Self::Failed,
    ];

    /// The code as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadMessage => "bad_message",
            Self::BadLogin => "bad_login",
            Self::TooLarge => "too_large",
            Self::TooFast => "too_fast",
            Self::TooSlow => "too_slow",
            Self::TakenOver => "taken_over",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
        }
    }

    /// Whether to try again.
    pub const fn retry(self) -> Retry {
        match self {
            Self::BadMessage
            | Self::BadLogin
            | Self::TooLarge
            | Self::TakenOver
            | Self::Unsupported
            | Self::Refused
            | Self::Failed => Retry::Never,
            Self::TooFast | Self::Overloaded | Self::Draining | Self::Internal | Self::Timeout => {
                Retry::Later
            }
            Self::TooSlow => Retry::Now,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why bytes are no message, in words fit for an `error` message to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

impl DecodeError {
    pub(crate) fn new(words: impl fmt::Display) -> Self {
        Self(shortened(&words.to_string()))
    }
}

/// A payload can't be written in this codec: its own `Serialize` refuses, or a map of it has keys
/// that JSON can't express. A mistake in the world's types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload can't be encoded: {0}")]
pub struct EncodeError(String);

impl EncodeError {
    pub(crate) fn new(words: impl fmt::Display) -> Self {
        Self(shortened(&words.to_string()))
    }
}

/// Cuts a text that may quote a stranger to [`MAX_ERROR_CHARS`].
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_ERROR_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_they_are_named() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
        }
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let long = "é".repeat(MAX_ERROR_CHARS + 1);
        assert_eq!(
            DecodeError::new(long).0.chars().count(),
            MAX_ERROR_CHARS + 1
        );
    }
}
