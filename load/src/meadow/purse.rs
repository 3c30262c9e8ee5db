//! Lives here: what a bot knows of its own gold.
//! Not here: all gold there is; that is the census (`meadow`).
//!
//! Invariant: once it was told what is in the purse, the bot always knows: replies and events come
//! in the order in which they took effect. Only after its socket went, replies that were under way
//! come late: until the last of them is there, it adds up and does not compare.

/// What a bot knows of its gold.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Purse {
    /// None: it was not told yet.
    known: Option<i64>,
    /// Replies up to this command's tell of a time that is past.
    late_until: u64,
    /// What must be in it at least, while it is not known what is.
    at_least: i64,
}

impl Purse {
    /// The gold known to be there.
    pub(crate) fn gold(&self) -> i64 {
        self.known.unwrap_or_default()
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.known.is_none()
    }

    /// Something that it should have heard of will not be told.
    pub(crate) fn forget(&mut self) {
        self.known = None;
        self.at_least = 0;
    }

    /// The session is over, with commands open that may have spent so much. What was heard of was
    /// durable before, and what was not can only be gifts and coins on top.
    pub(crate) fn begin_anew(&mut self, spent: i64) {
        let at_least = self.known.unwrap_or(self.at_least) - spent;
        *self = Self {
            at_least,
            ..Self::default()
        };
    }

    /// The replies to all commands up to this one come late.
    pub(crate) fn wait_for(&mut self, newest: u64) {
        self.late_until = newest;
    }

    /// Whether the reply to this command tells of a time that is past.
    pub(crate) fn is_late(&self, seq: u64) -> bool {
        seq <= self.late_until
    }

    /// Somebody gave it gold.
    pub(crate) fn receive(&mut self, gold: i64) {
        self.known = self.known.map(|known| known + gold);
    }

    /// This command added so much; says whether that can be.
    pub(crate) fn change(&mut self, seq: u64, gold: i64) -> bool {
        self.receive(gold);
        self.is_late(seq) || self.known.is_none_or(|known| known >= 0)
    }

    /// Whether that is what was left after this command.
    pub(crate) fn is(&self, seq: u64, gold: Option<i64>) -> bool {
        let compare = |known| gold == Some(known);
        gold.is_some() && (self.is_late(seq) || self.known.is_none_or(compare))
    }

    /// The server says what is in the purse; says whether that is what the bot knows.
    pub(crate) fn told(&mut self, seq: u64, gold: Option<i64>) -> bool {
        let enough = self.known.is_some() || gold >= Some(self.at_least);
        let sound = self.is(seq, gold) && enough;
        if !self.is_late(seq) {
            self.known = gold;
        }
        sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purse_after_a_restart_holds_what_was_known_but_for_what_was_open() {
        let purse = || {
            let mut purse = Purse::default();
            purse.told(1, Some(10));
            purse.receive(2);
            purse.begin_anew(3);
            purse
        };
        assert!(purse().told(1, Some(9)), "all that was open was done");
        assert!(purse().told(1, Some(20)), "and a gift was not heard of");
        assert!(!purse().told(1, Some(8)), "what was told was not durable");
        let mut twice = purse();
        twice.begin_anew(0);
        assert!(!twice.told(1, Some(8)), "killed again before it could ask");
        assert!(twice.told(2, Some(8)), "once is enough");
    }

    #[test]
    fn a_purse_is_compared_with_what_the_server_says() {
        let mut purse = Purse::default();
        assert!(purse.change(1, -5), "nothing is known yet");
        assert!(purse.told(2, Some(10)));
        assert!(purse.change(3, 4) && purse.is(3, Some(14)));
        purse.receive(1);
        assert!(purse.told(4, Some(15)));
        assert!(!purse.told(5, Some(16)), "from nowhere");
        assert!(!purse.change(6, -17), "it had 16");
        assert!(!purse.told(7, None));
    }

    #[test]
    fn late_replies_are_added_up_and_the_sum_is_compared() {
        let mut purse = Purse::default();
        assert!(purse.told(1, Some(2)));
        // Commands 2 to 4 were under way when the socket went; gold that came meanwhile is told
        // first, though it came last.
        purse.wait_for(4);
        purse.receive(5);
        assert!(
            purse.change(2, -1) && purse.is(2, Some(1)),
            "as it was at that time"
        );
        assert!(purse.told(3, Some(1)) && purse.gold() == 6, "that is past");
        assert!(purse.change(4, -1));
        assert!(purse.told(5, Some(5)));
        purse.wait_for(6);
        assert!(purse.change(6, -1));
        assert!(!purse.told(7, Some(3)), "taken twice");
    }
}
