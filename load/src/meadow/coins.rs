//! Lives here: the coins that bots dropped and picked up: each is a thing of its own, with a number
//! that no other ever has.
//! Not here: purses, which hold no coins but gold (`purse`).
//!
//! Invariant: all that is said of a coin here was answered by the server, to whichever bot, in no
//! order: so a coin that is picked up twice, or as something else than what was dropped, is the
//! server's doing.

use rustc_hash::FxHashMap;

/// Coins that are watched; more are not.
const MAX_COINS: usize = 4 << 20;

/// What is known of a coin: how much was dropped as it, and how much was picked up.
#[derive(Debug, Default, Clone, Copy)]
struct Coin {
    dropped: Option<i64>,
    picked: Option<i64>,
}

/// The coins that bots know of.
#[derive(Debug, Default)]
pub(crate) struct Coins(FxHashMap<u64, Coin>);

impl Coins {
    /// A bot dropped gold, which became this coin; says what is wrong with that.
    pub(crate) fn drop(&mut self, coin: u64, gold: i64) -> Option<String> {
        let known = self.known(coin)?;
        if known.dropped.replace(gold).is_some() {
            return Some(format!("coin {coin} was dropped twice"));
        }
        known.compare(coin)
    }

    /// A bot picked this coin up, which was worth so much; says what is wrong with that.
    pub(crate) fn pick(&mut self, coin: u64, gold: i64) -> Option<String> {
        let known = self.known(coin)?;
        if known.picked.replace(gold).is_some() {
            return Some(format!("coin {coin} was picked up twice"));
        }
        known.compare(coin)
    }

    fn known(&mut self, coin: u64) -> Option<&mut Coin> {
        if self.0.len() >= MAX_COINS && !self.0.contains_key(&coin) {
            return None;
        }
        Some(self.0.entry(coin).or_default())
    }
}

impl Coin {
    fn compare(self, coin: u64) -> Option<String> {
        let (dropped, picked) = (self.dropped?, self.picked?);
        (dropped != picked)
            .then(|| format!("coin {coin} was dropped as {dropped} and picked up as {picked} gold"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coin_is_picked_up_once_and_worth_what_was_dropped() {
        let mut coins = Coins::default();
        assert_eq!(coins.drop(1, 5), None);
        assert_eq!(coins.pick(1, 5), None);
        assert_eq!(coins.pick(2, 1), None, "genesis made it");
        let twice = coins.pick(2, 1).unwrap();
        assert!(twice.contains("picked up twice"), "{twice}");
        // Who dropped it may be answered after who picked it up.
        assert_eq!(coins.pick(3, 4), None);
        assert_eq!(coins.drop(3, 4), None);
        assert_eq!(coins.drop(4, 4), None);
        let grown = coins.pick(4, 5).unwrap();
        assert!(grown.contains("dropped as 4"), "{grown}");
        let again = coins.drop(1, 3).unwrap();
        assert!(again.contains("dropped twice"), "{again}");
    }
}
