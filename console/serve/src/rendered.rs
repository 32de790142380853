//! What has been rendered of the present snapshot, so that all viewers share it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use console::{Snapshot, Standby};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::source::Source;
use crate::view::{Shown, View};

/// How often a standby is asked whether it leads now.
const STANDBY_INTERVAL: Duration = Duration::from_secs(2);

/// Views that are kept of one snapshot, and the bytes that all of them but the first may take. Of more, such
/// as with a search for each viewer, each is rendered for itself.
const MAX_VIEWS: usize = 512;
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// For how long they are kept without viewers.
const KEPT: Duration = Duration::from_secs(15);

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
    /// What they take.
    bytes: usize,
    /// When there was a viewer.
    looked: Option<Instant>,
    /// Whether a task waits for the last viewer to leave.
    is_swept: bool,
    #[cfg(test)]
    renders: usize,
}

/// A view of a snapshot.
pub(crate) struct Text {
    pub shown: Shown,
    /// The same as an event.
    pub event: Bytes,
    pub digest: Digest,
}

/// The same for the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest(u64);

/// A view now.
pub(crate) struct Viewed {
    pub text: Arc<Text>,
    /// When it was so. `None` if nothing is known, on a standby.
    pub at: Option<Timestamp>,
    /// After this time there may be another one.
    pub interval: Duration,
}

impl Rendered {
    /// The view of the present snapshot.
    pub(crate) fn view(self: &Arc<Self>, source: &dyn Source, view: &View) -> Viewed {
        source.looked_at(view.chain());
        let now = source.snapshot();
        let (at, interval) = match &now {
            Ok(snapshot) => (Some(snapshot.at), snapshot.interval),
            Err(_) => (None, STANDBY_INTERVAL),
        };
        // Held while it renders: viewers of the same wait for it, instead of rendering it again.
        let mut state = self.state.lock();
        state.looked = Some(Instant::now());
        if !std::mem::replace(&mut state.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        if !state.of.as_ref().is_some_and(|of| is_same(of, &now)) {
            state.texts.clear();
            state.bytes = 0;
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
        let event = event(view.event(), shown.text());
        let digest = Digest::of(&event);
        let text = Arc::new(Text {
            shown,
            event,
            digest,
        });
        let bytes = self.bytes + text.shown.text().len() + text.event.len();
        let fits = bytes <= MAX_BYTES && self.texts.len() < MAX_VIEWS;
        if fits || self.texts.is_empty() {
            self.bytes = bytes;
            self.texts.insert(view.clone(), Arc::clone(&text));
        }
        text
    }
}

impl Digest {
    fn of(event: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        event.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Drops everything when there have been no viewers for a while.
async fn sweep(rendered: Weak<Rendered>) {
    loop {
        sleep(KEPT).await;
        let Some(rendered) = rendered.upgrade() else {
            return;
        };
        let mut state = rendered.state.lock();
        if state.looked.is_none_or(|then| then.elapsed() >= KEPT) {
            *state = State::default();
            return;
        }
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
        Arc, Duration, KEPT, MAX_BYTES, MAX_VIEWS, Mutex, Rendered, Snapshot, Source, Standby,
        Timestamp, View,
    };

    struct Fixed(Mutex<Arc<Snapshot>>);

    impl Source for Fixed {
        fn snapshot(&self) -> Result<Arc<Snapshot>, Standby> {
            Ok(Arc::clone(&self.0.lock()))
        }

        fn looked_at(&self, _: Option<(&str, &str)>) {}
    }

    impl Fixed {
        fn with(unlisted: usize) -> Self {
            Self(Mutex::new(snapshot(unlisted)))
        }

        fn set(&self, unlisted: usize) {
            *self.0.lock() = snapshot(unlisted);
        }
    }

    /// Snapshots with other numbers differ.
    fn snapshot(unlisted: usize) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            at: Timestamp::now(),
            interval: Duration::from_secs(2),
            chains: vec![],
            unlisted: (0..unlisted).map(|it| format!("namespace-{it}")).collect(),
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

    /// Its page says what was searched for.
    fn search(filter: String) -> View {
        View::Listing(Listing { page: 0, filter })
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_rendered_once_for_all_viewers_of_the_same() {
        let source = Fixed::with(0);
        let rendered = Arc::new(Rendered::default());
        for _ in 0..200 {
            rendered.view(&source, &page(0));
        }
        assert_eq!(renders(&rendered), 1);
        rendered.view(&source, &page(1));
        assert_eq!(renders(&rendered), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_in_which_nothing_has_changed_gives_the_same_digest() {
        let source = Fixed::with(0);
        let rendered = Arc::new(Rendered::default());
        let first = rendered.view(&source, &page(0));
        source.set(0);
        let second = rendered.view(&source, &page(0));
        source.set(1);
        let third = rendered.view(&source, &page(0));
        assert_eq!(renders(&rendered), 3);
        assert_eq!(first.text.digest, second.text.digest);
        assert_ne!(first.text.digest, third.text.digest);
    }

    #[tokio::test(start_paused = true)]
    async fn views_that_are_kept_are_bounded() {
        let source = Fixed::with(0);
        let rendered = Arc::new(Rendered::default());
        for number in 0..MAX_VIEWS * 2 {
            rendered.view(&source, &page(number));
        }
        assert_eq!(rendered.state.lock().texts.len(), MAX_VIEWS);
    }

    #[tokio::test(start_paused = true)]
    async fn the_bytes_of_views_that_are_kept_are_bounded() {
        let source = Fixed::with(100);
        let rendered = Arc::new(Rendered::default());
        let megabyte = "x".repeat(1024 * 1024);
        let views = (0..64).map(|number| search(format!("{number}{megabyte}")));
        for view in views {
            rendered.view(&source, &view);
        }
        let taken = |rendered: &Rendered| {
            let state = rendered.state.lock();
            let texts = state.texts.values();
            let bytes = texts.map(|text| text.shown.text().len() + text.event.len());
            (state.texts.len(), bytes.sum::<usize>())
        };
        let (views, bytes) = taken(&rendered);
        assert!(views > 8 && bytes <= MAX_BYTES, "{views} take {bytes}");

        // One that is larger than all may be is still rendered once for all its viewers.
        source.set(101);
        let huge = search("x".repeat(MAX_BYTES));
        rendered.view(&source, &huge);
        let before = renders(&rendered);
        rendered.view(&source, &huge);
        assert_eq!(renders(&rendered), before);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_after_the_last_viewer() {
        let source = Fixed::with(1);
        let rendered = Arc::new(Rendered::default());
        let kept = |rendered: &Rendered| {
            let state = rendered.state.lock();
            (state.texts.len(), state.of.is_some())
        };
        for _ in 0..2 {
            for _ in 0..10 {
                rendered.view(&source, &page(0));
                tokio::time::sleep(KEPT / 2).await;
                assert_eq!(kept(&rendered), (1, true));
            }
            tokio::time::sleep(KEPT * 2).await;
            assert_eq!(kept(&rendered), (0, false));
        }
    }
}
