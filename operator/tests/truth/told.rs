//! Whether a chain says what it has to.

use serde_json::Value;

use crate::row::{Tells, Told};

/// The conditions of a chain that is well.
const WELL: [Told; 10] = [
    ("Ready", "True", "AsSpecified", &[]),
    ("QueuesReady", "True", "AsSpecified", &[]),
    ("WorkersReady", "True", "AsSpecified", &[]),
    ("PushesReachable", "True", "ClusterAddress", &[]),
    ("Drifted", "False", "NoDrift", &[]),
    ("Paused", "False", "NotPaused", &[]),
    ("Draining", "False", "NothingDrains", &[]),
    ("Undersized", "False", "EnoughPlaces", &[]),
    ("PushesUnauthenticated", "False", "PushesInternal", &[]),
    ("PushesRefused", "False", "NoTokenDemanded", &[]),
];

/// What a chain fails to say, or says wrong.
pub fn missing(tells: &Tells, chain: &Value, namespace: &str) -> Vec<String> {
    let wrong = |told: &Told| says(chain, told, namespace).err();
    match tells {
        Tells::WellBut(others) => {
            let is_other = |kind| others.iter().any(|(other, ..)| *other == kind);
            let well = WELL.iter().filter(|(kind, ..)| !is_other(*kind));
            well.chain(*others).filter_map(wrong).collect()
        }
        Tells::Nothing(reason, words) => {
            let unknown = WELL[1..]
                .iter()
                .map(|(kind, ..)| (*kind, "Unknown", *reason, &["unknown: "][..]));
            let ready = ("Ready", "False", *reason, *words);
            let all = [ready].into_iter().chain(unknown);
            all.filter_map(|told| wrong(&told)).collect()
        }
        Tells::Old => {
            let said = chain["status"]["observedGeneration"].as_i64();
            let is_old = said < chain["metadata"]["generation"].as_i64();
            (!is_old)
                .then(|| format!("it speaks of generation {said:?}, which is the newest"))
                .into_iter()
                .collect()
        }
        Tells::Gone if chain.is_null() => Vec::new(),
        Tells::Gone => vec!["it is still there".to_owned()],
    }
}

/// Whether a chain's status has a condition; else what it has instead.
pub fn says(chain: &Value, told: &Told, namespace: &str) -> Result<(), String> {
    let (kind, status, reason, words) = told;
    let conditions = chain["status"]["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == *kind);
    let Some(found) = found else {
        return Err(format!("{kind} is not told"));
    };
    let sentence = found["message"].as_str().unwrap_or_default();
    let has = |word: &&str| sentence.contains(&word.replace("NAMESPACE", namespace));
    if found["status"] == *status && found["reason"] == *reason && words.iter().all(has) {
        Ok(())
    } else {
        Err(format!(
            "{kind} should be {status}, {reason} {words:?}, and is {}, {} {sentence:?}",
            found["status"], found["reason"]
        ))
    }
}
