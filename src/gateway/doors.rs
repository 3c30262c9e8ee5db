//! Lives here: who may open a socket: limits of all sockets, and of each address.
//! Not here: what a socket may send (`reader`), and who may log in (`actors`).
//!
//! Invariant: what is remembered of addresses is bounded; an address is forgotten when that
//! changes nothing.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use actors::Refusal;
use protocol::ErrorCode;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config;
use actors::bucket::{Bucket, Rate};

/// Addresses remembered at once. Beyond it, new addresses are refused until old ones are forgotten.
const MAX_ADDRESSES: usize = 65_536;

/// The gateway's doors: shared by all socket threads, used once per socket.
#[derive(Debug)]
pub(crate) struct Doors {
    limits: config::Gateway,
    inside: Mutex<Inside>,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    closed: bool,
    sockets: usize,
    addresses: HashMap<IpAddr, Address>,
}

#[derive(Debug)]
struct Address {
    sockets: usize,
    connects: Bucket,
}

/// The right to have one socket open; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    doors: Arc<Doors>,
    /// Whose limits it counts against; none for an address that is not limited.
    address: Option<IpAddr>,
}

impl Doors {
    /// Open doors.
    pub(crate) fn new(limits: config::Gateway) -> Arc<Self> {
        Arc::new(Self {
            limits,
            inside: Mutex::default(),
            emptied: Notify::new(),
        })
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        self.with(|inside| inside.closed = true);
    }

    /// Whether they are closed.
    pub(crate) fn are_closed(&self) -> bool {
        self.with(|inside| inside.closed)
    }

    /// Waits until no socket is open. One waiter only.
    pub(crate) async fn emptied(&self) {
        while self.sockets() > 0 {
            self.emptied.notified().await;
        }
    }

    /// Sockets that are open.
    pub(crate) fn sockets(&self) -> usize {
        self.with(|inside| inside.sockets)
    }

    /// Lets one socket of `peer` in.
    ///
    /// # Errors
    /// Names the limit that is met, and its value.
    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Result<Permit, Refusal> {
        let limited = self.limits.limit_loopback || !peer.is_loopback();
        let address = limited.then(|| network(peer));
        self.with(|inside| {
            if inside.closed {
                return Err(Refusal::new(
                    ErrorCode::Draining,
                    "the server is about to stop",
                ));
            }
            let most = self.limits.max_sockets;
            if inside.sockets >= most {
                return Err(Refusal::new(
                    ErrorCode::Overloaded,
                    format!("{most} sockets are open (gateway.max_sockets)"),
                ));
            }
            if let Some(address) = address {
                self.count(inside, address, now)?;
            }
            inside.sockets += 1;
            Ok(())
        })?;
        Ok(Permit {
            doors: Arc::clone(self),
            address,
        })
    }

    fn count(&self, inside: &mut Inside, address: IpAddr, now: Instant) -> Result<(), Refusal> {
        if inside.addresses.len() >= MAX_ADDRESSES && !inside.addresses.contains_key(&address) {
            inside
                .addresses
                .retain(|_, one| one.sockets > 0 || !one.connects.is_full(now));
            if inside.addresses.len() >= MAX_ADDRESSES {
                return Err(Refusal::new(
                    ErrorCode::Overloaded,
                    format!("{MAX_ADDRESSES} addresses are connected"),
                ));
            }
        }
        let limits = &self.limits;
        let one = inside.addresses.entry(address).or_insert_with(|| Address {
            sockets: 0,
            connects: Bucket::new(now),
        });
        let rate = Rate {
            per_second: limits.connects_per_second,
            burst: limits.connect_burst,
        };
        if !one.connects.take(rate, now) {
            return Err(Refusal::new(
                ErrorCode::TooFast,
                format!(
                    "an address may open {} sockets per second (gateway.connects_per_second)",
                    limits.connects_per_second
                ),
            ));
        }
        let most = limits.max_sockets_per_address;
        if one.sockets >= most {
            return Err(Refusal::new(
                ErrorCode::TooFast,
                format!("an address may have {most} sockets (gateway.max_sockets_per_address)"),
            ));
        }
        one.sockets += 1;
        Ok(())
    }

