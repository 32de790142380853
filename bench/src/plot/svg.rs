//! The picture of a plot. It has a ground of its own, since a page may be light or dark.

use std::fmt::{self, Write};

use crate::plot::axis::Axis;
use crate::plot::{Mark, Plot};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
/// Around the field in which the lines are: above there is room for the title and the legend.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const ABOVE: f64 = 96.0;
const BELOW: f64 = 52.0;
const ACROSS: f64 = WIDTH - LEFT - RIGHT;
const UP: f64 = HEIGHT - ABOVE - BELOW;

/// Apart from each other for most who are color-blind.
const COLORS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#aa4499", "#666666"];
/// So that a line shows which lies under another.
const DASHES: [&str; 5] = ["none", "9 3", "3 3", "12 3 3 3", "1 4"];
const INK: &str = "#222222";
const GRID: &str = "#dddddd";

pub fn draw(plot: &Plot) -> String {
    let mut text = String::new();
    write(plot, &mut text).expect("a string takes all that is written");
    text
}

fn write(plot: &Plot, to: &mut String) -> fmt::Result {
    let points = || plot.lines.iter().flat_map(|line| &line.points);
    let across = Axis::to(points().fold(0.0, |most, it| it.0.max(most)), ACROSS);
    let up = Axis::to(points().fold(0.0, |most, it| it.1.max(most)), UP);
    let title = escaped(&plot.title);
    writeln!(
        to,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12" role="img">
<title>{title}</title>
<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="white"/>
<text x="{LEFT}" y="26" font-size="15" font-weight="bold" fill="{INK}">{title}</text>"#
    )?;
    grid(plot, across, up, to)?;
    legend(plot, to)?;
    for (place, line) in plot.lines.iter().enumerate() {
        let points = line.points.iter();
        let places = points.map(|(x, y)| {
            let (x, y) = (LEFT + across.place(*x), ABOVE + UP - up.place(*y));
            format!("{x:.1},{y:.1}")
        });
        let places: Vec<String> = places.collect();
        writeln!(
            to,
            r#"<polyline points="{}" {}/>"#,
            places.join(" "),
            stroke(place)
        )?;
    }
    for (place, mark) in plot.marks.iter().enumerate() {
        self::mark(mark, place, across, to)?;
    }
    writeln!(to, "</svg>")
}

fn stroke(line: usize) -> String {
    let (color, dashes) = (COLORS[line % COLORS.len()], DASHES[line % DASHES.len()]);
    format!(r#"fill="none" stroke="{color}" stroke-width="2.2" stroke-dasharray="{dashes}""#)
}

fn grid(plot: &Plot, across: Axis, up: Axis, to: &mut String) -> fmt::Result {
    let (right, bottom) = (LEFT + ACROSS, ABOVE + UP);
    for value in up.steps() {
        let y = bottom - up.place(value);
        writeln!(
            to,
            r#"<path d="M{LEFT} {y:.1}H{right}" stroke="{GRID}"/><text x="{:.1}" y="{:.1}" text-anchor="end" fill="{INK}">{}</text>"#,
            LEFT - 8.0,
            y + 4.0,
            shown(value)
        )?;
    }
    for value in across.steps() {
        let x = LEFT + across.place(value);
        writeln!(
            to,
            r#"<path d="M{x:.1} {ABOVE}V{bottom}" stroke="{GRID}"/><text x="{x:.1}" y="{:.1}" text-anchor="middle" fill="{INK}">{}</text>"#,
            bottom + 18.0,
            shown(value)
        )?;
    }
    let middle = (LEFT + ACROSS / 2.0, ABOVE + UP / 2.0);
    writeln!(
        to,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="middle" fill="{INK}">{}</text>
<text transform="translate(18 {:.1}) rotate(-90)" text-anchor="middle" fill="{INK}">{}</text>"#,
        middle.0,
        HEIGHT - 12.0,
        escaped(&plot.across),
        middle.1,
        escaped(&plot.up)
    )
}

fn legend(plot: &Plot, to: &mut String) -> fmt::Result {
    let mut x = LEFT;
    for (place, line) in plot.lines.iter().enumerate() {
        writeln!(
            to,
            r#"<path d="M{x:.1} 44h30" {}/><text x="{:.1}" y="48" fill="{INK}">{}</text>"#,
            stroke(place),
            x + 36.0,
            escaped(&line.name)
        )?;
        // As wide as letters of this size mostly are.
        let letters = line.name.chars().fold(0.0, |letters, _| letters + 1.0);
        x += 58.0 + letters * 6.4;
    }
    Ok(())
}

/// A line from top to bottom, with its name to the right of it: neighbors have theirs on two heights,
/// the left one above the right one's line.
fn mark(mark: &Mark, place: usize, across: Axis, to: &mut String) -> fmt::Result {
    let x = LEFT + across.place(mark.at);
    let color = mark.line.map_or(INK, |line| COLORS[line % COLORS.len()]);
    let y = ABOVE - if place.is_multiple_of(2) { 22.0 } else { 6.0 };
    let (bottom, top) = (ABOVE + UP, y - 10.0);
    writeln!(
        to,
        r#"<path d="M{x:.1} {top:.1}V{bottom}" stroke="{color}" stroke-width="1.2" stroke-dasharray="5 4"/><text x="{:.1}" y="{y:.1}" fill="{color}">{}</text>"#,
        x + 4.0,
        escaped(&mark.name)
    )
}

/// Without what floating point adds to a step.
fn shown(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use crate::plot::example;

    #[test]
    fn all_of_a_plot_is_in_its_picture() {
        let svg = super::draw(&example());
        for text in [
            ">A &lt; B &amp; C</title>",
            ">tasks a second</text>",
            ">done a second</text>",
            ">one</text>",
            ">two</text>",
            ">gives way</text>",
            ">edit</text>",
            // 0, half of 200 across, and 66.7 of 140 upwards in a field of 676 × 272.
            r#"<polyline points="64.0,368.0 402.0,238.4 740.0,290.3""#,
        ] {
            assert!(svg.contains(text), "{text} is not in\n{svg}");
        }
        assert_eq!(svg.matches("<polyline").count(), 2);
    }
}
