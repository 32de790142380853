//! Cloud Tasks' REST API, which creates what the Rust client doesn't: tasks with a token of their own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::row::Task;

pub const PARENT: &str = "projects/demo/locations/europe-west1";
pub const QUEUE: &str = "incoming";

/// Sends one call. Returns the status and the body.
pub fn call(to: SocketAddr, method: &str, path: &str, body: &Value) -> io::Result<(u16, Value)> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let length = body.len();
    // HTTP/1.0 has no chunks: the connection's end is the body's.
    write!(
        stream,
        "{method} /v2/{path} HTTP/1.0\r\nHost: {to}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    Ok((status.unwrap_or_default(), body))
}

pub fn task_path(id: &str) -> String {
    format!("{PARENT}/queues/{QUEUE}/tasks/{id}")
}

/// Whether the first queue has the task.
pub fn has_task(cloud_tasks: SocketAddr, id: &str) -> bool {
    let answer = call(cloud_tasks, "GET", &task_path(id), &Value::Null);
    answer.is_ok_and(|(status, _)| status == 200)
}

pub fn delete_task(cloud_tasks: SocketAddr, id: &str) {
    call(cloud_tasks, "DELETE", &task_path(id), &Value::Null).unwrap();
}

/// Creates a task in the first queue, whose handler is at this port.
pub fn create_task(cloud_tasks: SocketAddr, row: &str, id: &str, task: &Task, port: u16) {
    let headers: serde_json::Map<String, Value> = task
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string().into()))
        .collect();
    let mut request = json!({
        "url": format!("http://{}:{port}/{row}{}", task.host, task.path),
        "httpMethod": task.method,
        "headers": headers,
        "body": BASE64_STANDARD.encode(&task.body),
    });
    if task.signed {
        request["oidcToken"] = json!({"serviceAccountEmail": "tasks@demo.example"});
    }
    let path = format!("{PARENT}/queues/{QUEUE}/tasks");
    let body = json!({"task": {"name": task_path(id), "httpRequest": request}});
    let (status, said) = call(cloud_tasks, "POST", &path, &body).unwrap();
    assert_eq!(status, 200, "{id}: {said}");
}
