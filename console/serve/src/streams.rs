//! Event streams. One task renders for all of them, and ends with the last of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::rendered::{Rendered, Text};
use crate::source::Source;
use crate::view::View;

/// Event streams at once. More get 503.
pub const MAX_STREAMS: usize = 256;

/// Events that a reader may miss in a row before it is dropped.
const MAX_MISSED: u32 = 10;

/// Between events, whatever the source says.
const SHORTEST: Duration = Duration::from_millis(500);

/// Says that the connection lives, and that the numbers are still those.
const NOTHING_NEW: Bytes = Bytes::from_static(b"event: same\ndata:\n\n");

/// All viewers: requests, and event streams.
pub(crate) struct Viewers {
    source: Arc<dyn Source>,
    rendered: Rendered,
    readers: Mutex<Readers>,
}

#[derive(Default)]
struct Readers {
    all: Vec<Reader>,
    is_ticking: bool,
}

struct Reader {
    view: View,
    to: mpsc::Sender<Bytes>,
    /// What it has been sent last.
    has: Arc<Text>,
    missed: u32,
}

/// All places are taken.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Viewers {
    pub(crate) fn new(source: Arc<dyn Source>) -> Self {
        Self {
            source,
            rendered: Rendered::default(),
            readers: Mutex::default(),
        }
    }

    /// The view now.
    pub(crate) fn view(&self, view: &View) -> Arc<Text> {
        self.rendered.view(&*self.source, view).0
    }

    /// The view now, and from now on.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        view: View,
    ) -> Result<mpsc::Receiver<Bytes>, TooMany> {
        let has = self.view(&view);
        let mut readers = self.readers.lock();
        readers.all.retain(|reader| !reader.to.is_closed());
        if readers.all.len() >= MAX_STREAMS {
            return Err(TooMany);
        }
        // One that is on its way, and one that waits.
        let (to, from) = mpsc::channel(1);
        to.try_send(has.event.clone())
            .expect("the channel is new and has room for one");
        readers.all.push(Reader {
            view,
            to,
            has,
            missed: 0,
        });
        if !readers.is_ticking {
            readers.is_ticking = true;
            tokio::spawn(tick(Arc::clone(self)));
        }
        Ok(from)
    }

    /// Renders each view that is looked at once, and sends it to its readers. `None` if there are none: the
    /// next reader starts the ticks again.
    fn send(&self) -> Option<Duration> {
        let mut readers = self.readers.lock();
        let mut texts: BTreeMap<View, Arc<Text>> = BTreeMap::new();
        let mut interval = SHORTEST;
        readers.all.retain_mut(|reader| {
            if reader.to.is_closed() {
                return false;
            }
            if !texts.contains_key(&reader.view) {
                let (text, next) = self.rendered.view(&*self.source, &reader.view);
                interval = interval.max(next);
                texts.insert(reader.view.clone(), text);
            }
            reader.send(&texts[&reader.view])
        });
        readers.is_ticking = !readers.all.is_empty();
        readers.is_ticking.then_some(interval)
    }
}

impl Reader {
    /// Sends what is new. Returns whether the reader stays.
    fn send(&mut self, text: &Arc<Text>) -> bool {
        let event = if Arc::ptr_eq(&self.has, text) {
            NOTHING_NEW
        } else {
            text.event.clone()
        };
        match self.to.try_send(event) {
            Ok(()) => {
                self.has = Arc::clone(text);
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

async fn tick(viewers: Arc<Viewers>) {
    let mut interval = SHORTEST;
    loop {
        tokio::time::sleep(interval).await;
        match viewers.send() {
            Some(next) => interval = next,
            None => return,
        }
    }
}
