//! Lives here: what an object is: ids, typed references, kinds, and their stored form.
//! Not here: where live objects are kept (`region`) and how a task reaches them (`task`).
//!
//! Invariant: an id says for ever whether its object is an entity (has a position), and, for one
//! without a position, in which shard it lives; nobody has to be asked.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::line::{Home, Map};
use crate::mention::{self, Mention};

/// A number below 2^53 (exact in JavaScript) that names one object of the world for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(u64);

impl Serialize for ObjectId {
    /// As its number; who cares is told that it is an id (`mention`).
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_newtype_struct(mention::ID, &self.0)
    }
}

const KEYED: u64 = 1 << 52;
const ENTITY: u64 = 1 << 51;
const KEY_BITS: u32 = 40;

/// The highest kind number: kinds are 12 bits in a keyed id.
pub const MAX_KIND: u16 = (1 << 12) - 1;
/// The highest key of a keyed object.
pub const MAX_KEY: u64 = (1 << KEY_BITS) - 1;

impl ObjectId {
    /// The id behind a raw number, as found in a payload or a row; `None` above 2^53.
    pub const fn from_raw(raw: u64) -> Option<Self> {
        if raw < 1 << 53 { Some(Self(raw)) } else { None }
    }

    pub(crate) const fn numbered(number: u64, entity: bool) -> Self {
        assert!(number < ENTITY, "object numbers are exhausted");
        Self(number | if entity { ENTITY } else { 0 })
    }

    const fn keyed(kind: u16, key: u64) -> Self {
        assert!(
            kind <= MAX_KIND && key <= MAX_KEY,
            "kind or key out of range"
        );
        Self(KEYED | ((kind as u64) << KEY_BITS) | key)
    }

    /// The number itself.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The kind and key of a keyed object.
    pub(crate) const fn kind_and_key(self) -> Option<(u16, u64)> {
        if self.0 & KEYED == 0 {
            return None;
        }
        Some((((self.0 & !KEYED) >> KEY_BITS) as u16, self.0 & MAX_KEY))
    }

    /// The number that was handed out for an object that is not keyed.
    pub(crate) const fn number(self) -> Option<u64> {
        if self.0 & KEYED == 0 {
            Some(self.0 & !ENTITY)
        } else {
            None
        }
    }

    /// Whether the object is an entity: has a position.
    pub const fn is_entity(self) -> bool {
        self.0 & KEYED == 0 && self.0 & ENTITY != 0
    }

    /// The home of an object without a position; `None` for an entity, whose home moves.
    pub fn fixed_home(self, map: &Map) -> Option<Home> {
        if self.is_entity() {
            None
        } else {
            Some(map.shard_of(self.0))
        }
    }
}

/// A managed object: a plain serde type with a kind.
///
/// Objects are stored as MessagePack maps with field names, so the type may change: put
/// `#[serde(default)]` on the struct and a stored object with fewer fields still loads; fields
/// that the type no longer has are ignored.
pub trait Object: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The kind's number in stored rows: unique in the world, never reused, at most [`MAX_KIND`].
    const KIND: u16;
    /// The kind's name in tools and logs.
    const NAME: &'static str;
}

/// A typed reference to an object: its id and its type. It holds nothing and is cheap to copy;
/// as a field of another object it is stored as the id.
pub struct Ref<T> {
    id: ObjectId,
    kind: PhantomData<fn() -> T>,
}

impl<T: Object> Ref<T> {
    /// A reference to the object with this id, whose kind is checked when it is read.
    pub const fn new(id: ObjectId) -> Self {
        Self {
            id,
            kind: PhantomData,
        }
    }

    /// A reference to the object of this kind under an integer key up to [`MAX_KEY`].
    pub const fn keyed(key: u64) -> Self {
        Self::new(ObjectId::keyed(T::KIND, key))
    }
}

impl<T> Ref<T> {
    /// The id of the object referred to.
    pub const fn id(self) -> ObjectId {
        self.id
    }
}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Ref<T> {}
impl<T> PartialEq for Ref<T> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
impl<T> Eq for Ref<T> {}
impl<T> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ref({})", self.id.0)
    }
}
impl<T: Object> Serialize for Ref<T> {
    /// As the object's number; who cares is told that it is a reference, and to what (`mention`).
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_newtype_struct(mention::REF, &To(*self))
    }
}

/// The inside of a stored reference: its kind and number.
struct To<T>(Ref<T>);

impl<T: Object> Serialize for To<T> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_newtype_struct(T::NAME, &self.0.id.0)
    }
}
impl<'de, T> Deserialize<'de> for Ref<T> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let id = ObjectId::from_raw(u64::deserialize(d)?)
            .ok_or_else(|| serde::de::Error::custom("object ids are below 2^53"))?;
        Ok(Self {
            id,
            kind: PhantomData,
        })
    }
}

