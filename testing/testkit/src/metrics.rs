//! Counters in the text that programs serve as metrics.

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
    /// Reads the text.
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

    /// The sum of all series of this name.
    pub fn total(&self, name: &str) -> f64 {
        self.sum(name, |_| true)
    }

    /// The sum of the series of this name whose labels `is_wanted` takes.
    pub fn sum(&self, name: &str, is_wanted: impl Fn(&Labels<'_>) -> bool) -> f64 {
        let lines = self.0.iter().filter(|line| line.name == name);
        let wanted = lines.filter(|line| is_wanted(&Labels(&line.labels)));
        wanted.map(|line| line.value).sum()
    }
}

/// The labels of one series.
#[derive(Debug)]
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

#[cfg(test)]
mod tests {
    use super::Counters;

    #[test]
    fn series_are_summed_by_their_labels() {
        let counters = Counters::parse(
            "# HELP a what\na{verb=\"GET\",code=\"200\"} 3\na{verb=\"PUT\",code=\"200\"} 4\nab 9\nb 1\n",
        );
        assert_eq!(counters.total("a").to_bits(), 7_f64.to_bits());
        let gets = counters.sum("a", |labels| labels.get("verb") == "GET");
        assert_eq!(gets.to_bits(), 3_f64.to_bits());
        assert_eq!(counters.total("b").to_bits(), 1_f64.to_bits());
    }
}
