//! How fast captures of shares are read: packets alone, messages in clear, or encrypted and
//! verified, and the rows of an index, before anything is followed or judged. The last of captures
//! in memory, and of files of a gigabyte: `cargo bench -p sv2-capture --bench read -- gigabyte`
//! writes and reads these alone.

#![allow(clippy::disallowed_methods, reason = "a gigabyte is read from a file")]

use std::cell::OnceCell;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Read, Write};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sv2_capture::index::{Chunk, Extra, Kind, Position, Row, Sealed};
use sv2_capture::observed::What;
use sv2_capture::read::{Dissector, Item, PacketReader, Sink};
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
    let mut count = 0;
    read_all(file, &mut |found| count = found.observed.number);
    count
}

/// Chunks go where whoever keeps them has them.
fn rows(file: impl Read) -> usize {
    let (mut chunk, mut len) = (Chunk::default(), 0);
    read_all(file, &mut |found| {
        let observed = &found.observed;
        let What::Frame { direction, frame, integrity } = observed.what else { return };
        let position = match found.pieces {
            [piece] => Position::new(piece.file, piece.at),
            _ => None,
        };
        let row = Row {
            at: observed.at,
            connection: observed.connection,
            kind: Kind::Frame {
                extension_type: frame.extension_type,
                message_type: frame.message_type,
                payload_len: frame.header().payload_len,
            },
            direction: Some(direction),
            integrity: Some(integrity),
            channel: frame.channel_id(),
            position,
            sealed: found.seal.map(|seal| Sealed { nonce: seal.nonce, is_aes: false }),
            ..Row::default()
        };
        chunk.push(&row, &Extra::default());
        if chunk.is_full() {
            len += std::mem::take(&mut chunk).to_bytes().len();
        }
    });
    len + chunk.to_bytes().len()
}

fn read_all(file: impl Read, sink: &mut Sink<'_>) {
    let mut reader = PacketReader::new(file);
    let mut dissector = Dissector::new(1, None);
    while let Ok(Some(item)) = reader.next_item() {
        match item {
            Item::Packet(packet) => dissector.packet(0, &packet, sink),
            Item::Secrets(text) => dissector.key_log(text),
            Item::Skipped(_) | Item::Other => {}
        }
    }
    dissector.finish(sink);
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
        group.bench_function(format!("{name}/rows"), |bencher| {
            bencher.iter(|| rows(black_box(&file[..])));
        });
    }
    group.finish();
}

/// On disk, or where the system keeps what was written last; deleted when it is dropped.
fn gigabyte(is_sealed: bool) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("there is a place for temporary files");
    let mut sample = ShareCapture::new(200, is_sealed);
    let (mut out, mut len) = (BufWriter::new(file.as_file()), 0);
    while len < 1_000_000_000 {
        let piece = sample.next_piece(1024);
        out.write_all(&piece).expect("there is room for a gigabyte");
        len += piece.len();
    }
    out.flush().expect("there is room for a gigabyte");
    drop(out);
    file
}

fn read_gigabyte(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gigabyte");
    group.sample_size(10);
    for (name, is_sealed) in [("plain", false), ("sealed", true)] {
        // Only if it is asked for, and once.
        let made = OnceCell::new();
        group.bench_function(format!("{name}/rows"), |bencher| {
            let file = made.get_or_init(|| gigabyte(is_sealed));
            bencher.iter(|| rows(File::open(file.path()).expect("it was just written")));
        });
    }
    group.finish();
}

criterion_group!(benches, read, read_gigabyte);
criterion_main!(benches);
