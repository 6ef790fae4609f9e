//! Whom a connection counts towards, so that no caller and no address can hold all connections.
//!
//! A connection counts towards its peer's address until a caller has authenticated on it, and towards its last caller from
//! then on: behind a proxy all connections have the same peer, and carry the requests of many callers.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use super::limits::{LimitReached, Limiter, Permit};
use crate::call::{Caller, Identity};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ConnectionOwner {
    Peer(IpAddr),
    Caller(Identity),
}

impl ConnectionOwner {
    /// Of IPv6, the first 64 bits: one computer has all addresses that share them.
    pub(super) fn peer(address: IpAddr) -> Self {
        Self::Peer(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

/// One connection, counted among those of its owner.
#[derive(Debug)]
pub(super) struct ConnectionShare {
    limiter: Arc<Limiter<ConnectionOwner>>,
    permit: Mutex<Permit<ConnectionOwner>>,
}

#[derive(Debug, thiserror::Error)]
#[error("You have reached the limit of concurrent connections per caller. Retry in a second.")]
pub(super) struct TooManyConnections;

impl ConnectionShare {
    pub(super) fn new(limiter: Arc<Limiter<ConnectionOwner>>, owner: ConnectionOwner) -> Result<Self, LimitReached> {
        let permit = Mutex::new(limiter.try_acquire(owner)?);
        Ok(Self { limiter, permit })
    }

    /// Counts the connection towards this caller from now on.
    pub(super) fn assign_to(&self, caller: &Caller) -> Result<(), TooManyConnections> {
        let mut permit = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(current) = permit.owner() else { return Ok(()) };
        let owner = ConnectionOwner::Caller(caller.identity());
        if *current != owner {
            *permit = self.limiter.try_acquire(owner).map_err(|LimitReached| TooManyConnections)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_and_a_mapped_ipv4_address_are_one_peer() {
        let peer = |text: &str| ConnectionOwner::peer(text.parse().unwrap());
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:2"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    }
}
