//! Event streams. One task renders for all of them, and ends with the last of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::rendered::{Digest, Rendered, Text, Viewed, event};
use crate::response_limit::Places;
use crate::source::Source;
use crate::view::View;

/// Event streams at once. More get 503.
pub const MAX_STREAMS: usize = 256;

/// Ticks that a reader may miss in a row before it is dropped: ten intervals of the source.
const MAX_MISSED: u32 = 20;

/// Between ticks, whatever the source says.
const SHORTEST: Duration = Duration::from_millis(500);

/// All viewers: requests, and event streams.
pub(crate) struct Viewers {
    source: Arc<dyn Source>,
    rendered: Arc<Rendered>,
    readers: Mutex<Readers>,
    pub(crate) places: Places,
}

#[derive(Default)]
struct Readers {
    all: Vec<Reader>,
    is_ticking: bool,
}

struct Reader {
    view: View,
    to: mpsc::Sender<Tick>,
    /// What it has been sent last.
    has: Option<Digest>,
    missed: u32,
}

/// What a reader gets at one instant.
pub(crate) struct Tick {
    /// The event with the view, if it has changed.
    pub content: Option<Bytes>,
    /// The event `at`: when it was so, or empty on a standby. It also says that the connection lives.
    pub at: Bytes,
}

/// All places are taken.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Viewers {
    pub(crate) fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    pub(crate) fn new(source: Arc<dyn Source>) -> Self {
        Self {
            source,
            rendered: Arc::default(),
            readers: Mutex::default(),
            places: Places::default(),
        }
    }

    /// The view now.
    pub(crate) fn view(&self, view: &View) -> Viewed {
        self.rendered.view(&*self.source, view)
    }

    /// The view now, and from now on.
    pub(crate) fn subscribe(self: &Arc<Self>, view: View) -> Result<mpsc::Receiver<Tick>, TooMany> {
        let mut readers = self.readers.lock();
        readers.all.retain(|reader| !reader.to.is_closed());
        if readers.all.len() >= MAX_STREAMS {
            return Err(TooMany);
        }
        let viewed = self.view(&view);
        let (to, from) = mpsc::channel(1);
        let mut reader = Reader {
            view,
            to,
            has: None,
            missed: 0,
        };
        reader.send(&viewed.text, &at(viewed.at));
        readers.all.push(reader);
        if !readers.is_ticking {
            readers.is_ticking = true;
            tokio::spawn(tick(Arc::clone(self), viewed.interval));
        }
        Ok(from)
    }

    /// Renders each view that is looked at once, and sends it to its readers. Returns when to do so again;
    /// `None` if there are no readers: the next one starts the ticks again.
    fn send(&self) -> Option<Duration> {
        let mut readers = self.readers.lock();
        let mut views: BTreeMap<View, (Arc<Text>, Bytes)> = BTreeMap::new();
        let mut interval = SHORTEST;
        readers.all.retain_mut(|reader| {
            if reader.to.is_closed() {
                return false;
            }
            if !views.contains_key(&reader.view) {
                let viewed = self.view(&reader.view);
                interval = interval.max(viewed.interval);
                views.insert(reader.view.clone(), (viewed.text, at(viewed.at)));
            }
            let (text, at) = &views[&reader.view];
            reader.send(text, at)
        });
        readers.is_ticking = !readers.all.is_empty();
        readers.is_ticking.then_some(interval)
    }
}

impl Reader {
    /// Sends what is new. Returns whether the reader stays.
    fn send(&mut self, text: &Text, at: &Bytes) -> bool {
        let is_new = self.has != Some(text.digest);
        let tick = Tick {
            content: is_new.then(|| text.event.clone()),
            at: at.clone(),
        };
        match self.to.try_send(tick) {
            Ok(()) => {
                self.has = Some(text.digest);
                self.missed = 0;
                true
            }
            Err(TrySendError::Full(_)) => {
                self.missed += 1;
                self.missed < MAX_MISSED
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

fn at(at: Option<Timestamp>) -> Bytes {
    event("at", &at.map_or_else(String::new, |at| at.to_string()))
}

async fn tick(viewers: Arc<Viewers>, mut interval: Duration) {
    loop {
        // A tick without a new snapshot renders nothing, and a new one is late by half an interval at most.
        tokio::time::sleep((interval / 2).max(SHORTEST)).await;
        match viewers.send() {
            Some(next) => interval = next,
            None => return,
        }
    }
}
