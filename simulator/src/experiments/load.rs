//! From a file to an experiment.

use std::path::Path;
use std::time::Duration;

use sv2_document::{Data, Document, LoadError, Node};

use super::{Assertion, Experiment, Kind, Plot, To};
use crate::compare::{Expectation, Verdict};
use crate::link::Latency;
use crate::scenario::{LatencyText, matrix_of, parse_latency};
use crate::units::parse_duration;

impl Experiment {
    /// Reads an experiment; `name` is how it is called, `file` its path for errors.
    ///
    /// # Errors
    /// The first thing that is unknown, missing or contradictory, with its place.
    pub fn load(name: &str, file: &str, text: &str) -> Result<Experiment, LoadError> {
        let document = Document::parse(file, text)?;
        let mut root = document.keys(document.root())?;
        let mut keys = document.keys(root.require("experiment")?)?;
        let kinds = [
            ("fleet", Kind::Fleet),
            ("roles", Kind::Roles),
            ("hijack", Kind::Hijack),
            ("vardiff", Kind::Vardiff),
        ];
        let words = |node: Option<&Node>| -> Result<Vec<String>, LoadError> {
            let words = node.map(|node| document.strings(node)).transpose()?;
            Ok(words.unwrap_or_default().into_iter().map(|(word, _)| word).collect())
        };
        let experiment = Experiment {
            number: document.integer(keys.require("number")?)?,
            name: name.to_owned(),
            title: match root.take("title") {
                Some(node) => document.string(node)?.to_owned(),
                None => name.to_owned(),
            },
            about: document.string(keys.require("about")?)?.trim().to_owned(),
            kind: document.one_of(keys.require("kind")?, "kind", &kinds)?,
            arms: words(keys.take("arms"))?,
            runs: document.integer(keys.require("runs")?)?,
            axes: matrix_of(&document, root.take("matrix"))?,
            figures: words(keys.take("figures"))?,
            effects: words(keys.take("effects"))?.into_iter().next(),
            assertions: list(&document, root.take("assert"), assertion)?,
            plots: list(&document, root.take("plot"), plot)?,
            limits: words(keys.take("limits"))?,
            text: text.to_owned(),
            file: file.to_owned(),
        };
        // Of cells: read again for each of them.
        for own in CELL_KEYS {
            keys.take(own);
        }
        keys.finish(&[&KEYS[..], &CELL_KEYS[..]].concat())?;
        Ok(experiment)
    }

    /// What a cell has beyond its scenario.
    pub(super) fn extras(&self, cell: &[(String, String)]) -> Result<Extras, LoadError> {
        let document = self.document(cell)?;
        let mut root = document.keys(document.root())?;
        let mut keys = document.keys(root.require("experiment")?)?;
        let mut text = |key: &str| keys.take(key).map(|node| (node.at, document.string(node)));
        let mut extras = Extras::default();
        if let Some((at, delay)) = text("pool_delay") {
            extras.pool_delay =
                parse_duration(delay?).map_err(|error| document.error(at, error))?;
        }
        if let Some((at, written)) = text("switch") {
            let parsed = parse_latency(written?, Path::new(""));
            match parsed.map_err(|error| document.error(at, error))? {
                LatencyText::Distribution(parsed) => extras.switch = Some(parsed),
                LatencyText::File(_) => {
                    return Err(document.error(at, "expected a distribution, not a file"));
                }
            }
        }
        if let Some(node) = keys.take("topology") {
            let is_local =
                document.one_of(node, "topology", &[("remote", false), ("local", true)])?;
            if is_local {
                extras.down = Some(Latency::Constant(LOCAL_WAY));
            }
        }
        if let Some(node) = keys.take("stolen_part") {
            extras.stolen_part = number(&document, node)?;
        }
        if let Some(node) = keys.take("shares_per_minute") {
            extras.shares_per_minute = number(&document, node)?;
        }
        Ok(extras)
    }

    fn document(&self, cell: &[(String, String)]) -> Result<Document, LoadError> {
        let mut document = Document::parse(&self.file, &self.text)?;
        for (key, value) in cell {
            document.set(key, value)?;
        }
        Ok(document)
    }
}

/// What a model has that no scenario says, because roles have none of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Extras {
    /// Between the node's tip and what the pool sends of it.
    pub(super) pool_delay: Duration,
    /// Until a device works on what it was told.
    pub(super) switch: Option<Latency>,
    /// To devices, instead of the network's: a node of the miner's own is near.
    pub(super) down: Option<Latency>,
    /// That a man in the middle wants.
    pub(super) stolen_part: f64,
    /// Of the laboratory of algorithms for difficulty.
    pub(super) shares_per_minute: f64,
}

