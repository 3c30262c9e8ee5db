//! Lives here: the check of objects: keys, homes, kinds, values, and where entities are.
//! Not here: what their values name (`graph`).

use super::graph::From;
use super::{Check, guarded, hex, number};
use crate::engine::OpenError;
use crate::line::Home;
use crate::object::ObjectId;
use crate::record;

impl Check<'_> {
    pub(super) fn rows(&mut self) -> Result<(), OpenError> {
        let limit = self.id_limit()?;
        for item in self.look.rows("rows", &[])? {
            let (key, row) = item?;
            let parts = key.split_at_checked(8);
            let parts = parts.and_then(|(home, id)| Some((number(home)?, number(id)?)));
            let Some((home, raw)) = parts else {
                self.damage("rows", format!("{} is not home and id", hex(key)));
                continue;
            };
            let Some(id) = ObjectId::from_raw(raw) else {
                self.damage("rows", format!("{raw} is no object id"));
                continue;
            };
            self.told.counts.objects += 1;
            if let Err(why) = self.row(Home(home), id, row, limit) {
                self.damage(format!("object {raw}"), why);
            }
        }
        Ok(())
    }

    fn row(&mut self, home: Home, id: ObjectId, row: &[u8], limit: u64) -> Result<(), String> {
        let (at, kind, packed) = record::open_row(row)?;
        let twice = self.objects.insert(id.raw(), kind).is_some();
        if twice {
            return Err(format!(
                "it is there twice, the second time in home {}",
                home.0
            ));
        }
        match (id.kind_and_key(), id.number()) {
            (Some((of, _)), _) if of != kind => {
                return Err(format!("its id is of kind {of} and its row of kind {kind}"));
            }
            (_, Some(number)) if number >= limit => {
                return Err(format!(
                    "its number was never handed out: {limit} is the limit"
                ));
            }
            _ => {}
        }
        if at.is_some() != id.is_entity() {
            let has = if at.is_some() { "has a" } else { "has no" };
            return Err(format!("its row {has} position, and its id says otherwise"));
        }
        let right = match at {
            Some(at) if self.map.clamp(at) != at => {
                return Err(format!("it is at {}, {}, off the map", at.x, at.y));
            }
            Some(at) => {
                self.told.counts.entities += 1;
                self.map.cell_at(at)
            }
            None => self.map.shard_of(id.raw()),
        };
        if home != right {
            return Err(format!(
                "it is in home {} and belongs in {}",
                home.0, right.0
            ));
        }
        let mut mentions = Vec::new();
        let kinds = &self.kinds;
        guarded(|| {
            let value = kinds.decode(kind, packed)?;
            value
                .mentions(&mut |mention| mentions.push(mention))
                .map_err(|why| format!("kind {kind} can't be encoded: {why}"))
        })?;
        self.note(&From::Object(id.raw()), mentions);
        if id.is_entity() {
            self.is_found(id, home)?;
        }
        Ok(())
    }

    /// An entity must be found by its id.
    fn is_found(&self, id: ObjectId, home: Home) -> Result<(), String> {
        let place = self.look.get("where", &id.raw().to_be_bytes());
        match place.map_err(|e| e.to_string())?.map(number) {
            Some(Some(place)) if place == home.0 => Ok(()),
            Some(Some(place)) => Err(format!(
                "it is in home {}, and by its id is looked for in {place}",
                home.0
            )),
            Some(None) => Err("the home that it is looked for in is not 8 bytes".into()),
            None => Err("it is not found by its id".into()),
        }
    }

    /// Where entities are looked for, there they must be.
    pub(super) fn places(&mut self) -> Result<(), OpenError> {
        for item in self.look.rows("where", &[])? {
            let (key, home) = item?;
            let Some(id) = number(key).and_then(ObjectId::from_raw) else {
                self.damage("where", format!("{} is no object id", hex(key)));
                continue;
            };
            if self.look.get("rows", &[home, key].concat())?.is_none() {
                let home = number(home).map_or_else(|| hex(home), |home| home.to_string());
                let words = format!("it is looked for in home {home}, and is not there");
                self.damage(format!("object {}", id.raw()), words);
            }
        }
        Ok(())
    }
}
