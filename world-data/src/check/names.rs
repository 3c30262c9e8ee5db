//! Lives here: the check of names: where they live and what they lead to.

use super::graph::From;
use super::{Check, hex, number};
use crate::engine::OpenError;
use crate::mention::Mention;
use crate::object::ObjectId;
use crate::task::{MAX_NAME, home_of_name};
use crate::worker::GENESIS;

impl Check<'_> {
    pub(super) fn names(&mut self) -> Result<(), OpenError> {
        let mut begun = false;
        for item in self.look.rows("names", &[])? {
            let (key, id) = item?;
            let parts = key.split_at_checked(8);
            let parts = parts
                .and_then(|(home, name)| Some((number(home)?, std::str::from_utf8(name).ok()?)));
            let Some((home, name)) = parts else {
                self.damage("names", format!("{} is not home and name", hex(key)));
                continue;
            };
            self.told.counts.names += 1;
            let place = format!("name {name:?}");
            if name.is_empty() || name.len() > MAX_NAME {
                self.damage(&place, format!("it is {} bytes long", name.len()));
            }
            let right = home_of_name(&self.map, name);
            if home != right.0 {
                let words = format!("it is in home {home} and belongs in {}", right.0);
                self.damage(&place, words);
            }
            let Some(id) = number(id).and_then(ObjectId::from_raw) else {
                self.damage(&place, "it leads to no object id");
                continue;
            };
            if name == GENESIS {
                begun = true;
                continue;
            }
            self.note(&From::Name(name.to_owned()), vec![Mention::Id(id.raw())]);
        }
        if !begun && self.told.counts.objects > 0 {
            self.damage("names", "there are objects, and the world has never begun");
        }
        Ok(())
    }
}
