//! Whether a chain says what it has to.

use serde_json::Value;

use crate::scenario::{Condition, Expected};

/// The conditions of a chain that is well.
const WELL: [Condition; 11] = [
    "Ready=True AsSpecified",
    "QueuesReady=True AsSpecified",
    "WorkersReady=True AsSpecified",
    "PushesReachable=True ClusterAddress",
    "Drifted=False NoDrift",
    "Paused=False NotPaused",
    "Overridden=False NotOverridden",
    "Draining=False NothingDrains",
    "Undersized=False EnoughPlaces",
    "PushesUnauthenticated=False PushesInternal",
    "PushesRefused=False NoTokenDemanded",
];

fn kind(condition: &str) -> &str {
    condition.split('=').next().unwrap()
}

/// What a chain fails to say, or says wrong.
pub fn missing(expected: &Expected, chain: &Value, namespace: &str) -> Vec<String> {
    let wrong = |condition: &str| says(chain, condition, namespace).err();
    match expected {
        Expected::WellBut(others) => {
            let is_other = |well: &&&str| others.iter().any(|other| kind(other) == kind(well));
            let well = WELL.iter().filter(|well| !is_other(well));
            well.chain(*others).filter_map(|it| wrong(it)).collect()
        }
        Expected::Unknown(why) => {
            let reason = why.split(':').next().unwrap();
            let unknown = |well: &&str| format!("{}=Unknown {reason}: unknown: ", kind(well));
            let ready = format!("Ready=False {why}");
            let all = [ready].into_iter().chain(WELL[1..].iter().map(unknown));
            all.filter_map(|condition| wrong(&condition)).collect()
        }
        Expected::Old => {
            let said = chain["status"]["observedGeneration"].as_i64();
            let is_old = said < chain["metadata"]["generation"].as_i64();
            (!is_old)
                .then(|| format!("it speaks of generation {said:?}, which is the newest"))
                .into_iter()
                .collect()
        }
        Expected::Gone if chain.is_null() => Vec::new(),
        Expected::Gone => vec!["it is still there".to_owned()],
    }
}

/// Whether a chain's status has a condition; else what it has instead.
pub fn says(chain: &Value, condition: &str, namespace: &str) -> Result<(), String> {
    let (kind, rest) = condition.split_once('=').unwrap();
    let (status, rest) = rest.split_once(' ').unwrap();
    let (reason, words) = rest.split_once(": ").unwrap_or((rest, ""));
    let conditions = chain["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let Some(found) = conditions.find(|condition| condition["type"] == kind) else {
        return Err(format!("{kind} is not reported"));
    };
    let sentence = found["message"].as_str().unwrap_or_default();
    let has = |word: &str| sentence.contains(&word.replace("NAMESPACE", namespace));
    if found["status"] == status && found["reason"] == reason && words.split(" | ").all(has) {
        Ok(())
    } else {
        Err(format!(
            "it should be {condition}, and is {}, {} {sentence:?}",
            found["status"], found["reason"]
        ))
    }
}
