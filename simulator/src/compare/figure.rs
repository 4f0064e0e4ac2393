//! What is compared.

use crate::fleet::Tally;

/// A figure of a run; of a device where it is an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Bytes a second in both directions, without TCP.
    PayloadBytes,
    /// The same, from devices to the pool.
    UplinkBytes,
    /// The same, from the pool to devices.
    DownlinkBytes,
    /// Bytes a second in both directions, with headers and acknowledgements.
    PacketBytes,
    /// Shares a second: arms that differ in it are not comparable.
    ShareRate,
    /// Stale work over all work, integrated.
    StalePart,
    /// Stale shares over all that were judged, counted.
    StaleCounted,
    /// Seconds from the node's new tip to the device's, on average.
    SwitchTime,
    /// The same of the device that was last, over all blocks.
    LastSwitch,
}

/// The figures of one run, in the order of [`Figure::ALL`]; none that was not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures([Option<f64>; Figure::ALL.len()]);

impl Figure {
    /// All of them.
    pub const ALL: [Figure; 9] = [
        Figure::PayloadBytes,
        Figure::UplinkBytes,
        Figure::DownlinkBytes,
        Figure::PacketBytes,
        Figure::ShareRate,
        Figure::StalePart,
        Figure::StaleCounted,
        Figure::SwitchTime,
        Figure::LastSwitch,
    ];

    /// In the order of [`Figure::ALL`], as scenarios write them.
    pub const NAMES: [&str; 9] = [
        "payload-bytes",
        "uplink-bytes",
        "downlink-bytes",
        "packet-bytes",
        "share-rate",
        "stale-part",
        "stale-counted",
        "switch-time",
        "last-switch",
    ];

    /// As scenarios and reports write it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Of its values.
    pub fn unit(self) -> &'static str {
        match self {
            Figure::PayloadBytes
            | Figure::UplinkBytes
            | Figure::DownlinkBytes
            | Figure::PacketBytes => "B/s a device",
            Figure::ShareRate => "shares/s a device",
            Figure::StalePart | Figure::StaleCounted => "of all work",
            Figure::SwitchTime | Figure::LastSwitch => "s",
        }
    }
}

impl Figures {
    /// Of a star of so many devices, after so many seconds.
    pub fn of_star(tally: &Tally, device_count: u32, seconds: f64) -> Self {
        let time = f64::from(device_count) * seconds;
        let value = |figure| match figure {
            Figure::PayloadBytes => (tally.up_bytes + tally.down_bytes) as f64 / time,
            Figure::UplinkBytes => tally.up_bytes as f64 / time,
            Figure::DownlinkBytes => tally.down_bytes as f64 / time,
            Figure::PacketBytes => tally.packet_bytes as f64 / time,
            Figure::ShareRate => tally.found_count as f64 / time,
            Figure::StalePart => tally.stale_part(),
            Figure::StaleCounted => tally.stale_part_counted(),
            Figure::SwitchTime => tally.switch_ns_sum / (tally.switch_count.max(1)) as f64 / 1e9,
            Figure::LastSwitch => tally.switch_ns_max as f64 / 1e9,
        };
        Figures(Figure::ALL.map(|figure| Some(value(figure))))
    }

    /// Nothing but these.
    pub fn of(values: &[(Figure, f64)]) -> Self {
        let mut figures = Figures::default();
        values.iter().for_each(|(figure, value)| figures.0[*figure as usize] = Some(*value));
        figures
    }

    /// One of them.
    pub fn value(&self, figure: Figure) -> Option<f64> {
        self.0[figure as usize]
    }
}
