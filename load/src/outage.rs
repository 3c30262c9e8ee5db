//! Lives here: when the server was gone, as its bots saw it: from the first socket that was lost
//! until everybody was back.
//! Not here: coming back (`life`), and whether the server really was started anew (`timeline`).
//!
//! Invariant: a socket that is lost belongs to one outage: to the one that goes on, to the last one
//! if it was opened before that began (who did not read for a while notices late), or to a new one.

use std::time::Duration;

use tokio::time::Instant;

/// So long after everybody is back times are not held against the server: all came back at once.
const SETTLE: Duration = Duration::from_secs(3);

/// What became of the session of a bot that lost its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It went on.
    Resumed,
    /// It had ended; the bot has another.
    Ended,
    /// The bot did not come back at all.
    Given,
}

/// A time in which the server was gone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outage {
    /// When the first socket was lost.
    pub(crate) from: Instant,
    /// When the last bot was back.
    pub(crate) until: Instant,
    pub(crate) lost: u32,
    pub(crate) resumed: u32,
    pub(crate) ended: u32,
}

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    list: Vec<Outage>,
    /// Bots that are not back from the last one.
    away: u32,
}

impl Outages {
    /// A bot has lost a socket that was opened at `opened`.
    pub(crate) fn lost(&mut self, opened: Instant) {
        if !self.join(opened) {
            let now = Instant::now();
            self.list.push(Outage {
                from: now,
                until: now,
                lost: 1,
                resumed: 0,
                ended: 0,
            });
            self.away = 1;
        }
    }

    /// As [`Outages::lost`], of a bot whose socket may have ended for other reasons; says whether
    /// an outage explains it.
    pub(crate) fn join(&mut self, opened: Instant) -> bool {
        let Some(last) = self.list.last_mut() else {
            return false;
        };
        let explains = self.away > 0 || opened <= last.from;
        if explains {
            last.lost += 1;
            self.away += 1;
        }
        explains
    }

    /// A bot that had lost its socket is back, or will never be.
    pub(crate) fn back(&mut self, fate: Fate) {
        self.away = self.away.saturating_sub(1);
        if let Some(last) = self.list.last_mut() {
            last.until = Instant::now();
            last.resumed += u32::from(fate == Fate::Resumed);
            last.ended += u32::from(fate == Fate::Ended);
        }
    }

    /// Whether the server was gone at some time since `since`.
    pub(crate) fn any_since(&self, since: Instant) -> bool {
        self.away > 0 || self.list.last().is_some_and(|last| last.until >= since)
    }

    /// Whether a time is in an outage, or right after one.
    pub(crate) fn shade(&self, at: Instant) -> bool {
        self.list
            .last()
            .is_some_and(|last| at >= last.from && (self.away > 0 || at <= last.until + SETTLE))
    }

    /// All of them.
    pub(crate) fn list(&self) -> &[Outage] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn sockets_that_are_lost_together_are_one_outage() {
        let (mut outages, opened) = (Outages::default(), Instant::now());
        assert!(!outages.any_since(opened) && !outages.shade(opened));
        advance(SECOND).await;
        outages.lost(opened);
        outages.lost(opened);
        advance(SECOND).await;
        outages.back(Fate::Resumed);
        let first_back = Instant::now();
        assert!(outages.shade(first_back + SECOND * 60), "one is still away");
        advance(SECOND).await;
        outages.back(Fate::Ended);
        // One that did not read only notices now.
        advance(SECOND * 5).await;
        outages.lost(opened);
        outages.back(Fate::Resumed);
        let [outage] = outages.list() else {
            panic!("{:?}", outages.list())
        };
        assert_eq!((outage.lost, outage.resumed, outage.ended), (3, 2, 1));
        assert_eq!(
            (outage.from, outage.until),
            (opened + SECOND, opened + SECOND * 8)
        );
        // The next one is another, also for a bot that was back before the last was.
        advance(SECOND).await;
        outages.lost(first_back);
        assert_eq!(outages.list().len(), 2);
        outages.back(Fate::Given);
        assert_eq!(outages.list()[1].resumed, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn times_are_shaded_while_somebody_is_away_and_a_little_longer() {
        let (mut outages, opened) = (Outages::default(), Instant::now());
        advance(SECOND).await;
        outages.lost(opened);
        advance(SECOND).await;
        outages.back(Fate::Resumed);
        let back = Instant::now();
        assert!(!outages.shade(opened), "before");
        assert!(outages.shade(opened + SECOND) && outages.shade(back + SETTLE));
        assert!(!outages.shade(back + SETTLE + SECOND));
        assert!(outages.any_since(opened) && !outages.any_since(back + SECOND));
        // A socket that was opened since then ended for a reason of its own.
        assert!(!outages.join(back));
        assert!(outages.join(opened));
    }
}
