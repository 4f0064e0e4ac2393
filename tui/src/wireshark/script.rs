//! The script: a table that is generated, and a reader of tables that is not.

use std::fmt::Write;

use sv2::message::{Chapter, DESCRIPTORS, Descriptor};
use sv2::wire::Kind;

/// The whole script.
pub(super) fn script() -> String {
    let mut script = String::from(HEAD);
    for descriptor in DESCRIPTORS {
        message(descriptor, &mut script);
    }
    script.push_str("}\n\n");
    script.push_str(READER);
    script
}

fn message(descriptor: &Descriptor, out: &mut String) {
    let key = u32::from(descriptor.extension) * 0x100 + u32::from(descriptor.number);
    let (name, id) = (descriptor.name, id(descriptor));
    let _ = writeln!(out, "  [{key}] = {{ name = \"{name}\", id = \"{id}\", fields = {{");
    for field in descriptor.fields {
        let _ = writeln!(out, "    {{ name = \"{}\", kind = {} }},", field.name, kind(field.kind));
    }
    out.push_str("  } },\n");
}

/// What fields of a message begin with. Two messages are called `SetNewPrevHash`.
fn id(descriptor: &Descriptor) -> String {
    match (descriptor.name, descriptor.chapter) {
        (name @ "SetNewPrevHash", Chapter::TemplateDistribution) => {
            format!("TemplateDistribution.{name}")
        }
        (name, _) => name.to_owned(),
    }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "{ t = \"bool\", bytes = 1 }".into(),
        Kind::Int { bytes } => format!("{{ t = \"int\", bytes = {bytes} }}"),
        Kind::F32 => "{ t = \"f32\", bytes = 4 }".into(),
        Kind::U256 | Kind::Target => "{ t = \"u256\", bytes = 32 }".into(),
        Kind::Bytes { prefix, max } => {
            format!("{{ t = \"bytes\", prefix = {prefix}, max = {max} }}")
        }
        Kind::Text => "{ t = \"text\", prefix = 1, max = 255 }".into(),
        Kind::Sequence { prefix: 1, item } => list("seq", 1, 0xff, item),
        Kind::Sequence { prefix, item } => list("seq", *prefix, 0xffff, item),
        Kind::Option { item } => list("option", 1, 1, item),
    }
}

fn list(name: &str, prefix: u8, max: u32, item: &Kind) -> String {
    format!("{{ t = \"{name}\", prefix = {prefix}, max = {max}, item = {} }}", kind(item))
}

const HEAD: &str = "\
-- Stratum V2 in clear, for Wireshark and tshark. Written by `assay wireshark`; do not edit.

-- By extension * 0x100 + number (spec 8).
local messages = {
";

const READER: &str = include_str!("dissector.lua");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_and_field_of_the_table_is_in_the_script() {
        let script = script();

        for descriptor in DESCRIPTORS {
            assert!(script.contains(&format!("name = \"{}\"", descriptor.name)));
            for field in descriptor.fields {
                assert!(script.contains(&format!("{{ name = \"{}\"", field.name)));
            }
        }
        assert_eq!(script.matches("name = \"SetNewPrevHash\", id = ").count(), 2);
    }
}
