//! Lives here: outcomes, events and facts as bytes. Payloads are `MessagePack`, structs as maps.
//! Not here: where the bytes stand (`record`, `store`).
//!
//! Invariant: what can't be written costs itself, not the epoch: a world's own code is called here.
//!
//! An outcome is `0 | payload`, `1 | (fault, message)`, or `2` for a reply that is not kept.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;

use super::value::Value;
use crate::effect::{Fault, Outcome, Payload};

/// The most bytes of a reply or event that are kept; of a larger one only the number.
pub(crate) const KEPT_BYTES: usize = 64 << 10;

const OK: u8 = 0;
const ERROR: u8 = 1;
const NOT_KEPT: u8 = 2;

/// Appends an outcome.
pub(crate) fn write_outcome(into: &mut Vec<u8>, outcome: &Outcome) {
    let start = into.len();
    let written = match outcome {
        Outcome::Ok(payload) => {
            into.push(OK);
            write(into, payload)
        }
        Outcome::Error { fault, message } => {
            into.push(ERROR);
            write(into, &(fault, message))
        }
    };
    if !written || into.len() - start > KEPT_BYTES {
        into.truncate(start);
        into.push(NOT_KEPT);
    }
}

/// Reads an outcome back.
pub(crate) fn read_outcome(bytes: &[u8]) -> Result<Outcome, String> {
    let (tag, rest) = bytes.split_first().ok_or("an outcome is empty")?;
    match *tag {
        OK => read_payload(rest).map(Outcome::Ok),
        ERROR => {
            let (fault, message): (Fault, String) = rmp_serde::from_slice(rest)
                .map_err(|e| format!("an outcome can't be read: {e}"))?;
            Ok(Outcome::Error { fault, message })
        }
        NOT_KEPT => Ok(Outcome::Error {
            fault: Fault::Failed,
            message: "it took effect, but its reply was too large to be kept".into(),
        }),
        other => Err(format!("unknown outcome {other}")),
    }
}

/// Appends an event; nothing when it is not kept.
pub(crate) fn write_event(into: &mut Vec<u8>, payload: &Payload) {
    let start = into.len();
    if !write(into, payload) || into.len() - start > KEPT_BYTES {
        into.truncate(start);
    }
}

/// Reads a payload back: as a value of any type, which any client can be told.
pub(crate) fn read_payload(bytes: &[u8]) -> Result<Payload, String> {
    let value: Value =
        rmp_serde::from_slice(bytes).map_err(|e| format!("a payload can't be read: {e}"))?;
    Ok(Payload::new(value))
}

/// Appends a value; `false`, and what was appended is of no use, when its own code fails.
pub(crate) fn write(into: &mut Vec<u8>, value: &impl Serialize) -> bool {
    let mut serializer = rmp_serde::Serializer::new(into).with_struct_map();
    let result = catch_unwind(AssertUnwindSafe(|| value.serialize(&mut serializer)));
    match result {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "a reply or event can't be written and is not kept");
            false
        }
        Err(_) => {
            tracing::error!("a reply or event panicked when it was written, and is not kept");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(outcome: &Outcome) -> Vec<u8> {
        let mut bytes = b"before".to_vec();
        write_outcome(&mut bytes, outcome);
        assert!(bytes.starts_with(b"before"));
        bytes.split_off(6)
    }

    fn json(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Ok(payload) => serde_json::to_string(payload).unwrap(),
            Outcome::Error { fault, message } => format!("{fault:?} {message}"),
        }
    }

    #[test]
    fn outcomes_come_back_as_they_were_told() {
        #[derive(Serialize)]
        enum Reply {
            Unit,
            Some { of: Vec<i64>, and: Option<f64> },
        }
        let all = [
            Outcome::Ok(Payload::new(Reply::Unit)),
            Outcome::Ok(Payload::new(Reply::Some {
                of: vec![-1, i64::MAX],
                and: Some(0.1),
            })),
            Outcome::Error {
                fault: Fault::Refused,
                message: "no".into(),
            },
        ];
        for outcome in &all {
            let read = read_outcome(&written(outcome)).unwrap();
            assert_eq!(json(&read), json(outcome));
        }
        assert!(read_outcome(&[]).is_err() && read_outcome(&[9]).is_err());
    }

    #[test]
    fn what_is_too_large_or_breaks_is_known_by_its_number_only() {
        struct Bad(bool);
        impl Serialize for Bad {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                if self.0 {
                    std::panic::resume_unwind(Box::new("as told"));
                }
                Err(serde::ser::Error::custom("no words"))
            }
        }
        for bad in [
            Payload::new("x".repeat(KEPT_BYTES)),
            Payload::new(Bad(false)),
            Payload::new(Bad(true)),
        ] {
            assert_eq!(written(&Outcome::Ok(bad.clone())), [NOT_KEPT]);
            let mut bytes = b"before".to_vec();
            write_event(&mut bytes, &bad);
            assert_eq!(bytes, b"before");
        }
        assert!(matches!(
            read_outcome(&[NOT_KEPT]),
            Ok(Outcome::Error {
                fault: Fault::Failed,
                ..
            })
        ));
    }
}
