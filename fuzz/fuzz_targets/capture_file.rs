//! See `assay_fuzz::capture_file`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| assay_fuzz::capture_file(data));
