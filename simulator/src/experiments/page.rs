//! All experiments as one page, with plots beside it.

use std::fmt::{self, Write as _};

use super::{Experiment, Judgement, Plot, Row, To};
use crate::compare::{Verdict, bracket, number};
use crate::report::{Chart, Scale, Series};

/// A page of Markdown and the pictures that it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The page.
    pub markdown: String,
    /// By file name, in the folder that the page names.
    pub plots: Vec<(String, String)>,
}

/// What was found, experiment by experiment. `folder` is where plots will lie, seen from the page.
pub fn page(found: &[(Experiment, Vec<Row>, Vec<Judgement>)], folder: &str) -> Page {
    let mut page = Page { markdown: String::new(), plots: Vec::new() };
    // Writing to a string does not fail.
    let _ = write_page(&mut page, found, folder);
    page
}

fn write_page(
    page: &mut Page,
    found: &[(Experiment, Vec<Row>, Vec<Judgement>)],
    folder: &str,
) -> fmt::Result {
    let text = &mut page.markdown;
    writeln!(text, "# What simulations say of the claims about Stratum V2\n")?;
    writeln!(
        text,
        "Made by `assay experiments run --write simulator/EXPERIMENTS.md`, from\n\
         `simulator/scenarios/experiments/`; the same files give the same page, to the byte. Arms of an\n\
         experiment have the same seeds: the same devices, moments of shares and blocks. Intervals are at 95 %. A claim is\n\
         *supported* or *contradicted* only if the whole interval says so, in every cell that\n\
         it is about; one cell that contradicts it is enough. *Closed form* is what a formula\n\
         gives for what was simulated, so that either can be doubted.\n"
    )?;
    writeln!(text, "| experiment | claim | found | verdict |")?;
    writeln!(text, "| --- | --- | --- | --- |")?;
    for (experiment, _, judgements) in found {
        for judgement in judgements {
            writeln!(
                text,
                "| [{}](#{}) | {} | {} | **{}** |",
                experiment.number,
                experiment.name,
                cell_text(&judgement.assertion.says),
                cell_text(&judgement.summary()),
                judgement.verdict.name(),
            )?;
        }
    }
    for (experiment, rows, judgements) in found {
        write_experiment(page, experiment, rows, judgements, folder)?;
    }
    Ok(())
}

fn write_experiment(
    page: &mut Page,
    experiment: &Experiment,
    rows: &[Row],
    judgements: &[Judgement],
    folder: &str,
) -> fmt::Result {
    let text = &mut page.markdown;
    writeln!(text, "\n<a id=\"{}\"></a>", experiment.name)?;
    writeln!(text, "\n## {}. {}\n", experiment.number, experiment.title)?;
    writeln!(text, "{}\n", experiment.about)?;
    for limit in &experiment.limits {
        writeln!(text, "- {limit}")?;
    }
    writeln!(
        text,
        "\n{} runs of each arm in each of {} cells; \
         [`{name}.toml`](scenarios/experiments/{name}.toml).\n",
        experiment.runs,
        experiment.cells().len(),
        name = experiment.name,
    )?;
    for (index, plot) in experiment.plots.iter().enumerate() {
        let name = format!("{}-{}.svg", experiment.name, index + 1);
        writeln!(text, "![{}]({folder}/{name})\n", plot.title)?;
        page.plots.push((name, chart(plot, rows).svg()));
    }
    let text = &mut page.markdown;
    for judgement in judgements {
        write_judgement(text, judgement)?;
    }
    if let Some(figure) = &experiment.effects {
        write_effects(text, experiment, figure, rows)?;
    }
    write_table(text, experiment, rows)
}

fn write_judgement(text: &mut String, judgement: &Judgement) -> fmt::Result {
    let assertion = &judgement.assertion;
    let of = match &assertion.to {
        To::Nothing => String::new(),
        To::Over(arm) => format!(" over that of {arm}"),
        To::Less(arm) => format!(" less that of {arm}"),
        To::ClosedForm => " over its closed form".to_owned(),
    };
    let counts = Verdict::ALL.map(|verdict| (judgement.count(verdict), verdict.name()));
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, name)| format!("{count} {name}")).collect();
    writeln!(
        text,
        "- **{}**: {}\n  `{}` of {}{of}: {}; expected {} ({}).",
        judgement.verdict.name(),
        assertion.says,
        assertion.figure,
        assertion.arm,
        judgement.summary(),
        assertion.expected,
        counts.join(", "),
    )
}

