//! Lives here: stored values without their type: MessagePack as JSON for people, for tools.
//! Not here: what such a value is (`session::value`), the types themselves, and whether a value fits
//! its type (`object`).

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::hex;
use crate::session::value::Value;

/// MessagePack as JSON for people. What JSON has no words for becomes a text: `"NaN"`, bytes as
/// hexadecimal digits, a key that is no text as its JSON.
///
/// # Errors
/// When the bytes are not MessagePack.
pub(crate) fn readable_json(packed: &[u8]) -> Result<String, String> {
    let value: Value = rmp_serde::from_slice(packed).map_err(|e| e.to_string())?;
    serde_json::to_string(&Readable(&value)).map_err(|e| e.to_string())
}

/// A value as people read it.
struct Readable<'a>(&'a Value);

impl Serialize for Readable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Single(value) if !value.is_finite() => serializer.collect_str(value),
            Value::Double(value) if !value.is_finite() => serializer.collect_str(value),
            Value::Bytes(value) => serializer.serialize_str(&hex::text(value)),
            Value::List(values) => serializer.collect_seq(values.iter().map(Readable)),
            Value::Map(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    match key {
                        Value::Text(key) => map.serialize_entry(key, &Readable(value))?,
                        key => map.serialize_entry(&Readable(key).as_key(), &Readable(value))?,
                    }
                }
                map.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

impl Readable<'_> {
    /// A key of a map that is no text, as a text.
    fn as_key(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_can_not_say_is_readable_all_the_same() {
        let number_as_key = Value::Map(vec![(Value::Unsigned(7), Value::Nil)]);
        for (packed, json) in [
            (rmp_serde::to_vec(&f64::NAN).unwrap(), "\"NaN\""),
            (rmp_serde::to_vec(&0.1_f32).unwrap(), "0.1"),
            (rmp_serde::to_vec(&f32::INFINITY).unwrap(), "\"inf\""),
            (rmp_serde::to_vec(&f64::NEG_INFINITY).unwrap(), "\"-inf\""),
            (
                rmp_serde::to_vec(&Value::Bytes([1, 0xAB].into())).unwrap(),
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
