//! The comparison of the two sides.

use std::collections::BTreeSet;

use crate::row::{But, Course, Row};
use crate::server::Request;
use crate::sides::Seen;

/// Headers that differ on each request: the handler's own address or `handler.host`, what the pushing
/// client accepts unless the producer says, and the time of each dispatch.
const DIFFERENT: [&str; 3] = ["host", "accept", "x-cloudtasks-tasketa"];
/// What the emulator's client adds when it follows a redirect. No task has it.
const OF_THE_EMULATOR: &str = "referer";
/// Headers that Cloud Tasks sends on retries. A stage's queue knows the worker's answers, and not the
/// handler's; from the stage before, a task brings the last one.
const PREVIOUS_RESPONSE: &str = "x-cloudtasks-taskpreviousresponse";
const RETRY_REASON: &str = "x-cloudtasks-taskretryreason";
/// Added to each request.
const OURS: [&str; 5] = [
    "executor-chain",
    "executor-stage",
    "executor-task",
    "executor-attempt",
    "executor-max-attempts",
];

/// What is wrong with a row, in words.
pub fn differences(row: &Row, bare: &Seen, dev: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    course("the emulator", row.course, bare, &mut wrong);
    course("the chain", row.course_in_chain(), dev, &mut wrong);
    let mut known = BTreeSet::new();
    let compared = if row.but.contains(&But::OnlyTheFirst) {
        1
    } else {
        bare.requests.len()
    };
    for (bare, dev) in bare.requests.iter().zip(&dev.requests).take(compared) {
        request(row, bare, dev, &mut |what, bare, dev_has| {
            // The first request that shows a difference is enough.
            if known.insert(what.to_owned()) {
                let nth = dev.nth;
                wrong.push(format!(
                    "request {nth}: {what}: the emulator {bare}, the chain {dev_has}"
                ));
            }
        });
    }
    for (pointer, wanted) in row.event {
        let is = dev.event.pointer(pointer);
        if is.and_then(serde_json::Value::as_str) != Some(wanted) {
            wrong.push(format!(
                "the event's {pointer}: {is:?}; expected {wanted:?}"
            ));
        }
    }
    wrong
}

fn course(side: &str, wanted: Course, seen: &Seen, wrong: &mut Vec<String>) {
    let (requests, end) = (seen.requests.len(), seen.end);
    if requests != wanted.requests || end != Some(wanted.end) {
        let end = end.map_or("without an end".to_owned(), |end| format!("{end:?}"));
        let (wanted, wanted_end) = (wanted.requests, wanted.end);
        wrong.push(format!(
            "behind {side}: {requests} requests, {end}; expected {wanted}, {wanted_end:?}"
        ));
    }
}

fn request(row: &Row, bare: &Request, dev: &Request, differ: &mut dyn FnMut(&str, &str, &str)) {
    if (&bare.method, &bare.target) != (&dev.method, &dev.target) {
        let [bare, dev] = [bare, dev].map(|it| format!("{} {}", it.method, it.target));
        differ("request line", &bare, &dev);
    }
    if bare.body != dev.body {
        let [bare, dev] = [bare, dev].map(|it| format!("{} bytes", it.body.len()));
        differ("body", &bare, &dev);
    }
    if row.but.contains(&But::ReadToTheEnd) {
        if dev.answered != Some(true) {
            differ("answer", "hangs up", "hangs up too");
        }
    } else if bare.answered != dev.answered {
        differ(
            "answer taken",
            &format!("{:?}", bare.answered),
            &format!("{:?}", dev.answered),
        );
    }
    let names: BTreeSet<&str> = [bare, dev]
        .into_iter()
        .flat_map(|request| request.headers.iter().map(|(name, _)| name.as_str()))
        .collect();
    for name in names {
        let [is, should] = [dev, bare].map(|request| values(request, name));
        if !is_right(row, name, dev, &is, &should) {
            differ(name, &shown(&should), &shown(&is));
        }
    }
}

fn is_right(row: &Row, name: &str, dev: &Request, is: &[&[u8]], should: &[&[u8]]) -> bool {
    let begins_stage_two = dev.has("executor-stage", "two") && dev.has("executor-attempt", "1");
    for but in &row.but {
        match *but {
            But::AbsentFrom(header, from) if header == name && dev.nth >= from => {
                return is.is_empty();
            }
            But::Added(header) if header == name => return should.is_empty() && is.len() == 1,
            But::AbsentFrom(..)
            | But::Added(_)
            | But::Course(_)
            | But::OnlyTheFirst
            | But::ReadToTheEnd => {}
        }
    }
    if OURS.contains(&name) {
        return is.len() == 1 && should.is_empty();
    }
    if name == "accept-encoding" {
        return is == [b"identity"];
    }
    if DIFFERENT.contains(&name) {
        // Of these a producer may set one.
        let mut own = row.task.headers.iter();
        return match own.find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            Some((_, value)) => is == [value.as_bytes()],
            None => is.len() == should.len() || name == "accept",
        };
    }
    is == should
        || name == OF_THE_EMULATOR
        || (name == PREVIOUS_RESPONSE && is.is_empty() && !begins_stage_two)
        || (name == RETRY_REASON && is.is_empty())
        || (is.len() == 1 && should.len() == 1 && is_token(is[0]) && is_token(should[0]))
}

/// Whether Cloud Tasks signed it: for each dispatch anew, with the time in it.
fn is_token(value: &[u8]) -> bool {
    value.starts_with(b"Bearer eyJ")
}

fn values<'a>(request: &'a Request, name: &str) -> Vec<&'a [u8]> {
    let of_name = request.headers.iter().filter(|(is, _)| is == name);
    of_name.map(|(_, value)| value.as_slice()).collect()
}

fn shown(values: &[&[u8]]) -> String {
    match values {
        [] => "none".to_owned(),
        values => {
            let shown: Vec<_> = values
                .iter()
                .map(|it| String::from_utf8_lossy(it))
                .collect();
            format!("{:?}", shown.join(" and "))
        }
    }
}
