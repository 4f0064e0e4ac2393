//! One case for each number that no message has: it does nothing, and service goes on (spec 8).

use sv2::extensions::NEGOTIATION;
use sv2::message::DESCRIPTORS;

/// The family's cases as texts, each with the file that errors name.
pub(super) fn cases() -> Vec<(&'static str, String)> {
    let core = (0..=u8::MAX).map(|number| (0, number));
    // Of the extension it is enough to look next to its own numbers, and at the last.
    let negotiation = [3, 4, 0x10, u8::MAX].map(|number| (NEGOTIATION, number));
    core.chain(negotiation)
        .filter(|(extension, number)| !is_used(*extension, *number))
        .map(|(extension, number)| (FILE, case(extension, number)))
        .collect()
}

fn is_used(extension: u16, number: u8) -> bool {
    DESCRIPTORS.iter().any(|row| row.extension == extension && row.number == number)
}

fn case(extension: u16, number: u8) -> String {
    format!(
        "format = 1\n\
         id = \"framing.numbers.{extension:04x}-{number:02x}-does-nothing\"\n\
         title = \"Number {number:#04x} of extension {extension:#06x}, which no message has, \
         does nothing\"\n\
         note = \"Part of a family: one case for each unused number. A target that ends the \
         connection over it is reported.\"\n\
         role = \"pool\"\n\
         severity = \"medium\"\n\
         tags = [\"framing\", \"malformed\", \"family\"]\n\
         clauses = [\"MT-8-04\"]\n\
         mutants = [\"unknown-numbers-get-the-setup-error\"]\n\
         [[step]]\n\
         use = \"mining/setup\"\n\
         [[step]]\n\
         send_raw = {{ extension_type = {extension}, message_type = {number}, \
         payload = \"random:20\" }}\n\
         [[step]]\n\
         send = \"OpenExtendedMiningChannel\"\n\
         save = {{ asked = \"request_id\" }}\n\
         [[step]]\n\
         expect = \"OpenExtendedMiningChannel.Success\"\n\
         fields = {{ request_id = \"$asked\" }}\n\
         noise = []\n\
         [[step.or]]\n\
         expect = \"OpenMiningChannel.Error\"\n\
         fields = {{ request_id = \"$asked\" }}\n\
         [[step.or]]\n\
         expect = \"closed\"\n\
         verdict = \"info\"\n\
         reason = \"the target ends the connection over a number that it does not know\"\n"
    )
}

const FILE: &str = "src/family/numbers.rs";