/// A live object with its type erased: what regions keep.
pub(crate) trait Stored: Any + Send + Sync {
    fn kind(&self) -> u16;
    fn encode(&self, into: &mut Vec<u8>) -> Result<(), rmp_serde::encode::Error>;
    /// Shows the objects that it names.
    fn mentions(&self, see: &mut dyn FnMut(Mention)) -> Result<(), String>;
}

impl<T: Object> Stored for T {
    fn kind(&self) -> u16 {
        T::KIND
    }

    fn encode(&self, into: &mut Vec<u8>) -> Result<(), rmp_serde::encode::Error> {
        rmp_serde::encode::write_named(into, self)
    }

    fn mentions(&self, see: &mut dyn FnMut(Mention)) -> Result<(), String> {
        mention::of(self, see)
    }
}

pub(crate) type Value = Arc<dyn Stored>;

impl fmt::Debug for dyn Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object of kind {}", self.kind())
    }
}

pub(crate) fn typed<T: Object>(value: &Value) -> Option<&T> {
    let any: &dyn Any = &**value;
    any.downcast_ref()
}

pub(crate) fn typed_arc<T: Object>(value: Value) -> Option<Arc<T>> {
    let any: Arc<dyn Any + Send + Sync> = value;
    any.downcast().ok()
}

type Decode = fn(&[u8]) -> Result<Value, rmp_serde::decode::Error>;

/// The kinds of objects that a world stores: how a row becomes a live object again.
#[derive(Default, Clone)]
pub struct Kinds(FxHashMap<u16, (&'static str, Decode)>);

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(kind, (name, _))| (kind, name)))
            .finish()
    }
}

impl Kinds {
    /// No kinds yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the kind of `T`.
    ///
    /// # Panics
    /// When two types claim one number: a mistake in the world's code, seen at its first start.
    #[must_use]
    pub fn with<T: Object>(mut self) -> Self {
        assert!(
            T::KIND <= MAX_KIND,
            "kind {} of {} is above {MAX_KIND}",
            T::KIND,
            T::NAME
        );
        let decode: Decode = |bytes| Ok(Arc::new(rmp_serde::from_slice::<T>(bytes)?));
        if let Some((other, _)) = self.0.insert(T::KIND, (T::NAME, decode)) {
            assert_eq!(
                other,
                T::NAME,
                "{other} and {} are both kind {}",
                T::NAME,
                T::KIND
            );
        }
        self
    }

    /// The name of a kind, if the world knows it.
    pub fn name(&self, kind: u16) -> Option<&'static str> {
        self.0.get(&kind).map(|(name, _)| *name)
    }

    /// All kinds, by number, with their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u16, &'static str)> {
        self.0.iter().map(|(kind, (name, _))| (*kind, *name))
    }

    pub(crate) fn decode(&self, kind: u16, bytes: &[u8]) -> Result<Value, String> {
        let (name, decode) = self
            .0
            .get(&kind)
            .ok_or_else(|| format!("kind {kind} is unknown to this world"))?;
        decode(bytes).map_err(|e| format!("kind {kind} ({name}): {e}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize, Clone, Default, Debug, PartialEq)]
    #[serde(default)]
    struct Old {
        a: u32,
        gone: String,
    }
    #[derive(Serialize, Deserialize, Clone, Default, Debug, PartialEq)]
    #[serde(default)]
    struct New {
        a: u32,
        fresh: Vec<u8>,
    }
    impl Object for Old {
        const KIND: u16 = 7;
        const NAME: &'static str = "thing";
    }
    impl Object for New {
        const KIND: u16 = 7;
        const NAME: &'static str = "thing";
    }

    #[test]
    fn an_object_with_fewer_and_more_fields_still_loads() {
        let mut bytes = Vec::new();
        Old {
            a: 5,
            gone: "x".into(),
        }
        .encode(&mut bytes)
        .unwrap();
        let value = Kinds::new().with::<New>().decode(7, &bytes).unwrap();
        assert_eq!(
            typed::<New>(&value),
            Some(&New {
                a: 5,
                fresh: Vec::new()
            })
        );
    }

    #[test]
    fn an_unknown_kind_is_named() {
        let error = Kinds::new().decode(9, &[]).unwrap_err();
        assert_eq!(error, "kind 9 is unknown to this world");
    }

    #[test]
    fn ids_keep_their_class() {
        let map = Map::square(512.0);
        let entity = ObjectId::numbered(5, true);
        let plain = ObjectId::numbered(5, false);
        let keyed = Ref::<New>::keyed(MAX_KEY).id();
        assert!(entity.is_entity() && !plain.is_entity() && !keyed.is_entity());
        assert!(entity.fixed_home(&map).is_none() && plain.fixed_home(&map).is_some());
        assert!([entity, plain, keyed].iter().all(|id| id.raw() < 1 << 53));
        assert_ne!(Ref::<New>::keyed(1).id(), Ref::<New>::keyed(2).id());
    }
}
