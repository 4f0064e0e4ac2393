use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Once;

use super::*;

/// The folder in the repository. `ASSAY_WRITE_VECTORS=1 cargo test -p conformance vectors`
/// writes it anew, before any test reads it.
fn folder() -> PathBuf {
    static WRITTEN: Once = Once::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    WRITTEN.call_once(|| {
        if std::env::var_os("ASSAY_WRITE_VECTORS").is_some() {
            write(&folder).unwrap();
        }
    });
    folder
}

#[test]
fn files_are_what_the_generator_makes() {
    for (name, file) in generate() {
        let text = fs::read_to_string(folder().join(name)).unwrap_or_default();
        assert!(
            text == to_text(&file),
            "vectors/{name} is not what the generator makes; \
             ASSAY_WRITE_VECTORS=1 cargo test -p conformance vectors writes it"
        );
    }
}

#[test]
fn seeds_of_the_fuzzer_are_what_the_generator_makes() {
    for seed in seeds::generate(&generate()) {
        let path = folder().join("fuzz").join(seed.target).join(&seed.name);
        assert!(
            fs::read(&path).ok() == Some(seed.bytes),
            "{} is not what the generator makes; \
             ASSAY_WRITE_VECTORS=1 cargo test -p conformance vectors writes it",
            path.display()
        );
    }
}

#[test]
fn our_implementation_passes_every_vector() {
    for (name, _) in generate() {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let file: File = serde_json::from_str(&text).unwrap();
        assert_eq!(verify(&file), Ok(()), "{name}");
    }
}

#[test]
fn every_id_is_unique_and_every_flag_explained() {
    for (name, file) in generate() {
        let mut ids = BTreeSet::new();
        let mut flags = BTreeSet::new();
        for test in file.groups.iter().flat_map(|group| &group.tests) {
            assert!(ids.insert(&test.id), "{name}: {} stands twice", test.id);
            flags.extend(test.flags.iter().cloned());
        }
        assert_eq!(flags, file.notes.keys().cloned().collect(), "{name}");
    }
}

#[test]
fn a_vector_that_is_wrong_is_reported() {
    for (name, file) in generate() {
        for group in &file.groups {
            for test in &group.tests {
                let mut wrong = test.clone();
                wrong.expected = Json::from("something else");
                let file = File {
                    groups: vec![Group { tests: vec![wrong], ..group.clone() }],
                    ..file.clone()
                };
                assert!(verify(&file).is_err(), "{name}: {}", test.id);
            }
        }
    }
}

#[test]
fn a_result_that_is_wrong_is_reported() {
    for (name, mut file) in generate() {
        file.groups.iter_mut().flat_map(|group| &mut group.tests).for_each(|test| {
            test.result = match test.result {
                Outcome::Valid => Outcome::Invalid,
                Outcome::Invalid => Outcome::Valid,
                Outcome::Acceptable => Outcome::Acceptable,
            };
        });
        let wrong = file.groups.iter().flat_map(|group| &group.tests);
        let wrong = wrong.filter(|test| test.result != Outcome::Acceptable).count();

        assert_eq!(verify(&file).unwrap_err().len(), wrong, "{name}");
    }
}

#[test]
fn messages_are_covered_from_both_sides() {
    let count = |outcome| {
        messages::generate()
            .groups
            .iter()
            .filter(|group| group.tests.iter().any(|test| test.result == outcome))
            .count()
    };

    assert_eq!((count(Outcome::Valid), count(Outcome::Invalid)), (44, 44));
}
