//! See `assay_fuzz::noise_transport`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| assay_fuzz::noise_transport(data));
