//! What single handlers demand and answer.

use crate::server::{Answer, Request};

/// Fails each attempt. Not with 5xx, which Cloud Tasks doesn't count as an execution.
pub fn fails(_: &Request) -> Answer {
    Answer::with(409, &[], "no stock")
}

pub fn succeeds(_: &Request) -> Answer {
    Answer::status(200)
}

/// Takes a missing count for the last attempt, and gives up with 200.
pub fn gives_up_without_a_count(request: &Request) -> Answer {
    match request.header("x-cloudtasks-taskretrycount") {
        None | Some("2") => Answer::status(200),
        Some(_) => Answer::status(409),
    }
}

/// Demands that the counts rise by one with each run.
pub fn counts(request: &Request) -> Answer {
    let count = (request.nth - 1).to_string();
    let names = ["taskretrycount", "taskexecutioncount"];
    let rise = names
        .iter()
        .all(|name| request.has(&format!("x-cloudtasks-{name}"), &count));
    match (rise, request.nth) {
        (true, 3) => Answer::status(200),
        (true, _) => Answer::status(409),
        (false, _) => Answer::status(400),
    }
}

/// A header that a producer sends and the handler checks, on each attempt. Succeeds on the third.
pub fn demands_its_secret(request: &Request) -> Answer {
    match (
        request.has("x-cloudtasks-secret", "of-the-shop"),
        request.nth,
    ) {
        (false, _) => Answer::status(401),
        (true, 3) => Answer::status(200),
        (true, _) => Answer::status(409),
    }
}

fn moved(request: &Request, code: u16, absolute: bool) -> Answer {
    if request.target.ends_with('/') {
        return Answer::status(200);
    }
    let mut location = format!("{}/", request.target);
    if absolute {
        let host = request.header("host").unwrap_or_default();
        location = format!("http://{host}{location}");
    }
    Answer::with(code, &[("Location", &location)], "moved")
}

pub fn moved_301(request: &Request) -> Answer {
    moved(request, 301, false)
}

pub fn moved_302(request: &Request) -> Answer {
    moved(request, 302, false)
}

pub fn moved_303(request: &Request) -> Answer {
    moved(request, 303, true)
}

pub fn moved_307(request: &Request) -> Answer {
    moved(request, 307, true)
}

pub fn moved_308(request: &Request) -> Answer {
    moved(request, 308, false)
}

/// To another host, where the task is well.
pub fn moved_elsewhere(request: &Request) -> Answer {
    let host = request.header("host").unwrap_or_default();
    if host.starts_with("localhost") {
        return Answer::status(200);
    }
    let there = host.replace("127.0.0.1", "localhost");
    let location = format!("http://{there}{}", request.target);
    Answer::with(307, &[("Location", &location)], "")
}

/// A server that wants a length with each POST, PUT, and PATCH.
pub fn demands_a_length(request: &Request) -> Answer {
    match request.header("content-length") {
        None => Answer::status(411),
        Some(_) => Answer::status(200),
    }
}

/// Compresses its answers for a client that takes them so.
pub fn compresses(request: &Request) -> Answer {
    let takes = request.header("accept-encoding").unwrap_or_default();
    if takes.contains("gzip") {
        compresses_always(request)
    } else {
        fails(request)
    }
}

/// Compresses its answers whatever was asked for. These bytes stand for compressed ones.
pub fn compresses_always(_: &Request) -> Answer {
    let headers = [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")];
    Answer::with(409, &headers, b"\x1f\x8b\x08\x00\xff")
}

/// What a handler that answers while it works sends: chunks, for a while.
pub fn answers_3_mib_while_it_works(_: &Request) -> Answer {
    let mut bytes =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".to_vec();
    for _ in 0..48 {
        bytes.extend_from_slice(b"10000\r\n");
        bytes.resize(bytes.len() + 0x10000, b'x');
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    Answer::raw(bytes).in_pieces(24)
}

/// The connection breaks after 2 of 3 MiB.
pub fn breaks_at_2_mib(_: &Request) -> Answer {
    let mut bytes =
        b"HTTP/1.1 200 OK\r\nContent-Length: 3145728\r\nConnection: close\r\n\r\n".to_vec();
    bytes.resize(bytes.len() + 2 * 1024 * 1024, b'x');
    Answer::raw(bytes)
}

pub fn ends_with_the_connection(_: &Request) -> Answer {
    Answer::raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndone")
}

pub fn resets_content(_: &Request) -> Answer {
    Answer::status(205)
}

pub fn not_modified(_: &Request) -> Answer {
    Answer::raw("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n")
}

pub fn switches_protocols(_: &Request) -> Answer {
    Answer::raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: none\r\nConnection: upgrade\r\n\r\n")
}

/// Three answers that are none before the one that is.
pub fn hints_early(_: &Request) -> Answer {
    Answer::raw(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
}
