//! A pool and the devices directly on it, event by event.

use std::hint::black_box;
use std::time::Duration;

use sv2::mining::vardiff::{Aim, Vardiff};
use sv2::time::Instant;

use super::device::{Device, Draws};
use super::event::{DEVICE_BITS, Kind};
use super::{StarSettings, Tally};
use crate::engine::{Digest, EventQueue, Purpose, RadixQueue, Stream, Streams};
use crate::link::Queue;

pub use super::event::StarEvent;

/// A star that runs. The queue is a parameter for tests to compare two.
pub struct Star<Q = RadixQueue<StarEvent>> {
    settings: StarSettings,
    draws: Draws,
    blocks: Stream,
    queue: Q,
    /// Taken out of the queue, and beyond the end of the last run.
    next: Option<(Instant, StarEvent)>,
    now: Instant,
    devices: Vec<Device>,
    /// Of the same places; empty if targets stay.
    vardiffs: Vec<Vardiff>,
    /// When the pool's card is free.
    card: Option<Queue>,
    /// When the pool went over to its tips: the number of a tip is its place.
    tips: Vec<Instant>,
    costs: Costs,
    /// Of the way up, in nanoseconds.
    up_ns: f64,
    /// Hashes per second of all devices that are on.
    hash_rate: f64,
    /// When `made_hashes` was brought up to date.
    made_until: Instant,
    tally: Tally,
    digest: Digest,
}

impl<Q: EventQueue<StarEvent> + Default> Star<Q> {
    /// At time zero: every device works on the first job.
    ///
    /// # Panics
    /// If there are more than 2^24 devices: a scenario says so before.
    pub fn new(settings: StarSettings) -> Self {
        let count = settings.device_count;
        assert!(count <= 1 << DEVICE_BITS, "{count} devices are more than a star takes");
        let mut star = Star {
            draws: Draws::new(settings.seed),
            blocks: Stream::new(settings.seed, 0, Purpose::Block),
            queue: Q::default(),
            next: None,
            now: Instant::ZERO,
            devices: Vec::with_capacity(count as usize),
            vardiffs: Vec::new(),
            card: settings.nic.map(Queue::new),
            tips: vec![Instant::ZERO],
            costs: Costs::new(&settings),
            up_ns: settings.up.mean().as_secs_f64() * 1e9,
            hash_rate: 0.0,
            made_until: Instant::ZERO,
            tally: Tally::default(),
            digest: Digest::default(),
            settings,
        };
        star.start();
        star
    }

    fn start(&mut self) {
        let rates = Streams::new(self.settings.seed, Purpose::HashRate);
        for device in 0..self.settings.device_count as usize {
            let spread = 1.0 + self.settings.spread * rates.at(device as u64, 0).normal();
            // Six deviations below, a unit would not have passed its test.
            let hash_rate = self.settings.hash_rate * spread.max(0.01);
            let hashes = self.share_hashes(self.settings.hash_rate);
            self.hash_rate += hash_rate;
            self.devices.push(Device {
                hash_rate,
                worked_hashes: hashes,
                told_hashes: hashes,
                last_up: 0,
                last_down: 0,
                search: 0,
                message_count: 0,
                tip: 0,
                unanswered: 0,
                is_on: true,
            });
            if let Some(algorithm) = self.settings.vardiff {
                self.vardiffs.push(Vardiff::new(algorithm, Instant::ZERO, hashes));
            }
            self.search(device);
        }
        self.plan(self.settings.job_interval, Kind::Refresh, 0);
        if let Some(algorithm) = self.settings.vardiff {
            self.plan(algorithm.interval(), Kind::Look, 0);
        }
        for (index, course) in self.settings.courses.clone().into_iter().enumerate() {
            let number = u32::try_from(index).expect("a scenario has few curtailments");
            self.plan(course.at, Kind::Off, number);
            self.plan(course.at + course.length, Kind::On, number);
        }
        self.plan_block();
    }

