//! Lives here: what a bot knows of the events it is told, by their numbers, and which gaps among
//! them can be.
//! Not here: what the events say (`player`).
//!
//! Invariant: the server keeps the newest [`KEPT`] events for who does not take them, so a gap is
//! right only for who was away or did not read, and only if so many came after it.

/// Events that the server keeps for a session, unless it is configured otherwise.
const KEPT: u64 = 1024;

/// What was heard last.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    last: u64,
    /// Whether the server may have given up some events since.
    behind: bool,
    /// How many were missing, and the event after them: it is still to be seen that they had to be
    /// given up.
    gap: Option<(u64, u64)>,
}

/// What an event's number tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Next,
    /// So many are missing before it, as may be.
    GivenUp(u64),
    /// So many are missing before it.
    Lost(u64),
}

impl Hearing {
    /// An event of this number has come.
    pub(crate) fn heard(&mut self, n: u64) -> Heard {
        let missing = n.saturating_sub(self.last + 1);
        self.last = n;
        match (missing, self.behind) {
            (0, _) => Heard::Next,
            (_, true) => {
                self.gap.get_or_insert((missing, n));
                Heard::GivenUp(missing)
            }
            (_, false) => Heard::Lost(missing),
        }
    }

    /// The bot was away, or did not read.
    pub(crate) fn interrupted(&mut self) {
        self.behind = true;
    }

    /// A command was answered: what waited for the bot has come before, unless that is about a time
    /// that is past. Says what is wrong with the gap there was, if anything is.
    pub(crate) fn answered(&mut self, late: bool) -> Option<String> {
        if late {
            return None;
        }
        self.behind = false;
        let (missing, after) = self.gap.take()?;
        let kept = self.last - after + 1;
        (kept < KEPT).then(|| {
            format!(
                "{missing} events before event {after} were given up, and only {kept} of the \
                 {KEPT} that may wait came after them"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_numbered_without_gaps() {
        let mut hearing = Hearing::default();
        assert_eq!(
            [1, 2, 3].map(|n| hearing.heard(n)),
            [const { Heard::Next }; 3]
        );
        assert_eq!(hearing.heard(6), Heard::Lost(2));
        assert_eq!(hearing.heard(7), Heard::Next);
    }

    #[test]
    fn who_was_away_may_miss_what_nobody_could_keep() {
        let mut hearing = Hearing::default();
        hearing.interrupted();
        assert_eq!(hearing.heard(5), Heard::GivenUp(4));
        for n in 6..5 + KEPT {
            assert_eq!(hearing.heard(n), Heard::Next);
        }
        assert_eq!(hearing.answered(true), None, "that is not the end of it");
        assert_eq!(hearing.answered(false), None);
    }

    #[test]
    fn what_could_have_been_kept_is_lost() {
        let mut hearing = Hearing::default();
        hearing.interrupted();
        assert_eq!(hearing.heard(5), Heard::GivenUp(4));
        let words = hearing.answered(false).unwrap();
        assert!(words.contains("4 events before event 5"), "{words}");
        assert_eq!(hearing.answered(false), None, "once is enough");
        assert_eq!(hearing.heard(7), Heard::Lost(1));
    }
}
