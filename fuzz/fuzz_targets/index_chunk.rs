//! See `assay_fuzz::index_chunk`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| assay_fuzz::index_chunk(data));
