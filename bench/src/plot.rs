//! Plots: what people would rather look at than read. A record holds their points, and the page's
//! pictures are drawn from that alone.

mod axis;
pub mod svg;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plot {
    /// In the name of its file.
    pub name: String,
    pub title: String,
    /// What the horizontal axis shows, and in which unit.
    pub across: String,
    pub up: String,
    pub lines: Vec<Line>,
    pub marks: Vec<Mark>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub name: String,
    /// As "x,y x,y": pretty JSON would give each number a line of its own.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub points: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    pub at: f64,
    pub name: String,
    /// The line that it belongs to, by its place; none if to all.
    pub line: Option<usize>,
}

impl Line {
    pub fn new(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter();
        Self {
            name: name.to_owned(),
            // More than can be seen, and so that what is written is what is read.
            points: points.map(|(x, y)| (tenths(x), tenths(y))).collect(),
        }
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn write<S: Serializer>(points: &[(f64, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    let texts: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
    serializer.serialize_str(&texts.join(" "))
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(f64, f64)>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let pair = |text: &str| {
        let (x, y) = text.split_once(',')?;
        Some((x.parse().ok()?, y.parse().ok()?))
    };
    let points: Option<Vec<(f64, f64)>> = text.split_whitespace().map(pair).collect();
    points.ok_or_else(|| serde::de::Error::custom("points are written as x,y x,y"))
}

/// One that has all there is, for tests.
#[cfg(test)]
pub fn example() -> Plot {
    Plot {
        name: "load".to_owned(),
        title: "A < B & C".to_owned(),
        across: "tasks a second".to_owned(),
        up: "done a second".to_owned(),
        lines: vec![
            Line::new("one", [(0.0, 0.0), (100.0, 66.67), (200.0, 40.0)]),
            Line::new("two", [(0.0, 0.0), (100.0, 66.67), (200.0, 133.33)]),
        ],
        marks: vec![
            Mark {
                at: 110.0,
                name: "gives way".to_owned(),
                line: Some(0),
            },
            Mark {
                at: 150.0,
                name: "edit".to_owned(),
                line: None,
            },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let plot = example();
        let text = serde_json::to_string_pretty(&plot).unwrap();
        assert!(
            text.contains(r#""points": "0,0 100,66.7 200,40""#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Plot>(&text).unwrap(), plot);
        let wrong = text.replace("100,66.7", "100");
        assert!(serde_json::from_str::<Plot>(&wrong).is_err());
    }
}
