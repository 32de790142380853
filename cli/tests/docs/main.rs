//! What the documentation points at is there, and its manifests are admitted.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Every page that a reader may meet.
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

/// Without what stands in fences, where nothing is a link or a heading.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The targets of `[words](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1);
    targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// What follows `#` in a link to each heading, as GitHub makes it.
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
    // What a reader has set by then.
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
        // A fence has its language in the first line; in a script manifests stand between two marks.
        for manifest in fences
            .flat_map(|fence| fence.split("MANIFEST"))
            .filter_map(|part| part.split_once('\n').map(|(_, manifest)| manifest))
            .filter(|manifest| manifest.starts_with("apiVersion: executor-chain.dev/"))
        {
            let admitted = executor_chain::admission::admit(manifest, None);
            admitted.unwrap_or_else(|refused| panic!("{}: {refused}", page.display()));
            count += 1;
        }
    }
    assert!(count > 1, "{count} manifests");
}
