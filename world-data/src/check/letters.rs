//! Lives here: the check of dead letters.

use super::{Check, hex, number};
use crate::dead::{DeadLetter, MAX_DEAD_LETTERS};
use crate::engine::OpenError;
use crate::tree::readable_json;

impl Check<'_> {
    pub(super) fn letters(&mut self) -> Result<(), OpenError> {
        let next = if let Ok(next) = self.look.next_dead() {
            next.unwrap_or(u64::MAX)
        } else {
            self.damage("meta", "the number of the next dead letter is not 8 bytes");
            u64::MAX
        };
        for item in self.look.rows("dead", &[])? {
            let (key, letter) = item?;
            let Some(number) = number(key) else {
                self.damage("dead", format!("{} is no number", hex(key)));
                continue;
            };
            self.told.counts.letters += 1;
            let place = format!("dead letter {number}");
            if number == 0 || number >= next {
                let words = format!("its number was never given: {next} is the next");
                self.damage(&place, words);
            }
            match DeadLetter::read(number, letter) {
                Err(why) => self.damage(&place, why),
                Ok(letter) => {
                    let payload = letter.payload.as_deref().map(readable_json).transpose();
                    if let Err(why) = payload {
                        self.damage(&place, format!("its payload can't be read: {why}"));
                    }
                }
            }
        }
        if self.told.counts.letters > MAX_DEAD_LETTERS as u64 {
            let words = format!("there are more than {MAX_DEAD_LETTERS}");
            self.damage("dead", words);
        }
        Ok(())
    }
}
