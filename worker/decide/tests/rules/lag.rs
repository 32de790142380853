//! How late a push comes.

use std::time::Duration;

use decide::Delivery;
use decide::headers::{EXECUTION_COUNT, QUEUE_NAME, RETRY_COUNT, TASK_ETA, TASK_NAME};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::chain::policy;

/// In seconds since 1970, when the pushes arrive.
const ARRIVAL: i64 = 1_754_000_000;

/// The lag of a push with these values of `X-CloudTasks-TaskETA`.
fn lag(retry_count: &str, etas: &[&str]) -> Option<Duration> {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (QUEUE_NAME, "incoming"),
        (TASK_NAME, "order-1"),
        (RETRY_COUNT, retry_count),
        (EXECUTION_COUNT, "0"),
    ] {
        let name = HeaderName::from_static(name);
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    for eta in etas {
        headers.append(TASK_ETA, HeaderValue::from_bytes(eta.as_bytes()).unwrap());
    }
    let arrived_at = Timestamp::from_second(ARRIVAL).unwrap();
    let delivery = Delivery::parse(&headers, &policy(3), arrived_at).unwrap();
    delivery.lag(arrived_at)
}

#[test]
fn the_lag_is_the_arrival_less_the_eta_and_never_below_zero() {
    for (eta, seconds) in [
        ("1754000000", 0.0),
        ("1753999999.5", 0.5),
        ("1753999999.999", 0.001),
        ("1753996400.123456", 3_599.876_544),
        // What Cloud Tasks has kept for almost as long as it can.
        ("1751321600.5", 2_678_399.5),
        ("1751321600", 2_678_400.0),
        // Clocks differ.
        ("1754000000.000001", 0.0),
        // Run before it is due.
        ("1754086400.123456", 0.0),
        ("1e10", 0.0),
    ] {
        for retry_count in ["0", "1", "4000000000"] {
            let lag = lag(retry_count, &[eta]).unwrap().as_secs_f64();
            // The header has microseconds.
            assert!((lag - seconds).abs() < 2e-6, "{eta}: {lag}");
        }
    }
}

#[test]
fn an_eta_that_is_missing_or_invalid_gives_no_lag() {
    let invalid: [&[&str]; 19] = [
        &[],
        &[""],
        &[" "],
        &["soon"],
        &["\u{ff}"],
        &["2025-08-01T00:00:00Z"],
        &["1754000000,5"],
        &["nan"],
        &["inf"],
        &["-inf"],
        &["1e999"],
        &["1e300"],
        &["-1e300"],
        // Older than any task can be: not seconds since 1970.
        &["0"],
        &["60000"],
        &["-1754000000"],
        &["1751321599"],
        // Later than any time: milliseconds since 1970.
        &["1754000000000"],
        // Nobody can tell which is Cloud Tasks' own.
        &["1754000000", "1753999999"],
    ];
    for etas in invalid {
        assert_eq!(lag("0", etas), None, "{etas:?}");
    }
}
