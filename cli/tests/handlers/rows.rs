//! The table.

use crate::demands as d;
use crate::row::But::{self, AbsentFrom, Added, ReadToTheEnd};
use crate::row::{Row, Task, failed, succeeded};
use crate::wrappers as w;

const FIREBASE: &str = r#"{"data":{"order":7}}"#;
const SIGNED_CHAIN: &str = "oidc: {serviceAccountEmail: pusher@demo.example, audiences: [orders]}";

pub fn rows() -> Vec<Row> {
    let tables = [
        wrappers(),
        counts(),
        headers(),
        settings(),
        requests(),
        redirects(),
        answers(),
    ];
    tables.into_iter().flatten().collect()
}

/// A row whose task arrives four times, and fails each time.
fn arrives(name: &'static str, task: Task) -> Row {
    Row::new(name, task, d::fails, failed(4))
}

/// A task with these headers of its producer.
fn with(names: &[&'static str]) -> Task {
    let task = Task::json("{}");
    names.iter().fold(task, |task, name| {
        task.with(*name, format!("of the producer: {name}"))
    })
}

fn json() -> Task {
    Task::json("{}")
}

fn wrappers() -> Vec<Row> {
    let firebase = || Task::json(FIREBASE).signed();
    let laravel = || json().signed();
    let cloudtasker = || Task::json("e30=").with("Content-Transfer-Encoding", "base64");
    let django = json()
        .to("localhost", "/tasks/Order")
        .with("X-CloudTasks-Projectname", "shop")
        .with("X-Forwarded-Proto", "https");
    vec![
        Row::new("firebase", firebase(), w::firebase, succeeded(1)),
        // The token of a signed task is stage one's alone.
        Row::new(
            "firebase-on-stage-two",
            firebase(),
            w::firebase_that_throws_twice,
            succeeded(3),
        )
        .but([But::Course(failed(4)), AbsentFrom("authorization", 3)]),
        Row::new(
            "firebase-with-the-chains-token",
            firebase(),
            w::firebase_that_throws_twice,
            succeeded(3),
        )
        .spec(SIGNED_CHAIN)
        .handler_settings("{token: Pass}"),
        Row::new("laravel", laravel(), w::laravel, succeeded(1)),
        // Can't work: on stage two the task has another name, on another queue.
        Row::new(
            "laravel-on-stage-two",
            laravel(),
            w::laravel_that_fails_twice,
            succeeded(3),
        )
        .spec(SIGNED_CHAIN)
        .handler_settings("{token: Pass}")
        .but([But::Course(failed(4))]),
        // The ladder never moves: each release is a new task on stage one.
        Row::new(
            "laravel-release",
            laravel(),
            w::laravel_that_releases,
            succeeded(2),
        ),
        Row::new("django", django, w::django_that_raises_twice, succeeded(3))
            .spec("keepHeaders: [X-Forwarded-Proto]")
            .handler_settings("{host: localhost}"),
        Row::new(
            "cloudtasker",
            cloudtasker().with("X-Cloudtasker-Authorization", "Bearer of-cloudtasker"),
            w::cloudtasker,
            succeeded(3),
        ),
        Row::new(
            "cloudtasker-0-13",
            cloudtasker().with("Authorization", "Bearer of-cloudtasker"),
            w::cloudtasker,
            succeeded(3),
        ),
        Row::new("spring", json(), w::spring, succeeded(3)),
        Row::new(
            "spring-https",
            json().with("X-Forwarded-Proto", "https"),
            w::spring_that_requires_https,
            succeeded(3),
        )
        .spec("keepHeaders: [X-Forwarded-Proto]"),
    ]
}

fn counts() -> Vec<Row> {
    vec![
        Row::new(
            "count-missing-is-last",
            json(),
            d::gives_up_without_a_count,
            succeeded(3),
        ),
        Row::new("counts-rise", json(), d::counts, succeeded(3)),
        arrives("all-attempts-fail", json()).event(&[("/lastAnswer/body", "no stock")]),
        // What a producer says of earlier dispatches counts for nothing.
        arrives(
            "counts-of-the-producer",
            json()
                .with("X-CloudTasks-TaskRetryCount", "7")
                .with("X-CloudTasks-TaskExecutionCount", "7")
                .with("X-CloudTasks-TaskName", "another")
                .with("X-CloudTasks-TaskPreviousResponse", "597"),
        ),
    ]
}

fn headers() -> Vec<Row> {
    let of_proxies = ["X-Forwarded-Host", "X-Envoy-Original-Path", "Forwarded"];
    let many = (0..100).fold(json(), |task, nth| {
        task.with(format!("X-Own-{nth}"), "x".repeat(200))
    });
    vec![
        Row::new(
            "secret",
            json().with("X-CloudTasks-Secret", "of-the-shop"),
            d::demands_its_secret,
            succeeded(3),
        ),
        arrives(
            "names-of-the-producer",
            with(&[
                "X-CloudTasks-Secret",
                "X-CloudTasks-Projectname",
                "x-cloudtasks-TASKNAMES",
                "X-CloudTasker-Signature",
                "X-Goog-Custom",
                "X-B3-TraceId",
                "Traceparent",
                "Accept-Language",
                "Cookie",
                "If-None-Match",
                "Range",
            ]),
        )
        .event(&[
            (
                "/request/headers/x-cloudtasks-secret",
                "of the producer: X-CloudTasks-Secret",
            ),
            ("/request/headers/cookie", "of the producer: Cookie"),
        ]),
        // Whether the producer or a proxy wrote them nobody can tell. On stage one they arrive.
        arrives("names-of-proxies", with(&of_proxies)).but([
            AbsentFrom("x-forwarded-host", 3),
            AbsentFrom("x-envoy-original-path", 3),
            AbsentFrom("forwarded", 3),
        ]),
        arrives("names-of-proxies-kept", with(&of_proxies))
            .spec("keepHeaders: [X-Forwarded-Host, x-envoy-original-path, Forwarded]")
            .event(&[("/request/headers/forwarded", "of the producer: Forwarded")]),
        arrives("names-of-a-chain", with(&["Executor-Stage-Name"]))
            .but([AbsentFrom("executor-stage-name", 1)]),
        arrives(
            "values",
            json()
                .with("X-List", "a, b,c ,\"d, e\"")
                .with("X-Empty", "")
                .with("X-Name", "Zoë Ångström ✓")
                .with("X-Tab", "a\tb")
                .with("Cookie", "a=1; b=2"),
        ),
        arrives("headers-100", many),
        arrives(
            "accept-of-the-producer",
            json().with("Accept", "application/json"),
        ),
        arrives(
            "authorization-of-the-producer",
            json().with("Authorization", "Basic c2hvcA=="),
        )
        .event(&[("/request/headers/authorization", "Basic c2hvcA==")]),
        arrives(
            "content-type-of-the-producer",
            Task::post("{}").with("Content-Type", "text/x; charset=\"utf-8\""),
        ),
    ]
}

fn settings() -> Vec<Row> {
    vec![
        arrives("fixed-headers", json())
            .handler_settings("{headers: [{name: X-Fixed, value: of the chain}]}")
            .but([Added("x-fixed")]),
        arrives("no-cloud-tasks-headers", json())
            .handler_settings("{cloudTasksHeaders: Drop}")
            .but([
                AbsentFrom("x-cloudtasks-queuename", 1),
                AbsentFrom("x-cloudtasks-taskname", 1),
                AbsentFrom("x-cloudtasks-taskretrycount", 1),
                AbsentFrom("x-cloudtasks-taskexecutioncount", 1),
                AbsentFrom("x-cloudtasks-tasketa", 1),
                AbsentFrom("x-cloudtasks-taskpreviousresponse", 1),
            ]),
    ]
}

fn requests() -> Vec<Row> {
    // RFC 9110 asks for a length of 0 with these. The emulator sends none.
    let demands_a_length = |name, method| {
        Row::new(name, Task::method(method), d::demands_a_length, failed(4))
            .but([But::Course(succeeded(1)), Added("content-length")])
    };
    vec![
        arrives("get", Task::method("GET")),
        arrives("options", Task::method("OPTIONS")),
        arrives("delete", Task::method("DELETE")),
        Row::new("head", Task::method("HEAD"), d::succeeds, succeeded(1)),
        demands_a_length("length-post", "POST"),
        demands_a_length("length-put", "PUT"),
        demands_a_length("length-patch", "PATCH"),
        arrives(
            "path",
            json().to("127.0.0.1", "/%C3%BC//a%2Fb;c=1/../d?q=%20+&q=&r"),
        ),
        arrives("body-1-byte", Task::post("x")),
        arrives("body-binary", Task::post((0..=255).collect::<Vec<u8>>())),
        arrives("body-700-kib", Task::post(vec![b'x'; 700 * 1024])),
        // A task of 1 MiB, with its name and headers.
        Row::new(
            "body-1-mib",
            Task::post(vec![b'x'; 1024 * 1024 - 1024]),
            d::succeeds,
            succeeded(1),
        ),
    ]
}

fn redirects() -> Vec<Row> {
    vec![
        Row::new("redirect-301", json(), d::moved_301, succeeded(2)),
        Row::new("redirect-302", json(), d::moved_302, succeeded(2)),
        Row::new("redirect-303", json(), d::moved_303, succeeded(2)),
        Row::new("redirect-307", json(), d::moved_307, succeeded(2)),
        Row::new("redirect-308", json(), d::moved_308, succeeded(2)),
        Row::new(
            "redirect-elsewhere",
            json(),
            d::moved_elsewhere,
            succeeded(2),
        )
        .but([But::Course(failed(4)), But::OnlyTheFirst])
        .event(&[("/reason", "redirect")]),
    ]
}

fn answers() -> Vec<Row> {
    vec![
        Row::new(
            "answer-compressed-on-request",
            json(),
            d::compresses,
            failed(4),
        )
        .event(&[("/lastAnswer/body", "no stock")]),
        Row::new(
            "answer-compressed-always",
            json(),
            d::compresses_always,
            failed(4),
        )
        .event(&[
            ("/lastAnswer/contentEncoding", "gzip"),
            ("/lastAnswer/contentType", "text/plain"),
        ]),
        Row::new(
            "answer-3-mib",
            json(),
            d::answers_3_mib_while_it_works,
            succeeded(1),
        )
        .but([ReadToTheEnd]),
        // The emulator takes the headers for the answer. A chain reads to the end.
        Row::new(
            "answer-broken-at-2-mib",
            json(),
            d::breaks_at_2_mib,
            succeeded(1),
        )
        .but([But::Course(failed(4)), ReadToTheEnd])
        .event(&[("/reason", "connection")]),
        Row::new(
            "answer-until-the-connection-ends",
            json(),
            d::ends_with_the_connection,
            succeeded(1),
        ),
        Row::new("answer-205", json(), d::resets_content, succeeded(1)),
        Row::new("answer-304", json(), d::not_modified, failed(4)),
        Row::new("answer-101", json(), d::switches_protocols, failed(4)),
        Row::new("answer-1xx-before", json(), d::hints_early, succeeded(1)),
    ]
}
