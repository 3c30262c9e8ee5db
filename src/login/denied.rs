//! Lives here: why a token is not taken: what its client is told, and what that is counted as.
//! Not here: finding out (`claims`).
//!
//! Invariant: what is told helps an honest client's author, and gives away neither a key, nor its
//! id, nor whether an account exists.

use actors::Refusal;
use protocol::ErrorCode;

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// There is none.
    Missing,
    /// It is longer than `login.max_token_bytes`.
    TooLong(usize),
    /// It is no signed JWT, or asks for what is not known here.
    Unreadable,
    /// No key of ours has signed it by its own algorithm.
    Signature,
    /// It was signed by us, but lacks this claim, or has it in a wrong form.
    Claim(&'static str),
    /// Its time is over.
    Expired,
    /// Its time has not come.
    Early,
    /// It is meant for somebody else.
    Audience,
    /// Somebody else gave it out.
    Issuer,
}

impl Denied {
    /// Whether the token was signed by one of our keys all the same: such claims are looked at only
    /// behind a good signature.
    pub(super) fn is_of_ours(self) -> bool {
        match self {
            Self::Missing | Self::TooLong(_) | Self::Unreadable | Self::Signature => false,
            Self::Claim(_) | Self::Expired | Self::Early | Self::Audience | Self::Issuer => true,
        }
    }

    /// Label of `brightstar_logins_refused_total`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "no_token",
            Self::TooLong(_) | Self::Unreadable => "unreadable",
            Self::Signature => "signature",
            Self::Claim(_) => "claim",
            Self::Expired => "expired",
            Self::Early => "early",
            Self::Audience => "audience",
            Self::Issuer => "issuer",
        }
    }

    /// What the client is told.
    pub(super) fn refusal(self) -> Refusal {
        let words = match self {
            Self::Missing => "this server asks for a token (login.mode = \"jwt\")".to_owned(),
            Self::TooLong(most) => {
                format!("a token has at most {most} bytes (login.max_token_bytes)")
            }
            Self::Unreadable => "the token can't be read: it must be a signed JWT".to_owned(),
            Self::Signature => "the token was not signed with a key of this server".to_owned(),
            Self::Claim(name) => format!("the token has no good `{name}`"),
            Self::Expired => "the token has expired".to_owned(),
            Self::Early => "the token is not valid yet".to_owned(),
            Self::Audience => "the token is for another audience (login.audience)".to_owned(),
            Self::Issuer => "the token is of another issuer (login.issuer)".to_owned(),
        };
        Refusal::new(ErrorCode::BadLogin, words)
    }
}
