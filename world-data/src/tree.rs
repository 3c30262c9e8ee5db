//! Lives here: stored values without their type: MessagePack as JSON, for tools.
//! Not here: the types themselves, and whether a value fits its type (`object`).

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::hex;

/// A value of any type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Nothing,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Tree>),
    /// In the order in which it was written.
    Map(Vec<(Tree, Tree)>),
}

/// MessagePack as JSON for people. What JSON has no words for becomes a text: `"NaN"`, bytes as
/// hexadecimal digits.
///
/// # Errors
/// When the bytes are not MessagePack.
pub(crate) fn readable_json(packed: &[u8]) -> Result<String, String> {
    let tree: Tree = rmp_serde::from_slice(packed).map_err(|e| e.to_string())?;
    serde_json::to_string(&tree).map_err(|e| e.to_string())
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            Self::Float(value) if !value.is_finite() && serializer.is_human_readable() => {
                serializer.collect_str(value)
            }
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Bytes(value) if serializer.is_human_readable() => {
                serializer.serialize_str(&hex::text(value))
            }
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                values
                    .iter()
                    .try_for_each(|value| list.serialize_element(value))?;
                list.end()
            }
            Self::Map(pairs) => {
                let json = serializer.is_human_readable();
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    match key {
                        Self::Text(_) => map.serialize_entry(key, value)?,
                        key if json => map.serialize_entry(&key.as_key(), value)?,
                        key => map.serialize_entry(key, value)?,
                    }
                }
                map.end()
            }
        }
    }
}

impl Tree {
    /// A key of a map that is no text, as a text.
    fn as_key(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Signed(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Bytes(value.to_vec()))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
        Tree::deserialize(inner)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Tree::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_can_not_say_is_readable_all_the_same() {
        let number_as_key = Tree::Map(vec![(Tree::Unsigned(7), Tree::Nothing)]);
        for (packed, json) in [
            (rmp_serde::to_vec(&f64::NAN).unwrap(), "\"NaN\""),
            (rmp_serde::to_vec(&f64::NEG_INFINITY).unwrap(), "\"-inf\""),
            (
                rmp_serde::to_vec(&Tree::Bytes(vec![1, 0xAB])).unwrap(),
                "\"01ab\"",
            ),
            (rmp_serde::to_vec(&number_as_key).unwrap(), "{\"7\":null}"),
            (
                rmp_serde::to_vec(&(1, "a", [true])).unwrap(),
                "[1,\"a\",[true]]",
            ),
        ] {
            assert_eq!(readable_json(&packed).unwrap(), json);
        }
        assert!(readable_json(&[0xC1]).is_err());
    }
}
