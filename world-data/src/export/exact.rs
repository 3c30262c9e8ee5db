//! Lives here: stored values as JSON and back, to the byte.
//! Not here: JSON for people (`tree`), the lines of an export (`export`).
//!
//! Invariant: what `pack` makes of what `write` wrote are the very bytes that were given to it.
//!
//! What JSON has no words for is an object with one key that begins with `$`: `{"$bytes": "0aff"}`;
//! `{"$f32": 1.5}`, a number of single precision; `{"$f64": "7ff8000000000000"}` and
//! `{"$f32": "7fc00000"}`, the bits of one that is not finite; `{"$map": [[key, value], …]}`, a map
//! with keys that are no texts, or that could be mistaken for one of these; and, around a whole value
//! that its type did not write in the usual way, `{"$msgpack": "c0"}`.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::hex;
use crate::session::value::Value;

const BYTES: &str = "$bytes";
const SINGLE: &str = "$f32";
const DOUBLE: &str = "$f64";
const MAP: &str = "$map";
const PACKED: &str = "$msgpack";

/// MessagePack as a JSON value that says all of it.
pub(crate) fn write(packed: &[u8]) -> Result<Box<serde_json::value::RawValue>, String> {
    let json = match readable(packed) {
        Some(json) => json,
        None => {
            serde_json::to_string(&One(PACKED, &hex::text(packed))).map_err(|e| e.to_string())?
        }
    };
    serde_json::value::RawValue::from_string(json).map_err(|e| e.to_string())
}

/// The JSON of a value, if that leads back to the same bytes.
fn readable(packed: &[u8]) -> Option<String> {
    let value: Value = rmp_serde::from_slice(packed).ok()?;
    let json = serde_json::to_string(&Exact(&value)).ok()?;
    (pack(&json).ok()? == packed).then_some(json)
}

/// The MessagePack that a JSON value stands for.
///
/// # Errors
/// When it is none that [`write`] writes.
pub(crate) fn pack(json: &str) -> Result<Vec<u8>, String> {
    let value: Value = serde_json::from_str(json).map_err(|e| e.to_string())?;
    if let Some((PACKED, Value::Text(digits))) = marked(&value) {
        return hex::bytes(digits);
    }
    let mut packed = Vec::new();
    restored(value)?
        .serialize(&mut rmp_serde::Serializer::new(&mut packed).with_struct_map())
        .map_err(|e| e.to_string())?;
    Ok(packed)
}

/// A value as JSON.
struct Exact<'a>(&'a Value);

/// An object with one key.
struct One<'a, T>(&'static str, &'a T);

impl<T: Serialize> Serialize for One<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, self.1)?;
        map.end()
    }
}

impl Serialize for Exact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Double(value) if !is_exact(*value) => {
                One(DOUBLE, &format!("{:016x}", value.to_bits())).serialize(serializer)
            }
            Value::Single(value) if value.is_finite() && is_exact(f64::from(*value)) => {
                One(SINGLE, &f64::from(*value)).serialize(serializer)
            }
            Value::Single(value) => {
                One(SINGLE, &format!("{:08x}", value.to_bits())).serialize(serializer)
            }
            Value::Bytes(bytes) => One(BYTES, &hex::text(bytes)).serialize(serializer),
            Value::List(values) => serializer.collect_seq(values.iter().map(Exact)),
            Value::Map(pairs) if is_plain(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key, &Exact(value))?;
                }
                map.end()
            }
            Value::Map(pairs) => {
                let pairs: Vec<_> = pairs.iter().map(|(k, v)| (Exact(k), Exact(v))).collect();
                One(MAP, &pairs).serialize(serializer)
            }
            simple => simple.serialize(serializer),
        }
    }
}

/// Whether JSON's number is read back as this one, to the bit.
fn is_exact(value: f64) -> bool {
    let read = serde_json::to_string(&value).ok();
    let read = read.and_then(|json| serde_json::from_str::<f64>(&json).ok());
    value.is_finite() && read.is_some_and(|read| read.to_bits() == value.to_bits())
}

/// Whether a map can be an object of JSON.
fn is_plain(pairs: &[(Value, Value)]) -> bool {
    let is_text = |(key, _): &(Value, Value)| matches!(key, Value::Text(_));
    let like_mark = matches!(pairs, [(Value::Text(key), _)] if key.starts_with('$'));
    pairs.iter().all(is_text) && !like_mark
}

/// The mark and the inside of an object with one key that begins with `$`.
fn marked(value: &Value) -> Option<(&str, &Value)> {
    match value {
        Value::Map(pairs) => match pairs.as_slice() {
            [(Value::Text(key), inner)] if key.starts_with('$') => Some((key, inner)),
            _ => None,
        },
        _ => None,
    }
}

