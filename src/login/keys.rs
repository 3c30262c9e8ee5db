//! Lives here: the keys that tokens may be signed with: a folder with one file per key.
//! Not here: what is in such a file (`form`), and checking a token (`claims`).
//!
//! Invariant: a key is for one algorithm, and goes by one id; a folder with anything in it that is
//! no key is refused whole, so that a key is never missing unseen.

use std::collections::HashMap;
use std::fs::{DirEntry, read_dir};
use std::path::Path;

use super::form::{Checking, Form};

/// Keys that a folder may have.
const MOST: usize = 64;
/// Characters of a key's id, at most.
const LONGEST_ID: usize = 128;

/// The keys of one folder, by id.
#[derive(Debug, Default)]
pub(super) struct Keys {
    by_id: HashMap<String, Checking>,
}

impl Keys {
    /// Reads all keys of a folder. Names that begin with a dot are passed over.
    ///
    /// # Errors
    /// Names the first file that is no key, and why; also when there is none at all.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let mut by_id = HashMap::new();
        for entry in read_dir(folder).map_err(|error| error.to_string())? {
            let entry = entry.map_err(|error| error.to_string())?;
            let Some((id, key)) = read(&entry)? else {
                continue;
            };
            if by_id.insert(id.clone(), key).is_some() {
                return Err(format!("there are two keys `{id}`"));
            }
            if by_id.len() > MOST {
                return Err(format!("there are more than {MOST} keys"));
            }
        }
        if by_id.is_empty() {
            return Err("there is no key in it".to_owned());
        }
        Ok(Self { by_id })
    }

    /// The key that goes by `id`. Without an id, the only key there is.
    pub(super) fn find(&self, id: Option<&str>) -> Option<&Checking> {
        match id {
            Some(id) => self.by_id.get(id),
            None if self.by_id.len() == 1 => self.by_id.values().next(),
            None => None,
        }
    }

    /// The ids, for the log: they are no secrets.
    pub(super) fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.by_id.keys().map(String::as_str).collect();
        ids.sort_unstable();
        ids
    }
}

/// Reads one file; nothing when it is none of ours by its name.
fn read(entry: &DirEntry) -> Result<Option<(String, Checking)>, String> {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    if name.starts_with('.') {
        return Ok(None);
    }
    let wrong = |why: String| format!("{name}: {why}");
    let (form, id) = Form::of(&name).map_err(wrong)?;
    if id.is_empty() || id.len() > LONGEST_ID {
        return Err(wrong(format!("a key's id has 1 to {LONGEST_ID} bytes")));
    }
    let key = form.checking(&entry.path(), id).map_err(wrong)?;
    Ok(Some((id.to_owned(), key)))
}
