//! Every variable: what is right is taken, what is wrong says how to fix it.

use std::process::Command;
use std::time::Duration;

use decide::EndCause;
use testkit::{Process, binary};

use crate::testbed::{SOON, config, parse};

/// What is said of a value beside these others.
fn sentence(more: &[(&str, &str)], name: &str, value: &str) -> String {
    let parsed = parse(&[more, &[(name, value)]].concat());
    parsed.expect_err(&format!("{name}={value}")).to_string()
}

/// A variable, a value that it can't have, and what is said of it.
#[rustfmt::skip]
const WRONG: &[(&str, &str, &str)] = &[
    ("CHAIN", "", "CHAIN is not set: write the chain's name"),
    ("CHAIN", "a chain", "use at most 200 letters, digits"),
    ("STAGE", "", "STAGE is not set: write the stage's name"),
    ("STAGE", "two words", "use 1 to 63 letters"),
    ("QUEUE", "", "QUEUE is not set: write the queue's full path"),
    ("QUEUE", "incoming", "write projects/PROJECT/locations/LOCATION/queues/QUEUE"),
    ("MAX_ATTEMPTS", "", "MAX_ATTEMPTS is not set: write how often"),
    ("MAX_ATTEMPTS", "0", "write a whole number from 1"),
    ("MAX_ATTEMPTS", "-1", "write a whole number from 1"),
    ("DOWNSTREAM_QUEUE", "x", "is not a queue's full path"),
    ("DOWNSTREAM_QUEUE", "projects/p/locations/l/queues/incoming", "write another queue"),
    ("LOOKUP_QUEUES", "projects/p/locations/l/queues/a,b", "is not a queue's full path"),
    ("RETIRED_NOTIFIER_QUEUES", "b", "is not a queue's full path"),
    ("PARKING_QUEUE", "parked", "is not a queue's full path"),
    ("PARKING_QUEUE", "projects/p/locations/l/queues/incoming", "write another queue"),
    ("RETIRED_PARKING_QUEUES", "b", "is not a queue's full path"),
    ("DISPATCH_DEADLINES", "b=60s", "write QUEUE=DURATION"),
    ("DISPATCH_DEADLINES", "projects/p/locations/l/queues/b=14s", "from 15s to 30m"),
    ("DISPATCH_DEADLINES", "projects/p/locations/l/queues/b=30m1s", "from 15s to 30m"),
    ("NOTIFY_ON", "Success", "write Succeeded, Failed, both"),
    ("NOTIFIER_QUEUE", "", "NOTIFIER_QUEUE is not set: write the full path"),
    ("NOTIFIER_QUEUE", "projects/p/locations/l/queues/incoming", "write another queue"),
    ("NOTIFIER_URL", "", "NOTIFIER_URL is not set: write the URL"),
    ("NOTIFIER_URL", "/events", "write an http or https URL"),
    ("HANDLER_URL", "", "HANDLER_URL is not set: write the handler's URL"),
    ("HANDLER_URL", "ftp://x", "write an http or https URL"),
    ("HANDLER_URL", "127.0.0.1:8080", "write an http or https URL"),
    ("HANDLER_TIMEOUT", "60", "write a duration above 0s and below 30m"),
    ("HANDLER_TIMEOUT", "0s", "write a duration above 0s and below 30m"),
    ("HANDLER_TIMEOUT", "30m", "write a duration above 0s and below 30m"),
    ("CONCURRENCY", "0", "write a whole number from 1 to 10000"),
    ("CONCURRENCY", "many", "write a whole number from 1 to 10000"),
    ("GIVE_UP_AFTER", "20d", "write a duration above 0s, such as 480h"),
    ("GIVE_UP_AFTER", "0s", "write a duration above 0s, such as 480h"),
    ("DRAIN_DELAY", "soon", "write a duration such as 0s"),
    ("LISTEN_ADDR", "localhost", "write an IP address and a port"),
    ("ADMIN_ADDR", ":9481", "write an IP address and a port"),
    ("ADMIN_ADDR", "::1:9481", "such as 127.0.0.1:9480 or [::1]:9480"),
    ("ROUTES", "{}", "write a JSON list"),
    ("ISOLATE", "{}", "write a JSON list"),
    ("ISOLATE", r#"[{"header": "a b", "to": "x"}]"#, "is not a header name"),
    ("TELL_CATEGORIES", "yes", "write true or false"),
    ("HOLD_ON_OUTAGE", "5s", "write a duration from 10s to 24h"),
    ("RETRY_AFTER", "follow", "write Follow or Ignore"),
    ("DELAYS", "slow=30s", "write QUEUE=DURATION for each queue"),
    ("ROUTES", r#"[{"match": {"status": "x"}, "to": "fail"}]"#, "write 503 or 4xx"),
];

/// What is wrong beside audiences that are right.
#[rustfmt::skip]
const WRONG_OIDC: &[(&str, &str, &str)] = &[
    ("OIDC_SERVICE_ACCOUNT_EMAILS", "pusher", "write service accounts"),
    ("OIDC_SERVICE_ACCOUNT_EMAILS", "a@b,@b", "write service accounts"),
    ("OIDC_JWKS_URL", "certs", "write an http or https URL"),
    ("OIDC_JWKS_URL", "file:///keys", "write an http or https URL"),
];

#[test]
fn each_invalid_value_is_reported_with_its_fix() {
    let audiences = [
        ("OIDC_AUDIENCES", "orders"),
        ("OIDC_SERVICE_ACCOUNT_EMAILS", "a@b"),
    ];
    let wrong = WRONG.iter().map(|row| (&[][..], row));
    let oidc = WRONG_OIDC.iter().map(|row| (&audiences[..], row));
    for (beside, (name, value, fix)) in wrong.chain(oidc) {
        let sentence = sentence(beside, name, value);
        assert!(
            sentence.contains(name) && sentence.contains(fix),
            "{name}={value}: {sentence}"
        );
    }
}

#[test]
fn audiences_and_accounts_are_required_together() {
    let (audiences, emails) = ("OIDC_AUDIENCES", "OIDC_SERVICE_ACCOUNT_EMAILS");
    for (set, missing) in [
        (audiences, emails),
        (emails, audiences),
        ("OIDC_ISSUERS", audiences),
        ("OIDC_JWKS_URL", audiences),
    ] {
        let sentence = sentence(&[], set, "a@b");
        assert!(
            sentence.starts_with(&format!("{missing} is not set: write the")),
            "{sentence}"
        );
    }
}

#[test]
fn the_default_issuer_is_google_or_the_emulator() {
    assert_eq!(config(&[]).oidc, None);
    let right = [
        ("OIDC_AUDIENCES", " orders, other "),
        ("OIDC_SERVICE_ACCOUNT_EMAILS", "a@b"),
    ];
    let oidc = config(&right).oidc.unwrap();
    assert_eq!(oidc.audiences, ["orders", "other"]);
    assert_eq!(
        oidc.issuers,
        ["https://accounts.google.com", "accounts.google.com"]
    );
    assert_eq!(oidc.keys_url, "https://www.googleapis.com/oauth2/v3/certs");
    let emulator = [("CLOUD_TASKS_EMULATOR_HOST", "127.0.0.1:8123")];
    let oidc = config(&[&right[..], &emulator[..]].concat()).oidc.unwrap();
    assert_eq!(oidc.issuers, ["http://127.0.0.1:8123"]);
    assert_eq!(oidc.keys_url, "http://127.0.0.1:8123/jwks");
}

#[test]
fn variables_that_are_not_set_have_defaults() {
    let config = config(&[
        ("LISTEN_ADDR", ""),
        ("ADMIN_ADDR", "-"),
        ("CONCURRENCY", ""),
    ]);
    assert_eq!(config.concurrency, 100);
    assert_eq!(config.handler.timeout, Duration::from_mins(1));
    assert_eq!(config.drain_delay, Duration::ZERO);
    assert_eq!(config.policy.give_up_after, Duration::from_hours(480));
    let any = |port: u16| ["[::]", "0.0.0.0"].map(|ip| format!("{ip}:{port}").parse().unwrap());
    assert_eq!(config.listen, any(9480));
    assert_eq!(config.admin, any(9481));
    assert_eq!(config.endpoint, cloudtasks::Endpoint::Google);
    let on = config.policy.notifier.unwrap().on;
    assert!(on.succeeded && on.failed);
}

#[test]
fn parking_keeps_every_cause_unless_keep_names_some() {
    let queue = ("PARKING_QUEUE", "projects/p/locations/l/queues/parked");
    let keep = |text| {
        let policy = config(&[queue, ("PARKING_KEEP", text)]).policy;
        policy.parking.unwrap().keep
    };
    assert_eq!(keep(""), EndCause::all());
    assert_eq!(
        keep("Fail, Expired"),
        [EndCause::Fail, EndCause::Expired].into()
    );
    let wrong = sentence(&[queue], "PARKING_KEEP", "fail");
    let fix = "write Exhausted, Fail, Route, Expired, Loop or Unpassable";
    assert!(
        wrong.contains("PARKING_KEEP") && wrong.contains(fix),
        "{wrong}"
    );
    // Former queues count without a present one too.
    let former = [("RETIRED_PARKING_QUEUES", queue.1)];
    let policy = config(&former).policy;
    assert_eq!(policy.parking, None);
    assert_eq!(policy.retired_parking, [queue.1.parse().unwrap()]);
}

#[test]
fn notify_on_selects_the_outcomes() {
    for (text, succeeded, failed) in [
        ("Succeeded,Failed", true, true),
        ("Failed", false, true),
        (" Succeeded ", true, false),
        ("None", false, false),
        ("", false, false),
    ] {
        let on = config(&[("NOTIFY_ON", text)]).policy.notifier.unwrap().on;
        assert_eq!((on.succeeded, on.failed), (succeeded, failed), "{text:?}");
    }
    let nobody = [
        ("NOTIFY_ON", "None"),
        ("NOTIFIER_QUEUE", "-"),
        ("NOTIFIER_URL", "-"),
    ];
    assert_eq!(config(&nobody).policy.notifier, None);
}

#[tokio::test]
async fn the_program_prints_the_error_and_exits_with_2() {
    let mut command = Command::new(binary("executor-worker"));
    command
        .env("CHAIN", "orders")
        .env_remove("STAGE")
        .env("QUEUE", "incoming");
    let program = Process::spawn(&command);
    assert_eq!(program.exit(SOON).await, 2);
    let log = program.log();
    assert!(log.contains("QUEUE is \"incoming\""), "{log}");
}
