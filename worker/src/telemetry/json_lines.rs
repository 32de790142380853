//! The log as lines of JSON, in the form of tracing-subscriber's own: one object an event, with the event's
//! fields, and with the span's in `span`.
//!
//! That one writes a span's fields as JSON, and for each event parses them and writes them again. A line for each
//! push makes this a tenth of a push.

use std::fmt;
use std::io;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes an event as a line of JSON. Its spans must be written by [`JsonFields`].
#[derive(Debug)]
pub struct JsonLine;

/// Writes fields as the members of a JSON object, without its braces.
#[derive(Debug)]
pub struct JsonFields;

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", metadata.level())?;
        let mut members = Members::new(&mut writer, true);
        event.record(&mut members);
        members.add_text("target", metadata.target());
        members.result?;
        let span = event.parent().and_then(|id| context.span(id));
        if let Some(span) = span.or_else(|| context.lookup_current()) {
            writer.write_str(",\"span\":{")?;
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>();
            let fields = fields.map_or("", |it| it.fields.as_str());
            writer.write_str(fields)?;
            let mut members = Members::new(&mut writer, !fields.is_empty());
            members.add_text("name", span.name());
            members.result?;
            writer.write_char('}')?;
        }
        writer.write_str("}\n")
    }
}

impl<'a> FormatFields<'a> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'a>, fields: R) -> fmt::Result {
        let mut members = Members::new(&mut writer, false);
        fields.record(&mut members);
        members.result
    }

    fn add_fields(
        &self,
        current: &'a mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let more = !current.fields.is_empty();
        let mut writer = current.as_writer();
        let mut members = Members::new(&mut writer, more);
        fields.record(&mut members);
        members.result
    }
}

/// Writes members of an object.
struct Members<'a, 'w> {
    writer: &'a mut Writer<'w>,
    /// Whether others precede.
    more: bool,
    /// The first error, since visitors return none.
    result: fmt::Result,
}

impl<'a, 'w> Members<'a, 'w> {
    fn new(writer: &'a mut Writer<'w>, more: bool) -> Self {
        Self {
            writer,
            more,
            result: Ok(()),
        }
    }

    fn add<V: Serialize + ?Sized>(&mut self, name: &str, value: &V) {
        self.write(name, |to| {
            serde_json::to_writer(Bytes(to), value).map_err(|_| fmt::Error)
        });
    }

    fn add_text(&mut self, name: &str, text: &str) {
        self.write(name, |to| write_text(to, text));
    }

    fn write(&mut self, name: &str, value: impl FnOnce(&mut Writer<'w>) -> fmt::Result) {
        if self.result.is_ok() {
            let comma = if std::mem::replace(&mut self.more, true) {
                ",\""
            } else {
                "\""
            };
            // A field's name is an identifier.
            let parts = [comma, name, "\":"];
            let name = parts
                .iter()
                .try_for_each(|part| self.writer.write_str(part));
            self.result = name.and_then(|()| value(self.writer));
        }
    }
}

/// Most text is written as it is.
fn write_text(to: &mut Writer<'_>, text: &str) -> fmt::Result {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        let parts = ["\"", text, "\""];
        return parts.iter().try_for_each(|part| to.write_str(part));
    }
    serde_json::to_writer(Bytes(to), text).map_err(|_| fmt::Error)
}

impl Visit for Members<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_text(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // As a whole: values print many small pieces.
        let text = format!("{value:?}");
        self.add_text(field.name(), &text);
    }
}

/// A writer of text as one of bytes.
struct Bytes<'a, 'w>(&'a mut Writer<'w>);

impl io::Write for Bytes<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Each piece of JSON is text.
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use serde_json::{Value, json};
    use tracing::{error, info, info_span, subscriber};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `log` writes, without what is another one each time.
    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let to = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonFields)
            .event_format(JsonLine)
            .with_writer(move || to.clone())
            .finish();
        subscriber::with_default(subscriber, log);
        let written = written.0.lock().unwrap();
        let lines = std::str::from_utf8(&written).unwrap().lines();
        lines
            .map(|line| {
                let mut line: Value = serde_json::from_str(line).unwrap();
                let time = line["timestamp"].take();
                let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
                assert!(time.duration_since(jiff::Timestamp::now()).as_hours() == 0);
                line
            })
            .collect()
    }

    #[test]
    fn an_event_is_a_line_with_its_fields_and_those_of_its_span() {
        let target = "executor_worker::telemetry::json_lines::tests";
        let written = lines(|| {
            info!("alone");
            let span = info_span!("push", chain = "shop/orders", stage = %"fast", task = Some("t-1"), late = tracing::field::Empty);
            let _entered = span.enter();
            span.record("late", true);
            let odd = "a \"quoted\"\nline \u{1}é";
            error!(answer = odd, shown = %odd, debug = ?odd, code = 200, least = -1, share = 0.5, gone = false, none = None::<&str>, "an {odd}");
        });
        let odd = "a \"quoted\"\nline \u{1}é";
        let expected = [
            json!({"timestamp": null, "level": "INFO", "message": "alone", "target": target}),
            json!({
                "timestamp": null, "level": "ERROR", "message": format!("an {odd}"), "target": target,
                "answer": odd, "shown": odd, "debug": format!("{odd:?}"), "code": 200, "least": -1,
                "share": 0.5, "gone": false,
                "span": {
                    "chain": "shop/orders", "stage": "fast", "task": "t-1", "late": true, "name": "push",
                },
            }),
        ];
        assert_eq!(written, expected);
    }
}
