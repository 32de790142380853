//! The emulator as a child process.

use cloudtasks::{QueuePath, QueueSettings};
use testkit::Emulator;

#[tokio::test]
async fn it_serves_queues_and_forgets_them_with_its_process() {
    let path: QueuePath = "projects/p/locations/l/queues/q"
        .parse()
        .expect("a queue's path");
    let emulator = Emulator::start().await;
    let tasks = emulator.cloud_tasks().await;
    let queue = tasks
        .create_queue(&path, &QueueSettings::default())
        .await
        .expect("it creates queues");
    assert_eq!(tasks.list_queues(&path.parent).await, Ok(vec![queue]));

    let port = emulator.addr().port();
    drop(emulator);
    let emulator = Emulator::start_on(port).await;
    let tasks = emulator.cloud_tasks().await;
    assert_eq!(tasks.list_queues(&path.parent).await, Ok(vec![]));
}
