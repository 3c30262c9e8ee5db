//! Lives here: how often an address may show a wrong token.
//! Not here: what is right (`token`).
//!
//! Invariant: what is remembered of addresses is bounded; an address is forgotten when that changes
//! nothing.

use std::collections::HashMap;
use std::net::IpAddr;

use actors::bucket::{Bucket, Rate};
use tokio::time::Instant;

use crate::gateway::network;

/// Wrong tokens of one address: ten at once, then one per second.
const RATE: Rate = Rate {
    per_second: 1,
    burst: 10,
};
/// Addresses remembered at once. Beyond it, new addresses are refused until old ones are forgotten.
const MAX_ADDRESSES: usize = 65_536;

/// The addresses that have shown wrong tokens of late.
///
/// This machine's own addresses count, too: a proxy's visitors are no better than others.
#[derive(Debug, Default)]
pub(super) struct Failures {
    addresses: HashMap<IpAddr, Bucket>,
}

impl Failures {
    /// Whether an address may show a token, right or wrong: were the right one taken from those who
    /// have tried too often, they could go on trying.
    pub(super) fn may_try(&mut self, peer: IpAddr, now: Instant) -> bool {
        match self.addresses.get(&network(peer)) {
            Some(bucket) => bucket.clone().take(RATE, now),
            None => self.has_room(now),
        }
    }

    /// Counts a wrong token.
    pub(super) fn count(&mut self, peer: IpAddr, now: Instant) {
        self.addresses
            .entry(network(peer))
            .or_insert_with(|| Bucket::new(now))
            .take(RATE, now);
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.addresses.len() >= MAX_ADDRESSES {
            self.addresses.retain(|_, bucket| !bucket.is_full(now));
        }
        self.addresses.len() < MAX_ADDRESSES
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn ten_at_once_then_one_per_second_and_each_address_for_itself() {
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let now = Instant::now();
        let mut failures = Failures::default();
        for _ in 0..10 {
            assert!(failures.may_try(one, now));
            failures.count(one, now);
        }
        assert!(!failures.may_try(one, now) && failures.may_try(other, now));
        let later = now + Duration::from_secs(1);
        assert!(
            failures.may_try(one, later) && failures.may_try(one, later),
            "looking is free"
        );
        failures.count(one, later);
        assert!(!failures.may_try(one, later));
    }

    #[test]
    fn so_many_addresses_are_remembered_and_no_more() {
        let now = Instant::now();
        let mut failures = Failures::default();
        let address = |n: usize| IpAddr::V4(Ipv4Addr::from(n as u32));
        for n in 0..MAX_ADDRESSES {
            assert!(failures.may_try(address(n), now));
            failures.count(address(n), now);
        }
        assert!(!failures.may_try(address(MAX_ADDRESSES), now));
        assert!(
            failures.may_try(address(0), now),
            "who is known is not shut out"
        );
        let later = now + Duration::from_secs(1);
        assert!(failures.may_try(address(MAX_ADDRESSES), later));
        assert_eq!(failures.addresses.len(), 0, "forgotten");
    }
}
