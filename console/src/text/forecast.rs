//! A forecast as people read it.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::{Effect, Forecast, Range, Time};
use crate::units;

/// Of the value: what chance and a short measurement may make of it is shown if it is more.
const SHOWN: f64 = 0.1;
const NOT_SIMULATED: &str = "Not simulated: throttling by Cloud Tasks (429, 503, slow start), its order, \
the time until the edit is in force, and failures or producers that change.";

/// A table: what is, and what would be with the edit. Below it, what is not simulated.
pub fn forecast(forecast: &Forecast) -> String {
    let horizon = units::duration(Duration::from_secs_f64(forecast.horizon_seconds));
    let mut rows = vec![[
        format!("NEXT {}", horizon.to_uppercase()),
        "NOW".to_owned(),
        "WITH THE EDIT".to_owned(),
    ]];
    let mut add = |name: &str, cell: &dyn Fn(&Effect) -> String| {
        rows.push([
            name.to_owned(),
            cell(&forecast.before),
            cell(&forecast.after),
        ]);
    };
    add("healthy tasks done", &|it| {
        range(it.healthy_per_second, units::rate)
    });
    add("p99 of their wait", &|it| {
        time(it.healthy_p99_seconds, "none is done")
    });
    let never = format!("not in {horizon}");
    for (place, stage) in forecast.before.stages.iter().enumerate() {
        let gone = |it: &Effect| {
            let stage = it.stages.get(place);
            stage.map_or_else(String::new, |it| time(it.backlog_gone_seconds, &never))
        };
        add(&format!("{}: backlog gone in", stage.stage), &gone);
        let dispatches = |it: &Effect| {
            let stage = it.stages.get(place);
            stage.map_or_else(String::new, |it| {
                range(it.dispatches_per_second, units::rate)
            })
        };
        add(&format!("{}: dispatches", stage.stage), &dispatches);
    }
    add("tasks that end as Failed", &|it| {
        range(it.failed, units::number)
    });
    let mut text = String::new();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let [first, second] = [0, 1].map(|column| width(column).unwrap_or(0));
    for [name, before, after] in &rows {
        let _ = writeln!(text, "{name:<first$}  {before:<second$}  {after}");
    }
    text + NOT_SIMULATED + "\n"
}

fn range(range: Range, show: impl Fn(f64) -> String) -> String {
    let Range { value, least, most } = range;
    between([value, least, most].map(show), most - least > SHOWN * value)
}

fn time(time: Time, missing: &str) -> String {
    let show = |value: Option<f64>| {
        let duration = value.map(|it| units::duration(Duration::from_secs_f64(it.max(0.0))));
        duration.unwrap_or_else(|| missing.to_owned())
    };
    let is_wide = match (time.value, time.least, time.most) {
        (Some(value), Some(least), Some(most)) => most - least > SHOWN * value,
        _ => true,
    };
    between([time.value, time.least, time.most].map(show), is_wide)
}

fn between([value, least, most]: [String; 3], is_wide: bool) -> String {
    if is_wide && least != most {
        format!("{value} ({least} to {most})")
    } else {
        value
    }
}