    /// Goes on until a moment; whatever happens then has happened.
    pub fn run_until(&mut self, end: Instant) {
        while let Some((at, event)) = self.next.take().or_else(|| self.pop()) {
            if at > end {
                // Put back, it would come behind others of the same moment.
                self.next = Some((at, event));
                break;
            }
            self.now = at;
            self.handle(event);
        }
        self.now = end.max(self.now);
        self.make();
    }

    /// The next event. Devices that come soon are read together: large fleets do not fit into a
    /// cache, and most of an event's time would be the wait for its device.
    #[inline]
    fn pop(&mut self) -> Option<(Instant, StarEvent)> {
        let devices = &self.devices;
        self.queue.pop_ahead(|event| {
            black_box(devices.get(event.device()).map(|device| device.search));
        })
    }

    /// Devices, on or off.
    pub fn device_count(&self) -> u32 {
        self.settings.device_count
    }

    /// What has come of it.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Of all events so far.
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// Events that wait.
    pub fn pending_count(&self) -> usize {
        self.queue.len() + usize::from(self.next.is_some())
    }

    #[inline]
    fn handle(&mut self, event: StarEvent) {
        self.tally.event_count += 1;
        self.digest.word(self.now.0 ^ event.word().rotate_left(32));
        let device = event.device();
        match event.kind() {
            Kind::Found => self.found(device, event.number()),
            Kind::Submitted => self.submitted(device, event.number()),
            Kind::Job => {
                self.tally.job_count += 1;
                self.take_target(device);
            }
            Kind::Tip => self.switch(device, event.number()),
            Kind::Block => self.block(),
            Kind::Refresh => self.refresh(),
            Kind::Look => self.look(),
            Kind::Off => self.turn(event.number() as usize, false),
            Kind::On => self.turn(event.number() as usize, true),
            Kind::Announce => self.announce(event.number()),
        }
    }

    #[inline]
    fn found(&mut self, index: usize, search: u32) {
        let device = &mut self.devices[index];
        if device.search != search {
            // The device has been off since, or has another target.
            return;
        }
        self.tally.found_count += 1;
        device.message_count += 1;
        let mut draws = self.draws.latencies.at(index as u64, u64::from(device.message_count));
        let arrival = (self.now.0 + self.settings.up.draw(&mut draws)).max(device.last_up);
        device.last_up = arrival;
        let (tip, wait) = (device.tip, device.wait(self.draws.shares, index));
        let next = device.search;
        self.queue.push(Instant(arrival), StarEvent::new(Kind::Submitted, index, tip));
        self.queue.push(Instant(self.now.0 + wait), StarEvent::new(Kind::Found, index, next));
        self.count(self.costs.submit, true);
    }

    #[inline]
    fn submitted(&mut self, index: usize, tip: u32) {
        if (tip as usize) + 1 < self.tips.len() {
            self.tally.stale_count += 1;
            self.tell(index, self.costs.reject);
            return;
        }
        self.tally.accepted_count += 1;
        let device = &mut self.devices[index];
        let hashes = device.worked_hashes;
        self.tally.credited_hashes += hashes;
        device.unanswered += 1;
        let batch = self.settings.share_batch_size.min(self.settings.sizes.batch_size_max);
        if device.unanswered >= batch {
            device.unanswered = 0;
            self.tell(index, self.costs.accept);
        }
        if let Some(vardiff) = self.vardiffs.get_mut(index)
            && vardiff.record(self.now, hashes)
        {
            self.judge(index);
        }
    }

    /// A block of the network: from now on, shares on the last tip are stale.
    fn block(&mut self) {
        self.tally.block_count += 1;
        self.tips.push(self.now);
        let tip = u32::try_from(self.tips.len() - 1).expect("fewer than 2^32 blocks in a run");
        match self.settings.pool_delay {
            Duration::ZERO => self.announce(tip),
            delay => self.plan(delay, Kind::Announce, tip),
        }
        self.plan_block();
    }

