//! Links in the documentation lead somewhere, and its manifests are admitted.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use executor_chain::admission;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(ROOT).canonicalize().unwrap();
    let mut folders = vec![root.clone(), root.join("docs"), root.join("charts")];
    let mut pages = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() && folder != root {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                let text = std::fs::read_to_string(&path).unwrap();
                pages.push((path, text));
            }
        }
    }
    assert!(pages.len() > 10, "{} pages", pages.len());
    pages
}

/// The text outside code fences, where links and headings are.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The targets of `[words](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1);
    targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// The anchor of each heading, as GitHub generates it.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| {
        let words = line.trim_start_matches('#');
        (words.len() < line.len()).then(|| words.trim().to_lowercase())
    });
    let anchor = |words: String| {
        let kept = words
            .chars()
            .filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
        kept.map(|it| if it == ' ' { '-' } else { it }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for (page, text) in pages() {
        let text = prose(&text);
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let leads = if anchor.is_empty() {
                target.exists()
            } else {
                std::fs::read_to_string(&target)
                    .is_ok_and(|text| anchors(&prose(&text)).contains(anchor))
            };
            if !leads {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_manifest_is_admitted() {
    // Variables that the pages ask the reader to set.
    let variables = [
        ("$PROJECT", "my-project"),
        ("$DOMAIN", "push.example.com"),
        ("$CHAIN_NAMESPACE", "shop"),
    ];
    let mut count = 0;
    for (page, text) in pages() {
        let mut text = text;
        for (name, value) in variables {
            text = text.replace(name, value);
        }
        let fences = text.split("```").skip(1).step_by(2);
        // A fence begins with its language; in a script, manifests stand in here-documents.
        for manifest in fences
            .flat_map(|fence| fence.split("MANIFEST"))
            .filter_map(|part| part.split_once('\n').map(|(_, manifest)| manifest))
            .filter(|manifest| manifest.starts_with("apiVersion: executor-chain.dev/"))
        {
            let value = || serde_saphyr::from_str(manifest).unwrap();
            let is = |kind: &str| manifest.contains(&format!("\nkind: {kind}\n"));
            let admitted = if is("ChainOverride") {
                admission::admit_override(value()).map(drop)
            } else if is("ChainRedrive") {
                admission::admit_redrive(value(), None).map(drop)
            } else if is("ChainDiscard") {
                admission::admit_discard(value(), None).map(drop)
            } else {
                admission::admit(manifest, None).map(drop)
            };
            admitted.unwrap_or_else(|rejection| panic!("{}: {rejection}", page.display()));
            count += 1;
        }
    }
    assert!(count > 1, "{count} manifests");
}

/// Pages with tables whose first column names a group of rows; the second one tells them apart.
const GROUPED: [&str; 4] = ["api.md", "architecture.md", "model.md", "operations.md"];

/// Rows of a table that begin with the same cell, or cells.
fn duplicate_rows(text: &str, cells: usize) -> Vec<String> {
    let mut duplicates = Vec::new();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let Some(row) = line.strip_prefix('|') else {
            seen.clear();
            continue;
        };
        let key: Vec<&str> = row.split('|').take(cells).map(str::trim).collect();
        // A row without a name goes on with the one above.
        if !key[0].is_empty() && !seen.insert(key.clone()) {
            duplicates.push(key.join(" | "));
        }
    }
    duplicates
}

#[test]
fn no_table_has_a_row_twice() {
    let sample = "| a | 1 |\n|---|---|\n| b | 2 |\n| b | 3 |\n\n| b | 2 |\n|  | 2 |\n|  | 2 |";
    assert_eq!(duplicate_rows(sample, 1), ["b"]);
    assert!(duplicate_rows(sample, 2).is_empty());
    for (page, text) in pages() {
        let is_grouped = GROUPED.iter().any(|name| page.ends_with(name));
        let found = duplicate_rows(&prose(&text), if is_grouped { 2 } else { 1 });
        assert!(found.is_empty(), "{}: {found:#?}", page.display());
    }
}
