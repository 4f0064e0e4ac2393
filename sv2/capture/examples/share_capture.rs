//! Writes a capture of shares to standard output.
//!
//! `cargo run --release -p sv2-capture --example share_capture -- 1000000000 sealed > big.pcapng`

use std::io::{self, BufWriter, Write};

use sv2_capture::sample::ShareCapture;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let len: u64 = arguments.next().and_then(|word| word.parse().ok()).unwrap_or(1_000_000);
    let is_sealed = arguments.next().is_some_and(|word| word == "sealed");
    let mut sample = ShareCapture::new(200, is_sealed);
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written = 0;
    while written < len {
        let piece = sample.next_piece(1024);
        out.write_all(&piece)?;
        written += piece.len() as u64;
    }
    eprintln!("{} messages, {written} bytes", sample.messages());
    out.flush()
}
