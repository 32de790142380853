//! The page: made from the records, and from nothing else.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use crate::benchmark::Benchmark;
use crate::figure::cells;
use crate::record::Record;

const HEAD: &str = "\
<!-- Written by `bench report` from docs/benchmarks/*.json. -->

# Benchmarks

    make bench

The operator is a process of the release build, with its default settings; kube-apiserver and etcd are real, and Cloud Tasks is an emulator
in a process of its own. All of it, and what measures, shares one machine. So a figure stands beside one from the same run, or is a slope:
the absolute ones are this machine's, and its load's. The API server has neither priority and fairness nor nodes, and etcd doesn't wait for
the disk.
";

/// Writes the page beside the folder.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    let path = folder.with_extension("md");
    std::fs::write(&path, page(folder)?)
        .with_context(|| format!("{} can't be written", path.display()))
}

fn page(folder: &Path) -> anyhow::Result<String> {
    let mut page = HEAD.to_owned();
    for benchmark in Benchmark::all() {
        if let Some(record) = Record::read(folder, benchmark.name())? {
            page += &section(&benchmark, &record)?;
        }
    }
    Ok(page)
}

fn section(benchmark: &Benchmark, record: &Record) -> anyhow::Result<String> {
    let name = benchmark.name();
    let mut text = String::new();
    writeln!(text, "\n## {name}\n\n{}", benchmark.about())?;
    writeln!(text, "    make bench-{name}")?;
    let (arguments, seed) = (&record.arguments, record.seed);
    writeln!(
        text,
        "    hack/bench/run {name} {arguments} --seed {seed}\n"
    )?;
    writeln!(text, "| | | Goal | Against |\n|---|---|---|---|")?;
    for figure in &record.figures {
        writeln!(text, "| {} |", cells(figure).join(" | "))?;
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
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_page_is_what_the_records_give() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks");
        let page = std::fs::read_to_string(folder.with_extension("md")).unwrap();
        let made = super::page(&folder).unwrap();
        assert!(
            page == made,
            "run hack/bench/run report, or: cargo run -p bench report"
        );
    }
}
