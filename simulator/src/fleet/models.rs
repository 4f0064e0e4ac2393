//! What devices of the field can do.

use crate::units::HashRate;

/// A model of device, as its maker describes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// As scenarios write it.
    pub name: &'static str,
    /// In TH/s.
    pub terahashes: f64,
    /// In watts.
    pub power: f64,
}

/// Makers' figures, in the order of [`MODEL_NAMES`].
pub const MODELS: [Model; 7] = [
    Model { name: "s19-pro", terahashes: 110.0, power: 3_250.0 },
    Model { name: "s19k-pro", terahashes: 120.0, power: 2_760.0 },
    Model { name: "s19-xp", terahashes: 140.0, power: 3_010.0 },
    Model { name: "s21", terahashes: 200.0, power: 3_500.0 },
    Model { name: "s21-plus", terahashes: 216.0, power: 3_564.0 },
    Model { name: "s21-plus-hydro", terahashes: 319.0, power: 4_785.0 },
    Model { name: "s21-xp-hydro", terahashes: 473.0, power: 5_676.0 },
];

/// As scenarios write them.
pub const MODEL_NAMES: &[&str] =
    &["s19-pro", "s19k-pro", "s19-xp", "s21", "s21-plus", "s21-plus-hydro", "s21-xp-hydro"];

/// Of the model at this place in [`MODELS`].
///
/// # Panics
/// If there is none.
pub fn model_hash_rate(index: usize) -> HashRate {
    HashRate::new(MODELS[index].terahashes * 1e12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_models_are_in_the_same_order() {
        assert!(MODELS.iter().map(|model| model.name).eq(MODEL_NAMES.iter().copied()));
    }
}
