//! Durations in the format of the Gateway API (GEP-2257), `100ms`, `60s`, `1h30m`, and as gcloud prints
//! them: `0.100s`, `2.5s`.

use std::time::Duration;

/// Parses one to four pairs of a whole number of at most five digits and a unit (`h`, `m`, `s`,
/// `ms`). Seconds may have up to three decimals.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    for _ in 0..4 {
        let (number, after) = digits(rest, 5)?;
        let (decimals, after) = match after.strip_prefix('.') {
            Some(after) => digits(after, 3).map(|(decimals, after)| (Some(decimals), after))?,
            None => (None, after),
        };
        let unit = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(unit);
        let milliseconds: u64 = match (unit, decimals) {
            ("h", None) => 3_600_000,
            ("m", None) => 60_000,
            ("s", _) => 1_000,
            ("ms", None) => 1,
            _ => return None,
        };
        total += Duration::from_millis(number.parse::<u64>().ok()? * milliseconds);
        let thousandths = format!("{:0<3}", decimals.unwrap_or_default());
        total += Duration::from_millis(thousandths.parse().ok()?);
        if after.is_empty() {
            return Some(total);
        }
        rest = after;
    }
    None
}

/// One to `most` digits at the beginning of a text, and what follows them.
fn digits(text: &str, most: usize) -> Option<(&str, &str)> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    (1..=most).contains(&count).then(|| text.split_at(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_the_gateway_api_and_gcloud_are_parsed_and_no_others() {
        for (text, milliseconds) in [
            ("100ms", 100),
            ("0s", 0),
            ("60s", 60_000),
            ("1h30m", 5_400_000),
            ("480h", 1_728_000_000),
            ("1h1m1s1ms", 3_661_001),
            ("0.100s", 100),
            ("2.5s", 2_500),
            ("3600.007s", 3_600_007),
            ("1m0.5s", 60_500),
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
            "1.5m",
            "1.s",
            ".5s",
            "0.0001s",
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
