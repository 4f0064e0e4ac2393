//! How fast captures of shares are read: packets alone, in clear, encrypted and verified.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sv2_capture::read::{Dissector, Item, PacketReader};
use sv2_capture::sample::ShareCapture;

fn file(is_sealed: bool) -> (Vec<u8>, u64) {
    let mut sample = ShareCapture::new(200, is_sealed);
    let mut file = Vec::new();
    while file.len() < 16 << 20 {
        file.extend(sample.next_piece(1024));
    }
    (file, sample.messages())
}

fn packets(file: &[u8]) -> u64 {
    let mut reader = PacketReader::new(file);
    let mut count = 0;
    while let Ok(Some(item)) = reader.next_item() {
        count += u64::from(matches!(item, Item::Packet(_)));
    }
    count
}

fn messages(file: &[u8]) -> u64 {
    let mut reader = PacketReader::new(file);
    let mut dissector = Dissector::new(1, None);
    let mut count = 0;
    let mut sink = |found: &sv2_capture::read::Found<'_>| count = found.observed.number;
    while let Ok(Some(item)) = reader.next_item() {
        match item {
            Item::Packet(packet) => dissector.packet(0, &packet, &mut sink),
            Item::Secrets(text) => dissector.key_log(text),
            Item::Skipped(_) | Item::Other => {}
        }
    }
    dissector.finish(&mut sink);
    count
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    group.sample_size(10);
    for (name, is_sealed) in [("plain", false), ("sealed", true)] {
        let (file, count) = file(is_sealed);
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("{name}/packets"), |bencher| {
            bencher.iter(|| packets(black_box(&file)));
        });
        group.bench_function(format!("{name}/messages"), |bencher| {
            bencher.iter(|| messages(black_box(&file)));
        });
    }
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
