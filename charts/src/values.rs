//! The values of a chart, with what their comments say of them.

/// One value.
#[derive(Debug, PartialEq, Eq)]
pub struct Value {
    /// Its path, as `--set` takes it.
    pub path: String,
    /// Its default, as values.yaml has it.
    pub default: String,
    /// What it is for.
    pub comment: String,
}

/// Reads values.yaml as this chart writes it: mappings by indentation, what is no mapping on one line,
/// and the comment of a value on the lines above it.
pub fn read(yaml: &str) -> Result<Vec<Value>, String> {
    let mut values: Vec<Value> = Vec::new();
    let mut parents: Vec<(usize, &str)> = Vec::new();
    let mut comment = Vec::new();
    for (number, line) in yaml.lines().enumerate() {
        let text = line.trim_start();
        if let Some(words) = text.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        if text.is_empty() {
            comment.clear();
            continue;
        }
        let (key, default) = text
            .split_once(':')
            .ok_or_else(|| format!("line {}: neither a comment nor a value: {line}", number + 1))?;
        let indent = line.len() - text.len();
        parents.retain(|(it, _)| *it < indent);
        let said = std::mem::take(&mut comment).join(" ");
        if default.trim().is_empty() {
            parents.push((indent, key));
            continue;
        }
        let names = parents.iter().map(|(_, name)| *name).chain([key]);
        let path = names.collect::<Vec<_>>().join(".");
        if said.is_empty() {
            return Err(format!("{path} has no comment: say what it is for"));
        }
        values.push(Value {
            path,
            default: default.trim().to_owned(),
            comment: said,
        });
    }
    Ok(values)
}

/// A table of the values, as Markdown.
pub fn table(values: &[Value]) -> String {
    let rows = values.iter().map(|value| {
        let default = format!("`{}`", value.default.replace('|', "\\|"));
        let comment = value.comment.replace('|', "\\|");
        format!("| `{}` | {default} | {comment} |\n", value.path)
    });
    let head = "| Value | Default | Description |\n|---|---|---|\n";
    [head.to_owned()].into_iter().chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::{Value, read, table};

    #[test]
    fn values_are_read_with_their_comments() {
        let yaml = "# Of the file.\n\na:\n  # One.\n  # Two.\n  b: {c: 1}\n# Three\nd: \"\"\n";
        let value = |path: &str, default: &str, comment: &str| Value {
            path: path.into(),
            default: default.into(),
            comment: comment.into(),
        };
        let values = read(yaml);
        let expected = vec![
            value("a.b", "{c: 1}", "One. Two."),
            value("d", "\"\"", "Three"),
        ];
        assert_eq!(values, Ok(expected));
        let read = values.as_deref().map(table);
        assert_eq!(read.map(|it| it.lines().count()), Ok(4));
    }

    #[test]
    fn a_value_without_a_comment_is_refused() {
        let refused = read("a:\n  b: 1\n");
        assert_eq!(
            refused,
            Err("a.b has no comment: say what it is for".into())
        );
        assert!(read("- a\n").is_err());
    }
}
