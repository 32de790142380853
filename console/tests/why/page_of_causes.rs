//! What the documentation says of causes.

use console::Cause;

pub const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/incident.md");

#[test]
fn each_cause_has_a_row_with_its_meaning() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    for cause in Cause::ALL {
        let row = format!("| `{cause}` | {} | ", cause.meaning().trim());
        let rows = page.lines().filter(|line| line.starts_with(&row));
        assert_eq!(rows.count(), 1, "docs/incident.md needs the row: {row}");
    }
}