fn list<T>(
    document: &Document,
    node: Option<&Node>,
    each: fn(&Document, &Node) -> Result<T, LoadError>,
) -> Result<Vec<T>, LoadError> {
    let items = node.map(|node| document.list(node)).transpose()?.unwrap_or_default();
    items.iter().map(|item| each(document, item)).collect()
}

fn assertion(document: &Document, node: &Node) -> Result<Assertion, LoadError> {
    let mut keys = document.keys(node)?;
    let mut text = |key: &str| -> Result<String, LoadError> {
        Ok(document.string(keys.require(key)?)?.to_owned())
    };
    let (id, says, figure, arm) = (text("id")?, text("says")?, text("figure")?, text("arm")?);
    let to = match (keys.take("over"), keys.take("less"), keys.take("to")) {
        (Some(node), None, None) => To::Over(document.string(node)?.to_owned()),
        (None, Some(node), None) => To::Less(document.string(node)?.to_owned()),
        (None, None, Some(node)) => {
            document.one_of(node, "form", &[("closed-form", ())]).map(|()| To::ClosedForm)?
        }
        (None, None, None) => To::Nothing,
        _ => return Err(document.error(node.at, "expected one of `over`, `less` and `to`")),
    };
    let expected = match (keys.take("below"), keys.take("above"), keys.take("between")) {
        (Some(node), None, None) => Expectation::Below(number(document, node)?),
        (None, Some(node), None) => Expectation::Above(number(document, node)?),
        (None, None, Some(node)) => match document.list(node)? {
            [low, high] => Expectation::Between(number(document, low)?, number(document, high)?),
            _ => return Err(document.error(node.at, "expected two numbers")),
        },
        _ => {
            return Err(document.error(node.at, "expected one of `below`, `above`, `between`"));
        }
    };
    let verdicts = Verdict::ALL.map(|verdict| (verdict.name(), verdict));
    let verdict = document.one_of(keys.require("verdict")?, "verdict", &verdicts)?;
    let cells = cells(document, keys.take("where"))?;
    keys.finish(&[
        "id", "says", "figure", "arm", "over", "less", "to", "below", "above", "between",
        "verdict", "where",
    ])?;
    Ok(Assertion { id, says, figure, arm, to, expected, verdict, cells })
}

fn plot(document: &Document, node: &Node) -> Result<Plot, LoadError> {
    let mut keys = document.keys(node)?;
    let mut text = |key: &str| -> Result<String, LoadError> {
        Ok(document.string(keys.require(key)?)?.to_owned())
    };
    let (title, figure, x) = (text("title")?, text("figure")?, text("x")?);
    let mut switch = |key: &str| -> Result<bool, LoadError> {
        keys.take(key).map_or(Ok(false), |node| document.boolean(node))
    };
    let is_log = (switch("log_x")?, switch("log_y")?);
    let cells = cells(document, keys.take("where"))?;
    keys.finish(&["title", "figure", "x", "log_x", "log_y", "where"])?;
    Ok(Plot { title, figure, x, cells, is_log })
}

/// Settings, each with a value or a list of values, as TOML.
fn cells(
    document: &Document,
    node: Option<&Node>,
) -> Result<Vec<(String, Vec<String>)>, LoadError> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let mut cells = Vec::new();
    for entry in document.keys(node)?.all() {
        let one = std::slice::from_ref(&entry.node);
        let items = match &entry.node.data {
            Data::List(items) => items,
            _ => one,
        };
        let values = items.iter().map(|item| {
            let text = match &item.data {
                Data::Text(text) => serde_json::to_string(text).ok(),
                Data::Integer(number) => Some(number.to_string()),
                Data::Float(number) => Some(format!("{number:?}")),
                Data::Bool(flag) => Some(flag.to_string()),
                Data::List(_) | Data::Table(_) => None,
            };
            text.ok_or_else(|| document.error(item.at, "expected a number or a text"))
        });
        cells.push((entry.key.clone(), values.collect::<Result<_, _>>()?));
    }
    Ok(cells)
}

#[expect(clippy::cast_precision_loss, reason = "numbers of claims are small")]
fn number(document: &Document, node: &Node) -> Result<f64, LoadError> {
    match &node.data {
        Data::Integer(number) => Ok(*number as f64),
        Data::Float(number) => Ok(*number),
        _ => Err(document.error(node.at, "expected a number")),
    }
}

const KEYS: [&str; 8] = ["number", "about", "kind", "arms", "runs", "figures", "effects", "limits"];
const CELL_KEYS: [&str; 5] =
    ["pool_delay", "switch", "topology", "stolen_part", "shares_per_minute"];
/// From a node of the miner's own.
const LOCAL_WAY: Duration = Duration::from_micros(500);
