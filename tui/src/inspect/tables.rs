//! The lines of the screens as bytes of an index: written as they are, read with doubt.

use sv2::common::Protocol;
use sv2::noise::Certificate;
use sv2_capture::index::{Reader, Writer};
use sv2_capture::observed::{CertificateSeen, HandshakeSeen, SessionKey};
use sv2_capture::state::channel::ChannelKind;

use super::session::{ChannelRow, ConnectionRow, JobRow};

impl ConnectionRow {
    pub(super) fn write(&self, out: &mut Writer) {
        out.int(self.id.into());
        out.bytes(self.client.to_string().as_bytes());
        out.bytes(self.server.to_string().as_bytes());
        [self.opened.0, self.opened.1, self.last_at].iter().for_each(|value| out.int(*value));
        out.u8(u8::from(self.is_closed)
            | u8::from(self.is_sv1) << 1
            | u8::from(self.is_redacted) << 2);
        out.option(self.protocol, |out, protocol| out.u8(protocol as u8));
        out.option(self.version, |out, version| out.int(version.into()));
        out.int(self.flags.into());
        out.option(self.handshake.as_ref(), write_handshake);
        out.int(self.channel_count as u64);
        self.message_count.iter().for_each(|count| out.int(*count));
        out.int(self.latencies.len() as u64);
        self.latencies.iter().for_each(|latency| out.int(*latency));
        out.int(self.finding_count as u64);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let id = from.small()?;
        let (client, server) = (from.text()?.parse().ok()?, from.text()?.parse().ok()?);
        let opened = (from.int()?, from.int()?);
        let last_at = from.int()?;
        let flags = from.u8()?;
        let protocol = from.option(|from| Protocol::from_number(from.u8()?))?;
        Some(ConnectionRow {
            id,
            client,
            server,
            opened,
            last_at,
            is_closed: flags & 1 != 0,
            is_sv1: flags & 2 != 0,
            is_redacted: flags & 4 != 0,
            protocol,
            version: from.option(Reader::small)?,
            flags: from.small()?,
            handshake: from.option(read_handshake)?,
            channel_count: from.small()?,
            message_count: [from.int()?, from.int()?],
            latencies: list(from, |from| from.int())?,
            finding_count: from.small()?,
        })
    }
}

impl ChannelRow {
    pub(super) fn write(&self, out: &mut Writer) {
        [self.connection, self.id, self.group].iter().for_each(|value| out.int((*value).into()));
        out.u8(match self.kind {
            ChannelKind::Standard => 0,
            ChannelKind::Extended => 1,
        });
        out.bytes(self.user_identity.as_bytes());
        out.int(self.opened_by);
        out.u8(u8::from(self.closed));
        let rates =
            [self.target_difficulty, self.expected_shares_per_minute, self.work].map(f64::to_bits);
        rates.iter().for_each(|bits| out.raw(&bits.to_le_bytes()));
        out.raw(&self.nominal_hashrate.to_le_bytes());
        out.bytes(self.prefix.as_bytes());
        out.int(self.rollable_extranonce_size.into());
        let counts = [self.submitted, self.accepted, self.rejected, self.blocks_found];
        counts.iter().chain(&[self.first_at, self.last_at]).for_each(|value| out.int(*value));
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let (connection, id, group) = (from.small()?, from.small()?, from.small()?);
        let kind = match from.u8()? {
            0 => ChannelKind::Standard,
            1 => ChannelKind::Extended,
            _ => return None,
        };
        let user_identity = from.text()?.to_owned();
        let (opened_by, closed) = (from.int()?, from.u8()? != 0);
        let (target_difficulty, expected_shares_per_minute, work) =
            (from.f64()?, from.f64()?, from.f64()?);
        Some(ChannelRow {
            connection,
            id,
            kind,
            group,
            user_identity,
            opened_by,
            closed,
            target_difficulty,
            nominal_hashrate: f32::from_le_bytes(from.array()?),
            expected_shares_per_minute,
            prefix: from.text()?.to_owned(),
            rollable_extranonce_size: from.small()?,
            submitted: from.int()?,
            accepted: from.int()?,
            rejected: from.int()?,
            blocks_found: from.int()?,
            first_at: from.int()?,
            last_at: from.int()?,
            work,
        })
    }
}

impl JobRow {
    pub(super) fn write(&self, out: &mut Writer) {
        [self.connection, self.channel, self.id].iter().for_each(|value| out.int((*value).into()));
        [self.number, self.arrived, self.shares].iter().for_each(|value| out.int(*value));
        out.option(self.activated, Writer::int);
        out.option(self.retired, Writer::int);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(JobRow {
            connection: from.small()?,
            channel: from.small()?,
            id: from.small()?,
            number: from.int()?,
            arrived: from.int()?,
            shares: from.int()?,
            activated: from.option(Reader::int)?,
            retired: from.option(Reader::int)?,
        })
    }
}

/// Things one after the other, with their number before them.
pub(super) fn list<T>(
    from: &mut Reader<'_>,
    read: impl Fn(&mut Reader<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut things = Vec::new();
    for _ in 0..from.int()? {
        things.push(read(from)?);
    }
    Some(things)
}

fn write_handshake(out: &mut Writer, seen: &HandshakeSeen) {
    let HandshakeSeen { act_1_len, act_2_len, duration, key, certificate, failures } = seen;
    [*act_1_len as u64, *act_2_len as u64, *duration].iter().for_each(|value| out.int(*value));
    out.u8(match key {
        SessionKey::Missing => 0,
        SessionKey::Fits => 1,
        SessionKey::DoesNotFit => 2,
    });
    out.option(certificate.as_ref(), |out, seen| {
        out.raw(&seen.certificate.to_bytes());
        out.raw(&seen.static_x);
        out.option(seen.is_signed, |out, is_signed| out.u8(u8::from(is_signed)));
    });
    out.int(failures.len() as u64);
    failures.iter().for_each(|failure| out.bytes(failure.as_bytes()));
}

fn read_handshake(from: &mut Reader<'_>) -> Option<HandshakeSeen> {
    Some(HandshakeSeen {
        act_1_len: from.small()?,
        act_2_len: from.small()?,
        duration: from.int()?,
        key: match from.u8()? {
            0 => SessionKey::Missing,
            1 => SessionKey::Fits,
            2 => SessionKey::DoesNotFit,
            _ => return None,
        },
        certificate: from.option(|from| {
            Some(CertificateSeen {
                certificate: Certificate::from_bytes(&from.array()?),
                static_x: from.array()?,
                is_signed: from.option(|from| Some(from.u8()? != 0))?,
            })
        })?,
        failures: list(from, |from| Some(from.text()?.to_owned()))?,
    })
}
