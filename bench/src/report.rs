//! The page and its pictures, made from the records and the notes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use crate::benchmark::NAMES;
use crate::figure::{cells, without_verdict};
use crate::plot::{Plot, svg};
use crate::record::Record;

const HEAD: &str = include_str!("../about/head.md");
/// What each benchmark does and measures. Links are seen from the page.
const ABOUT: [&str; NAMES.len()] = [
    include_str!("../about/goodput.md"),
    include_str!("../about/forecast.md"),
    include_str!("../about/edits.md"),
    include_str!("../about/idle.md"),
    include_str!("../about/operator.md"),
    include_str!("../about/worker.md"),
    include_str!("../about/hand-over.md"),
    include_str!("../about/scale.md"),
    include_str!("../about/viewers.md"),
];

/// Writes the page beside the folder, and the pictures into it.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    let page = page(folder)?;
    let pictures = pictures(folder)?;
    let files = pictures
        .into_iter()
        .map(|(name, svg)| (folder.join(name), svg));
    for (path, text) in files.chain([(folder.with_extension("md"), page)]) {
        std::fs::write(&path, text)
            .with_context(|| format!("{} can't be written", path.display()))?;
    }
    Ok(())
}

/// What each picture's file holds, by its name.
fn pictures(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut pictures = BTreeMap::new();
    for name in NAMES {
        let record = Record::read(folder, name)?;
        let plots = record.into_iter().flat_map(|record| record.plots);
        pictures.extend(plots.map(|plot| (picture(name, &plot), svg::draw(&plot))));
    }
    Ok(pictures)
}

fn picture(name: &str, plot: &Plot) -> String {
    format!("{name}-{}.svg", plot.name)
}

fn page(folder: &Path) -> anyhow::Result<String> {
    let mut page = HEAD.to_owned();
    for (name, about) in NAMES.into_iter().zip(ABOUT) {
        if let Some(record) = Record::read(folder, name)? {
            page += &section(folder, name, about, &record)?;
        }
    }
    Ok(page)
}

fn section(folder: &Path, name: &str, about: &str, record: &Record) -> anyhow::Result<String> {
    let mut text = String::new();
    writeln!(text, "\n## {name}\n\n{about}")?;
    writeln!(text, "    make bench-{name}")?;
    let (arguments, seed) = (&record.arguments, record.seed);
    writeln!(text, "    bench/run {name} {arguments} --seed {seed}\n")?;
    // EditLatency from the page, which is beside the folder.
    let pictures = folder.file_name().unwrap_or_default().display();
    for plot in &record.plots {
        let picture = picture(name, plot);
        writeln!(text, "![{}]({pictures}/{picture})\n", plot.title)?;
    }
    writeln!(text, "| | | Goal | Against |\n|---|---|---|---|")?;
    for figure in &record.figures {
        writeln!(text, "| {} |", cells(figure).join(" | "))?;
    }
    if let Some(open) = without_verdict(&record.figures) {
        writeln!(text, "\n**{open}.**")?;
    }
    let load = &record.load;
    writeln!(
        text,
        "\n{}. Load {} before and {} after; {} s in all.",
        record.machine, load.before, load.after, record.seconds
    )?;
    let versions = record.versions.iter();
    let versions: Vec<String> = versions.map(|(name, it)| format!("{name} {it}")).collect();
    writeln!(text, "{}.", versions.join(", "))?;
    if let Some(notes) = notes(folder, name)? {
        writeln!(text, "\n### {name}: what was found\n\n{}", notes.trim_end())?;
    }
    Ok(text)
}

/// What no measurement says: why a goal is missed, what was fixed, what comes next. Its links are seen
/// from where it is, two folders below the page's.
fn notes(folder: &Path, name: &str) -> anyhow::Result<Option<String>> {
    let path = folder.join("notes").join(name).with_extension("md");
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path);
    let text = text.with_context(|| format!("{} can't be read", path.display()))?;
    let beside = folder.file_name().unwrap_or_default().display();
    let text = text.replace("](../../", "](");
    Ok(Some(text.replace("](../", &format!("]({beside}/"))))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use crate::benchmark::NAMES;
    use crate::figure::Figure;
    use crate::load::Load;
    use crate::machine::Machine;
    use crate::plot::{self, svg};
    use crate::record::Record;

    const MAKE: &str = "run bench/run report, or: cargo run -p bench report";

    fn committed() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks")
    }

    #[test]
    fn the_page_is_what_the_records_give() {
        let folder = committed();
        let page = std::fs::read_to_string(folder.with_extension("md")).unwrap();
        assert!(page == super::page(&folder).unwrap(), "{MAKE}");
    }

    #[test]
    fn the_pictures_are_what_the_records_give() {
        let folder = committed();
        for (name, svg) in super::pictures(&folder).unwrap() {
            let found = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
            assert!(found == svg, "{name}: {MAKE}");
        }
    }

    fn record(name: &str) -> Record {
        Record {
            name: name.to_owned(),
            arguments: String::new(),
            machine: Machine::this(),
            load: Load {
                before: 0.0,
                after: 0.0,
            },
            versions: BTreeMap::new(),
            seed: 1,
            seconds: 1,
            figures: Vec::new(),
            plots: Vec::new(),
        }
    }

    #[test]
    fn each_benchmark_has_a_section_once_it_has_a_record() {
        let place = tempfile::tempdir().unwrap();
        for name in NAMES {
            let section = format!("\n## {name}\n");
            assert!(!super::page(place.path()).unwrap().contains(&section));
            record(name).write(place.path()).unwrap();
            assert!(super::page(place.path()).unwrap().contains(&section));
        }
    }

    #[test]
    fn a_run_whose_rounds_differ_says_so_on_the_page() {
        let place = tempfile::tempdir().unwrap();
        let rounds = [1.0, 1.3, 1.1].into_iter().collect();
        let figure = Figure::of("a push, divided by nginx's", &rounds, "").share_at_most(1.25);
        let run = Record {
            figures: vec![figure],
            ..record("worker")
        };
        run.write(place.path()).unwrap();
        let page = super::page(place.path()).unwrap();
        let row = "| a push, divided by nginx's | 1.1 (3 rounds: 1 to 1.3) | \
                   at most 1.25: rounds differ by 27 %, no verdict |  |";
        assert!(page.contains(row), "{page}");
        assert!(page.contains("**No verdict on 1 of 1 goals"), "{page}");
    }

    #[test]
    fn a_record_brings_its_pictures() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("benchmarks");
        let record = Record {
            plots: vec![plot::example()],
            ..record("goodput")
        };
        record.write(&folder).unwrap();
        super::write(&folder).unwrap();
        let page = std::fs::read_to_string(folder.with_extension("md")).unwrap();
        let link = "![A < B & C](benchmarks/goodput-load.svg)";
        assert!(page.contains(link), "{page}");
        let picture = std::fs::read_to_string(folder.join("goodput-load.svg")).unwrap();
        assert_eq!(picture, svg::draw(&plot::example()));
    }
}
