//! The ambiguity register: where the specification contradicts itself or leaves a question open.
//! Both readings are accepted, and a report names the side that the target took.

/// A passage that can be read in more than one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// Never changes, such as `AMB-02`.
    pub id: String,
    /// Sections that contradict each other or leave it open.
    pub sections: Vec<String>,
    /// What is unclear, in a sentence.
    pub question: String,
    /// At least two.
    pub readings: Vec<Reading>,
    /// What the reference implementation does; empty if nobody has looked.
    pub reference: String,
    /// Where the specification's authors discuss it; empty if nowhere.
    pub discussed: String,
}

/// One way to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// A word for reports, unique within the ambiguity.
    pub name: String,
    /// What it means on the wire.
    pub means: String,
}
