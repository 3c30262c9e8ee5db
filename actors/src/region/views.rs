//! Lives here: making views: what others see of an entity, in bytes.
//! Not here: who is told (`tracks`).
//!
//! Invariant: a world's view that panics or can't be encoded costs nobody more than that view.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use protocol::{Codec, encode_view};
use world_data::{Entity, World};

/// One of each codec.
pub(super) type PerCodec<T> = [T; Codec::ALL.len()];

/// Makes views by the world's own code, whose panics end nothing but that view.
pub(super) struct Views<'a, W> {
    pub(super) world: &'a W,
    /// A failure was logged: the next ones of this region are not.
    pub(super) warned: bool,
}

impl<W: World> Views<'_, W> {
    /// What others see of an entity, in the codecs wanted; `None` if it can't be seen.
    pub(super) fn make(
        &mut self,
        entity: Entity<'_>,
        wanted: PerCodec<bool>,
    ) -> Option<PerCodec<Option<Bytes>>> {
        let view = catch_unwind(AssertUnwindSafe(|| self.world.view(entity)));
        let view = view.map_err(|_| "it panicked".to_owned()).transpose()?;
        let encoded = view.and_then(|view| {
            let mut bytes: PerCodec<Option<Bytes>> = Default::default();
            for codec in Codec::ALL.into_iter().filter(|codec| wanted[codec.index()]) {
                let encoded = catch_unwind(AssertUnwindSafe(|| encode_view(codec, &view)));
                let encoded = encoded.map_err(|_| "it panicked".to_owned())?;
                bytes[codec.index()] = Some(encoded.map_err(|error| error.to_string())?);
            }
            Ok(bytes)
        });
        if let Err(error) = &encoded
            && !std::mem::replace(&mut self.warned, true)
        {
            tracing::error!(
                id = entity.id().raw(),
                error,
                "an entity's view can't be made"
            );
        }
        encoded.ok()
    }
}
