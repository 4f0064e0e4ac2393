//! The test vectors of this repository, read without the code that wrote them.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

/// All tests of `vectors/{file}` with this operation.
///
/// # Panics
/// When the file is missing or not as its schema says: there is nothing to test with.
pub fn tests(file: &str, operation: &str) -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(file);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: Json = serde_json::from_str(&text).expect("vectors are JSON");
    let groups = file["groups"].as_array().expect("vectors have groups");
    let tests: Vec<Json> = groups
        .iter()
        .filter(|group| group["operation"] == operation)
        .flat_map(|group| group["tests"].as_array().expect("groups have tests"))
        .cloned()
        .collect();
    assert!(!tests.is_empty(), "no vector has the operation `{operation}`");
    tests
}

/// The bytes of a text of hexadecimal digits.
///
/// # Panics
/// When it is none.
pub fn bytes(digits: &Json) -> Vec<u8> {
    let digits = digits.as_str().expect("bytes are texts");
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { panic!("an odd number of digits") };
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit");
    pairs.iter().map(|[high, low]| (digit(*high) * 16 + digit(*low)) as u8).collect()
}

/// As many bytes as fit `N`.
///
/// # Panics
/// When there are more or fewer.
pub fn array<const N: usize>(digits: &Json) -> [u8; N] {
    bytes(digits).try_into().expect("as many bytes as the field has")
}