/// The value that was written, of the value that was read from JSON.
fn restored(value: Value) -> Result<Value, String> {
    if let Some((mark, inner)) = marked(&value) {
        return match (mark, inner) {
            (BYTES, Value::Text(digits)) => Ok(Value::Bytes(hex::bytes(digits)?.into())),
            (DOUBLE, Value::Text(digits)) => {
                bits(digits, 16).map(f64::from_bits).map(Value::Double)
            }
            (SINGLE, Value::Text(digits)) => {
                let bits = u32::try_from(bits(digits, 8)?).map_err(|e| e.to_string())?;
                Ok(Value::Single(f32::from_bits(bits)))
            }
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it was written as a single"
            )]
            (SINGLE, Value::Double(value)) => Ok(Value::Single(*value as f32)),
            (MAP, Value::List(pairs)) => {
                let pairs = pairs.iter().cloned().map(pair).collect::<Result<_, _>>()?;
                Ok(Value::Map(pairs))
            }
            _ => Err(format!(
                "{mark} is not known here, or not with such a value"
            )),
        };
    }
    Ok(match value {
        Value::List(values) => {
            Value::List(values.into_iter().map(restored).collect::<Result<_, _>>()?)
        }
        Value::Map(pairs) => {
            let pairs = pairs
                .into_iter()
                .map(|(k, v)| Ok::<_, String>((k, restored(v)?)));
            Value::Map(pairs.collect::<Result<_, _>>()?)
        }
        simple => simple,
    })
}

fn pair(value: Value) -> Result<(Value, Value), String> {
    match value {
        Value::List(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([key, value]) => Ok((restored(key)?, restored(value)?)),
            Err(_) => Err(format!("{MAP} holds pairs")),
        },
        _ => Err(format!("{MAP} holds pairs")),
    }
}

fn bits(digits: &str, count: usize) -> Result<u64, String> {
    if digits.len() != count {
        return Err(format!("{digits:?} is not {count} hexadecimal digits"));
    }
    u64::from_str_radix(digits, 16).map_err(|e| format!("{digits:?}: {e}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
        value.serialize(&mut serializer).unwrap();
        bytes
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "\\PC{0,4}",
            Just("$f64".to_owned()),
            Just("$msgpack".to_owned())
        ];
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<u64>().prop_map(Value::Unsigned),
            (i64::MIN..0).prop_map(Value::Signed),
            any::<u32>().prop_map(|bits| Value::Single(f32::from_bits(bits))),
            any::<u64>().prop_map(|bits| Value::Double(f64::from_bits(bits))),
            any::<f64>().prop_map(Value::Double),
            text.prop_map(|text| Value::Text(text.into())),
            proptest::collection::vec(any::<u8>(), 0..5).prop_map(|b| Value::Bytes(b.into())),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let pair = (inner.clone(), inner.clone());
            let named = (
                "\\PC{0,3}".prop_map(|t| Value::Text(t.into())),
                inner.clone(),
            );
            let marked = (Just(Value::Text("$bytes".into())), inner.clone());
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Value::List),
                proptest::collection::vec(pair, 0..4).prop_map(Value::Map),
                proptest::collection::vec(named, 0..4).prop_map(Value::Map),
                marked.prop_map(|pair| Value::Map(vec![pair])),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_comes_back_to_the_byte(value in value()) {
            let bytes = packed(&value);
            let json = write(&bytes).unwrap();
            prop_assert_eq!(pack(json.get()).unwrap(), bytes, "{}", json);
        }

        #[test]
        fn any_bytes_at_all_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let json = write(&bytes).unwrap();
            prop_assert_eq!(pack(json.get()).unwrap(), bytes);
        }
    }

    #[test]
    fn what_json_can_say_is_said_plainly_and_the_rest_is_marked() {
        let text = |t: &str| Value::Text(t.into());
        for (value, json) in [
            (Value::Double(0.1), "0.1"),
            (Value::Double(-0.0), "-0.0"),
            (Value::Double(f64::NAN), r#"{"$f64":"7ff8000000000000"}"#),
            (Value::Single(0.5), r#"{"$f32":0.5}"#),
            (Value::Single(f32::INFINITY), r#"{"$f32":"7f800000"}"#),
            (Value::Bytes([1, 255].into()), r#"{"$bytes":"01ff"}"#),
            (
                Value::Map(vec![(text("b"), Value::Nil), (text("a"), Value::Nil)]),
                r#"{"b":null,"a":null}"#,
            ),
            (
                Value::Map(vec![(Value::Unsigned(7), Value::Nil)]),
                r#"{"$map":[[7,null]]}"#,
            ),
            (
                Value::Map(vec![(text("$x"), Value::Nil)]),
                r#"{"$map":[["$x",null]]}"#,
            ),
        ] {
            let written = write(&packed(&value)).unwrap();
            assert_eq!(written.get(), json);
        }
        // An integer written longer than it need be.
        assert_eq!(write(&[0xCC, 1]).unwrap().get(), r#"{"$msgpack":"cc01"}"#);
        for wrong in [
            "",
            "{",
            r#"{"$f64":"7"}"#,
            r#"{"$bytes":"0"}"#,
            r#"{"$map":[[1]]}"#,
            r#"{"$y":1}"#,
        ] {
            pack(wrong).unwrap_err();
        }
    }
}
