//! Lives here: the check of what the store says of itself.
//! Not here: whose store it is, which was looked at when it was opened (`store::open`).

use super::Check;
use crate::engine::OpenError;
use crate::shared::ID_LIMIT;

impl Check<'_> {
    /// The end of the object numbers that are reserved.
    pub(super) fn id_limit(&self) -> Result<u64, OpenError> {
        let value = self.look.get("meta", ID_LIMIT.as_bytes())?;
        let value = value.and_then(|value| value.try_into().ok());
        Ok(value.map_or(0, u64::from_le_bytes))
    }

    pub(super) fn meta(&mut self) -> Result<(), OpenError> {
        let limit = self.look.get("meta", ID_LIMIT.as_bytes())?;
        if limit.is_some_and(|limit| limit.len() != 8) {
            self.damage("meta", format!("{ID_LIMIT} is not 8 bytes"));
        }
        // What the journal has of the partition was not looked at yet.
        let partition = self.look.partition().map_err(|e| e.to_string());
        if let Err(why) = partition.and_then(|partition| partition.check(&self.map)) {
            self.damage("meta", format!("the partition: {why}"));
        }
        Ok(())
    }
}
