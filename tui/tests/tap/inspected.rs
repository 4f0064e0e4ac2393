//! What the inspector makes of a file of a tap.

use std::path::Path;

use sv2_capture::What;
use sv2_capture::read::{Dissector, Item, PacketReader};
use sv2_capture::rules::{Inspector, Policy, Severity};

/// Of a whole file.
#[derive(Debug, Default)]
pub(crate) struct Inspected {
    pub(crate) frame_count: usize,
    /// Pieces that could not be decrypted.
    pub(crate) opaque_count: usize,
    pub(crate) gap_count: usize,
    /// Findings that are errors, in words.
    pub(crate) errors: Vec<String>,
}

impl Inspected {
    pub(crate) fn read(path: &Path) -> Inspected {
        let file = std::fs::read(path).unwrap();
        let mut inspected = Inspected::default();
        let mut inspector = Inspector::new(Policy::default());
        let mut dissector = Dissector::new(1, None);
        let mut sink = |found: &sv2_capture::read::Found<'_>| {
            match found.observed.what {
                What::Frame { .. } => inspected.frame_count += 1,
                What::Opaque { .. } => inspected.opaque_count += 1,
                What::Gap { .. } => inspected.gap_count += 1,
                _ => {}
            }
            let findings = inspector.observe(&found.observed).findings;
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
            inspected
                .errors
                .extend(errors.map(|finding| format!("{} {finding:?}", finding.code())));
        };
        let mut reader = PacketReader::new(&file[..]);
        while let Some(item) = reader.next_item().unwrap() {
            match item {
                Item::Packet(packet) => dissector.packet(0, &packet, &mut sink),
                Item::Secrets(text) => dissector.key_log(text),
                Item::Skipped(_) | Item::Other => {}
            }
        }
        dissector.finish(&mut sink);
        inspected
    }
}
