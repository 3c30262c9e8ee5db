//! Lives here: how often somebody may try to log in: refused logins of an address, and of an account
//! by tokens of ours; logins of an account.
//! Not here: whether a login is good (`claims`), sockets per address (`gateway::doors`).
//!
//! Invariant: what is remembered is bounded; time is passed in. Who has no try left is refused a good
//! login, too: were it taken, he could go on trying.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config;
use crate::gateway::network;

/// Addresses, and accounts, remembered at once. Beyond it, who was heard of the longest ago is
/// forgotten.
const REMEMBERED: usize = 65_536;

/// What is met by who tries too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// Too many refused logins of the address.
    Address,
    /// Too many refused logins of the account.
    Account,
    /// Too many logins of the account.
    Logins,
}

/// How often is too often.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Time that brings one more.
    each: Duration,
    /// At once.
    burst: u32,
}

impl Pace {
    fn new(per_minute: u32, burst: u32) -> Self {
        Self {
            each: Duration::from_mins(1) / per_minute.max(1),
            burst: burst.max(1),
        }
    }
}

/// Who has tried of late. Shared by all socket threads; used once or twice per login.
#[derive(Debug)]
pub(super) struct Lockout {
    failures: Pace,
    logins: Pace,
    /// Whether this machine's own addresses are held to it: proxies speak for everybody.
    limit_loopback: bool,
    /// Names are remembered by their hash only, since they may be long.
    hasher: RandomState,
    tries: Mutex<Tries>,
}

#[derive(Debug)]
struct Tries {
    /// Refused logins.
    addresses: Recent<IpAddr>,
    /// The same.
    accounts: Recent<u64>,
    /// All logins.
    logins: Recent<u64>,
}

impl Lockout {
    pub(super) fn new(config: &config::Login, limit_loopback: bool) -> Self {
        Self {
            failures: Pace::new(config.failures_per_minute, config.failure_burst),
            logins: Pace::new(config.logins_per_minute, config.login_burst),
            limit_loopback,
            hasher: RandomState::new(),
            tries: Mutex::new(Tries {
                addresses: Recent::new(REMEMBERED),
                accounts: Recent::new(REMEMBERED),
                logins: Recent::new(REMEMBERED),
            }),
        }
    }

    /// Whether an address may try, before anything it says is looked at.
    pub(super) fn may_try(&self, peer: IpAddr, now: Instant) -> Result<(), Met> {
        let Some(address) = self.limited(peer) else {
            return Ok(());
        };
        let left = self.with(|tries| tries.addresses.has(address, self.failures, now));
        if left { Ok(()) } else { Err(Met::Address) }
    }

    /// Counts a refused login; `account` is whose, where that is certain.
    pub(super) fn failed(&self, peer: IpAddr, account: Option<&str>, now: Instant) {
        let Some(address) = self.limited(peer) else {
            return;
        };
        let account = account.map(|account| self.hasher.hash_one(account));
        self.with(|tries| {
            tries.addresses.take(address, self.failures, now);
            if let Some(account) = account {
                tries.accounts.take(account, self.failures, now);
            }
        });
    }

    /// Whether an account may log in, by what is known to be good; counts it then.
    pub(super) fn log_in(&self, account: &str, peer: IpAddr, now: Instant) -> Result<(), Met> {
        if self.limited(peer).is_none() {
            return Ok(());
        }
        let account = self.hasher.hash_one(account);
        self.with(|tries| {
            if !tries.accounts.has(account, self.failures, now) {
                Err(Met::Account)
            } else if !tries.logins.take(account, self.logins, now) {
                Err(Met::Logins)
            } else {
                Ok(())
            }
        })
    }

    /// What counts as the peer's address; none where that is not held to anything.
    fn limited(&self, peer: IpAddr) -> Option<IpAddr> {
        (self.limit_loopback || !peer.is_loopback()).then(|| network(peer))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Tries) -> R) -> R {
        // Bucket by bucket its numbers stay true over a panic.
        act(&mut self.tries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Buckets of tries by whose they are: of those that were heard of last.
#[derive(Debug)]
struct Recent<K> {
    limit: usize,
    /// When each bucket will be full again, and the number of its newest use.
    full_at: HashMap<K, (Instant, u64)>,
    /// Uses, the oldest first; those that are not the newest of their bucket do not count.
    uses: VecDeque<(K, u64)>,
    count: u64,
}

impl<K: Copy + Eq + Hash> Recent<K> {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            full_at: HashMap::new(),
            uses: VecDeque::new(),
            count: 0,
        }
    }

    /// Whether there is a try left.
    fn has(&mut self, key: K, pace: Pace, now: Instant) -> bool {
        // Nothing is remembered of who has all of his left.
        let Some((full_at, _)) = self.full_at.get(&key).copied() else {
            return true;
        };
        self.heard(key, full_at);
        after(full_at, pace, now).is_some()
    }

    /// Takes a try; `false` when there is none left, and then the wait is no longer for it.
    fn take(&mut self, key: K, pace: Pace, now: Instant) -> bool {
        let full_at = self.full_at.get(&key).map_or(now, |(at, _)| *at);
        let after = after(full_at, pace, now);
        self.heard(key, after.unwrap_or(full_at));
        after.is_some()
    }

    /// Remembers a bucket as heard of last.
    fn heard(&mut self, key: K, full_at: Instant) {
        self.count += 1;
        self.full_at.insert(key, (full_at, self.count));
        self.uses.push_back((key, self.count));
        let known = &mut self.full_at;
        if self.uses.len() > 2 * self.limit {
            let counts =
                |(key, n): &(K, u64)| known.get(key).is_some_and(|(_, newest)| newest == n);
            self.uses.retain(counts);
        }
        while known.len() > self.limit {
            let Some((oldest, n)) = self.uses.pop_front() else {
                break;
            };
            if known.get(&oldest).is_some_and(|(_, newest)| *newest == n) {
                known.remove(&oldest);
            }
        }
    }
}

