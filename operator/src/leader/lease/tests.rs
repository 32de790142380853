use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::time::Instant;

use super::OtherHolder;

fn lease(version: &str, holder: Option<&str>, lasts: i32) -> Lease {
    Lease {
        metadata: ObjectMeta {
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(lasts),
            ..LeaseSpec::default()
        }),
    }
}

#[test]
fn a_lease_ends_when_it_was_not_renewed_for_as_long_as_it_lasts() {
    let theirs = |version: &str| Some(lease(version, Some("other"), 10));
    let rows = [
        // What is read, after how many seconds, and for how long the other operator still holds it.
        (
            "read for the first time, however old it is",
            theirs("1"),
            0,
            10,
        ),
        ("the same", theirs("1"), 4, 6),
        ("renewed", theirs("2"), 7, 10),
        ("not renewed", theirs("2"), 16, 1),
        ("deleted before its end", None, 16, 1),
        ("created again by another", theirs("3"), 16, 10),
        ("ended", theirs("3"), 26, 0),
        ("ended, and not deleted", theirs("3"), 60, 0),
        ("ours", Some(lease("4", Some("me"), 10)), 61, 0),
        (
            "theirs, with a longer duration",
            Some(lease("5", Some("other"), 30)),
            62,
            30,
        ),
        ("released", Some(lease("6", None, 30)), 63, 0),
        (
            "released in another way",
            Some(lease("7", Some(""), 1)),
            63,
            0,
        ),
        (
            "theirs, with an invalid duration",
            Some(lease("8", Some("other"), -1)),
            64,
            7,
        ),
        ("deleted after its end", None, 75, 0),
    ];
    let start = Instant::now();
    let mut other = OtherHolder::default();
    for (what, seen, after, left) in rows {
        let now = start + Duration::from_secs(after);
        let found = other.left(seen.as_ref(), "me", now);
        assert_eq!(found, Duration::from_secs(left), "{what}");
    }
}

#[test]
fn a_lease_that_does_not_exist_is_free() {
    let mut other = OtherHolder::default();
    assert_eq!(other.left(None, "me", Instant::now()), Duration::ZERO);
    let empty = Lease::default();
    assert_eq!(
        other.left(Some(&empty), "me", Instant::now()),
        Duration::ZERO
    );
}
