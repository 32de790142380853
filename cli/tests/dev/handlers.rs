//! Which handlers run the tasks, and what `dev` says of one that can't be reached.

use testkit::{Receiver, eventually, free_port};

use crate::program::{Dev, ORDERS, SOON};

fn with_handler(stage: &str, url: &str) -> String {
    let from = format!("name: {stage},");
    ORDERS.replace(&from, &format!("{from} handler: {{url: '{url}'}},"))
}

#[tokio::test]
async fn the_manifests_own_handler_is_named() {
    let handler = Receiver::answering(200);
    let url = handler.url("");
    let manifest = with_handler("fast", &url).replace(
        "name: slow,",
        &format!("name: slow, handler: {{url: '{url}'}},"),
    );
    let dev = Dev::start(&manifest, &[]).await;
    let log = dev.process.log();
    assert!(log.contains(&format!("tasks are run by {url}\n")), "{log}");
    assert!(!log.contains("built-in"), "{log}");
}

#[tokio::test]
async fn stages_with_handlers_of_their_own_are_named() {
    let handler = Receiver::answering(200);
    let dev = Dev::start(&with_handler("fast", &handler.url("/run")), &[]).await;
    dev.says(&format!(
        "tasks are run on stage fast by {}\n",
        handler.url("/run")
    ))
    .await;
    dev.says("tasks are run on stage slow by a built-in handler: 15% fail")
        .await;
    // An edit that changes them is answered with the new ones.
    dev.edit(ORDERS);
    dev.says("tasks are run by a built-in handler: 15% fail")
        .await;
}

#[tokio::test]
async fn pushes_that_find_no_handler_are_no_attempts_and_are_mentioned() {
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let dev = Dev::start(ORDERS, &["--handler", &url]).await;
    dev.send(&[]).await;
    let sentence = format!(
        "stage fast: {url} accepts no connections: start the handler, or correct its address. Its tasks wait"
    );
    dev.says(&sentence).await;
    dev.says("fast: 1 queued, 0 attempts, 0 succeeded, 0 handed over")
        .await;
    let handler = Receiver::start_on(port, |_| std::future::ready((200, Vec::new(), Vec::new())));
    dev.says("fast: 0 queued, 1 attempts, 1 succeeded, 0 handed over")
        .await;
    // However many pushes found nothing.
    assert_eq!(dev.process.log().matches(&sentence).count(), 1);

    // A handler that goes away again is mentioned again.
    drop(handler);
    dev.send(&[]).await;
    eventually("the same sentence", SOON, async || {
        let times = dev.process.log().matches(&sentence).count();
        if times == 2 { Ok(()) } else { Err(times) }
    })
    .await;
}

#[tokio::test]
async fn the_client_gets_a_notification_with_its_headers() {
    let client = Receiver::answering(200);
    let url = client.url("/events?of=orders");
    let oidc = "oidc: {serviceAccountEmail: sender@demo.example, audience: shop}";
    let manifest = ORDERS.replace(
        "'https://api.example.com/task-events'",
        &format!("'{url}', {oidc}"),
    );
    let handler = Receiver::answering(200);
    let dev = Dev::start(&manifest, &["--handler", &handler.url("")]).await;
    dev.send(&[]).await;
    let event = eventually("an event", SOON, async || {
        client.requests().first().cloned()
    })
    .await;
    assert_eq!(event.uri, "/events?of=orders");
    assert_eq!(event.header("x-cloudtasks-queuename"), "orders-notifier");
    // A receiver that demands a token can be tried here.
    assert!(event.header("authorization").starts_with("Bearer eyJ"));
    assert_eq!(event.header("user-agent"), "Google-Cloud-Tasks");
    assert!(
        event
            .header("content-type")
            .starts_with("application/cloudevents+json")
    );
    assert_eq!(event.header("host"), client.addr().to_string());
    assert_eq!(event.header("content-length"), event.body.len().to_string());
}