/// When a bucket will be full again after one more try; `None` when there is none left.
fn after(full_at: Instant, pace: Pace, now: Instant) -> Option<Instant> {
    let full_at = full_at.max(now) + pace.each;
    (full_at - now <= pace.each * pace.burst).then_some(full_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lockout(change: impl FnOnce(&mut config::Login)) -> Lockout {
        let mut config = config::Login {
            failure_burst: 3,
            failures_per_minute: 60,
            login_burst: 2,
            logins_per_minute: 30,
            ..config::Login::default()
        };
        change(&mut config);
        Lockout::new(&config, false)
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_that_fails_too_often_may_not_try_until_time_has_passed() {
        let lockout = lockout(|_| ());
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(lockout.may_try(address(1), now), Ok(()));
            lockout.failed(address(1), None, now);
        }
        assert_eq!(lockout.may_try(address(1), now), Err(Met::Address));
        assert_eq!(lockout.may_try(address(2), now), Ok(()), "each for itself");
        // Trying on while shut out does not make it longer: nothing is looked at.
        lockout.failed(address(1), None, now);
        assert_eq!(
            lockout.may_try(address(1), now + SECOND / 2),
            Err(Met::Address)
        );
        assert_eq!(lockout.may_try(address(1), now + SECOND), Ok(()));
        lockout.failed(address(1), None, now + SECOND);
        assert_eq!(lockout.may_try(address(1), now + SECOND), Err(Met::Address));
        for _ in 0..3 {
            lockout.failed(address(1), None, now + 60 * SECOND);
        }
        assert_eq!(
            lockout.may_try(address(1), now + 60 * SECOND),
            Err(Met::Address),
            "never more than a burst"
        );
    }

    #[test]
    fn this_machine_is_held_to_it_only_when_told_and_a_network_of_ipv6_is_one_address() {
        let now = Instant::now();
        let mut lockout = lockout(|_| ());
        let loopback = IpAddr::from([127, 0, 0, 1]);
        for _ in 0..9 {
            lockout.failed(loopback, None, now);
        }
        assert_eq!(lockout.may_try(loopback, now), Ok(()));
        for _ in 0..9 {
            lockout.failed(loopback, Some("ann"), now);
            assert_eq!(lockout.log_in("ann", loopback, now), Ok(()));
        }
        lockout.limit_loopback = true;
        assert_eq!(
            lockout.log_in("ann", loopback, now),
            Ok(()),
            "not held against"
        );
        for _ in 0..9 {
            lockout.failed(loopback, Some("ann"), now);
        }
        assert_eq!(lockout.may_try(loopback, now), Err(Met::Address));
        let met = lockout.log_in("ann", loopback, now);
        assert_eq!(met, Err(Met::Account));
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        for n in 0..3 {
            lockout.failed(at(&format!("2001:db8:1:2::{n}")), None, now);
        }
        assert_eq!(
            lockout.may_try(at("2001:db8:1:2:3::9"), now),
            Err(Met::Address)
        );
        assert_eq!(lockout.may_try(at("2001:db8:1:3::9"), now), Ok(()));
    }

    #[test]
    fn an_account_is_shut_out_from_wherever_it_fails_and_logs_in_only_so_often() {
        let lockout = lockout(|_| ());
        let now = Instant::now();
        for n in 0..3 {
            lockout.failed(address(n), Some("ann"), now);
        }
        assert_eq!(lockout.log_in("ann", address(9), now), Err(Met::Account));
        assert_eq!(lockout.log_in("ann", address(9), now + SECOND), Ok(()));
        assert_eq!(lockout.log_in("bob", address(9), now), Ok(()));
        assert_eq!(lockout.log_in("bob", address(9), now), Ok(()));
        assert_eq!(lockout.log_in("bob", address(9), now), Err(Met::Logins));
        assert_eq!(
            lockout.log_in("bob", address(9), now + SECOND),
            Err(Met::Logins)
        );
        assert_eq!(lockout.log_in("bob", address(9), now + 2 * SECOND), Ok(()));
    }

    #[test]
    fn only_so_many_are_remembered_and_who_was_heard_of_last_stays() {
        let pace = Pace::new(1, 2);
        let now = Instant::now();
        let mut recent = Recent::new(100);
        for n in 0..10_000_u32 {
            assert!(recent.take(n + 1, pace, now));
            // Number 0 tries again and again: he has none left, and is not forgotten.
            recent.take(0, pace, now);
            assert!(
                recent.full_at.len() <= 100 && recent.uses.len() <= 200,
                "{n}"
            );
        }
        assert!(!recent.has(0, pace, now) && !recent.full_at.contains_key(&9_000));
        assert!(recent.full_at.contains_key(&9_999) && recent.full_at.contains_key(&9_950));
        // One key alone, for ever: what is kept of its uses is bounded, too.
        let (mut one, pace) = (Recent::new(4), Pace::new(60, 1_000));
        for n in 0..1_000_u32 {
            one.take(7_u64, pace, now + n * SECOND);
            assert!(one.uses.len() <= 8 && one.full_at.len() == 1);
        }
    }
}
