//! What a closed form gives for a figure of a star: printed beside what was simulated, so that
//! either can be doubted.

use super::Figure;
use crate::fleet::StarSettings;
use crate::link::Latency;

/// Of a star whose targets stay and whose card is not busy for long; none where no closed form is
/// known.
pub fn predict(figure: Figure, settings: &StarSettings) -> Option<f64> {
    let sizes = settings.sizes;
    let shares = settings.shares_per_minute / 60.0;
    let batch = f64::from(settings.share_batch_size.min(sizes.batch_size_max));
    let jobs = 1.0 / settings.job_interval.as_secs_f64();
    let blocks = settings.block_interval.map_or(0.0, |interval| 1.0 / interval.as_secs_f64());
    // Rate of each message a device, and its length.
    let up = [(shares, sizes.submit)];
    let down = [
        (shares / batch, sizes.accept),
        (jobs, sizes.job),
        (blocks, sizes.tip),
        (if sizes.future_job > 0 { blocks } else { 0.0 }, sizes.future_job),
    ];
    let payload = |messages: &[(f64, u32)]| -> f64 {
        messages.iter().map(|(rate, len)| rate * f64::from(*len)).sum()
    };
    let packets = |messages: &[(f64, u32)]| -> f64 {
        let framing = settings.framing;
        let bytes = |len: u32| {
            let segment_count = framing.segment_count(u64::from(len));
            let acknowledgements = framing.acknowledgement_count(segment_count);
            framing.packet_bytes(u64::from(len)) + acknowledgements * u64::from(framing.header_len)
        };
        messages.iter().map(|(rate, len)| rate * bytes(*len) as f64).sum()
    };
    match figure {
        Figure::PayloadBytes => Some(payload(&up) + payload(&down)),
        Figure::UplinkBytes => Some(payload(&up)),
        Figure::DownlinkBytes => Some(payload(&down)),
        Figure::PacketBytes => Some(packets(&up) + packets(&down)),
        Figure::ShareRate => Some(shares),
        Figure::StalePart | Figure::StaleCounted => {
            Some((settings.up.mean().as_secs_f64() + switch_time(settings)) * blocks)
        }
        Figure::SwitchTime => Some(switch_time(settings)),
        Figure::LastSwitch => {
            let (Latency::Constant(down), Latency::Constant(switch)) =
                (&settings.down, &settings.switch)
            else {
                // The longest of many draws grows with their number.
                return None;
            };
            let way = settings.pool_delay + *down + *switch;
            Some(way.as_secs_f64() + transfer_time(settings) * f64::from(settings.device_count))
        }
    }
}

/// From the node's new tip to a device's, on average.
fn switch_time(settings: &StarSettings) -> f64 {
    let way = settings.pool_delay + settings.down.mean() + settings.switch.mean();
    // Half of the devices are before it.
    let wait = transfer_time(settings) * (f64::from(settings.device_count) + 1.0) / 2.0;
    way.as_secs_f64() + wait
}

/// Until the pool's card has told one device of a block.
fn transfer_time(settings: &StarSettings) -> f64 {
    let Some(nic) = settings.nic else { return 0.0 };
    let bytes = settings.framing.link_bytes(u64::from(settings.sizes.tip));
    nic.transfer(bytes) as f64 / 1e9
}
