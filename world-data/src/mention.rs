//! Lives here: which objects a value names: the references and ids in whatever serde can carry.
//! Not here: whether they are there (`check`).
//!
//! Invariant: a reference and an id say what they are by the name of the newtype that they are
//! written as, and no codec of ours writes such a name; so stored bytes do not know of this.

use std::fmt::{self, Display};

use serde::ser::{self, Serialize};

/// The name of an id.
pub(crate) const ID: &str = "brightstar::ObjectId";
/// The name of a reference; inside is a newtype that bears the name of its kind.
pub(crate) const REF: &str = "brightstar::Ref";
/// The name of a job outlives its object: what is in it is not counted.
const JOB: &str = "JobId";

/// An object that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mention {
    /// By a reference to an object of this kind.
    Ref(u64, &'static str),
    /// By its id alone.
    Id(u64),
}

/// Shows the objects that a value names.
///
/// # Errors
/// When the value's own code fails.
pub(crate) fn of(
    value: &(impl Serialize + ?Sized),
    see: &mut dyn FnMut(Mention),
) -> Result<(), String> {
    value.serialize(Scan::plain(see)).map_err(|e| e.0)
}

#[derive(Debug)]
struct Failed(String);

impl Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Failed {}
impl ser::Error for Failed {
    fn custom<T: Display>(words: T) -> Self {
        Self(words.to_string())
    }
}

type Done = Result<(), Failed>;

/// What the next value stands in.
#[derive(Clone, Copy)]
enum Inside {
    Nothing,
    Id,
    Ref,
    RefTo(&'static str),
}

struct Scan<'a> {
    see: &'a mut dyn FnMut(Mention),
    inside: Inside,
}

impl<'a> Scan<'a> {
    fn plain(see: &'a mut dyn FnMut(Mention)) -> Self {
        let inside = Inside::Nothing;
        Self { see, inside }
    }

    fn list(self) -> List<'a> {
        List(Some(self.see))
    }
}

/// The parts of a value; `None`: they do not count.
struct List<'a>(Option<&'a mut dyn FnMut(Mention)>);

impl List<'_> {
    fn part<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        match &mut self.0 {
            Some(see) => value.serialize(Scan::plain(&mut **see)),
            None => Ok(()),
        }
    }
}

macro_rules! nothing {
    ($($name:ident($type:ty)),*) => {
        $(fn $name(self, _: $type) -> Done { Ok(()) })*
    };
}

impl<'a> ser::Serializer for Scan<'a> {
    type Ok = ();
    type Error = Failed;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = List<'a>;
    type SerializeStruct = List<'a>;
    type SerializeStructVariant = List<'a>;

    nothing!(
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_char(char),
        serialize_str(&str),
        serialize_bytes(&[u8]),
        serialize_unit_struct(&'static str)
    );

    fn serialize_u64(self, value: u64) -> Done {
        match self.inside {
            Inside::Id => (self.see)(Mention::Id(value)),
            Inside::RefTo(kind) => (self.see)(Mention::Ref(value, kind)),
            Inside::Nothing | Inside::Ref => {}
        }
        Ok(())
    }

    fn serialize_none(self) -> Done {
        Ok(())
    }

    fn serialize_unit(self) -> Done {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Done {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Done {
        let inside = match (self.inside, name) {
            (Inside::Ref, kind) => Inside::RefTo(kind),
            (_, ID) => Inside::Id,
            (_, REF) => Inside::Ref,
            _ => Inside::Nothing,
        };
        value.serialize(Scan { inside, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Done {
        value.serialize(Scan::plain(self.see))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, Failed> {
        Ok(self.list())
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a>, Failed> {
        Ok(self.list())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a>, Failed> {
        Ok(self.list())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<List<'a>, Failed> {
        Ok(self.list())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<List<'a>, Failed> {
        Ok(self.list())
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<List<'a>, Failed> {
        Ok(if name == JOB { List(None) } else { self.list() })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<List<'a>, Failed> {
        Ok(self.list())
    }

    /// As MessagePack, in which values are stored.
    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! parts {
    ($($of:ident: $each:ident),*) => {
        $(impl ser::$of for List<'_> {
            type Ok = ();
            type Error = Failed;

            fn $each<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.part(value)
            }

            fn end(self) -> Done {
                Ok(())
            }
        })*
    };
}

parts!(
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
);

macro_rules! fields {
    ($($of:ident),*) => {
        $(impl ser::$of for List<'_> {
            type Ok = ();
            type Error = Failed;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Done {
                self.part(value)
            }

            fn end(self) -> Done {
                Ok(())
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for List<'_> {
    type Ok = ();
    type Error = Failed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.part(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.part(value)
    }

    fn end(self) -> Done {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::job::JobId;
    use crate::object::{Object, ObjectId, Ref};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Hen {
        owner: Option<Ref<Hen>>,
    }
    impl Object for Hen {
        const KIND: u16 = 1;
        const NAME: &'static str = "hen";
    }

    #[derive(Serialize)]
    struct Everything {
        count: u64,
        one: Ref<Hen>,
        #[serde(flatten)]
        inner: Inner,
        job: JobId,
        tagged: Tagged,
        free: Free,
    }
    #[derive(Serialize)]
    struct Inner {
        by_id: BTreeMap<ObjectId, Vec<Option<Ref<Hen>>>>,
        pair: (ObjectId, u64),
    }
    #[derive(Serialize)]
    #[serde(tag = "is")]
    enum Tagged {
        Held { by: Ref<Hen> },
    }
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Free {
        Of(Ref<Hen>),
    }

    fn everything() -> Everything {
        let id = |n| ObjectId::from_raw(n).unwrap();
        let hen = |n| Ref::<Hen>::new(id(n));
        Everything {
            count: 99,
            one: hen(1),
            inner: Inner {
                by_id: [(id(2), vec![Some(hen(3)), None])].into(),
                pair: (id(4), 99),
            },
            job: JobId {
                of: id(98),
                number: 99,
            },
            tagged: Tagged::Held { by: hen(5) },
            free: Free::Of(hen(6)),
        }
    }

    #[test]
    fn every_reference_and_id_is_seen_and_no_other_number() {
        let mut seen = Vec::new();
        of(&everything(), &mut |mention| seen.push(mention)).unwrap();
        let hen = |n| Mention::Ref(n, "hen");
        let all = [
            hen(1),
            Mention::Id(2),
            hen(3),
            Mention::Id(4),
            hen(5),
            hen(6),
        ];
        assert_eq!(seen, all);
    }

    #[test]
    fn a_reference_is_stored_as_its_number_and_read_back() {
        let hen = Ref::<Hen>::new(ObjectId::from_raw(7).unwrap());
        let stored = rmp_serde::to_vec_named(&Hen { owner: Some(hen) }).unwrap();
        let number = rmp_serde::to_vec_named(&BTreeMap::from([("owner", 7)])).unwrap();
        assert_eq!(stored, number);
        let read: Hen = rmp_serde::from_slice(&stored).unwrap();
        assert_eq!(read.owner, Some(hen));
        let json = serde_json::to_string(&BTreeMap::from([(hen.id(), hen)])).unwrap();
        assert_eq!(json, "{\"7\":7}");
    }

    #[test]
    fn a_value_whose_own_code_fails_says_so() {
        struct Bad;
        impl Serialize for Bad {
            fn serialize<S: ser::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(ser::Error::custom("no words"))
            }
        }
        assert_eq!(of(&[Bad], &mut |_| {}).unwrap_err(), "no words");
    }
}
