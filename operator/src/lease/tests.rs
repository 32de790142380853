use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::time::Instant;

use super::Others;

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
fn a_lease_is_over_when_it_was_not_renewed_for_as_long_as_it_lasts() {
    let theirs = |version: &str| Some(lease(version, Some("other"), 10));
    let rows = [
        // What is seen, after how many seconds; for how long it is theirs.
        ("seen first, however old it is", theirs("1"), 0, 10),
        ("the same", theirs("1"), 4, 6),
        ("renewed", theirs("2"), 7, 10),
        ("not renewed", theirs("2"), 16, 1),
        ("deleted while it may be counted on", None, 16, 1),
        ("made again by another", theirs("3"), 16, 10),
        ("over", theirs("3"), 26, 0),
        ("over, and still there", theirs("3"), 60, 0),
        ("ours", Some(lease("4", Some("me"), 10)), 61, 0),
        (
            "theirs, and it lasts longer",
            Some(lease("5", Some("other"), 30)),
            62,
            30,
        ),
        ("given back", Some(lease("6", None, 30)), 63, 0),
        (
            "given back in another way",
            Some(lease("7", Some(""), 1)),
            63,
            0,
        ),
        (
            "theirs, with a duration that is none",
            Some(lease("8", Some("other"), -1)),
            64,
            7,
        ),
        ("deleted when it is over", None, 75, 0),
    ];
    let start = Instant::now();
    let mut others = Others::default();
    for (what, seen, after, left) in rows {
        let now = start + Duration::from_secs(after);
        let found = others.left(seen.as_ref(), "me", now);
        assert_eq!(found, Duration::from_secs(left), "{what}");
    }
}

#[test]
fn a_lease_that_never_was_is_free() {
    let mut others = Others::default();
    assert_eq!(others.left(None, "me", Instant::now()), Duration::ZERO);
    let empty = Lease::default();
    assert_eq!(
        others.left(Some(&empty), "me", Instant::now()),
        Duration::ZERO
    );
}