/// How much an axis with two values changes a figure, over all cells of the others.
fn write_effects(
    text: &mut String,
    experiment: &Experiment,
    figure: &str,
    rows: &[Row],
) -> fmt::Result {
    let mean_of = |is_in: &dyn Fn(&Row) -> bool| {
        let rows = rows.iter().filter(|row| row.figure == figure && is_in(row));
        let means: Vec<f64> = rows.map(|row| row.interval().mean).collect();
        means.iter().sum::<f64>() / means.len().max(1) as f64
    };
    writeln!(text, "\nWhat moves `{figure}`, averaged over everything else:\n")?;
    writeln!(text, "| from | to | changes it by |")?;
    writeln!(text, "| --- | --- | --- |")?;
    if let [first, .., last] = experiment.arms.as_slice() {
        let change = mean_of(&|row| row.arm == *last) - mean_of(&|row| row.arm == *first);
        writeln!(text, "| {first} | {last} | {} {} |", number(change), Experiment::unit(figure))?;
    }
    for axis in &experiment.axes {
        let [first, .., last] = axis.values.as_slice() else { continue };
        let with = |value: &String| {
            mean_of(&|row| row.cell.iter().any(|(key, own)| *key == axis.key && own == value))
        };
        let change = with(last) - with(first);
        let key = short(&axis.key);
        writeln!(
            text,
            "| {key} = {} | {} | {} {} |",
            plain(first),
            plain(last),
            number(change),
            Experiment::unit(figure)
        )?;
    }
    Ok(())
}

fn write_table(text: &mut String, experiment: &Experiment, rows: &[Row]) -> fmt::Result {
    let keys: Vec<&str> = experiment.axes.iter().map(|axis| short(&axis.key)).collect();
    let names: Vec<&str> =
        keys.iter().copied().chain(["figure", "arm", "found [95 %]", "closed form"]).collect();
    writeln!(text, "\n<details><summary>All figures</summary>\n")?;
    writeln!(text, "| {} |", names.join(" | "))?;
    writeln!(text, "| {} |", vec!["---"; names.len()].join(" | "))?;
    for row in rows.iter().filter(|row| experiment.figures.contains(&row.figure)) {
        let cells = row.cell.iter().map(|(_, value)| plain(value));
        let closed_form = row.closed_form.map_or_else(String::new, number);
        let found = match row.values.iter().all(|value| *value == row.values[0]) {
            true => number(row.values[0]),
            false => bracket(row.interval()),
        };
        let own = [row.figure.clone(), row.arm.clone(), found, closed_form];
        let cells: Vec<String> = cells.chain(own).map(|cell| cell_text(&cell)).collect();
        writeln!(text, "| {} |", cells.join(" | "))?;
    }
    writeln!(text, "\n</details>")
}

fn chart(plot: &Plot, rows: &[Row]) -> Chart {
    let rows: Vec<&Row> =
        rows.iter().filter(|row| row.figure == plot.figure && row.is_in(&plot.cells)).collect();
    let at = |row: &Row| {
        let value = row.cell.iter().find(|(key, _)| *key == plot.x).map(|(_, value)| value);
        value.and_then(|value| amount(value)).unwrap_or(f64::NAN)
    };
    let mut arms: Vec<&String> = Vec::new();
    for row in &rows {
        if !arms.contains(&&row.arm) {
            arms.push(&row.arm);
        }
    }
    let mut series = Vec::new();
    for arm in arms {
        let own = || rows.iter().filter(|row| row.arm == *arm);
        let mut points: Vec<(f64, f64)> = own().map(|row| (at(row), row.interval().mean)).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        series.push(Series { name: arm.clone(), points, is_formula: false });
        let mut points: Vec<(f64, f64)> =
            own().filter_map(|row| Some((at(row), row.closed_form?))).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        if !points.is_empty() {
            series.push(Series { name: format!("{arm}, closed form"), points, is_formula: true });
        }
    }
    let scale = |is_log| if is_log { Scale::Logarithmic } else { Scale::Linear };
    let unit = Experiment::unit(&plot.figure);
    Chart {
        title: plot.title.clone(),
        x: short(&plot.x).to_owned(),
        y: if unit.is_empty() { plot.figure.clone() } else { format!("{}, {unit}", plot.figure) },
        scales: (scale(plot.is_log.0), scale(plot.is_log.1)),
        names: Vec::new(),
        series,
    }
}

/// A number, or a duration in seconds.
fn amount(value: &str) -> Option<f64> {
    let text = plain(value);
    let duration = || crate::units::parse_duration(&text).ok().map(|time| time.as_secs_f64());
    text.replace('_', "").parse().ok().or_else(duration)
}

/// A value as people write it.
fn plain(value: &str) -> String {
    value.trim_matches('"').to_owned()
}

/// The last part of a key says enough.
fn short(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// In a table of Markdown.
fn cell_text(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
