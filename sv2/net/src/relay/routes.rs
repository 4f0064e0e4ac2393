//! Where clients that were told to connect again are expected to come out.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sv2::role::PeerAddress;
use sv2::time::Instant;

/// Servers that clients were sent to (spec 3.6.5), by the client's address: its next connection
/// goes there. Where many clients stand behind one address, they are taken in the order in
/// which they were sent away.
#[derive(Debug, Default)]
pub(super) struct Routes(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_client: BTreeMap<IpAddr, VecDeque<Route>>,
    count: usize,
}

#[derive(Debug)]
struct Route {
    server: PeerAddress,
    noted_at: Instant,
}

/// No room for another route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyRoutes;

impl Routes {
    /// The next connection of `client` goes to `server`.
    pub(super) fn note(
        &self,
        client: IpAddr,
        server: PeerAddress,
        now: Instant,
    ) -> Result<(), TooManyRoutes> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.count >= ROUTES_MAX {
            table.forget_old(now);
        }
        if table.count >= ROUTES_MAX {
            return Err(TooManyRoutes);
        }
        table.count += 1;
        table.by_client.entry(client).or_default().push_back(Route { server, noted_at: now });
        Ok(())
    }

    /// Where a new connection of `client` goes, if it was sent anywhere in the last minutes.
    pub(super) fn take(&self, client: IpAddr, now: Instant) -> Option<PeerAddress> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let table = &mut *table;
        let routes = table.by_client.get_mut(&client)?;
        let mut found = None;
        while let Some(route) = routes.pop_front() {
            table.count -= 1;
            if now.since(route.noted_at) < LIFETIME {
                found = Some(route.server);
                break;
            }
        }
        if routes.is_empty() {
            table.by_client.remove(&client);
        }
        found
    }
}

impl Table {
    fn forget_old(&mut self, now: Instant) {
        self.by_client.retain(|_, routes| {
            routes.retain(|route| now.since(route.noted_at) < LIFETIME);
            !routes.is_empty()
        });
        self.count = self.by_client.values().map(VecDeque::len).sum();
    }
}

/// Clients on their way, at one time.
const ROUTES_MAX: usize = 4_096;
/// A client that has not come by then connects as if it had never been sent away.
const LIFETIME: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn server(port: u16) -> PeerAddress {
        PeerAddress { host: "pool".to_owned(), port, authority: None }
    }

    #[test]
    fn each_connection_of_a_client_takes_one_route_in_order_until_they_are_too_old() {
        let routes = Routes::default();
        let client: IpAddr = "10.0.0.1".parse().unwrap();
        let later = Instant::ZERO + LIFETIME;
        for port in [1, 2, 3] {
            routes.note(client, server(port), Instant(u64::from(port))).unwrap();
        }

        assert_eq!(routes.take("10.0.0.2".parse().unwrap(), Instant::ZERO), None);
        assert_eq!(routes.take(client, Instant::ZERO), Some(server(1)));
        assert_eq!(routes.take(client, Instant(later.0 + 2)), Some(server(3)));
        assert_eq!(routes.take(client, Instant::ZERO), None);
    }

    #[test]
    fn old_routes_make_room_and_new_ones_do_not() {
        let routes = Routes::default();
        let client = |n: u32| IpAddr::from(n.to_be_bytes());
        let later = Instant::ZERO + LIFETIME;
        for n in 0..u32::try_from(ROUTES_MAX).unwrap() {
            routes.note(client(n), server(1), Instant::ZERO).unwrap();
        }

        let early = routes.note(client(9_999), server(2), Instant::ZERO);
        let late = routes.note(client(9_999), server(2), later);

        assert_eq!((early, late), (Err(TooManyRoutes), Ok(())));
        assert_eq!(routes.0.lock().unwrap().count, 1);
    }
}
