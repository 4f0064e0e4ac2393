//! One case for each flag of SetupConnection: a server that does not support it says so,
//! whichever else is asked for (spec 3.6.3, 5.3.1).

/// The family's cases as texts, each with the file that errors name.
pub(super) fn cases() -> Vec<(&'static str, String)> {
    (0..32).map(|bit| (FILE, case(bit))).collect()
}

fn case(bit: u32) -> String {
    let flag = 1u32 << bit;
    let (name, world) = match bit {
        // What our own pool supports, it can be told not to.
        0 => ("REQUIRES_STANDARD_JOBS", "requires_extended_channels = true"),
        1 => ("REQUIRES_WORK_SELECTION", ""),
        2 => ("REQUIRES_VERSION_ROLLING", "requires_fixed_version = true"),
        _ => ("a flag that nobody has defined", ""),
    };
    let described = match bit {
        3 => {
            "[[mutant]]\n\
             id = \"undefined-flags-are-masked-out\"\n\
             stands_for = \"A pool that masks the flags with those that it knows before it looks \
             for ones that it does not support\"\n\
             hear = \"SetupConnection\"\n\
             set = { flags = \"field:flags & 7\" }\n\
             [[mutant]]\n\
             id = \"refusals-name-no-flags\"\n\
             stands_for = \"A pool that refuses flags and does not say which\"\n\
             say = \"SetupConnection.Error\"\n\
             set = { flags = 0 }\n"
        }
        _ => "",
    };
    let kills = match bit {
        0..=2 => "\"forgets-the-flags\", \"refusals-name-no-flags\"",
        3 => "\"forgets-the-flags\"",
        _ => {
            "\"forgets-the-flags\", \"refusals-name-no-flags\", \"undefined-flags-are-masked-out\""
        }
    };
    format!(
        "format = 1\n\
         id = \"setup.flags.unsupported-bit-{bit}-is-refused\"\n\
         title = \"Bit {bit} alone ({name}), where it is not supported, gets SetupConnection.Error \
         that names it\"\n\
         note = \"Part of a family: one case for each flag. Whether a flag is supported is what \
         the probe has found by asking for all.\"\n\
         role = \"pool\"\n\
         severity = \"medium\"\n\
         tags = [\"setup\", \"flags\", \"family\"]\n\
         clauses = [\"MP-5.3.1-10\", \"CP-3.6.3-03\"]\n\
         mutants = [{kills}]\n\
         [requires]\n\
         facts = {{ \"mining.unsupported_flags\" = {{ bits_set = {flag} }} }}\n\
         [world]\n\
         {world}\n\
         [[step]]\n\
         use = \"noise/handshake\"\n\
         [[step]]\n\
         send = \"SetupConnection\"\n\
         fields = {{ flags = {flag} }}\n\
         [[step]]\n\
         expect = \"SetupConnection.Error\"\n\
         fields = {{ flags = {{ bits_set = {flag} }} }}\n\
         [[step.or]]\n\
         expect = \"SetupConnection.Success\"\n\
         verdict = \"fail\"\n\
         reason = \"the target took a flag that it has called unsupported\"\n\
         {described}"
    )
}

const FILE: &str = "src/family/flags.rs";
