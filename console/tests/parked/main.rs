//! What people are shown of a parking queue.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use console::text::{self, ParkedCommand};
use console::{ParkedListing, ParkedQuery, ParkedReply};
use decide::{EndCause, Life, ParkedRecord, RootId};
use jiff::{Timestamp, ToSpan as _};
use parking::{Filter, ParkedTask, UnreadableTask};

const NOW: &str = "2026-11-30T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// 380 tasks without stock, 31 that timed out, one of them in its second life, and one that expired.
fn listing() -> ParkedListing {
    let mut listing = ParkedListing::empty(now());
    let root = RootId::of(&"projects/p/locations/l/queues/q/tasks/t".parse().unwrap());
    for number in 0..412_i64 {
        let (cause, reason, status, stage) = match number {
            0..380 => (EndCause::Exhausted, "no-stock", Some(409), "slow"),
            380..411 => (EndCause::Exhausted, "timeout", None, "last"),
            _ => (EndCause::Expired, "expired", Some(500), "last"),
        };
        let at = now() - (number * 10).seconds();
        let life = (number == 380).then(|| Life::second(root.clone(), "inc-42".parse().unwrap()));
        listing.add(Ok(ParkedTask {
            path: format!("projects/p/locations/l/queues/parked/tasks/{number}-parked")
                .parse()
                .unwrap(),
            target: if number % 2 == 0 {
                "/orders".into()
            } else {
                format!("/orders?customer={number}&note=a-long-text-of-a-customer")
            },
            created: at,
            record: ParkedRecord {
                task: format!("order-{number}").parse().unwrap(),
                queue: "orders".parse().unwrap(),
                stage: stage.parse().unwrap(),
                cause,
                reason: reason.parse().unwrap(),
                status,
                at,
                life,
            },
        }));
    }
    listing.rows.sort();
    listing
}

fn reply(listing: &ParkedListing, query: &str) -> ParkedReply {
    let query = ParkedQuery::parse(query).unwrap();
    listing.reply("orders-parked", query, None, now())
}

fn shown(reply: &ParkedReply, filters: &[&str], width: usize) -> String {
    let filters: Vec<String> = filters.iter().map(|it| (*it).to_owned()).collect();
    let command = ParkedCommand {
        program: "kubectl chain",
        chain: "orders -n shop",
        filters: &filters,
    };
    text::parked(reply, command, now(), width)
}

#[test]
fn groups_come_first_then_rows_and_the_next_command() {
    let reply = reply(&listing(), "limit=3");
    let tables = [200, 80, 40].map(|width| {
        let text = shown(&reply, &[], width);
        format!("{width} columns\n{text}")
    });
    insta::assert_snapshot!(tables.join("\n"));
}

#[test]
fn a_filter_and_other_keys_are_shown_as_they_were_asked_for() {
    let listing = listing();
    let asked = [
        ("by=stage,status&limit=0", &[][..]),
        ("by=hour&limit=1", &[]),
        (
            "by=cause&where=reason=timeout&since=1h10m&limit=2",
            &["reason=timeout"],
        ),
        ("where=reason=no-such", &["reason=no-such"]),
    ];
    let texts = asked.map(|(query, filters)| {
        let text = shown(&reply(&listing, query), filters, 120);
        format!("## {query}\n{text}")
    });
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn what_is_missing_of_a_list_is_said() {
    let empty = ParkedListing::empty(now());
    let mut texts = vec![shown(&reply(&empty, ""), &[], 120)];

    let mut one = ParkedListing::empty(now() - 40.seconds());
    let whole = listing();
    let row = whole.rows.iter().next().unwrap();
    one.add(Ok(ParkedTask {
        path: "projects/p/locations/l/queues/parked/tasks/a-parked"
            .parse()
            .unwrap(),
        target: row.target,
        created: now() - (31 * 24 - 5).hours(),
        record: row.record,
    }));
    one.add(Err(UnreadableTask::NotParked));
    one.add(Err(UnreadableTask::Note));
    one.incomplete = Some("only 20,000 tasks are listed at most".into());
    let stale = "the operator may list again in 20s";
    let query = ParkedQuery::default();
    let reply = one.reply("orders-parked", query, Some(stale.into()), now());
    texts.push(shown(&reply, &[], 120));
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn groups_are_bounded_and_none_is_forgotten() {
    let mut listing = ParkedListing::empty(now());
    let whole = self::listing();
    let row = whole.rows.iter().next().unwrap();
    for number in 0..250 {
        let mut record = row.record.clone();
        record.reason = format!("reason-{number}").parse().unwrap();
        listing.add(Ok(ParkedTask {
            path: format!("projects/p/locations/l/queues/parked/tasks/{number}-parked")
                .parse()
                .unwrap(),
            target: "/".into(),
            created: now(),
            record,
        }));
    }
    let reply = reply(&listing, "limit=0");
    assert_eq!((reply.groups.len(), reply.more_groups), (100, 150));
    assert_eq!((reply.tasks, reply.listed), (250, 250));
    assert!(shown(&reply, &[], 80).contains("… and 150 smaller groups\n"));
}

#[test]
fn a_filter_means_times_of_now() {
    let listing = listing();
    let later = now() + 1.hour();
    let query = ParkedQuery::parse("since=1h30m").unwrap();
    assert_eq!(listing.reply("q", query.clone(), None, now()).tasks, 412);
    assert_eq!(listing.reply("q", query, None, later).tasks, 181);
    let unset = ParkedQuery::parse("").unwrap();
    assert_eq!(unset.filter, Filter::default());
}

#[test]
fn no_part_of_the_answer_is_a_body_or_a_header() {
    let json = serde_json::to_value(reply(&listing(), "limit=1")).unwrap();
    let item = json["items"][0].as_object().unwrap();
    let fields: Vec<&str> = item.keys().map(String::as_str).collect();
    let known = "task queue path stage cause reason status parked keptUntil";
    assert_eq!(fields.join(" "), known);
}
