//! What differs between the runs of a sweep.

use sv2_document::{Data, Document, LoadError, Node};

/// One setting, and the values that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Where the setting stands, with dots between: `role.pool.shares_per_minute`.
    pub key: String,
    /// As TOML, in the order of the file; at least one.
    pub values: Vec<String>,
}

pub(crate) fn load(document: &Document, node: Option<&Node>) -> Result<Vec<Axis>, LoadError> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let mut axes = Vec::new();
    let mut run_count = 1_usize;
    for entry in document.keys(node)?.all() {
        let values = match &entry.node.data {
            Data::Text(text) => range(text)
                .ok_or_else(|| document.error(entry.node.at, "expected a list, or \"1..20\""))?,
            _ => {
                let items = document.list(&entry.node)?;
                let texts = items.iter().map(|item| {
                    text(&item.data)
                        .ok_or_else(|| document.error(item.at, "expected a number or a text"))
                });
                texts.collect::<Result<_, _>>()?
            }
        };
        if values.is_empty() {
            return Err(document.error(entry.node.at, "expected at least one value"));
        }
        run_count = run_count.saturating_mul(values.len());
        if run_count > RUNS_MAX {
            let message = format!("more than {RUNS_MAX} runs in this matrix");
            return Err(document.error(entry.at, message));
        }
        axes.push(Axis { key: entry.key.clone(), values });
    }
    Ok(axes)
}

/// `1..20`, both ends included.
fn range(text: &str) -> Option<Vec<String>> {
    let (first, last) = text.split_once("..")?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let is_range = first <= last && last - first < RUNS_MAX as u64;
    is_range.then(|| (first..=last).map(|number| number.to_string()).collect())
}

fn text(data: &Data) -> Option<String> {
    match data {
        // Both formats escape what TOML lets stand in a text.
        Data::Text(text) => serde_json::to_string(text).ok(),
        Data::Integer(number) => Some(number.to_string()),
        Data::Float(number) => Some(format!("{number:?}")),
        Data::Bool(flag) => Some(flag.to_string()),
        Data::List(_) | Data::Table(_) => None,
    }
}

/// Of one sweep.
const RUNS_MAX: usize = 1_000_000;
