//! Cells that are fleets, as models or as roles.

use std::path::Path;

use super::{Experiment, Row};
use crate::compare::{Arm, Comparison, Figure, compare, compare_roles};
use crate::fleet::{Sizes, StarSettings, stars};
use crate::scenario::{Overrides, Scenario};

pub(super) fn run_fleets(
    experiment: &Experiment,
    cell: &[(String, String)],
    read: &mut dyn FnMut(&Path) -> Result<String, String>,
) -> Result<Vec<Row>, String> {
    let scenario = scenario(experiment, cell)?;
    let extras = experiment.extras(cell).map_err(|error| error.to_string())?;
    let mut stars = stars(&scenario, read)?;
    let (Some((_, settings)), true) = (stars.pop(), stars.is_empty()) else {
        return Err("an experiment has one fleet".to_owned());
    };
    let settings = StarSettings {
        pool_delay: extras.pool_delay,
        switch: extras.switch.unwrap_or(settings.switch),
        down: extras.down.unwrap_or(settings.down),
        ..settings
    };
    let run = &scenario.virtual_time.run;
    let arms = protocols(experiment)?.into_iter().map(|sizes| Arm {
        name: sizes.name.to_owned(),
        settings: StarSettings { sizes, ..settings.clone() },
    });
    let arms: Vec<Arm> = arms.collect();
    let comparison = compare(&arms, 1..=experiment.runs, run.length, run.warm_up);
    Ok(rows(cell, &comparison))
}

pub(super) fn run_roles(
    experiment: &Experiment,
    cell: &[(String, String)],
) -> Result<Vec<Row>, String> {
    let scenario = scenario(experiment, cell)?;
    let comparison = compare_roles(&scenario, &protocols(experiment)?, 1..experiment.runs + 1)?;
    Ok(rows(cell, &comparison))
}

pub(super) fn scenario(
    experiment: &Experiment,
    cell: &[(String, String)],
) -> Result<Scenario, String> {
    let overrides = Overrides { set: cell.to_vec(), ..Overrides::default() };
    Scenario::load(&experiment.file, &experiment.text, &overrides)
        .map_err(|error| error.to_string())
}

fn protocols(experiment: &Experiment) -> Result<Vec<Sizes>, String> {
    let protocol = |name: &String| {
        let known = Sizes::ALL.into_iter().chain(Sizes::VARIANTS);
        let mut known = known.filter(|sizes| sizes.name == name);
        known.next().ok_or_else(|| format!("unknown arm \"{name}\""))
    };
    experiment.arms.iter().map(protocol).collect()
}

fn rows(cell: &[(String, String)], comparison: &Comparison) -> Vec<Row> {
    let mut rows = Vec::new();
    for figure in Figure::ALL {
        for (index, arm) in comparison.names().iter().enumerate() {
            let values = comparison.values(index, figure);
            if !values.is_empty() {
                rows.push(Row {
                    cell: cell.to_vec(),
                    arm: arm.clone(),
                    figure: figure.name().to_owned(),
                    values,
                    closed_form: comparison.predicted(index, figure),
                });
            }
        }
    }
    rows
}
