//! Numbers as people read them: `1.2k`, `14m`, `34%`.

use std::time::Duration;

/// A count or a rate: `0`, `0.3`, `8.5`, `240`, `1.2k`, `18.4k`, `240k`, `1.2M`.
pub fn number(value: f64) -> String {
    for (unit, suffix) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        // What would be rounded to 1000 of one unit is 1.0 of the next.
        if value >= unit * 0.9995 {
            return format!("{}{suffix}", short(value / unit, 100.0));
        }
    }
    short(value, 10.0)
}

/// A whole number, as [`number`] writes it.
#[expect(clippy::cast_precision_loss, reason = "three digits are left of it")]
pub fn count(value: u64) -> String {
    number(value as f64)
}

/// A count of what only its order of magnitude is known or told of: `1-9`, `10-99`, `100-999`, `1000+`. `None`
/// if there is none.
pub fn rough(count: u32) -> Option<&'static str> {
    Some(match count {
        0 => return None,
        1..=9 => "1-9",
        10..=99 => "10-99",
        100..=999 => "100-999",
        1000.. => "1000+",
    })
}

/// A rate: `0.3/s`, `240/s`.
pub fn rate(per_second: f64) -> String {
    format!("{}/s", number(per_second))
}

/// A share from 0 to 1: `34%`. Neither 0% nor 100% if it is not.
pub fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 1.0 {
        "<1%".to_owned()
    } else if percent > 99.0 && percent < 100.0 {
        ">99%".to_owned()
    } else {
        format!("{percent:.0}%")
    }
}

/// A duration in one unit: `0s`, `20ms`, `1.2s`, `90s`, `14m`, `3h`, `2d`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let whole = duration.as_secs();
    if duration.is_zero() {
        "0s".to_owned()
    } else if seconds < 0.001 {
        "<1ms".to_owned()
    } else if seconds < 0.9995 {
        format!("{:.0}ms", seconds * 1000.0)
    } else if seconds < 120.0 {
        format!("{}s", short(seconds, 10.0))
    } else if whole < 120 * 60 {
        format!("{}m", whole / 60)
    } else if whole < 48 * 3600 {
        format!("{}h", whole / 3600)
    } else {
        format!("{}d", whole / (24 * 3600))
    }
}

/// With one digit behind the point below a limit, unless it is 0.
fn short(value: f64, below: f64) -> String {
    let digits = usize::from(value < below - 0.05);
    let text = format!("{value:.digits$}");
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, duration, number, rough, share};

    #[test]
    fn numbers_keep_three_digits() {
        let cases = [
            (0.0, "0"),
            (0.04, "0"),
            (0.3, "0.3"),
            (8.0, "8"),
            (8.54, "8.5"),
            (9.97, "10"),
            (19.8, "20"),
            (240.0, "240"),
            (999.4, "999"),
            (999.6, "1k"),
            (1_204.0, "1.2k"),
            (18_400.0, "18.4k"),
            (240_000.0, "240k"),
            (999_960.0, "1M"),
            (1_250_000.0, "1.2M"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text, "{value}");
        }
    }

    #[test]
    fn rough_numbers_are_orders_of_magnitude() {
        let ranges = [1, 9, 10, 99, 100, 999, 1000, u32::MAX].map(rough);
        let wanted = [
            "1-9", "1-9", "10-99", "10-99", "100-999", "100-999", "1000+", "1000+",
        ];
        assert_eq!(ranges, wanted.map(Some));
        assert_eq!(rough(0), None);
    }

    #[test]
    fn durations_have_one_unit() {
        let cases = [
            (0.0, "0s"),
            (0.0004, "<1ms"),
            (0.02, "20ms"),
            (0.9996, "1s"),
            (1.25, "1.2s"),
            (10.0, "10s"),
            (90.0, "90s"),
            (120.0, "2m"),
            (14.0 * 60.0 + 59.0, "14m"),
            (3.0 * 3600.0, "3h"),
            (50.0 * 3600.0, "2d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(
                duration(Duration::from_secs_f64(seconds)),
                text,
                "{seconds}"
            );
        }
    }

    #[test]
    fn a_share_is_not_rounded_to_nothing_or_all() {
        let cases = [
            (0.0, "0%"),
            (0.001, "<1%"),
            (0.344, "34%"),
            (0.995, ">99%"),
            (1.0, "100%"),
        ];
        for (value, text) in cases {
            assert_eq!(share(value), text, "{value}");
        }
    }
}
