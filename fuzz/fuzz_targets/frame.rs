//! See `assay_fuzz::frame`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| assay_fuzz::frame(data));
