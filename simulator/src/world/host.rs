//! A role in virtual time: its connections and the moment when it wants to be woken.

use sv2::role::{ConnectionId, Role};
use sv2::time::Instant;

use super::wire::{End, WireId};
use crate::scenario::RoleId;

/// A role and what it is known by.
pub(super) struct Host {
    pub(super) role: Box<dyn Role + Send>,
    pub(super) id: RoleId,
    /// Of a fleet, from 0.
    pub(super) member: u32,
    /// Of the wake-up that is planned; an earlier one is out of date.
    pub(super) planned_at: Option<Instant>,
    /// It takes part from then on.
    pub(super) is_started: bool,
    /// When news of a tip came last, from whomever.
    pub(super) tip_at: Instant,
    /// By connection id; ids are used again.
    connections: Vec<Option<(WireId, End)>>,
    free: Vec<u32>,
}

impl Host {
    pub(super) fn new(role: Box<dyn Role + Send>, id: RoleId, member: u32) -> Self {
        let (connections, free) = (Vec::new(), Vec::new());
        Host {
            role,
            id,
            member,
            planned_at: None,
            is_started: false,
            tip_at: Instant::ZERO,
            connections,
            free,
        }
    }

    /// A name for a connection.
    pub(super) fn name(&mut self, wire: WireId, end: End) -> ConnectionId {
        if let Some(index) = self.free.pop() {
            self.connections[index as usize] = Some((wire, end));
            return ConnectionId(index);
        }
        let index = u32::try_from(self.connections.len()).expect("fewer than 2^32 connections");
        self.connections.push(Some((wire, end)));
        ConnectionId(index)
    }

    /// `None` if it is closed already.
    pub(super) fn wire(&self, ConnectionId(index): ConnectionId) -> Option<(WireId, End)> {
        self.connections.get(index as usize).copied().flatten()
    }

    pub(super) fn forget(&mut self, ConnectionId(index): ConnectionId) {
        if let Some(place) = self.connections.get_mut(index as usize)
            && place.take().is_some()
        {
            self.free.push(index);
        }
    }
}