    /// The pool tells everybody of a tip.
    fn announce(&mut self, tip: u32) {
        for index in 0..self.devices.len() {
            let arrival = self.tell(index, self.costs.tip);
            // By the tip: protocols with other messages have the same switches.
            let mut draws = self.draws.switches.at(index as u64, u64::from(tip));
            let switched = arrival + self.settings.switch.draw(&mut draws);
            self.queue.push(Instant(switched), StarEvent::new(Kind::Tip, index, tip));
        }
        if self.settings.sizes.future_job > 0 {
            for index in 0..self.devices.len() {
                self.tell(index, self.costs.future_job);
            }
        }
    }

    #[inline]
    fn switch(&mut self, index: usize, tip: u32) {
        let device = &mut self.devices[index];
        if tip <= device.tip {
            return;
        }
        device.tip = tip;
        let late = self.now.since(self.tips[tip as usize]).as_nanos();
        if device.is_on {
            // Work of the last moments before the pool's switch was under way at it.
            let window = late as f64 + self.up_ns;
            self.tally.stale_hashes += device.hash_rate * window / 1e9;
            self.tally.switch_count += 1;
            self.tally.switch_ns_sum += late as f64;
            self.tally.switch_ns_max =
                self.tally.switch_ns_max.max(u64::try_from(late).unwrap_or(u64::MAX));
        }
        self.tally.job_count += 1;
        self.take_target(index);
    }

    fn refresh(&mut self) {
        for index in 0..self.devices.len() {
            let arrival = self.tell(index, self.costs.job);
            self.queue.push(Instant(arrival), StarEvent::new(Kind::Job, index, 0));
        }
        self.plan(self.settings.job_interval, Kind::Refresh, 0);
    }

    fn look(&mut self) {
        for index in 0..self.devices.len() {
            // Who is off has no channel, and its silence is no hash rate.
            if self.devices[index].is_on {
                self.judge(index);
            }
        }
        if let Some(algorithm) = self.settings.vardiff {
            self.plan(algorithm.interval(), Kind::Look, 0);
        }
    }

    fn judge(&mut self, index: usize) {
        let device = &self.devices[index];
        let shares_per_minute = self.settings.shares_per_minute;
        let aim = Aim {
            hash_rate: device.told_hashes * shares_per_minute / 60.0,
            share_hashes: device.told_hashes,
            worked_hashes: device.worked_hashes,
            shares_per_minute,
        };
        if let Some(hash_rate) = self.vardiffs[index].judge(self.now, &aim) {
            self.devices[index].told_hashes = self.share_hashes(hash_rate);
            self.tally.target_count += 1;
            self.tell(index, self.costs.target);
        }
    }

    /// A new target is worked on from the next job on (spec 5.3.21).
    #[inline]
    fn take_target(&mut self, index: usize) {
        let device = &mut self.devices[index];
        if device.worked_hashes != device.told_hashes {
            device.worked_hashes = device.told_hashes;
            self.search(index);
        }
    }

    /// A part of the fleet goes off or comes back.
    fn turn(&mut self, course_index: usize, is_on: bool) {
        self.make();
        let course = self.settings.courses[course_index];
        for index in 0..self.devices.len() {
            let mut draws = self.draws.curtailments.at(index as u64, course_index as u64);
            let device = &mut self.devices[index];
            if draws.unit() > course.part || device.is_on == is_on {
                continue;
            }
            device.is_on = is_on;
            self.hash_rate += if is_on { device.hash_rate } else { -device.hash_rate };
            if is_on {
                self.open_channel(index);
            } else {
                device.search = device.search.wrapping_add(1);
            }
        }
    }

    /// A device is back, with a new channel at its nominal hash rate.
    fn open_channel(&mut self, index: usize) {
        let hashes = self.share_hashes(self.settings.hash_rate);
        let device = &mut self.devices[index];
        (device.worked_hashes, device.told_hashes) = (hashes, hashes);
        device.unanswered = 0;
        device.tip = u32::try_from(self.tips.len() - 1).unwrap_or(u32::MAX);
        if let Some(algorithm) = self.settings.vardiff {
            self.vardiffs[index] = Vardiff::new(algorithm, self.now, hashes);
        }
        self.search(index);
    }

