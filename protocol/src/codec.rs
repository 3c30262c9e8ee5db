//! Lives here: the two encodings and their negotiation as WebSocket subprotocols.
//! Not here: the encodings themselves (`msgpack`, `json`, and serde's crates).

use std::fmt;

/// How messages of one connection are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// `MessagePack` in binary messages; structs are maps with names.
    MessagePack,
    /// JSON in text messages.
    Json,
}

/// None of the subprotocols that the client offers is known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no subprotocol of {0:?} is supported; use brightstar.v1.msgpack or brightstar.v1.json")]
pub struct UnsupportedSubprotocol(pub String);

impl Codec {
    /// Both, for tables with one entry per codec; [`Codec::index`] is the place in it.
    pub const ALL: [Self; 2] = [Self::MessagePack, Self::Json];

    /// The name as a WebSocket subprotocol.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::MessagePack => "brightstar.v1.msgpack",
            Self::Json => "brightstar.v1.json",
        }
    }

    /// The place of this codec in [`Codec::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::MessagePack => 0,
            Self::Json => 1,
        }
    }

    /// Whether messages are WebSocket text messages; else they are binary.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Json)
    }

    /// Chooses from the value of a `Sec-WebSocket-Protocol` header: the first name in it that is
    /// known, and JSON when the client asks for none.
    ///
    /// # Errors
    /// When names are given and none is known. Refuse the connection.
    pub fn negotiate(header: Option<&str>) -> Result<Self, UnsupportedSubprotocol> {
        let header = header.unwrap_or_default();
        let mut names = header
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .peekable();
        if names.peek().is_none() {
            return Ok(Self::Json);
        }
        names
            .find_map(|name| {
                Self::ALL
                    .into_iter()
                    .find(|codec| codec.subprotocol() == name)
            })
            .ok_or_else(|| UnsupportedSubprotocol(crate::error::shortened(header)))
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MessagePack => "msgpack",
            Self::Json => "json",
        })
    }
}

impl std::str::FromStr for Codec {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.to_string() == name)
            .ok_or_else(|| format!("{name:?} is no codec; use msgpack or json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_name_wins_and_none_means_json() {
        let both = "soap, brightstar.v1.msgpack ,brightstar.v1.json";
        assert_eq!(Codec::negotiate(Some(both)), Ok(Codec::MessagePack));
        assert_eq!(
            Codec::negotiate(Some("brightstar.v1.json")),
            Ok(Codec::Json)
        );
        assert_eq!(Codec::negotiate(None), Ok(Codec::Json));
        assert_eq!(Codec::negotiate(Some(" , ")), Ok(Codec::Json));
        let error = Codec::negotiate(Some("brightstar.v2.msgpack")).unwrap_err();
        assert!(error.to_string().contains("brightstar.v2.msgpack"));
    }

    #[test]
    fn indices_are_places_in_all() {
        for (place, codec) in Codec::ALL.into_iter().enumerate() {
            assert_eq!(codec.index(), place);
            assert_eq!(codec.to_string().parse(), Ok(codec));
        }
    }
}
