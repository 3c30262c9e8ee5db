//! Lives here: how a client says who it is, as a value of the configuration and of `--login`.
//! Not here: logging in (`crate::login`).

use serde::{Deserialize, Serialize};

/// How a client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LoginMode {
    /// By a name, which nobody checks: for development.
    #[default]
    Guest,
    /// By a signed token.
    Jwt,
}