    /// Begins to look for a share; whatever was looked for before is forgotten, which costs
    /// nothing, as work has no memory.
    fn search(&mut self, index: usize) {
        let device = &mut self.devices[index];
        if device.is_on {
            let wait = device.wait(self.draws.shares, index);
            let found = StarEvent::new(Kind::Found, index, device.search);
            self.queue.push(Instant(self.now.0 + wait), found);
        }
    }

    /// Sends something to a device; when it is there, in nanoseconds.
    #[inline]
    fn tell(&mut self, index: usize, cost: Cost) -> u64 {
        let sent = match &mut self.card {
            Some(card) => card.serve(self.now.0, self.now.0, cost.link_bytes).1,
            None => self.now.0,
        };
        let device = &mut self.devices[index];
        device.message_count += 1;
        let mut draws = self.draws.latencies.at(index as u64, u64::from(device.message_count));
        let arrival = (sent + self.settings.down.draw(&mut draws)).max(device.last_down);
        device.last_down = arrival;
        self.count(cost, false);
        arrival
    }

    #[inline]
    fn count(&mut self, cost: Cost, is_up: bool) {
        self.tally.message_count += 1;
        self.tally.packet_bytes += cost.packet_bytes;
        match is_up {
            true => self.tally.up_bytes += cost.payload_bytes,
            false => self.tally.down_bytes += cost.payload_bytes,
        }
    }

    /// Hashes for a share by the target that a hash rate gets.
    fn share_hashes(&self, hash_rate: f64) -> f64 {
        let hashes = hash_rate * 60.0 / self.settings.shares_per_minute;
        let hashes = hashes.max(self.settings.share_hashes_min);
        match self.settings.rounds_difficulty {
            // Difficulty 1 is 2^32 hashes: powers of two of one are those of the other.
            true => f64::from_bits(hashes.to_bits() & !((1 << 52) - 1)),
            false => hashes,
        }
    }

    fn make(&mut self) {
        self.tally.made_hashes += self.hash_rate * self.now.since(self.made_until).as_secs_f64();
        self.made_until = self.now;
    }

    fn plan(&mut self, wait: Duration, kind: Kind, number: u32) {
        self.queue.push(self.now + wait, StarEvent::new(kind, 0, number));
    }

    fn plan_block(&mut self) {
        if let Some(interval) = self.settings.block_interval {
            let wait = self.blocks.exponential(interval.as_nanos() as f64);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates"
            )]
            self.plan(Duration::from_nanos(wait as u64), Kind::Block, 0);
        }
    }
}

/// What a message takes, worked out once.
#[derive(Clone, Copy, Debug)]
struct Cost {
    payload_bytes: u64,
    /// With headers and acknowledgements.
    packet_bytes: u64,
    link_bytes: u64,
}

/// Of each message.
#[derive(Clone, Copy, Debug)]
struct Costs {
    submit: Cost,
    accept: Cost,
    reject: Cost,
    job: Cost,
    tip: Cost,
    future_job: Cost,
    target: Cost,
}

impl Costs {
    fn new(settings: &StarSettings) -> Self {
        let framing = settings.framing;
        let cost = |payload_len: u32| {
            let payload_bytes = u64::from(payload_len);
            let segment_count = framing.segment_count(payload_bytes);
            let acknowledgements = framing.acknowledgement_count(segment_count);
            Cost {
                payload_bytes,
                packet_bytes: framing.packet_bytes(payload_bytes)
                    + acknowledgements * u64::from(framing.header_len),
                link_bytes: framing.link_bytes(payload_bytes),
            }
        };
        let sizes = settings.sizes;
        Costs {
            submit: cost(sizes.submit),
            accept: cost(sizes.accept),
            reject: cost(sizes.reject),
            job: cost(sizes.job),
            tip: cost(sizes.tip),
            future_job: cost(sizes.future_job),
            target: cost(sizes.target),
        }
    }
}
