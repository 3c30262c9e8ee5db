//! Lives here: what both directions share when an array is read with serde: its kind, its numbers,
//! and that nothing is missing or left over.
//! Not here: which elements each kind has (`client_message`, `server_message`).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, SeqAccess, Unexpected, Visitor};

use crate::codec::Codec;
use crate::error::{DecodeError, EncodeError};
use crate::limits::MAX_NUMBER;

/// Room made for a message before its length is known: most need no more.
pub(crate) const USUAL_BYTES: usize = 128;

/// Stands for a token wherever it would be printed.
#[derive(Debug)]
pub(crate) struct Secret;

/// A whole number from `LEAST` to 2^53 - 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number<const LEAST: u64>(pub(crate) u64);

impl<'de, const LEAST: u64> Deserialize<'de> for Number<LEAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor<const LEAST: u64>;
        impl<const LEAST: u64> Visitor<'_> for NumberVisitor<LEAST> {
            type Value = Number<LEAST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {LEAST} to {MAX_NUMBER}")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                if (LEAST..=MAX_NUMBER).contains(&number) {
                    Ok(Number(number))
                } else {
                    Err(E::invalid_value(Unexpected::Unsigned(number), &self))
                }
            }

            // Some MessagePack writers use signed forms for small positive numbers.
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                match u64::try_from(number) {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
                }
            }
        }
        // `any`, so that whatever stands there instead is refused in this visitor's words.
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// A kind of message, as the first element of its array.
pub(crate) trait Kind: Sized + 'static {
    /// Every kind with its name.
    const NAMES: &'static [(&'static str, Self)];
    /// What to say when something else stands there.
    const EXPECTED: &'static str;
}

/// Reads a [`Kind`] without copying its name.
pub(crate) struct KindOf<K>(pub(crate) K);

impl<'de, K: Kind + Copy> Deserialize<'de> for KindOf<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KindVisitor<K>(std::marker::PhantomData<K>);
        impl<K: Kind + Copy> Visitor<'_> for KindVisitor<K> {
            type Value = KindOf<K>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(K::EXPECTED)
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                kind_named(name)
                    .map(KindOf)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(name), &self))
            }
        }
        deserializer.deserialize_any(KindVisitor(std::marker::PhantomData))
    }
}

pub(crate) fn kind_named<K: Kind + Copy>(name: &str) -> Option<K> {
    K::NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, kind)| *kind)
}

/// The next element of a message's array.
pub(crate) fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    elements: &mut A,
    name: &'static str,
) -> Result<T, A::Error> {
    elements
        .next_element()?
        .ok_or_else(|| A::Error::custom(format_args!("{name} is missing")))
}

/// Says that a message's array has nothing more.
pub(crate) fn end<'de, A: SeqAccess<'de>>(elements: &mut A) -> Result<(), A::Error> {
    match elements.next_element::<IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(A::Error::custom(
            "the message has more elements than its kind allows",
        )),
    }
}

/// Reads a whole message with serde, after its nesting and end have been checked.
pub(crate) fn read<'de, T: Deserialize<'de>>(
    codec: Codec,
    bytes: &'de [u8],
) -> Result<T, DecodeError> {
    match codec {
        Codec::MessagePack => crate::msgpack::check(bytes)?,
        Codec::Json => crate::json::check(bytes)?,
    }
    read_value(codec, bytes)
}

/// Reads one value that fills `bytes`, whose nesting has been checked.
pub(crate) fn read_value<'de, T: Deserialize<'de>>(
    codec: Codec,
    bytes: &'de [u8],
) -> Result<T, DecodeError> {
    use rmp_serde::decode::Error as MsgpackError;
    match codec {
        Codec::MessagePack => rmp_serde::from_slice(bytes).map_err(|error| match error {
            MsgpackError::TypeMismatch(marker) => DecodeError::new(format_args!(
                "invalid type: MessagePack {marker:?} where another type is expected"
            )),
            other => DecodeError::new(other),
        }),
        Codec::Json => serde_json::from_slice(bytes).map_err(DecodeError::new),
    }
}

/// Writes a whole message, or a part of one, with serde.
pub(crate) fn write(
    codec: Codec,
    value: &impl serde::Serialize,
    into: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    match codec {
        Codec::MessagePack => rmp_serde::encode::write_named(into, value).map_err(EncodeError::new),
        Codec::Json => serde_json::to_writer(into, value).map_err(EncodeError::new),
    }
}
