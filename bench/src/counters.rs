//! Counters in the text that programs serve as metrics.

use anyhow::Context;

/// One line.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    name: String,
    labels: String,
    value: f64,
}

/// What a program has counted, at one time.
#[derive(Debug, Clone, Default)]
pub struct Counters(Vec<Line>);

impl Counters {
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let lines = lines.filter_map(|line| {
            let (series, value) = line.trim_end().rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            Some(Line {
                name: name.to_owned(),
                labels: labels.to_owned(),
                value: value.parse().ok()?,
            })
        });
        Self(lines.collect())
    }

    /// The sum of the series of this name whose labels `is_wanted` takes.
    pub fn sum(&self, name: &str, is_wanted: impl Fn(&Labels<'_>) -> bool) -> f64 {
        let lines = self.0.iter().filter(|line| line.name == name);
        let wanted = lines.filter(|line| is_wanted(&Labels(&line.labels)));
        wanted.map(|line| line.value).sum()
    }
}

/// The labels of one series.
pub struct Labels<'a>(&'a str);

impl<'a> Labels<'a> {
    /// A label's value; empty where it is missing.
    pub fn get(&self, name: &str) -> &'a str {
        let found = self.0.trim_end_matches('}').split(',').find_map(|label| {
            let (key, value) = label.split_once('=')?;
            (key == name).then(|| value.trim_matches('"'))
        });
        found.unwrap_or_default()
    }
}

/// The body of an answer that says how long it is by its end.
pub fn body(answer: &str) -> anyhow::Result<&str> {
    let status = answer.split(' ').nth(1);
    anyhow::ensure!(
        status == Some("200"),
        "the metrics are not served: {}",
        answer.lines().next().unwrap_or("no answer")
    );
    let parts = answer.split_once("\r\n\r\n");
    parts.map(|it| it.1).context("an answer without a body")
}

#[cfg(test)]
mod tests {
    use super::Counters;

    #[test]
    fn series_are_summed_by_their_labels() {
        let counters = Counters::parse(
            "# HELP a what\na{verb=\"GET\",code=\"200\"} 3\na{verb=\"PUT\",code=\"200\"} 4\nab 9\nb 1\n",
        );
        assert_eq!(counters.sum("a", |_| true).to_bits(), 7_f64.to_bits());
        let gets = counters.sum("a", |labels| labels.get("verb") == "GET");
        assert_eq!(gets.to_bits(), 3_f64.to_bits());
        assert_eq!(counters.sum("b", |_| true).to_bits(), 1_f64.to_bits());
    }
}
