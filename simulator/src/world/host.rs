//! A role in virtual time: its connections and the moment when it wants to be woken.

use std::num::NonZeroU32;

use sv2::role::{ChainEvent, ConnectionId};
use sv2::time::MaybeInstant;

use super::cast::Player;
use super::event::Planned;
use super::tips::TipId;
use super::wire::{End, WireId};
use crate::scenario::RoleId;

/// A role and what it is known by.
pub(super) struct Host {
    pub(super) role: Player,
    pub(super) id: RoleId,
    /// Of a fleet, from 0.
    pub(super) member: u32,
    /// Of the wake-up that is planned; an earlier one is out of date.
    pub(super) planned_at: MaybeInstant,
    /// It takes part from then on.
    pub(super) is_started: bool,
    /// The last block to build on that it has heard of, from whomever.
    pub(super) tip: TipId,
    /// How often it has begun anew.
    pub(super) generation: u32,
    /// The node that it asks, by number from 1.
    home: Option<NonZeroU32>,
    /// Since the first fault: most hosts never have one.
    trouble: Option<Box<Trouble>>,
    /// The connection with id 0: a device has no other.
    first: Option<(WireId, End)>,
    /// Where there were two at a time.
    others: Option<Box<Connections>>,
}

/// Connections of a host that has had several.
#[derive(Default)]
struct Connections {
    /// By id less 1.
    places: Vec<Option<(WireId, End)>>,
    /// Ids to be used again, the last first.
    free: Vec<u32>,
}

/// What faults do to a host at present. They may overlap.
#[derive(Default)]
pub(super) struct Trouble {
    /// Faults that have ended it.
    pub(super) down_count: u32,
    /// Those of them that let it vanish from the network as well.
    pub(super) silent_count: u32,
    pub(super) pause_count: u32,
    /// Of its civil clock, in nanoseconds.
    pub(super) clock_offset_ns: i64,
    /// What has come while it was paused.
    pub(super) held: Held,
}

/// What a paused host will find when it goes on.
#[derive(Default)]
pub(super) struct Held {
    pub(super) planned: Vec<Planned>,
    pub(super) news: Vec<ChainEvent>,
}

impl Host {
    pub(super) fn new(role: Player, (id, member): (RoleId, u32), home: Option<usize>) -> Self {
        Host {
            role,
            id,
            member,
            planned_at: MaybeInstant::NONE,
            is_started: false,
            tip: TipId::default(),
            generation: 0,
            home: home.map(|home| {
                let number = u32::try_from(home + 1).ok().and_then(NonZeroU32::new);
                number.expect("nodes are fewer than 2^32")
            }),
            trouble: None,
            first: None,
            others: None,
        }
    }

    /// It ends, and its connections with it: nothing of what was planned for it counts any more.
    pub(super) fn end(&mut self) {
        self.planned_at = MaybeInstant::NONE;
        self.is_started = false;
        self.tip = TipId::default();
        self.first = None;
        self.others = None;
        if let Some(trouble) = &mut self.trouble {
            trouble.held = Held::default();
        }
    }

    /// The node that it asks.
    pub(super) fn home(&self) -> Option<usize> {
        self.home.map(|number| number.get() as usize - 1)
    }

    /// Whether packets reach nobody, not even an operating system.
    pub(super) fn is_silent(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.silent_count > 0)
    }

    /// Whether it does nothing, and what comes for it waits.
    pub(super) fn is_paused(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.pause_count > 0)
    }

    /// By which its civil clock is wrong, in nanoseconds.
    pub(super) fn clock_offset_ns(&self) -> i64 {
        self.trouble.as_ref().map_or(0, |trouble| trouble.clock_offset_ns)
    }

    /// To begin or end some.
    pub(super) fn trouble_mut(&mut self) -> &mut Trouble {
        self.trouble.get_or_insert_default()
    }

    /// A name for a connection.
    pub(super) fn name(&mut self, wire: WireId, end: End) -> ConnectionId {
        if self.first.is_none() && self.others.is_none() {
            self.first = Some((wire, end));
            return ConnectionId(0);
        }
        let Connections { places, free } = &mut **self.others.get_or_insert_default();
        let index = free.pop().unwrap_or_else(|| {
            places.push(None);
            u32::try_from(places.len()).expect("fewer than 2^32 connections")
        });
        if let Some(place) = self.place(index) {
            *place = Some((wire, end));
        }
        ConnectionId(index)
    }

    fn place(&mut self, index: u32) -> Option<&mut Option<(WireId, End)>> {
        match index.checked_sub(1) {
            None => Some(&mut self.first),
            Some(at) => self.others.as_mut()?.places.get_mut(at as usize),
        }
    }

    /// `None` if it is closed already.
    pub(super) fn wire(&self, ConnectionId(index): ConnectionId) -> Option<(WireId, End)> {
        match index.checked_sub(1) {
            None => self.first,
            Some(at) => self.others.as_ref()?.places.get(at as usize).copied().flatten(),
        }
    }

    pub(super) fn forget(&mut self, ConnectionId(index): ConnectionId) {
        let was_used = self.place(index).is_some_and(|place| place.take().is_some());
        if let Some(others) = self.others.as_mut().filter(|_| was_used) {
            others.free.push(index);
        }
    }
}
