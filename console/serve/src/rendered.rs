//! What has been rendered of the present snapshot, so that all viewers share it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use console::{Snapshot, Standby};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::source::Source;
use crate::view::{Shown, View};

/// How often a standby is asked whether it leads now.
const STANDBY_INTERVAL: Duration = Duration::from_secs(2);

/// Views that are kept of one snapshot. Of more, such as with a search for each viewer, each is rendered
/// for itself.
const MAX_VIEWS: usize = 512;

/// What has been rendered of the present snapshot.
#[derive(Default)]
pub(crate) struct Rendered {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The snapshot that the texts are of.
    of: Option<Result<Arc<Snapshot>, Standby>>,
    texts: BTreeMap<View, Arc<Text>>,
    /// Those of the snapshot before: a text that is still the same needn't be sent again.
    before: BTreeMap<View, Arc<Text>>,
    #[cfg(test)]
    renders: usize,
}

/// A view of a snapshot.
pub(crate) struct Text {
    pub shown: Shown,
    /// The same as an event.
    pub event: Bytes,
}

/// A view now.
pub(crate) struct Viewed {
    /// As long as nothing has changed in it, it is the same `Arc`.
    pub text: Arc<Text>,
    /// When it was so. `None` if nothing is known, on a standby.
    pub at: Option<Timestamp>,
    /// After this time there may be another one.
    pub interval: Duration,
}

impl Rendered {
    /// The view of the present snapshot.
    pub(crate) fn view(&self, source: &dyn Source, view: &View) -> Viewed {
        source.looked_at(view.chain());
        let now = source.snapshot();
        let (at, interval) = match &now {
            Ok(snapshot) => (Some(snapshot.at), snapshot.interval),
            Err(_) => (None, STANDBY_INTERVAL),
        };
        // Held while it renders: viewers of the same wait for it, instead of rendering it again.
        let mut state = self.state.lock();
        if !state.of.as_ref().is_some_and(|of| is_same(of, &now)) {
            state.before = std::mem::take(&mut state.texts);
            state.of = Some(now.clone());
        }
        let text = match state.texts.get(view) {
            Some(text) => Arc::clone(text),
            None => state.render(view, &now),
        };
        Viewed { text, at, interval }
    }
}

impl State {
    fn render(&mut self, view: &View, now: &Result<Arc<Snapshot>, Standby>) -> Arc<Text> {
        #[cfg(test)]
        {
            self.renders += 1;
        }
        let shown = match now {
            Ok(snapshot) => view.show(snapshot),
            Err(standby) => view.show_standby(standby),
        };
        let before = self.before.remove(view);
        let text = before.filter(|before| before.shown == shown);
        let text = text.unwrap_or_else(|| {
            let event = event(view.event(), shown.text());
            Arc::new(Text { shown, event })
        });
        if self.texts.len() < MAX_VIEWS {
            self.texts.insert(view.clone(), Arc::clone(&text));
        }
        text
    }
}

fn is_same(a: &Result<Arc<Snapshot>, Standby>, b: &Result<Arc<Snapshot>, Standby>) -> bool {
    match (a, b) {
        (Ok(a), Ok(b)) => Arc::ptr_eq(a, b),
        (Err(a), Err(b)) => a == b,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

/// A server-sent event. A line that isn't marked as data would be lost.
pub(crate) fn event(name: &str, data: &str) -> Bytes {
    let mut event = format!("event: {name}\n");
    for line in data.split('\n') {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    event.into()
}

#[cfg(test)]
mod tests {
    use console::Trends;
    use console::page::Listing;

    use super::{
        Arc, Duration, MAX_VIEWS, Mutex, Rendered, Snapshot, Source, Standby, Timestamp, View,
    };

    struct Fixed(Mutex<Arc<Snapshot>>);

    impl Source for Fixed {
        fn snapshot(&self) -> Result<Arc<Snapshot>, Standby> {
            Ok(Arc::clone(&self.0.lock()))
        }

        fn looked_at(&self, _: Option<(&str, &str)>) {}
    }

    fn empty() -> Arc<Snapshot> {
        Arc::new(Snapshot {
            at: Timestamp::now(),
            interval: Duration::from_secs(2),
            chains: vec![],
            trends: Arc::new(Trends::new(Duration::from_secs(15))),
        })
    }

    fn renders(rendered: &Rendered) -> usize {
        rendered.state.lock().renders
    }

    fn page(page: usize) -> View {
        let filter = String::new();
        View::Listing(Listing { page, filter })
    }

    #[test]
    fn a_snapshot_is_rendered_once_for_all_viewers_of_the_same() {
        let source = Fixed(Mutex::new(empty()));
        let rendered = Rendered::default();
        for _ in 0..200 {
            rendered.view(&source, &page(0));
        }
        assert_eq!(renders(&rendered), 1);
        rendered.view(&source, &page(1));
        assert_eq!(renders(&rendered), 2);
    }

    #[test]
    fn a_snapshot_in_which_nothing_has_changed_gives_the_same_text() {
        let source = Fixed(Mutex::new(empty()));
        let rendered = Rendered::default();
        let first = rendered.view(&source, &page(0));
        *source.0.lock() = empty();
        let second = rendered.view(&source, &page(0));
        assert_eq!(renders(&rendered), 2);
        assert!(Arc::ptr_eq(&first.text, &second.text));
    }

    #[test]
    fn views_that_are_kept_are_bounded() {
        let source = Fixed(Mutex::new(empty()));
        let rendered = Rendered::default();
        for number in 0..MAX_VIEWS * 2 {
            rendered.view(&source, &page(number));
        }
        assert_eq!(rendered.state.lock().texts.len(), MAX_VIEWS);
    }
}
