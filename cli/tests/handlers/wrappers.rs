//! Handlers in the manner of public frameworks' wrappers: what each demands of a request, and what it
//! answers. The sources were read in November 2026.

use std::time::Duration;

use serde_json::Value;

use crate::rest;
use crate::row::Task;
use crate::server::{Answer, Request};

/// `onTaskDispatched` of firebase-functions (Node): a POST of `{"data": …}`, a bearer token, and five
/// headers of Cloud Tasks. Later versions only read the headers.
pub fn firebase(request: &Request) -> Answer {
    const INTERNAL: &str = r#"{"error":{"message":"INTERNAL","status":"INTERNAL"}}"#;
    let json = [("Content-Type", "application/json; charset=utf-8")];
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if request.method != "POST"
        || !request.has("content-type", "application/json")
        || body.get("data").is_none()
    {
        return Answer::with(400, &json, r#"{"error":{"status":"INVALID_ARGUMENT"}}"#);
    }
    if !is_signed(request) {
        return Answer::with(401, &json, r#"{"error":{"status":"UNAUTHENTICATED"}}"#);
    }
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    let headers = [
        request.header("x-cloudtasks-queuename").is_some(),
        request.header("x-cloudtasks-taskname").is_some(),
        request
            .header("x-cloudtasks-taskretrycount")
            .is_some_and(is_number),
        request
            .header("x-cloudtasks-taskexecutioncount")
            .is_some_and(is_number),
        request
            .header("x-cloudtasks-tasketa")
            .is_some_and(is_number),
    ];
    if headers.contains(&false) {
        return Answer::with(500, &json, INTERNAL);
    }
    Answer::status(204)
}

/// As [`firebase`], and its function throws until the third attempt.
pub fn firebase_that_throws_twice(request: &Request) -> Answer {
    match firebase(request) {
        _ if request.nth < 3 => Answer::with(400, &[], r#"{"error":{"status":"ABORTED"}}"#),
        answer => answer,
    }
}

/// A token that Cloud Tasks has signed: three parts.
fn is_signed(request: &Request) -> bool {
    let token = request.header("authorization").unwrap_or_default();
    token
        .strip_prefix("Bearer ")
        .is_some_and(|token| token.split('.').count() == 3)
}

/// stackkit/laravel-google-cloud-tasks-queue: a verified token, and the task's name, by which it looks
/// the task up on the queue that its payload names. It is 404 where Cloud Tasks has no such task.
pub fn laravel(request: &Request) -> Answer {
    if !is_signed(request) {
        return Answer::status(403);
    }
    let Some(name) = request.header("x-cloudtasks-taskname") else {
        return Answer::with(500, &[], "Unable to extract taskname from header");
    };
    if rest::has_task(request.cloud_tasks, name) {
        Answer::status(200)
    } else {
        Answer::status(404)
    }
}

/// As [`laravel`], and two attempts fail before.
pub fn laravel_that_fails_twice(request: &Request) -> Answer {
    if request.nth < 3 {
        return Answer::status(409);
    }
    // A stage's queue may get its answer only after the next stage's task has begun.
    let name = request.header("x-cloudtasks-taskname").unwrap_or_default();
    for _ in 0..20 {
        if !rest::has_task(request.cloud_tasks, name) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    laravel(request)
}

/// Laravel's way to retry: the job fails, so the wrapper deletes its own task, creates it again with one
/// attempt more in the payload, and answers 200.
pub fn laravel_that_releases(request: &Request) -> Answer {
    let answer = laravel(request);
    if request.body == b"{\"attempts\":1}" {
        return answer;
    }
    let name = request.header("x-cloudtasks-taskname").unwrap_or_default();
    let row = request.target.split('/').nth(1).unwrap_or_default();
    let next = Task::post("{\"attempts\":1}").signed();
    rest::delete_task(request.cloud_tasks, name);
    let next_name = format!("{row}-again");
    let host = request.header("host").unwrap_or_default();
    let port = host.rsplit(':').next().and_then(|port| port.parse().ok());
    rest::create_task(
        request.cloud_tasks,
        row,
        &next_name,
        &next,
        port.unwrap_or(80),
    );
    answer
}

/// Django: `ALLOWED_HOSTS` has the host, and `SECURE_SSL_REDIRECT` with `SECURE_PROXY_SSL_HEADER` sends
/// a request that didn't come by https there. flamingo-run/django-cloud-tasks then reads its metadata, with the
/// project in a header of its own.
pub fn django(request: &Request) -> Answer {
    let host = request.header("host").unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default();
    if name != "localhost" {
        return Answer::with(400, &[], "Bad Request (400)");
    }
    if !request.has("x-forwarded-proto", "https") {
        let location = format!("https://{host}{}", request.target);
        return Answer::with(301, &[("Location", &location)], "");
    }
    let has_metadata = ["projectname", "queuename", "taskname", "taskretrycount"]
        .map(|name| request.header(&format!("x-cloudtasks-{name}")))
        .iter()
        .all(Option::is_some);
    if !has_metadata {
        return Answer::with(500, &[], "int() argument must be a string");
    }
    Answer::with(200, &[], r#"{"result": null, "status": "executed"}"#)
}

/// As [`django`], and the task raises twice before.
pub fn django_that_raises_twice(request: &Request) -> Answer {
    match django(request) {
        _ if request.nth < 3 => Answer::status(409),
        answer => answer,
    }
}

/// keypup-io/cloudtasker (Rails): its own signature in a header, a body in Base64, and its own count of
/// retries. A job that has failed too often is dead, for which it answers 205.
pub fn cloudtasker(request: &Request) -> Answer {
    let by_header = request.has("x-cloudtasker-authorization", "Bearer of-cloudtasker");
    if !by_header && !request.has("authorization", "Bearer of-cloudtasker") {
        return Answer::status(401);
    }
    if !request.has("content-transfer-encoding", "base64") {
        return Answer::status(422);
    }
    // Ruby's `nil.to_s.to_i` is 0.
    let retries = request
        .header("x-cloudtasks-taskretrycount")
        .unwrap_or_default();
    if retries.parse().unwrap_or(0) >= 2 {
        Answer::status(205)
    } else {
        Answer::status(422)
    }
}

/// A Spring controller with `@RequestHeader` for the task's name, which is required, and the number of
/// retries, which isn't. On the last of its three attempts it records the failure and answers 200.
pub fn spring(request: &Request) -> Answer {
    if request.header("x-cloudtasks-taskname").is_none() {
        return Answer::with(
            400,
            &[],
            "Required header 'X-CloudTasks-TaskName' is not present.",
        );
    }
    if !request.has("content-type", "application/json") {
        return Answer::status(415);
    }
    let retries = request.header("x-cloudtasks-taskretrycount").unwrap_or("0");
    if retries.parse().unwrap_or(0) + 1 >= 3 {
        Answer::with(200, &[], r#"{"status":"ERROR"}"#)
    } else {
        Answer::status(409)
    }
}

/// Spring Security's `requiresSecure()`, or Tomcat with `RemoteIpValve`: the scheme of the request is
/// that of `X-Forwarded-Proto`.
pub fn spring_that_requires_https(request: &Request) -> Answer {
    if request.has("x-forwarded-proto", "https") {
        return if request.nth < 3 {
            Answer::status(409)
        } else {
            Answer::status(200)
        };
    }
    let host = request.header("host").unwrap_or_default();
    let location = format!("https://{host}{}", request.target);
    Answer::with(302, &[("Location", &location)], "")
}
