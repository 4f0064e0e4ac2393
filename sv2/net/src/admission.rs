//! Who may connect: the number of accepted connections, in all and by address.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use crate::limits::Limits;

/// Counts accepted connections.
#[derive(Debug)]
pub(crate) struct Admission {
    connections_max: usize,
    per_address_max: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    count: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// Why a connection was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("{max} connections are open, which is the limit")]
    Full { max: usize },
    #[error("{address} has {max} connections, which is the limit for one address")]
    AddressFull { address: IpAddr, max: usize },
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Admission {
            connections_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            open: Mutex::default(),
        })
    }

    /// Counts a connection for as long as the permit lives.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refusal> {
        let address = one_subscriber(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.count >= self.connections_max {
            return Err(Refusal::Full { max: self.connections_max });
        }
        let of_address = open.by_address.get(&address).copied().unwrap_or(0);
        if of_address >= self.per_address_max {
            return Err(Refusal::AddressFull { address, max: self.per_address_max });
        }
        open.by_address.insert(address, of_address + 1);
        open.count += 1;
        Ok(Permit { admission: Arc::clone(self), address })
    }
}

/// An accepted connection; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.count -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

/// Whoever has one IPv6 address has the 2^64 of its network: they count as one.
fn one_subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(connections_max: usize, connections_per_address_max: usize) -> Arc<Admission> {
        Admission::new(&Limits {
            connections_max,
            connections_per_address_max,
            ..Limits::default()
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_the_place_of_others() {
        let admission = admission(3, 2);
        let _held = [
            admission.admit(address("10.0.0.1")).unwrap(),
            admission.admit(address("::ffff:10.0.0.1")).unwrap(),
        ];

        let third = admission.admit(address("10.0.0.1"));

        let refusal = Refusal::AddressFull { address: address("10.0.0.1"), max: 2 };
        assert_eq!(third.err(), Some(refusal));
        assert!(admission.admit(address("10.0.0.2")).is_ok());
    }

    #[test]
    fn a_closed_connection_makes_room() {
        let admission = admission(1, 1);
        let first = admission.admit(address("10.0.0.1")).unwrap();
        assert_eq!(admission.admit(address("10.0.0.2")).err(), Some(Refusal::Full { max: 1 }));

        drop(first);

        assert!(admission.admit(address("10.0.0.2")).is_ok());
        assert!(admission.open.lock().unwrap().by_address.is_empty());
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_as_one() {
        let admission = admission(9, 1);
        let _held = admission.admit(address("2001:db8::1")).unwrap();

        assert!(admission.admit(address("2001:db8::2")).is_err());
        assert!(admission.admit(address("2001:db8:0:1::1")).is_ok());
    }
}