    fn with<R>(&self, act: impl FnOnce(&mut Inside) -> R) -> R {
        // Numbers stay true over a panic: each change is a single step.
        act(&mut self.inside.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = Instant::now();
        self.doors.with(|inside| {
            inside.sockets -= 1;
            if inside.sockets == 0 && inside.closed {
                self.doors.emptied.notify_one();
            }
            let Some(address) = self.address else { return };
            let Some(one) = inside.addresses.get_mut(&address) else {
                return;
            };
            one.sockets -= 1;
            if one.sockets == 0 && one.connects.is_full(now) {
                inside.addresses.remove(&address);
            }
        });
    }
}

/// What counts as one address: an IPv4 address, or the /64 network that one IPv6 customer has.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors(change: impl FnOnce(&mut config::Gateway)) -> Arc<Doors> {
        let mut limits = config::Gateway {
            max_sockets: 4,
            max_sockets_per_address: 2,
            connects_per_second: 1,
            connect_burst: 3,
            ..config::Gateway::default()
        };
        change(&mut limits);
        Doors::new(limits)
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn each_limit_is_named_with_its_value() {
        let doors = doors(|_| ());
        let now = Instant::now();
        let first = doors.enter(address(1), now).unwrap();
        let _second = doors.enter(address(1), now).unwrap();
        let refusal = doors.enter(address(1), now).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::TooFast);
        assert!(
            refusal
                .message
                .contains("have 2 sockets (gateway.max_sockets_per_address)")
        );
        let refusal = doors.enter(address(1), now).unwrap_err();
        assert!(
            refusal
                .message
                .contains("1 sockets per second (gateway.connects_per_second)")
        );
        let _third = doors.enter(address(2), now).unwrap();
        let _fourth = doors.enter(address(2), now).unwrap();
        let refusal = doors.enter(address(3), now).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::Overloaded);
        assert!(
            refusal
                .message
                .contains("4 sockets are open (gateway.max_sockets)")
        );
        drop(first);
        assert_eq!(doors.sockets(), 3);
        doors.enter(address(3), now).unwrap();
        doors.close();
        assert_eq!(
            doors.enter(address(4), now).unwrap_err().code,
            ErrorCode::Draining
        );
    }

    #[test]
    fn loopback_is_limited_only_when_told() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let now = Instant::now();
        let free = doors(|_| ());
        let held: Vec<_> = (0..4).map(|_| free.enter(loopback, now).unwrap()).collect();
        assert_eq!(held.len(), 4);
        let limited = doors(|limits| limits.limit_loopback = true);
        let _held = (
            limited.enter(loopback, now).unwrap(),
            limited.enter(loopback, now).unwrap(),
        );
        assert_eq!(
            limited.enter(loopback, now).unwrap_err().code,
            ErrorCode::TooFast
        );
    }

    #[test]
    fn a_customer_of_ipv6_is_one_address() {
        let one: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let other: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        let stranger: IpAddr = "2001:db8:1:3::1".parse().unwrap();
        assert_eq!(network(one), network(other));
        assert_ne!(network(one), network(stranger));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), address(1));
    }

    #[test]
    fn idle_addresses_are_forgotten() {
        let doors = doors(|limits| limits.connects_per_second = 1_000_000);
        for _ in 0..3 {
            drop(doors.enter(address(1), Instant::now()).unwrap());
        }
        // Its bucket may still be filling: then the next sweep forgets it.
        let later = Instant::now() + std::time::Duration::from_secs(1);
        let forgotten = doors.with(|inside| {
            inside
                .addresses
                .values()
                .all(|one| one.connects.is_full(later))
        });
        assert!(forgotten);
    }
}
