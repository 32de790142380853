//! The handlers' server: it shows each request as it came over the wire, and sends answers that no
//! ordinary server sends.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A connection that stays open without a request, or a client that doesn't read.
const IDLE: Duration = Duration::from_secs(20);

/// A request, as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    /// The number of this request of the row's task, from 1.
    pub nth: usize,
    /// Where the handler reaches Cloud Tasks.
    pub cloud_tasks: SocketAddr,
    /// Whether the caller took the whole answer. None while it is on its way.
    pub answered: Option<bool>,
}

impl Request {
    /// The first value of a header, or none where it is absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(is, _)| is == name)?;
        std::str::from_utf8(value).ok()
    }

    pub fn has(&self, name: &str, value: &str) -> bool {
        self.header(name) == Some(value)
    }
}

/// An answer, byte for byte.
#[derive(Debug, Clone)]
pub struct Answer {
    bytes: Vec<u8>,
    /// Written in so many pieces, as a handler does that makes its answer while it works.
    pieces: u32,
}

impl Answer {
    pub fn status(code: u16) -> Self {
        Self::with(code, &[], "")
    }

    pub fn with(code: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut head = format!(
            "HTTP/1.1 {code} Answer\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("Connection: close\r\n\r\n");
        Self::raw([head.as_bytes(), body].concat())
    }

    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { bytes, pieces: 1 }
    }

    pub fn in_pieces(self, pieces: u32) -> Self {
        Self { pieces, ..self }
    }

    fn write(&self, mut to: &TcpStream) -> io::Result<()> {
        let size = self
            .bytes
            .len()
            .div_ceil(self.pieces.try_into().unwrap_or(1));
        for piece in self.bytes.chunks(size.max(1)) {
            to.write_all(piece)?;
            if self.pieces > 1 {
                // The handler works on the next piece.
                std::thread::sleep(Duration::from_millis(25));
            }
        }
        to.flush()?;
        to.shutdown(Shutdown::Write)?;
        // The caller closes after the last byte, or before.
        match to.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(io::Error::other("a second request")),
            Err(error) => Err(error),
        }
    }
}

/// What each row's handler was sent, by the row's name.
pub type Log = Arc<Mutex<BTreeMap<String, Vec<Request>>>>;

/// By the row's name.
pub type Handlers = BTreeMap<String, fn(&Request) -> Answer>;

/// Serves the handlers of many rows until the process ends. The first part of the path names the row.
pub fn serve(handlers: Handlers, cloud_tasks: SocketAddr) -> (SocketAddr, Log) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let log = Log::default();
    let serving = Arc::clone(&log);
    let handlers = Arc::new(handlers);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (handlers, log) = (Arc::clone(&handlers), Arc::clone(&serving));
            std::thread::spawn(move || {
                // A connection without a request is closed by its caller.
                let _ = answer(&stream, &handlers, &log, cloud_tasks);
            });
        }
    });
    (addr, log)
}

fn answer(
    stream: &TcpStream,
    handlers: &Handlers,
    log: &Log,
    cloud_tasks: SocketAddr,
) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(IDLE))?;
    let mut request = read(stream, cloud_tasks)?;
    let row = request.target.split(['/', '?']).nth(1).unwrap_or_default();
    let row = row.to_owned();
    let index = {
        let mut log = log.lock().unwrap();
        let requests = log.entry(row.clone()).or_default();
        request.nth = requests.len() + 1;
        requests.push(request.clone());
        requests.len() - 1
    };
    let answer = match handlers.get(&row) {
        Some(handler) => handler(&request),
        None => Answer::status(404),
    };
    let taken = answer.write(stream).is_ok();
    log.lock().unwrap().entry(row).or_default()[index].answered = Some(taken);
    Ok(())
}

fn read(stream: &TcpStream, cloud_tasks: SocketAddr) -> io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let first = String::from_utf8_lossy(&line(&mut reader)?).into_owned();
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next(), words.next());
    let mut headers = Vec::new();
    loop {
        let line = line(&mut reader)?;
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            break;
        };
        let name = String::from_utf8_lossy(&line[..colon]).to_lowercase();
        headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
    }
    let mut request = Request {
        method: method.unwrap_or_default(),
        target: target.unwrap_or_default(),
        headers,
        body: Vec::new(),
        nth: 0,
        cloud_tasks,
        answered: None,
    };
    if request.has("transfer-encoding", "chunked") {
        loop {
            let size = String::from_utf8_lossy(&line(&mut reader)?).into_owned();
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk)?;
            request.body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = request.header("content-length") {
        request.body = vec![0; length.parse().map_err(io::Error::other)?];
        reader.read_exact(&mut request.body)?;
    }
    Ok(request)
}

/// A line without its end.
fn line(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_ascii_end().to_vec())
}
