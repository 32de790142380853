//! Durations in the format of the Gateway API (GEP-2257): `100ms`, `60s`, `1h30m`.

use std::time::Duration;

/// Parses one to four pairs of a whole number of at most five digits and a unit (`h`, `m`, `s`,
/// `ms`).
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    for _ in 0..4 {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=5).contains(&digits) {
            return None;
        }
        let (number, after) = rest.split_at(digits);
        let unit = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(unit);
        let milliseconds: u64 = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        total += Duration::from_millis(number.parse::<u64>().ok()? * milliseconds);
        if after.is_empty() {
            return Some(total);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_the_gateway_api_are_parsed_and_no_others() {
        for (text, milliseconds) in [
            ("100ms", 100),
            ("0s", 0),
            ("60s", 60_000),
            ("1h30m", 5_400_000),
            ("480h", 1_728_000_000),
            ("1h1m1s1ms", 3_661_001),
        ] {
            assert_eq!(
                parse(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "60",
            "s",
            "1.5s",
            "-1s",
            "1d",
            "100000s",
            "1s1s1s1s1s",
            " 1s",
            "1 s",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
